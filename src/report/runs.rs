//! The run log, as data and as text.

use super::SCHEMA_VERSION;
use super::text::number;
use crate::track::runs::{Metrics, PastRun};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Lines of each list in the text; the document has all.
const SHOWN: usize = 20;

/// The last runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunList {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Newest first.
    pub runs: Vec<PastRun>,
}

impl RunList {
    /// The answer.
    #[must_use]
    pub fn new(warehouse: String, runs: Vec<PastRun>) -> Self {
        Self { schema_version: SCHEMA_VERSION, program: env!("CARGO_PKG_VERSION").into(), warehouse, runs }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunDetail {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// The run.
    pub run: PastRun,
    /// Sums over its requests.
    pub metrics: Metrics,
    /// The same by table, the one that took longest first.
    pub requests: Vec<TableRequests>,
    /// The ten requests that took longest.
    pub slowest: Vec<RequestLine>,
    /// Rows of the source tables.
    pub source_counts: Vec<SourceCount>,
    /// Target tables as the run left them.
    pub snapshots: Vec<SnapshotLine>,
}

impl RunDetail {
    /// A run of which nothing but its row is known.
    #[must_use]
    pub fn new(warehouse: String, run: PastRun) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            warehouse,
            run,
            metrics: Metrics::default(),
            requests: Vec::new(),
            slowest: Vec::new(),
            source_counts: Vec::new(),
            snapshots: Vec::new(),
        }
    }
}

/// The requests of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableRequests {
    /// Source table, behind `replicate/` in the first hop; the endpoint of a library's request.
    pub table: String,
    /// How many, each try counted.
    pub requests: i64,
    /// Rows that the source gave.
    pub items: i64,
    /// Milliseconds of all together; those of parallel workers add up.
    pub duration_ms: i64,
    /// With an error.
    pub errors: i64,
    /// That had to wait because the source was busy.
    pub throttled: i64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestLine {
    /// Table, and what of it was read.
    pub endpoint: String,
    /// Rows that were expected.
    pub limit: Option<i64>,
    /// 200, or none after an error.
    pub status: Option<i32>,
    /// Rows that the source gave.
    pub items: Option<i64>,
    /// Milliseconds, the way into the target included.
    pub duration_ms: i64,
    /// It had to wait because the source was busy.
    pub throttled: bool,
    /// Kind of the error.
    pub error: Option<String>,
    /// When it ended: RFC 3339, UTC.
    pub at: String,
}

/// Rows of a source table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceCount {
    /// Source table.
    pub table: String,
    /// Rows.
    pub items: i64,
}

/// A target table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotLine {
    /// Target table, schema included.
    pub table: String,
    /// Rows.
    pub rows: Option<i64>,
    /// Smallest integer key at planning, where the run asked for it.
    pub id_min: Option<String>,
    /// Largest integer key at planning, where the run asked for it.
    pub id_max: Option<String>,
    /// What all rows add up to; none where the run took no digest.
    pub checksum: Option<String>,
    /// Rows that the run before left; none where no earlier one is logged.
    pub before: Option<i64>,
}

/// What was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Runs that began more days ago are forgotten.
    pub days: u32,
    /// How many.
    pub removed: u64,
}

impl Pruned {
    /// The answer.
    #[must_use]
    pub fn new(warehouse: String, days: u32, removed: u64) -> Self {
        Self { schema_version: SCHEMA_VERSION, program: env!("CARGO_PKG_VERSION").into(), warehouse, days, removed }
    }
}

/// The list as text.
#[must_use]
pub fn list_text(list: &RunList) -> String {
    if list.runs.is_empty() {
        return format!("no run is logged in {}\n", list.warehouse);
    }
    let row = |run: &PastRun| {
        vec![
            run.id.to_string(),
            seconds_only(&run.started_at),
            format!("{:.1}", run.seconds),
            run.status.clone(),
            count(run.tables),
            count(run.rows),
            notes(run),
        ]
    };
    let rows: Vec<Vec<String>> = list.runs.iter().map(row).collect();
    format!("{}\n", table(&["id", "started", "seconds", "status", "tables", "rows", "notes"], &[0, 2, 4, 5], &rows))
}

/// One run as text.
#[must_use]
pub fn detail_text(detail: &RunDetail) -> String {
    let RunDetail { run, metrics, .. } = detail;
    let mut out = format!("run {}  {}  {}\n", run.id, run.run_id, run.status);
    let end = run.finished_at.as_deref().map_or_else(|| "not yet".to_owned(), seconds_only);
    out.push_str(&format!("began   {}\nended   {end} ({:.1} s)\n", seconds_only(&run.started_at), run.seconds));
    if let Some(notes) = &run.notes {
        out.push_str(&format!("notes   {}\n", notes.replace('\n', "\n        ")));
    }
    out.push_str(&format!(
        "{} requests, {} items, {:.1} s of reading by all workers, {} errors, {} throttled\n",
        number(metrics.requests),
        number(metrics.items),
        seconds(metrics.duration_ms),
        number(metrics.errors),
        number(metrics.throttled)
    ));
    let by_table = detail.requests.iter().map(|t| {
        let counts = [t.requests, t.items, t.duration_ms, t.errors, t.throttled].map(|value| count(Some(value)));
        std::iter::once(t.table.clone()).chain(counts).collect()
    });
    section(&mut out, &["table", "requests", "items", "ms", "errors", "throttled"], &[1, 2, 3, 4, 5], by_table.collect());
    let slowest = detail.slowest.iter().map(|r| {
        let how = r.error.clone().or_else(|| r.status.map(|status| status.to_string())).unwrap_or_default();
        vec![r.endpoint.clone(), count(Some(r.duration_ms)), count(r.items), count(r.limit), how]
    });
    section(&mut out, &["slowest requests", "ms", "items", "planned", "status"], &[1, 2, 3], slowest.collect());
    let counts = detail.source_counts.iter().map(|c| vec![c.table.clone(), count(Some(c.items))]);
    section(&mut out, &["source table", "rows"], &[1], counts.collect());
    let snapshots = detail.snapshots.iter().map(|s| {
        let keys = s.id_min.as_ref().zip(s.id_max.as_ref()).map(|(min, max)| format!("{min} to {max}")).unwrap_or_default();
        vec![s.table.clone(), count(s.rows), change(s.before, s.rows), keys, s.checksum.clone().unwrap_or_default()]
    });
    section(&mut out, &["target table", "rows", "change", "keys", "digest"], &[1, 2], snapshots.collect());
    out
}

/// What was forgotten, as text.
#[must_use]
pub fn pruned_text(pruned: &Pruned) -> String {
    format!("{} runs that began more than {} days ago are forgotten\n", number(pruned.removed), pruned.days)
}

fn section(out: &mut String, head: &[&str], right: &[usize], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let shown = rows.get(..SHOWN.min(rows.len())).unwrap_or_default();
    out.push_str(&format!("\n{}\n", table(head, right, shown)));
    if rows.len() > shown.len() {
        out.push_str(&format!("and {} more (--json lists all)\n", rows.len() - shown.len()));
    }
}

fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(head);
    out.add_rows(rows);
    for column in right {
        if let Some(column) = out.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

fn notes(run: &PastRun) -> String {
    run.notes.as_deref().unwrap_or_default().replace('\n', "; ")
}

fn count(value: Option<i64>) -> String {
    value.and_then(|value| u64::try_from(value).ok()).map_or_else(String::new, number)
}

/// Rows more or fewer than before.
fn change(before: Option<i64>, now: Option<i64>) -> String {
    match before.zip(now) {
        Some((before, now)) if before == now => "=".into(),
        Some((before, now)) if before < now => format!("+{}", number(now.abs_diff(before))),
        Some((before, now)) => format!("-{}", number(now.abs_diff(before))),
        None => "new".into(),
    }
}

/// `2026-11-22T04:30:05.123Z` without its milliseconds.
fn seconds_only(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn seconds(milliseconds: u64) -> f64 {
    std::time::Duration::from_millis(milliseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign() {
        let cases =
            [((Some(3), Some(3)), "="), ((Some(1), Some(2_001)), "+2,000"), ((Some(5), Some(0)), "-5"), ((None, Some(1)), "new")];
        for ((before, now), wanted) in cases {
            assert_eq!(change(before, now), wanted);
        }
    }

    #[test]
    fn times_are_shown_in_seconds() {
        assert_eq!(seconds_only("2026-11-22T04:30:05.123Z"), "2026-11-22T04:30:05Z");
    }
}
