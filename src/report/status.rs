//! What the last runs left in the warehouse, as data and as text.

use super::lock::RunLock;
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
    /// Who holds the run lock.
    pub lock: RunLock,
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
    /// What the target holds was the source's state at this moment or later; RFC 3339, UTC. Where a replica is loaded, the
    /// replica's.
    pub as_of: Option<String>,
    /// Since then.
    pub lag_seconds: Option<f64>,
}

/// The answer as text.
#[must_use]
pub fn text(report: &StatusReport) -> String {
    let Some(run) = &report.run else { return nothing(report) };
    let mut lines = head(report, run);
    if !report.tables.is_empty() {
        lines.push(table(&report.tables.iter().collect::<Vec<_>>()));
    }
    match &report.attempts {
        None => lines.push(totals(&report.tables)),
        Some(attempts) if attempts.is_empty() => lines.push("no attempt of this table is known".into()),
        Some(attempts) => lines.push(history(attempts)),
    }
    lines.join("\n") + "\n"
}

/// The same on a terminal of so many lines: tables that did not succeed first, then those that are behind most.
#[must_use]
pub fn screen(report: &StatusReport, lines_max: usize) -> String {
    let Some(run) = &report.run else { return nothing(report) };
    if report.attempts.is_some() {
        return text(report);
    }
    let mut lines = head(report, run);
    let mut tables: Vec<&TableStatus> = report.tables.iter().collect();
    let lag = |table: &TableStatus| table.lag_seconds.unwrap_or(f64::INFINITY);
    tables.sort_by(|a, b| (a.status == "success").cmp(&(b.status == "success")).then(lag(b).total_cmp(&lag(a))));
    // The head of the table, what is hidden, the totals, and the line of the cursor.
    let room = lines_max.saturating_sub(lines.len() + 4).max(1);
    let hidden = tables.len().saturating_sub(room);
    tables.truncate(room);
    if !tables.is_empty() {
        lines.push(table(&tables));
    }
    if hidden > 0 {
        lines.push(format!("and {hidden} more, less behind"));
    }
    lines.push(totals(&report.tables));
    lines.join("\n") + "\n"
}

fn nothing(report: &StatusReport) -> String {
    format!("nothing was ever synced into schema {} of {}\n", report.schema, report.warehouse)
}

/// How many there are, and how old the oldest data is.
fn totals(tables: &[TableStatus]) -> String {
    let failed = tables.iter().filter(|t| t.status == "failed").count();
    let mut out = format!("{} tables, {failed} failed", tables.len());
    let oldest = tables.iter().filter_map(|t| Some((t.lag_seconds?, t))).max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((lag, table)) = oldest {
        out.push_str(&format!("; data as of {} ago or later (oldest: {})", length(lag), table.table));
    }
    out
}

fn head(report: &StatusReport, run: &LastRun) -> Vec<String> {
    let mut lines = vec![
        format!("{}, schema {}", report.warehouse, report.schema),
        format!("last run  {} {}", run.run_id, run.state),
        format!("began     {}", run.started_at),
    ];
    lines.extend(run.ended_at.iter().map(|at| format!("ended     {at}")));
    lines.push(format!("lock      {}", report.lock.text()));
    lines.push(String::new());
    lines
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

fn table(tables: &[&TableStatus]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["table", "status", "last success", "data as of", "lag", "rows", "rejected", "strategy"]);
    for t in tables {
        out.add_row([
            t.table.clone(),
            t.status.clone(),
            t.last_success.clone().unwrap_or_else(|| "never".into()),
            t.as_of.clone().unwrap_or_default(),
            t.lag_seconds.map_or_else(String::new, length),
            count(t.rows),
            count(t.rejected),
            t.strategy.clone().unwrap_or_default(),
        ]);
    }
    for column in [4, 5, 6] {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, status: &str, lag_seconds: Option<f64>) -> TableStatus {
        TableStatus {
            table: name.into(),
            status: status.into(),
            last_success: None,
            age_seconds: None,
            rows: None,
            rejected: None,
            strategy: None,
            as_of: lag_seconds.map(|_| "2026-11-22T04:00:00Z".into()),
            lag_seconds,
        }
    }

    #[test]
    fn a_small_terminal_shows_the_tables_that_matter() {
        let mut tables: Vec<TableStatus> = (0..300_i32).map(|i| one(&format!("t{i}"), "success", Some(f64::from(i)))).collect();
        tables.push(one("broken", "failed", Some(1.0)));
        tables.push(one("ahead", "success", Some(200_000.0)));
        let run = LastRun {
            run_id: "r".into(),
            state: "success".into(),
            started_at: String::new(),
            ended_at: None,
            lock_held: false,
            host: String::new(),
            pid: 1,
            heartbeat_age_seconds: 0.0,
            source: String::new(),
        };
        let mut report = StatusReport {
            schema_version: 1,
            program: String::new(),
            warehouse: "w".into(),
            schema: "raw".into(),
            lock: RunLock::of(Some(&run)),
            run: Some(run),
            tables,
            attempts: None,
        };
        let shown = screen(&report, 20);
        assert!(shown.lines().count() < 20, "{shown}");
        let at = |word: &str| shown.find(word).unwrap_or(usize::MAX);
        assert!(at("broken") < at("ahead") && at("ahead") < at("t299") && at("t0 ") == usize::MAX, "{shown}");
        assert!(shown.contains("302 tables, 1 failed; data as of 2 d 7 h ago or later (oldest: ahead)"), "{shown}");
        assert!(text(&report).contains("t0 "));
        report.run = None;
        assert!(screen(&report, 20).contains("nothing was ever synced"));
    }
}
