//! The history of attempts: a row per table and attempt, appended by the tracker's writer, bounded by number and age.
//! It is for people, for the alarm about tables that are mended again and again, and it tells which incremental columns have missed
//! so many changes that no run reads past them any more.

use super::RunIdentity;
use crate::conn::postgres::PostgresConn;
use crate::error::{Doing, Kind, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Attempts that are kept per table: about three months of nights.
pub const KEPT_PER_TABLE: i64 = 100;

/// Days after which an attempt is forgotten, for tables that are not synced any more.
pub const KEPT_DAYS: i32 = 400;

/// Successes in a row that had to be mended before a run warns.
pub const HEALED_IN_A_ROW: u64 = 3;

/// How an attempt to load a table went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Attempt {
    /// Source table.
    pub table: String,
    /// `loaded`, `failed` or `refused`.
    pub outcome: &'static str,
    /// Kind of the error; none after a success.
    pub error_kind: Option<&'static str>,
    /// Strategy word; none where nothing was planned.
    pub strategy: Option<String>,
    /// Rows of the target after a success.
    pub rows: Option<u64>,
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were inserted.
    pub inserted: u64,
    /// Rows that were updated.
    pub updated: u64,
    /// Rows that were deleted.
    pub deleted: u64,
    /// From the first job to the end, seconds.
    pub seconds: f64,
    /// By what it was mended, when the counts of both sides had differed.
    pub healed_via: Option<String>,
    /// The watermark that the success before this one left.
    pub watermark_before: Option<String>,
    /// The watermark that this success left.
    pub watermark_after: Option<String>,
    /// Why the watermark before was not read from.
    pub voided: Option<String>,
    /// Snapshot kind word.
    pub snapshot: Option<&'static str>,
    /// Where the source stood in its log: GTID, or file and position.
    pub position: Option<String>,
    /// How both sides were compared: the words of the certificate.
    pub checked: Option<&'static str>,
    /// Rows that were compared by content.
    pub rows_compared: Option<u64>,
    /// What all rows add up to, hexadecimal.
    pub digest: Option<String>,
    /// Rows that the increments had missed; none when nobody looked.
    pub missed: Option<u64>,
    /// Rows that differed although nothing showed it, and were mended; none without a success.
    pub drift: Option<u64>,
    /// The incremental columns, where it was loaded by them.
    pub columns: Option<String>,
}

/// Appends attempts of a run.
///
/// # Errors
/// The classified server error.
pub fn append(conn: &mut PostgresConn, run: &RunIdentity, attempts: &[Attempt]) -> Result<()> {
    let doing = "writing the history of attempts";
    // jsonb holds no NUL.
    let rows = serde_json::to_string(attempts).doing(Kind::Internal, || doing)?.replace("\\u0000", "");
    conn.execute(include_str!("attempt_insert.sql"), &[&run.job, &run.run_id, &rows], doing)?;
    Ok(())
}

/// Forgets what is beyond the bounds.
///
/// # Errors
/// The classified server error.
pub fn prune(conn: &mut PostgresConn, job: &str) -> Result<()> {
    let doing = "shortening the history of attempts";
    conn.execute(include_str!("attempt_prune.sql"), &[&job, &KEPT_PER_TABLE, &KEPT_DAYS, &AUDITS_WEIGHED], doing)?;
    Ok(())
}

/// The last loads by increments that were compared by content decide whether a table's watermark is trusted.
pub const AUDITS_WEIGHED: i64 = 10;

/// So many of them with misses are too many.
pub const MISSES_MAX: i64 = 3;

/// Tables whose incremental columns have missed changes again and again: which columns, and how often.
///
/// # Errors
/// The classified server error.
pub fn distrusted(conn: &mut PostgresConn, job: &str) -> Result<BTreeMap<(String, String), i64>> {
    let sql = include_str!("attempt_missed.sql");
    let rows = conn.rows(sql, &[&job, &AUDITS_WEIGHED, &MISSES_MAX], "reading the history of attempts")?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// How many of the last successes of each table in a row were mended; only tables with one at least.
///
/// # Errors
/// The classified server error.
pub fn healed_in_a_row(conn: &mut PostgresConn, job: &str) -> Result<BTreeMap<String, u64>> {
    let rows = conn.rows(include_str!("attempt_healed.sql"), &[&job], "reading the history of attempts")?;
    Ok(rows.iter().map(|row| (row.get(0), u64::try_from(row.get::<_, i64>(1)).unwrap_or(0))).collect())
}

/// The warnings for tables that this run has mended; `before` are their mended successes in a row until now.
pub fn alarms<'a>(before: &BTreeMap<String, u64>, mended: impl Iterator<Item = &'a str>) -> Vec<String> {
    let streak = |table: &str| before.get(table).map_or(1, |count| count.saturating_add(1));
    mended
        .map(|table| (table, streak(table)))
        .filter(|(_, times)| *times >= HEALED_IN_A_ROW)
        .map(|(table, times)| {
            format!(
                "table {table} had to be mended in each of its last {times} loads: its incremental columns do not show every \
                 change, or something else writes to it; see `etl-sync status --table {table}` and docs/runbook-stale-state.md"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_time_in_a_row_raises_the_alarm() {
        let before: BTreeMap<String, u64> = [("a".to_owned(), 1), ("b".to_owned(), 2), ("quiet".to_owned(), 9)].into();
        let warnings = alarms(&before, ["a", "b", "new"].into_iter());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings.iter().all(|text| text.contains("table b had to be mended in each of its last 3 loads")),
            "{warnings:?}"
        );
    }
}
