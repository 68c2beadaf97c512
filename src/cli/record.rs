//! The result of a run, written and shown exactly once whoever gets there first: the run's end, a second signal, or
//! the watchdog. A document that cannot be written is a warning; it never changes the exit code.

use super::around::Around;
use super::output::{self, Output};
use crate::app::notify;
use crate::context::Context;
use crate::error::Error;
use crate::report::methods::store::Counting;
use crate::report::{ErrorReport, RunReport, line, now, store, text};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the threads that may end the process.
#[derive(Clone)]
pub struct Record {
    state_dir: PathBuf,
    output: Output,
    around: Around,
    opening: RunReport,
    context: Arc<Context>,
    written: Arc<Mutex<bool>>,
    counting: Option<Counting>,
}

impl Record {
    /// A run that has not ended. `opening` is what is known of it.
    #[must_use]
    pub fn new(state_dir: PathBuf, (output, around): (Output, Around), opening: RunReport, context: Arc<Context>) -> Self {
        Self { state_dir, output, around, opening, context, written: Arc::new(Mutex::new(false)), counting: None }
    }

    /// The same, which also keeps what methods were called.
    #[must_use]
    pub fn counting(self, counting: Counting) -> Self {
        Self { counting: Some(counting), ..self }
    }

    /// The run's own end.
    pub fn finish(&self, report: RunReport) {
        self.once(report, |report| {
            // A run that reached no table has nothing to sum up but its error.
            if self.output.json || report.error.is_none() || !report.tables.is_empty() {
                self.output.document(report, || text::summary(report));
            }
            if let Some(error) = &report.error {
                self.output.error(error);
            }
        });
    }

    /// An end without the run's own report: it cannot be waited for, or never began.
    pub fn give_up(&self, error: &Error, exit_code: u8) {
        let report = self.cut_short(error, exit_code);
        self.once(report.clone(), |report| {
            self.show_json(report);
            self.output.error(&ErrorReport::from(error));
        });
        // Whoever sends signals waits, and a receiver notices by itself that no end came.
        if !matches!(exit_code, 130 | 143) {
            for why in notify::ended(&self.around.outlets, &report, true) {
                log::debug!("{why}");
            }
        }
    }

    /// The same when the person was told already.
    pub fn give_up_silently(&self, error: &Error, exit_code: u8) {
        self.once(self.cut_short(error, exit_code), |report| self.show_json(report));
    }

    fn show_json(&self, report: &RunReport) {
        if self.output.json {
            self.output.document(report, String::new);
        }
    }

    /// What is known of a run that has no report of its own.
    fn cut_short(&self, error: &Error, exit_code: u8) -> RunReport {
        let seen = self.context.progress.snapshot();
        let mut report = self.opening.clone();
        report.tell(&self.context);
        report.exit_code = exit_code;
        report.status = if matches!(exit_code, 4 | 130 | 143) { "stopped".into() } else { "failed".into() };
        report.ended_at = now();
        report.seconds = seen.elapsed.as_secs_f64();
        report.totals.tables = seen.tables_total;
        report.totals.rows_read = seen.rows;
        report.totals.bytes = seen.bytes;
        report.add_times(&self.context.progress);
        report.error = Some(ErrorReport::from(error));
        report
    }

    fn once(&self, mut report: RunReport, show: impl FnOnce(&RunReport)) {
        // Held while writing: a second way out waits for the first one's document instead of cutting it short.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written {
            return;
        }
        *written = true;
        if let Err(error) = notify::measure(&self.around.outlets, &report) {
            log::warn!("{error}");
            report.warnings.push(error.to_string());
        }
        if let Err(error) = store::save(&self.state_dir, &report) {
            log::warn!("the result document is not kept: {error}");
        }
        self.counting.iter().for_each(Counting::keep);
        show(&report);
        // The last line of all: some schedulers read both streams as one.
        if let Some(prefix) = &self.around.json_line {
            output::line(&line::line(prefix, &report));
        }
    }
}
