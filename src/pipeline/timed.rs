//! One step of a worker's life: a job, the decision after a stage, a finish. Every one passes here.

use super::Services;
use super::queue::Job;
use super::table::TableWork;
use crate::error::{Error, Kind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does a step and records when and how long. A panic inside it is the table's failure, not the process's end.
pub fn caught<T>(services: &Services<'_>, table: &TableWork<'_>, what: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    let name = table.plan().name();
    let panicked = |_| Err(Error::new(Kind::Internal, format!("table {name}: a worker panicked in its step `{what}`")));
    let step = || catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(panicked).map_err(|error| services.cancel.stopped(error));
    services.progress.timeline.during(name, what, step)
}

impl Job {
    /// What a timeline calls it; parts count from 1.
    #[must_use]
    pub fn what(self) -> String {
        match self {
            Self::Whole { .. } => "load".into(),
            Self::Chunk { chunk, .. } => format!("chunk {}", chunk + 1),
            Self::Look { look, .. } => format!("look {}", look + 1),
            Self::Mend { .. } => "mend".into(),
            Self::Count { .. } => "count".into(),
        }
    }
}
