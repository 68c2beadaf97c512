//! `run`: everything around the sync itself. Signals, deadlines, progress and the result document.

use super::args::{Global, PlanArgs, WorkArgs};
use super::output::Output;
use super::progress::Shown;
use super::record::Record;
use super::signals;
use crate::app::notify::Told;
use crate::app::sync::{Hops, Run, SyncOptions};
use crate::app::unfinished;
use crate::cancel::Cancel;
use crate::config::Config;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::report::methods::store::Counting;
use indicatif::MultiProgress;
use std::sync::Arc;

/// Stopped by its deadline or its window.
pub const STOPPED: u8 = 4;

impl PlanArgs {
    /// What a run and its plan are asked alike.
    pub fn options(&self) -> SyncOptions {
        let Self { tables, category, full, no_resume, verify, audit } = self.clone();
        SyncOptions { tables, category, full, no_resume, verify, audit, ..SyncOptions::default() }
    }
}

/// Syncs and returns the exit code; the result is written and shown.
pub fn run(
    config: &Config,
    hops: Hops,
    (args, repair): (&WorkArgs, bool),
    global: &Global,
    output: Output,
    bars: &MultiProgress,
) -> u8 {
    let (context, watchdog) = (Arc::new(unfinished::context(config)), Watchdog::new());
    let (cancel, progress) = (context.cancel.clone(), Arc::clone(&context.progress));
    let options =
        SyncOptions { hops, accept_deletes: args.accept_deletes, repair, transform: args.after(), ..args.what.options() };
    let run = Run::new(config, &options, &context, &watchdog);
    let counting = Counting::begin(&config.method_usage, run.id());
    let around = args.around.around(config);
    let told = (output, around.clone());
    let record = Record::new(config.state_dir.clone(), told, run.opening(), Arc::clone(&context)).counting(counting);
    // The summary shows them; a document does not show itself to whoever reads the log.
    for warning in config.warnings.iter().filter(|_| output.json) {
        log::warn!("{warning}");
    }
    let started =
        start((&cancel, &watchdog), &record, config, args).and_then(|()| Shown::start(Arc::clone(&progress), bars, global.quiet));
    let shown = match started {
        Ok(shown) => shown,
        Err(error) => {
            // Outside its window a run is stopped before it begins.
            let code = if error.kind() == Kind::Stopped { STOPPED } else { error.kind().policy().exit };
            record.give_up(&error, code);
            return code;
        }
    };
    let told = Told::begin(&around.outlets, &run.opening());
    let watch = context.watch().inspect_err(|error| log::warn!("{error}; memory is not watched")).ok();
    let mut report = run.sync();
    drop(watch);
    shown.end();
    watchdog.stop();
    let code = report.exit_code;
    if cancel.signal() == 0 {
        let wrong = told.end(&report, false);
        wrong.iter().for_each(|why| log::warn!("{why}"));
        report.warnings.extend(wrong);
        record.finish(report);
    } else {
        // Somebody waits for the end: nothing may come before the document.
        record.finish(report.clone());
        told.end(&report, true).iter().for_each(|why| log::debug!("{why}"));
    }
    code
}

fn start((cancel, watchdog): (&Cancel, &Watchdog), record: &Record, config: &Config, args: &WorkArgs) -> Result<()> {
    let closes = args.around.closes(config)?;
    let second = record.clone();
    let stopping = "the chunks in hand are finished first";
    signals::watch((cancel, watchdog), signals::GRACE, stopping, move |error, code| second.give_up(error, code))?;
    for end in args.until.into_iter().chain(closes) {
        end.watch(cancel.clone())?;
    }
    let record = record.clone();
    // The thread that waits can be neither woken nor joined, so the process ends around it.
    let thread = watchdog.start(move |what, length| {
        let error = Error::new(Kind::Timeout, format!("no answer for {} s: {what}", length.as_secs()));
        let code = error.kind().policy().exit;
        record.give_up(&error, code);
        std::process::exit(code.into());
    })?;
    drop(thread);
    Ok(())
}
