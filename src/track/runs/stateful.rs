//! The old form of the run tracker: it remembers the current run, and no method names it. For scripts that move step by step;
//! new code takes [`RunTracker`] or [`super::RunScope`].

use super::{Metrics, PastRun, Request, RunTracker};
use crate::config::Config;
use std::sync::{Mutex, PoisonError};

/// A tracker with a current run. Without one nothing is logged, and nothing fails: it is counted ([`EtlTracker::lost`]).
#[derive(Debug)]
pub struct EtlTracker {
    tracker: RunTracker,
    run: Mutex<Option<i64>>,
}

/// A tracker of the old form for the warehouse of a configuration.
#[must_use]
pub fn get_etl_tracker(config: &Config) -> EtlTracker {
    EtlTracker { tracker: RunTracker::new(config), run: Mutex::new(None) }
}

impl EtlTracker {
    /// Begins a run, which is the current one from now on. One that was current stays open, and is told as abandoned when the
    /// process is gone.
    pub fn start_run(&self, notes: &str) -> Option<i64> {
        let run = self.tracker.start_run(notes);
        *self.current() = run;
        run
    }

    /// Ends the current run; there is none afterwards.
    pub fn end_run(&self, success: bool, notes: &str) -> bool {
        let run = self.current().take();
        self.with(run, "ended", |tracker, run| tracker.end_run(run, success, notes))
    }

    /// Logs a request of the current run.
    pub fn log_request(&self, request: &Request) -> bool {
        let run = *self.current();
        self.with(run, "had a request", |tracker, run| tracker.log_request(run, request))
    }

    /// Logs how many items an entity of the source has.
    pub fn log_source_count(&self, entity: &str, count: u64) -> bool {
        let run = *self.current();
        self.with(run, "counted its source", |tracker, run| tracker.log_source_count(run, entity, count))
    }

    /// Sums over the requests of the current run.
    #[must_use]
    pub fn get_run_metrics(&self) -> Option<Metrics> {
        let run = *self.current();
        run.and_then(|run| self.tracker.get_run_metrics(run))
    }

    /// As [`RunTracker::get_recent_runs`].
    #[must_use]
    pub fn get_recent_runs(&self, limit: u32) -> Vec<PastRun> {
        self.tracker.get_recent_runs(limit)
    }

    /// The current run.
    #[must_use]
    pub fn run_id(&self) -> Option<i64> {
        *self.current()
    }

    /// What could not be logged so far; what was said while no run was current is a part of it.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.tracker.lost()
    }

    /// The stateless tracker behind it.
    #[must_use]
    pub const fn tracker(&self) -> &RunTracker {
        &self.tracker
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, run: Option<i64>, what: &str, work: impl FnOnce(&RunTracker, i64) -> bool) -> bool {
        match run {
            Some(run) => work(&self.tracker, run),
            None => {
                if self.tracker.is_enabled() {
                    self.tracker.shared.losses.one(&format!("no run is current that {what}"));
                }
                false
            }
        }
    }
}
