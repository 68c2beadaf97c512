//! What a run was, as a document: times, phases, memory, failures. Holds no value of a row and no password.

use super::Context;
use super::failures::Failure;
use super::memory::MIB;
use super::phases::{Phase, moment};
use crate::error::Result;
use crate::files;
use serde::Serialize;
use std::path::Path;

/// Version of the document's form; raised when a field changes its meaning.
pub const VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`VERSION`].
    pub version: u32,
    /// The run.
    pub run_id: String,
    /// Nothing has ended it before its end.
    pub success: bool,
    /// It was asked to stop; the next one can go on.
    pub stopped: bool,
    /// It went on with what an earlier run had left.
    pub resumed: bool,
    /// The phase that the earlier run had not ended; none when this run began anew.
    pub resumed_from: Option<String>,
    /// When the document was made; RFC 3339, UTC.
    pub ended_at: String,
    /// Length of the run.
    pub seconds: f64,
    /// Rows that were done.
    pub rows: u64,
    /// In their order.
    pub phases: Vec<Phase>,
    /// The limit in force, MiB.
    pub memory_limit_mb: Option<u64>,
    /// The most memory that the process had, MiB.
    pub memory_high_mb: Option<u64>,
    /// The first failures, also those that ended nothing.
    pub failures: Vec<Failure>,
    /// How many more there were.
    pub failures_not_kept: u64,
    /// What ended the run.
    pub error: Option<Failure>,
}

impl Summary {
    /// What a context knows now; `resumed_from` is the phase that an earlier run had not ended.
    #[must_use]
    pub fn of(context: &Context, resumed_from: Option<&str>) -> Self {
        let (seen, error) = (context.progress.snapshot(), context.failures.fatal());
        Self {
            version: VERSION,
            run_id: context.run_id.clone(),
            success: error.is_none(),
            stopped: context.failures.is_stopped(),
            resumed: resumed_from.is_some(),
            resumed_from: resumed_from.map(str::to_owned),
            ended_at: moment(),
            seconds: seen.elapsed.as_secs_f64(),
            rows: seen.rows,
            phases: context.phases.told(),
            memory_limit_mb: context.memory.limit().map(|limit| limit.bytes / MIB),
            memory_high_mb: context.memory.high().map(|bytes| bytes.div_ceil(MIB)),
            failures: context.failures.kept(),
            failures_not_kept: context.failures.not_kept(),
            error,
        }
    }

    /// Writes it as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`crate::error::Kind::File`] with the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        // Every field is a plain value, so this cannot fail.
        files::replace(path, &(serde_json::to_string_pretty(self).unwrap_or_default() + "\n"))
    }
}
