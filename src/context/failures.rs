//! What went wrong in a run: a bounded list, and how many did not fit.

use super::phases::moment;
use crate::error::{Error, Kind};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Failures kept. A fault of one kind may hit every row; the first ones tell as much as all of them.
const KEPT_MAX: usize = 100;

/// One failure. Holds no value of a row: what is said is the text of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The phase it was in.
    pub phase: String,
    /// What was being done, and why it failed.
    pub what: String,
    /// Stable word of the error's kind.
    pub kind: &'static str,
    /// What to do about it.
    pub hint: String,
    /// The run ends because of it.
    pub fatal: bool,
    /// RFC 3339, UTC.
    pub at: String,
}

#[derive(Debug, Default)]
struct All {
    kept: Vec<Failure>,
    not_kept: u64,
    fatal: Option<Failure>,
}

/// The failures of a run; shared by its threads.
#[derive(Debug, Default)]
pub struct Failures {
    all: Mutex<All>,
}

impl Failures {
    /// Keeps a failure; `fatal` when the run ends because of it.
    pub fn record(&self, phase: &str, error: &Error, fatal: bool) {
        let failure = Failure {
            phase: phase.to_owned(),
            what: error.to_string(),
            kind: error.kind().word(),
            hint: error.what_to_do().to_owned(),
            fatal,
            at: moment(),
        };
        let mut all = self.all();
        if fatal && all.fatal.is_none() {
            all.fatal = Some(failure.clone());
        }
        if all.kept.len() < KEPT_MAX {
            all.kept.push(failure);
        } else {
            all.not_kept += 1;
        }
    }

    /// The first ones, in the order they came.
    #[must_use]
    pub fn kept(&self) -> Vec<Failure> {
        self.all().kept.clone()
    }

    /// How many there were beyond those.
    #[must_use]
    pub fn not_kept(&self) -> u64 {
        self.all().not_kept
    }

    /// Why the run ended, the first reason of several.
    #[must_use]
    pub fn fatal(&self) -> Option<Failure> {
        self.all().fatal.clone()
    }

    /// Whether the run ended because it was asked to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.all().fatal.as_ref().is_some_and(|failure| failure.kind == Kind::Stopped.word())
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_ones_are_kept_the_others_counted_and_the_first_fatal_one_stays() {
        let failures = Failures::default();
        for row in 0..KEPT_MAX + 7 {
            failures.record("transform", &Error::new(Kind::Data, format!("row {row}")), false);
        }
        assert_eq!(failures.fatal(), None);
        failures.record("load", &Error::new(Kind::DiskFull, "the disk is full"), true);
        failures.record("extract", &Error::new(Kind::Stopped, "later"), true);
        assert_eq!((failures.kept().len(), failures.not_kept()), (KEPT_MAX, 9));
        assert_eq!(failures.kept()[3].what, "row 3");
        let fatal = failures.fatal().unwrap();
        assert_eq!((fatal.phase.as_str(), fatal.kind), ("load", "disk_full"));
        assert!(!failures.is_stopped());
    }
}
