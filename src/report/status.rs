//! What the last runs left in the warehouse, as data and as text.

use super::plan::length;
use super::text::number;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// The last run; none when nothing was ever synced into this schema.
    pub run: Option<LastRun>,
    /// Every table that was ever planned, or the one that was asked for.
    pub tables: Vec<TableStatus>,
    /// The last attempts of the table that was asked for, the latest first; none when no table was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<PastAttempt>>,
}

/// An attempt to load a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastAttempt {
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// The run.
    pub run_id: String,
    /// `loaded`, `failed` or `refused`.
    pub outcome: String,
    /// Kind of the error.
    pub error_kind: Option<String>,
    /// Strategy word.
    pub strategy: Option<String>,
    /// Rows of the target after a success.
    pub rows: Option<i64>,
    /// Rows that were read.
    pub rows_read: i64,
    /// Rows that were inserted.
    pub inserted: i64,
    /// Rows that were updated.
    pub updated: i64,
    /// Rows that were deleted.
    pub deleted: i64,
    /// From the first job to the end.
    pub seconds: f64,
    /// By what it was mended, when the counts of both sides had differed.
    pub healed_via: Option<String>,
    /// The watermark before.
    pub watermark_before: Option<String>,
    /// The watermark after a success.
    pub watermark_after: Option<String>,
    /// Why the watermark before was not read from.
    pub voided: Option<String>,
    /// How both sides were compared, in the certificate's words; none without a success, and before this was kept.
    pub checked: Option<String>,
    /// Rows that its increments had missed; none when nobody looked.
    pub missed: Option<i64>,
    /// Rows that differed although nothing showed it, and were mended.
    pub drift: Option<i64>,
}

/// The last run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// `running`, `success`, `failed`, `interrupted`; `died` when nobody holds the lock and it never ended.
    pub state: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// The run lock is held by some session.
    pub lock_held: bool,
    /// Where the run works.
    pub host: String,
    /// Process id there.
    pub pid: i32,
    /// Since the last heartbeat.
    pub heartbeat_age_seconds: f64,
    /// Server identity and database of the source.
    pub source: String,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableStatus {
    /// Source table.
    pub table: String,
    /// `pending`, `running`, `success`, `failed`, `missing` (gone from the source).
    pub status: String,
    /// RFC 3339, UTC; none when it never succeeded.
    pub last_success: Option<String>,
    /// Since the last success.
    pub age_seconds: Option<f64>,
    /// Rows of the target at the last success.
    pub rows: Option<i64>,
    /// Source rows in the quarantine at the last success.
    pub rejected: Option<i64>,
    /// Strategy of the last success.
    pub strategy: Option<String>,
}

/// The answer as text.
#[must_use]
pub fn text(report: &StatusReport) -> String {
    let Some(run) = &report.run else {
        return format!("nothing was ever synced into schema {} of {}\n", report.schema, report.warehouse);
    };
    let mut lines = vec![
        format!("{}, schema {}", report.warehouse, report.schema),
        format!("last run  {} {}", run.run_id, run.state),
        format!("began     {}", run.started_at),
    ];
    lines.extend(run.ended_at.iter().map(|at| format!("ended     {at}")));
    lines.push(if run.lock_held {
        let age = length(run.heartbeat_age_seconds);
        format!("lock      held by process {} on {}, last heartbeat {age} ago", run.pid, host(&run.host))
    } else {
        "lock      free".into()
    });
    lines.push(String::new());
    if !report.tables.is_empty() {
        lines.push(table(&report.tables));
    }
    let failed = report.tables.iter().filter(|t| t.status == "failed").count();
    match &report.attempts {
        None => lines.push(format!("{} tables, {failed} failed", report.tables.len())),
        Some(attempts) if attempts.is_empty() => lines.push("no attempt of this table is known".into()),
        Some(attempts) => lines.push(history(attempts)),
    }
    lines.join("\n") + "\n"
}

fn host(name: &str) -> &str {
    if name.is_empty() { "an unnamed host" } else { name }
}

fn count(rows: Option<i64>) -> String {
    rows.and_then(|rows| u64::try_from(rows).ok()).map_or_else(String::new, number)
}

fn history(attempts: &[PastAttempt]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header([
        "ended",
        "outcome",
        "rows",
        "read",
        "inserted",
        "updated",
        "deleted",
        "missed",
        "drift",
        "seconds",
        "checked",
        "watermark",
        "remarks",
    ]);
    for a in attempts {
        let counts = [a.rows_read, a.inserted, a.updated, a.deleted].map(|rows| count(Some(rows)));
        let [read, inserted, updated, deleted] = counts;
        let mut remarks: Vec<String> = Vec::new();
        remarks.extend(a.error_kind.iter().map(|kind| format!("error: {kind}")));
        remarks.extend(a.healed_via.iter().map(|via| format!("mended via {via}")));
        remarks.extend(a.voided.iter().map(|why| format!("all rows: {why}")));
        out.add_row([
            a.ended_at.clone(),
            a.outcome.clone(),
            count(a.rows),
            read,
            inserted,
            updated,
            deleted,
            count(a.missed),
            count(a.drift),
            format!("{:.2}", a.seconds),
            a.checked.clone().unwrap_or_default(),
            a.watermark_after.clone().unwrap_or_default(),
            remarks.join("; "),
        ]);
    }
    for column in 2..10 {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

fn table(tables: &[TableStatus]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["table", "status", "last success", "age", "rows", "rejected", "strategy"]);
    for t in tables {
        out.add_row([
            t.table.clone(),
            t.status.clone(),
            t.last_success.clone().unwrap_or_else(|| "never".into()),
            t.age_seconds.map_or_else(String::new, length),
            count(t.rows),
            count(t.rejected),
            t.strategy.clone().unwrap_or_default(),
        ]);
    }
    for column in [3, 4, 5] {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}
