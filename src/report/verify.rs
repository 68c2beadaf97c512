//! What `verify` found, as data and as text. Key ranges are multiples of a width; keys of rows stand here when rows were
//! compared one by one, and values only when they were asked for.

use super::plan::length;
use super::text::number;
use super::{ErrorReport, SCHEMA_VERSION};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Ranges of one table shown as text.
const RANGES_SHOWN: usize = 8;

/// Rows of one table shown as text unless somebody asked for a number of them.
const ROWS_SHOWN: usize = 20;

/// Tables shown as text.
const TABLES_SHOWN: usize = 60;

/// The whole answer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `equal`, `different`, `incomplete` (something could not be proven), `failed` (a server went away), `stopped`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// From start to end.
    pub seconds: f64,
    /// Source, without password.
    pub source: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// How deep it was looked: `counts`, `ledger` or `rows`.
    pub depth: &'static str,
    /// Of tables whose columns tell it, rows at or after this were compared: RFC 3339, UTC; none when all rows were.
    pub since: Option<String>,
    /// Looks at the same time.
    pub parallel: usize,
    /// Sums over the tables.
    pub totals: VerifyTotals,
    /// Tables by name.
    pub tables: Vec<TableVerified>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why tables were not reached.
    pub error: Option<ErrorReport>,
}

/// Sums over the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct VerifyTotals {
    /// All tables.
    pub tables: u64,
    /// Equal at the first or the second look.
    pub equal: u64,
    /// Of those, equal at the second look only.
    pub in_flight: u64,
    /// Of those, compared in part only: as a sample.
    pub in_part: u64,
    /// Buckets of these, and how many of them were compared.
    pub buckets_in_part: (usize, usize),
    /// Different, missing and without source.
    pub different: u64,
    /// Not proven and not reached.
    pub unproven: u64,
    /// Rows of the source.
    pub source_rows: u64,
    /// Rows of the warehouse.
    pub target_rows: u64,
    /// Source rows in quarantine.
    pub quarantined_rows: u64,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableVerified {
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// `equal`, `in_flight` (equal at the second look), `different`, `missing` (in the warehouse), `source_gone`,
    /// `unproven`, `not_reached`.
    pub status: &'static str,
    /// Rows of the source under its filter.
    pub source_rows: Option<u64>,
    /// Rows of the target.
    pub target_rows: Option<u64>,
    /// Source rows that are in quarantine instead of the target.
    pub quarantined_rows: Option<u64>,
    /// `rows`, `ledger`, `ranges` of the key, or one `total`.
    pub compared_by: &'static str,
    /// Ranges that differ, in key order.
    pub ranges: Vec<RangeReport>,
    /// The columns by which rows were chosen that changed since [`VerifyReport::since`]; none for a table compared whole.
    pub since_by: Option<Vec<String>>,
    /// What a comparison by content found; none where rows were only counted.
    pub content: Option<ContentReport>,
    /// What a comparison of each side with the ledger found.
    pub ledger: Option<LedgerReport>,
    /// End of the last run that brought the table up to date, RFC 3339, UTC; none when it is not known.
    pub last_success: Option<String>,
    /// Length of its looks.
    pub seconds: f64,
    /// Why it could not be compared.
    pub error: Option<ErrorReport>,
}

/// Each side against what the last success left.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LedgerReport {
    /// Buckets of the table's keys.
    pub buckets: usize,
    /// Buckets that the ledger knows: increments may have changed the others since they were added up.
    pub buckets_known: usize,
    /// The source; none when it was not looked at.
    pub source: Option<SideReport>,
    /// The warehouse; none when it was not looked at.
    pub warehouse: Option<SideReport>,
}

/// One side.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SideReport {
    /// Its rows.
    pub rows: u64,
    /// Buckets that are not as they were.
    pub buckets_changed: usize,
    /// Length of the scan.
    pub seconds: f64,
}

/// What a comparison by content found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ContentReport {
    /// Digest of the source's rows that were compared: 32 hexadecimal digits (`encode::digest`, version 1).
    pub digest: String,
    /// Only some buckets were compared.
    pub is_sample: bool,
    /// Buckets of the table's keys.
    pub buckets: usize,
    /// Buckets that were compared.
    pub buckets_compared: usize,
    /// Rows of the source in them.
    pub rows_compared: u64,
    /// Rows that the target does not have.
    pub missing_rows: u64,
    /// Rows that only the target has.
    pub surplus_rows: u64,
    /// Rows that are not the same.
    pub changed_rows: u64,
    /// Rows of the source that policies keep out, or that are missing and in quarantine.
    pub kept_out_rows: u64,
    /// Rows that the target does not have and that may be in quarantine; not every one was looked at.
    pub unproven_rows: u64,
    /// Every row was told apart; otherwise the three numbers are the least.
    pub is_exact: bool,
    /// The first rows that differ.
    pub differences: Vec<DifferenceReport>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferenceReport {
    /// `missing`, `surplus` or `changed`.
    pub kind: &'static str,
    /// Its key by source column; none for a table without one.
    pub key: Option<serde_json::Value>,
    /// Columns that differ.
    pub columns: Vec<ColumnDifference>,
}

/// A column that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDifference {
    /// Its name at the source.
    pub column: String,
    /// The source's value, when values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<serde_json::Value>,
    /// The target's value, when values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<serde_json::Value>,
}

/// A range of the key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RangeReport {
    /// First key; none when it is below every 64-bit number.
    pub from: Option<i128>,
    /// First key beyond; none when it is above every 64-bit number.
    pub below: Option<i128>,
    /// Rows of the source.
    pub source_rows: u64,
    /// Rows of the target, those in quarantine included.
    pub target_rows: u64,
}

impl TableVerified {
    /// It is in the warehouse as it is on the source, as far as was looked.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        matches!(self.status, "equal" | "in_flight")
    }

    /// It is known to differ.
    #[must_use]
    pub fn is_different(&self) -> bool {
        matches!(self.status, "different" | "missing" | "source_gone")
    }
}

impl VerifyReport {
    /// Sums up, and decides status and exit code. `failed` is the exit code of what kept tables from being reached,
    /// `stopped` that of a signal.
    #[must_use]
    pub fn judged(mut self, failed: Option<u8>, stopped: Option<u8>) -> Self {
        let mut totals = VerifyTotals::default();
        for table in &self.tables {
            totals.tables += 1;
            totals.equal += u64::from(table.is_equal());
            totals.in_flight += u64::from(table.status == "in_flight");
            if let Some(content) = table.content.as_ref().filter(|content| content.is_sample && table.is_equal()) {
                totals.in_part += 1;
                totals.buckets_in_part.0 += content.buckets;
                totals.buckets_in_part.1 += content.buckets_compared;
            }
            totals.different += u64::from(table.is_different());
            totals.unproven += u64::from(!table.is_equal() && !table.is_different());
            totals.source_rows += table.source_rows.unwrap_or(0);
            totals.target_rows += table.target_rows.unwrap_or(0);
            totals.quarantined_rows += table.quarantined_rows.unwrap_or(0);
        }
        (self.status, self.exit_code) = match (stopped, failed) {
            (Some(code), _) => ("stopped", code),
            (None, Some(code)) => ("failed", code),
            (None, None) if totals.different > 0 => ("different", 1),
            (None, None) if totals.unproven > 0 => ("incomplete", 3),
            (None, None) => ("equal", 0),
        };
        self.schema_version = SCHEMA_VERSION;
        self.program = env!("CARGO_PKG_VERSION").into();
        self.totals = totals;
        self
    }
}

/// The answer as text, with so many rows that differ of each table when somebody asked for a number.
#[must_use]
pub fn text(report: &VerifyReport, rows: Option<usize>) -> String {
    let rows_shown = rows.unwrap_or(ROWS_SHOWN);
    let mut lines = Vec::new();
    let told: Vec<&TableVerified> = report.tables.iter().filter(|t| t.status != "equal").collect();
    if !told.is_empty() {
        lines.push(table(told.iter().copied().take(TABLES_SHOWN)));
    }
    for one in told.iter().take(TABLES_SHOWN) {
        ranges(one, &mut lines);
        differences(one, rows_shown, &mut lines);
        lines.extend(one.ledger.as_ref().map(|ledger| format!("{}: {}", one.table, changed(ledger))));
        lines.extend(one.error.iter().map(|error| format!("{}: {}\n  → {}", one.table, error.message, error.hint)));
    }
    if told.len() > TABLES_SHOWN {
        lines.push(format!("and {} more tables (--json lists all)", told.len() - TABLES_SHOWN));
    }
    lines.extend(report.since.iter().flat_map(|since| compared_since(since, &report.tables)));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.error.iter().map(|error| format!("error: {}\n  → {}", error.message, error.hint)));
    lines.push(totals(report));
    lines.join("\n") + "\n"
}

/// Since when each table was compared.
fn compared_since(since: &str, tables: &[TableVerified]) -> Vec<String> {
    let (late, whole): (Vec<&TableVerified>, Vec<_>) =
        tables.iter().filter(|table| table.content.is_some()).partition(|table| table.since_by.is_some());
    let list = |what: &str, tables: &[&TableVerified]| {
        let names = |one: &&TableVerified| match &one.since_by {
            Some(columns) => format!("{} (by {})", one.table, columns.join(", ")),
            None => one.table.clone(),
        };
        let more = match tables.len().saturating_sub(TABLES_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more (--json lists all)"),
        };
        let shown: Vec<String> = tables.iter().take(TABLES_SHOWN).map(names).collect();
        (!tables.is_empty()).then(|| format!("{what}: {}{more}", shown.join(", ")))
    };
    let late = list(&format!("compared since {since}"), &late);
    late.into_iter().chain(list("compared whole", &whole)).collect()
}

fn rows(count: Option<u64>) -> String {
    count.map_or_else(|| "?".into(), number)
}

fn table<'a>(tables: impl Iterator<Item = &'a TableVerified>) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["table", "source", "warehouse", "quarantined", "last success", "status"]);
    for t in tables {
        out.add_row([
            t.table.clone(),
            rows(t.source_rows),
            rows(t.target_rows),
            rows(t.quarantined_rows),
            t.last_success.clone().unwrap_or_else(|| "unknown".into()),
            t.status.to_owned(),
        ]);
    }
    for column in 1..4 {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

fn ranges(table: &TableVerified, lines: &mut Vec<String>) {
    for range in table.ranges.iter().take(RANGES_SHOWN) {
        let from = range.from.map_or_else(|| "the first".into(), |from| from.to_string());
        let to = range.below.map_or_else(|| "the last".into(), |below| (below - 1).to_string());
        let (source, target) = (number(range.source_rows), number(range.target_rows));
        lines.push(format!("{}: keys from {from} to {to}: {source} rows at the source, {target} in the warehouse", table.table));
    }
    if table.ranges.len() > RANGES_SHOWN {
        lines.push(format!("{}: and {} more ranges (--json lists all)", table.table, table.ranges.len() - RANGES_SHOWN));
    }
}

fn changed(ledger: &LedgerReport) -> String {
    let side = |name: &str, side: &Option<SideReport>| match side {
        Some(side) => format!("{} at the {name} changed", side.buckets_changed),
        None => format!("the {name} was not looked at"),
    };
    let known = ledger.buckets_known;
    format!(
        "of {known} buckets (of {}) that the ledger knows, {}, {}",
        ledger.buckets,
        side("source", &ledger.source),
        side("warehouse", &ledger.warehouse)
    )
}

fn differences(table: &TableVerified, rows_shown: usize, lines: &mut Vec<String>) {
    let Some(content) = &table.content else { return };
    if let Some(aside) = table.quarantined_rows.filter(|aside| {
        let found = content.kept_out_rows + content.unproven_rows;
        if table.since_by.is_some() { *aside < found } else { *aside != found }
    }) {
        lines.push(format!(
            "{}: {} rows of the source cannot be in the warehouse, {} are in quarantine",
            table.table,
            number(content.kept_out_rows),
            number(aside)
        ));
    }
    if content.unproven_rows > 0 {
        lines.push(format!("{}: {} rows may be in quarantine or missing", table.table, number(content.unproven_rows)));
    }
    let rows = content.missing_rows + content.surplus_rows + content.changed_rows;
    if rows == 0 {
        return;
    }
    let least = if content.is_exact { "" } else { "at least " };
    lines.push(format!(
        "{}: {least}{} rows missing, {} surplus, {} changed",
        table.table,
        number(content.missing_rows),
        number(content.surplus_rows),
        number(content.changed_rows)
    ));
    for one in content.differences.iter().take(rows_shown) {
        let key = one.key.as_ref().map_or_else(|| "a row without a key".into(), ToString::to_string);
        let columns: Vec<String> = one.columns.iter().map(column).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(": {}", columns.join(", ")) };
        lines.push(format!("  {} {key}{columns}", one.kind));
    }
    let told = content.differences.len();
    let shown = u64::try_from(told.min(rows_shown)).unwrap_or(u64::MAX);
    if rows > shown {
        let more = if told > rows_shown { " (--json lists more of them)" } else { "" };
        lines.push(format!("  and {} more{more}", number(rows - shown)));
    }
}

fn column(one: &ColumnDifference) -> String {
    match (&one.source, &one.target) {
        (Some(source), Some(target)) => format!("{} {source} \u{2192} {target}", one.column),
        _ => one.column.clone(),
    }
}

fn totals(report: &VerifyReport) -> String {
    let t = &report.totals;
    let in_part = match t.buckets_in_part {
        _ if t.in_part == 0 => String::new(),
        (all, compared) => format!(" ({} of them in part: {compared} of {all} buckets)", number(t.in_part)),
    };
    let mut out = format!(
        "{}: {} of {} tables equal by {}{in_part} in {}, {} rows at the source, {} in the warehouse",
        report.status,
        number(t.equal),
        number(t.tables),
        report.depth,
        length(report.seconds),
        number(t.source_rows),
        number(t.target_rows)
    );
    for (count, words) in [
        (t.quarantined_rows, "quarantined"),
        (t.in_flight, "tables in flight at the first look"),
        (t.different, "tables different"),
        (t.unproven, "tables not proven"),
    ] {
        if count > 0 {
            out.push_str(&format!(", {} {words}", number(count)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(statuses: &[&'static str]) -> (&'static str, u8) {
        let tables = statuses.iter().map(|status| TableVerified { status, ..TableVerified::default() }).collect();
        let report = VerifyReport { tables, ..VerifyReport::default() }.judged(None, None);
        (report.status, report.exit_code)
    }

    #[test]
    fn a_difference_weighs_more_than_a_doubt() {
        assert_eq!(code(&[]), ("equal", 0));
        assert_eq!(code(&["equal", "in_flight"]), ("equal", 0));
        assert_eq!(code(&["equal", "unproven"]), ("incomplete", 3));
        assert_eq!(code(&["unproven", "different"]), ("different", 1));
        assert_eq!(code(&["missing"]), ("different", 1));
        assert_eq!(code(&["source_gone"]), ("different", 1));
    }

    #[test]
    fn as_many_rows_are_shown_as_were_asked_for() {
        let one = DifferenceReport { kind: "changed", key: None, columns: Vec::new() };
        let content = ContentReport { changed_rows: 150, differences: vec![one; 100], ..ContentReport::default() };
        let table = TableVerified { status: "different", content: Some(content), ..TableVerified::default() };
        let report = VerifyReport { tables: vec![table], ..VerifyReport::default() };
        for (asked, shown, more) in [
            (None, 20, "  and 130 more (--json lists more of them)\n"),
            (Some(100), 100, "  and 50 more\n"),
            (Some(0), 0, "150 more"),
        ] {
            let text = text(&report, asked);
            assert_eq!(text.matches("a row without a key").count(), shown, "{text}");
            assert!(text.contains(more), "{text}");
        }
    }

    #[test]
    fn ends_that_no_key_reaches_have_no_number() {
        let range = |from, below| RangeReport { from, below, source_rows: 2, target_rows: 1 };
        let ranges_of = vec![range(None, Some(-5)), range(Some(i128::from(i64::MAX)), None)];
        let report = TableVerified { table: "t".into(), ranges: ranges_of, ..TableVerified::default() };
        let mut lines = Vec::new();
        ranges(&report, &mut lines);
        assert_eq!(lines[0], "t: keys from the first to -6: 2 rows at the source, 1 in the warehouse");
        assert_eq!(lines[1], "t: keys from 9223372036854775807 to the last: 2 rows at the source, 1 in the warehouse");
        assert!(super::super::json(&report).contains("\"from\": 9223372036854775807"));
    }
}
