//! What `check --data` found: values that a run would not take as they are, as data and as text. Holds no value.

use super::plan::RefusedTable;
use super::text::number;
use super::{ErrorReport, SCHEMA_VERSION};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Lines of findings shown as text.
const FOUND_SHOWN: usize = 60;

/// The whole answer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DataReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `ok`, `incomplete` (rows would be rejected), `failed`, `stopped`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Source, without password.
    pub source: String,
    /// From start to end.
    pub seconds: f64,
    /// Rows of one table that may be rejected before it fails.
    pub rejected_rows_max: u64,
    /// Tables whose types can hold such values, by name.
    pub tables: Vec<TableData>,
    /// Tables that cannot hold such values by their types, so they were not read.
    pub not_read: Vec<String>,
    /// Tables that cannot be copied.
    pub refused: Vec<RefusedTable>,
    /// Sums over the tables.
    pub totals: DataTotals,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Sums over the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DataTotals {
    /// Rows looked at.
    pub rows: u64,
    /// Values that would become NULL.
    pub nulled: u64,
    /// Values that would lose bytes.
    pub stripped: u64,
    /// Rows that would be rejected.
    pub rejected: AtLeastMost,
    /// Tables that would fail.
    pub failing: u64,
    /// Tables that could not be looked at.
    pub unknown: u64,
}

/// A number that SQL cannot tell exactly in every case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AtLeastMost {
    /// Certain.
    pub at_least: u64,
    /// With the estimated ones.
    pub at_most: u64,
}

/// One table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableData {
    /// Source table.
    pub table: String,
    /// Rows, under the filter of the configuration.
    pub rows: u64,
    /// Rows that would be rejected.
    pub rejected: AtLeastMost,
    /// Why the table would fail.
    pub fails: Option<String>,
    /// What was found.
    pub found: Vec<FoundValues>,
    /// Length of its query.
    pub seconds: f64,
    /// Why it could not be looked at.
    pub error: Option<ErrorReport>,
}

/// Values of a column with one fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundValues {
    /// Source column; empty for rows as a whole.
    pub column: String,
    /// `zero_date`, `nul_byte`, `invalid_utf8`, `out_of_range`, `row_too_long`, `not_json`.
    pub fault: &'static str,
    /// What a run would do: `null`, `strip`, `reject`, `fail`.
    pub policy: &'static str,
    /// How many; of values that become NULL or are stripped, those in rows that arrive.
    pub count: u64,
    /// Counted as a run would; false for an estimate.
    pub exact: bool,
}

impl TableData {
    /// Decides whether the table would fail.
    #[must_use]
    pub fn judged(mut self, rejected_rows_max: u64) -> Self {
        let failing = self.found.iter().find(|found| found.policy == "fail");
        self.fails = match failing {
            Some(found) => Some(format!("column {} holds {}, and its policy is fail", found.column, found.fault)),
            None if self.rejected.at_least > rejected_rows_max => {
                Some(format!("more rows would be rejected than rejected_rows_max ({rejected_rows_max}) allows"))
            }
            None => None,
        };
        self
    }
}

impl DataReport {
    /// Sums up, and decides status and exit code; `stopped` is the exit code of a signal.
    #[must_use]
    pub fn judged(mut self, stopped: Option<u8>) -> Self {
        let mut totals = DataTotals::default();
        for table in &self.tables {
            totals.rows += table.rows;
            totals.rejected.at_least += table.rejected.at_least;
            totals.rejected.at_most += table.rejected.at_most;
            totals.failing += u64::from(table.fails.is_some());
            totals.unknown += u64::from(table.error.is_some());
            for found in &table.found {
                match found.policy {
                    "null" => totals.nulled += found.count,
                    "strip" => totals.stripped += found.count,
                    _ => {}
                }
            }
        }
        let bad = totals.failing > 0 || totals.unknown > 0 || !self.refused.is_empty();
        (self.status, self.exit_code) = match stopped {
            Some(code) => ("stopped", code),
            None if bad => ("failed", 1),
            None if totals.rejected.at_most > 0 => ("incomplete", 3),
            None => ("ok", 0),
        };
        self.schema_version = SCHEMA_VERSION;
        self.totals = totals;
        self
    }
}

/// The answer as text.
#[must_use]
pub fn text(report: &DataReport) -> String {
    let mut lines = Vec::new();
    let found: Vec<(&TableData, &FoundValues)> =
        report.tables.iter().flat_map(|table| table.found.iter().map(move |found| (table, found))).collect();
    if !found.is_empty() {
        lines.push(table(&found));
    }
    if let Some(hidden) = found.len().checked_sub(FOUND_SHOWN).filter(|hidden| *hidden > 0) {
        lines.push(format!("and {hidden} more lines (--json lists all)"));
    }
    for table in &report.tables {
        lines.extend(table.fails.iter().map(|why| format!("{} would fail: {why}", table.table)));
        lines.extend(table.error.iter().map(|error| format!("{}\n  → {}", error.message, error.hint)));
    }
    let refused = report.refused.iter().map(|refused| &refused.error);
    lines.extend(refused.map(|error| format!("not copied: {}\n  → {}", error.message, error.hint)));
    if found.iter().any(|(_, found)| !found.exact) {
        lines.push("about: only PostgreSQL itself knows exactly".into());
    }
    if !report.not_read.is_empty() {
        lines.push(format!(
            "{} tables cannot hold such values by their types and were not read",
            number(report.not_read.len() as u64)
        ));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push(totals(report));
    lines.join("\n") + "\n"
}

fn table(found: &[(&TableData, &FoundValues)]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["table", "column", "fault", "count", "a run would"]);
    for (table, found) in found.iter().take(FOUND_SHOWN) {
        let about = if found.exact { "" } else { "about " };
        out.add_row([
            table.table.clone(),
            if found.column.is_empty() { "(row)".to_owned() } else { found.column.clone() },
            found.fault.to_owned(),
            format!("{about}{}", number(found.count)),
            found.policy.to_owned(),
        ]);
    }
    if let Some(column) = out.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    out.to_string()
}

fn totals(report: &DataReport) -> String {
    let t = &report.totals;
    let AtLeastMost { at_least, at_most } = t.rejected;
    let rejected = if at_least == at_most { number(at_least) } else { format!("{} to {}", number(at_least), number(at_most)) };
    let mut out = format!(
        "{}: {} rows of {} tables in {:.1} s; a run would null {} values, strip {}, reject {rejected} rows",
        report.status,
        number(t.rows),
        number(report.tables.len() as u64),
        report.seconds,
        number(t.nulled),
        number(t.stripped)
    );
    for (count, words) in [(t.failing, "tables would fail"), (t.unknown, "tables could not be looked at")] {
        if count > 0 {
            out.push_str(&format!("; {} {words}", number(count)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(policy: &'static str, at_least: u64, at_most: u64) -> TableData {
        let found = FoundValues { column: "c".into(), fault: "out_of_range", policy, count: 2, exact: true };
        TableData { rejected: AtLeastMost { at_least, at_most }, found: vec![found], ..TableData::default() }.judged(3)
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_table() {
        let code = |tables: Vec<TableData>| DataReport { tables, ..DataReport::default() }.judged(None).exit_code;
        assert_eq!(code(Vec::new()), 0);
        assert_eq!(code(vec![table("null", 0, 0), table("strip", 0, 0)]), 0);
        assert_eq!(code(vec![table("null", 0, 0), table("reject", 0, 1)]), 3);
        assert_eq!(code(vec![table("reject", 3, 9)]), 3);
        assert_eq!(code(vec![table("reject", 4, 4), table("null", 0, 0)]), 1);
        assert_eq!(code(vec![table("fail", 0, 0)]), 1);
        let stopped = DataReport { tables: vec![table("fail", 0, 0)], ..DataReport::default() }.judged(Some(143));
        assert_eq!((stopped.exit_code, stopped.status), (143, "stopped"));
    }

    #[test]
    fn estimates_are_told_apart() {
        let report = DataReport { tables: vec![table("null", 1, 2)], not_read: vec!["a".into()], ..DataReport::default() };
        let text = text(&report.judged(None));
        assert!(
            text.contains("reject 1 to 2 rows") && text.contains("null 2 values") && text.contains("1 tables cannot"),
            "{text}"
        );
    }
}
