//! A run that ends however its scope is left: by its end, by an error, by a panic, by a return in the middle.

use super::{Request, RunTracker};
use std::fmt::Display;

/// A run that begins with the scope. Without a number, because it could not be logged, everything here does nothing.
#[derive(Debug)]
#[must_use = "a scope that is dropped at once is a failed run"]
pub struct RunScope {
    tracker: RunTracker,
    run: Option<i64>,
}

impl RunScope {
    /// Begins a run.
    pub fn start(tracker: &RunTracker, notes: &str) -> Self {
        Self { tracker: tracker.clone(), run: tracker.start_run(notes) }
    }

    /// Does `work` in a run: its success ends it as such, its error with its text, and goes on to the caller. That text must hold
    /// no cell values; those of [`crate::error::Error`] do not.
    ///
    /// # Errors
    /// That of `work`.
    pub fn run<T, E: Display>(tracker: &RunTracker, notes: &str, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let scope = Self::start(tracker, notes);
        let result = work(&scope);
        match &result {
            Ok(_) => scope.finish(),
            Err(error) => scope.fail(error),
        };
        result
    }

    /// Its number.
    #[must_use]
    pub const fn run_id(&self) -> Option<i64> {
        self.run
    }

    /// As [`RunTracker::log_request`].
    pub fn log_request(&self, request: &Request) -> bool {
        self.run.is_some_and(|run| self.tracker.log_request(run, request))
    }

    /// As [`RunTracker::log_source_count`].
    pub fn log_source_count(&self, entity: &str, count: u64) -> bool {
        self.run.is_some_and(|run| self.tracker.log_source_count(run, entity, count))
    }

    /// Ends the run as a success; false when that could not be logged.
    pub fn finish(mut self) -> bool {
        self.run.take().is_some_and(|run| self.tracker.end_run(run, true, ""))
    }

    /// Ends the run as failed, with the text of the error; false when that could not be logged.
    pub fn fail(mut self, error: &dyn Display) -> bool {
        self.run.take().is_some_and(|run| self.tracker.end_run(run, false, &error.to_string()))
    }
}

impl Drop for RunScope {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        // What a panic says may hold values.
        let why = if std::thread::panicking() { "the run panicked" } else { "the run was left before its end" };
        if !self.tracker.end_run(run, false, why) {
            log::debug!("run {run}: {why}");
        }
    }
}
