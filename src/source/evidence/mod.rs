//! What the values of candidate columns look like, for people who choose one: asked of the source in its own SQL.
//!
//! Values that no watermark can be made of are counted, and left out of the rest: zero dates, years before 1900 (which stand
//! for "none" in many programs), times beyond the source's clock. Of times, months are told and never values; of counters,
//! how many numbers lie between the first and the last.

mod query;

pub use query::{Query, Sampled, count};

/// Rows that are looked at on either end of the key of a table that is too large to be read whole.
pub const SAMPLE_ROWS: u64 = 50_000;

/// Counted by index at most; more is "at least".
pub const COUNT_MAX: u64 = 100_000;

/// What was seen of one column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Source column.
    pub column: String,
    /// Rows that were looked at.
    pub seen: u64,
    /// Of those, rows with NULL.
    pub nulls: u64,
    /// Zero dates; of a counter, numbers below 1.
    pub zero: u64,
    /// Years before 1900, other than zero dates.
    pub before_1900: u64,
    /// Beyond the source's clock, at most a year.
    pub future: u64,
    /// More than a year beyond the source's clock.
    pub far_future: u64,
    /// Month of the first of the other values, `2019-03`.
    pub first: Option<String>,
    /// Month of the last of them.
    pub last: Option<String>,
    /// Rows that have the last of them, at most [`COUNT_MAX`] of a table that is not read whole.
    pub ties: u64,
    /// Of a counter: numbers from the smallest to the largest, both included.
    pub span: Option<u64>,
}
