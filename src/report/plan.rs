//! What a run would do, as data and as text.

use super::columns::{ColumnReport, renamed_line};
use super::methods::Tracked;
use super::text::number;
use super::{ErrorReport, MemoryReport, Renamed, SCHEMA_VERSION};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Tables shown as text; the biggest ones come first.
const TABLES_SHOWN: usize = 40;

/// Columns and names shown as text that are not as the source and the type rules have them.
const COLUMNS_SHOWN: usize = 20;

/// The plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `ok` or `failed`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Source, without password.
    pub source: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// Workers.
    pub parallel: usize,
    /// The interrupted run that this one would go on with.
    pub resumes: Option<String>,
    /// Tables in the order they begin.
    pub tables: Vec<PlannedTable>,
    /// Tables that cannot be copied.
    pub refused: Vec<RefusedTable>,
    /// Rows, as the source estimates them.
    pub rows_estimated: u64,
    /// Bytes, as the source estimates them.
    pub bytes_estimated: u64,
    /// By the stated model.
    pub seconds_predicted: f64,
    /// Disk space.
    pub disk: Disk,
    /// Which methods the run would count, and where.
    pub method_usage: Tracked,
    /// Memory: the limit and what is expected.
    pub memory: MemoryReport,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedTable {
    /// Place in the order, from 1.
    pub order: usize,
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// `first_load`, `refresh`, `exchange`, `keep` (done by the interrupted run), `skip` (nothing moved).
    pub action: &'static str,
    /// Strategy word.
    pub strategy: String,
    /// Why that strategy.
    pub reason: String,
    /// Rows, as the source estimates them.
    pub rows_estimated: u64,
    /// Bytes, as the source estimates them.
    pub bytes_estimated: u64,
    /// Chunks.
    pub chunks: usize,
    /// `all` or `part`: how much of both sides is compared by content, apart from what is loaded; none when nothing is.
    pub compared: Option<&'static str>,
    /// By the stated model.
    pub seconds_predicted: f64,
    /// Columns whose type or policies the configuration has changed.
    pub columns: Vec<ColumnReport>,
    /// Names that PostgreSQL cannot keep.
    pub renamed: Vec<Renamed>,
    /// What changes about the target's columns.
    pub drift: Vec<String>,
}

/// A table that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedTable {
    /// Source table.
    pub table: String,
    /// Why.
    pub error: ErrorReport,
}

/// Disk space on the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// What stays: first loads.
    pub grows_by: u64,
    /// What is needed for a while: staging of refreshes.
    pub staging: u64,
    /// Free space, where it can be known.
    pub free: Option<u64>,
    /// Why free space is unknown.
    pub unknown: Option<String>,
    /// How the numbers were made.
    pub how: &'static str,
}

impl Disk {
    /// Both kinds together.
    #[must_use]
    pub const fn needed(&self) -> u64 {
        self.grows_by.saturating_add(self.staging)
    }

    /// Whether it is known that the plan does not fit.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.free.is_some_and(|free| free < self.needed())
    }
}

impl PlanReport {
    /// Decides status and exit code.
    #[must_use]
    pub fn judged(mut self) -> Self {
        self.schema_version = SCHEMA_VERSION;
        self.exit_code = u8::from(self.disk.is_short() || !self.refused.is_empty());
        self.status = if self.exit_code == 0 { "ok" } else { "failed" };
        self
    }
}

/// The plan as text.
#[must_use]
pub fn text(report: &PlanReport) -> String {
    let mut lines = vec![format!("from  {}", report.source), format!("to    {}, schema {}", report.warehouse, report.schema)];
    lines.extend(report.resumes.iter().map(|run| format!("goes on with the interrupted run {run}")));
    lines.push(String::new());
    let planned: Vec<&PlannedTable> = report.tables.iter().filter(|t| !matches!(t.action, "keep" | "skip")).collect();
    if !planned.is_empty() {
        lines.push(table(&planned));
    }
    if let Some(hidden) = planned.len().checked_sub(TABLES_SHOWN).filter(|n| *n > 0) {
        lines.push(format!("and {hidden} smaller tables (--json lists all)"));
    }
    for (action, what) in [("keep", "tables are done already"), ("skip", "tables are skipped on evidence: nothing moved")] {
        match report.tables.iter().filter(|t| t.action == action).count() {
            0 => {}
            many => lines.push(format!("{many} {what}")),
        }
    }
    for refused in &report.refused {
        lines.push(format!("not copied: {}\n  → {}", refused.error.message, refused.error.hint));
    }
    let drift = |t: &&PlannedTable| t.drift.iter().map(|line| format!("{}: {line}", t.table)).collect::<Vec<_>>();
    lines.extend(planned.iter().flat_map(drift));
    lines.extend(special_columns(&planned));
    lines.push(String::new());
    lines.push(format!(
        "{} tables, about {} rows and {}, about {} with {} workers (estimates)",
        planned.len(),
        number(report.rows_estimated),
        bytes(report.bytes_estimated),
        length(report.seconds_predicted),
        report.parallel
    ));
    let disk = &report.disk;
    let free = match (disk.free, &disk.unknown) {
        (Some(free), _) => format!("{} free", bytes(free)),
        (None, Some(why)) => format!("free space unknown: {why}"),
        (None, None) => "free space unknown".to_owned(),
    };
    lines.push(format!("disk on the target: {} needed ({}), {free}", bytes(disk.needed()), disk.how));
    if let Some(predicted) = report.memory.predicted_mb {
        let limit = report.memory.limit_mb.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit} MiB"));
        lines.push(format!("memory: up to {predicted} MiB expected, {limit}"));
    }
    if let Some(file) = &report.method_usage.file {
        let methods = report.method_usage.methods.len();
        lines.push(format!("tracked: calls of {methods} methods, into {} (etl-sync methods report names them)", file.display()));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    if disk.is_short() {
        lines.push("failed: the warehouse has not enough disk space for this run".into());
    }
    lines.join("\n") + "\n"
}

/// What the configuration or PostgreSQL's limits have changed about columns and names.
fn special_columns(tables: &[&PlannedTable]) -> Vec<String> {
    let of_table = |t: &&PlannedTable| {
        let columns: Vec<String> = t.columns.iter().map(|c| format!("{}.{}: {}", t.table, c.column, c.line())).collect();
        let names: Vec<String> = t.renamed.iter().map(|name| renamed_line(&t.table, name)).collect();
        [columns, names].concat()
    };
    let mut lines: Vec<String> = tables.iter().flat_map(of_table).collect();
    let hidden = lines.len().saturating_sub(COLUMNS_SHOWN);
    lines.truncate(COLUMNS_SHOWN);
    if hidden > 0 {
        lines.push(format!("and {hidden} more columns and names (`etl-sync ddl` shows all)"));
    }
    lines
}

fn table(tables: &[&PlannedTable]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["#", "table", "action", "rows", "size", "chunks", "seconds", "strategy", "why"]);
    for t in tables.iter().take(TABLES_SHOWN) {
        let compared = t.compared.map_or_else(String::new, |much| format!("; {much} of it compared by content"));
        out.add_row([
            t.order.to_string(),
            t.table.clone(),
            t.action.to_owned(),
            number(t.rows_estimated),
            bytes(t.bytes_estimated),
            t.chunks.to_string(),
            format!("{:.2}", t.seconds_predicted),
            t.strategy.clone(),
            format!("{}{compared}", t.reason),
        ]);
    }
    for column in [0, 3, 4, 5, 6] {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

/// `1536` as `1.5 KiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (u128::from(value) * 10, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    match (UNITS.get(unit), unit) {
        (Some(word), 0) => format!("{value} {word}"),
        (Some(word), _) => format!("{}.{} {word}", tenths / 10, tenths % 10),
        (None, _) => value.to_string(),
    }
}

/// Seconds as `12.3 s`, `4 min`, `2 h 5 min` or `3 d 4 h`.
#[must_use]
pub fn length(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).map_or(0, |length| length.as_secs());
    match whole {
        0..100 => format!("{seconds:.1} s"),
        100..7200 => format!("{} min", (whole + 30) / 60),
        7200..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lengths() {
        for (value, want) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"), (u64::MAX, "16777216.0 TiB")]
        {
            assert_eq!(bytes(value), want);
        }
        for (value, want) in [(0.25, "0.2 s"), (99.9, "99.9 s"), (120.0, "2 min"), (7500.0, "2 h 5 min")] {
            assert_eq!(length(value), want);
        }
    }

    #[test]
    fn only_known_space_can_be_short() {
        let disk = |free| Disk { grows_by: 10, staging: 5, free, unknown: None, how: "" };
        assert!(disk(Some(14)).is_short() && !disk(Some(15)).is_short() && !disk(None).is_short());
    }
}
