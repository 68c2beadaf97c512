//! One row on both sides, as data and as text.

use super::columns::ColumnReport;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

/// The whole answer. Values stand here only when they were asked for; the key always does.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct WhyReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `same`, `different`, `missing` (in the warehouse), `surplus` (only the warehouse has it), `absent` (on both sides),
    /// `quarantined`, `no_target` (the warehouse has no such table), `unlike` (its columns are not as a run would make them).
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// The row's key: as it was asked for when neither side gives the row.
    pub key: Option<Value>,
    /// Why the target's columns cannot be compared.
    pub unlike: Option<String>,
    /// A policy keeps the row out of the warehouse.
    pub kept_out: bool,
    /// Columns in the source's order.
    pub columns: Vec<ColumnWhy>,
    /// When this version of the row was written, RFC 3339, UTC; none where the table does not say.
    pub loaded_at: Option<String>,
    /// The run that wrote it, as far as the history of attempts reaches; none when that run failed or was killed afterwards.
    pub written_by: Option<String>,
    /// End of the last load in which all rows of the table were compared by content, RFC 3339, UTC; none when this version of the
    /// row came later.
    pub last_proved: Option<String>,
    /// The row's places in quarantine.
    pub quarantine: Vec<Kept>,
    /// What a person should know: what could not be asked.
    pub warnings: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnWhy {
    /// What it is at the source, what it becomes, and by which rule.
    #[serde(flatten)]
    pub column: ColumnReport,
    /// Both sides are the same after the rule and its policies; none when one side has no such row.
    pub is_same: Option<bool>,
    /// What the source's value becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// What the warehouse holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Value>,
}

/// A row in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The column whose value was refused.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
    /// By which run.
    pub run_id: String,
}

impl WhyReport {
    /// Decides status and exit code; whether the source has the row, the target has it, and the target exists.
    #[must_use]
    pub fn judged(mut self, (there, here, exists): (bool, bool, bool)) -> Self {
        let differs = self.columns.iter().any(|column| column.is_same == Some(false));
        self.status = match (there, here) {
            _ if !exists => "no_target",
            _ if self.unlike.is_some() => "unlike",
            // The source has it, so a row that the warehouse has is an older version of it.
            _ if self.kept_out => "quarantined",
            (true, true) if differs => "different",
            (true, true) => "same",
            (_, false) if !self.quarantine.is_empty() => "quarantined",
            (true, false) => "missing",
            (false, true) => "surplus",
            (false, false) => "absent",
        };
        self.exit_code = match self.status {
            "same" | "absent" => 0,
            "quarantined" => 3,
            _ => 1,
        };
        self
    }
}

/// The answer as text.
#[must_use]
pub fn text(report: &WhyReport) -> String {
    let mut lines = Vec::new();
    let values = report.columns.iter().any(|column| column.source.is_some() || column.target.is_some());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["column", "type", "rule", "both sides"];
    header.extend(if values { vec!["source", "warehouse"] } else { Vec::new() });
    table.set_header(header);
    for one in &report.columns {
        let same = match one.is_same {
            Some(true) => "same",
            Some(false) => "DIFFERENT",
            None => "",
        };
        let mut row = vec![one.column.column.clone(), one.column.ty.clone(), one.column.note(), same.to_owned()];
        if values {
            let shown = |value: &Option<Value>| value.as_ref().map_or_else(String::new, ToString::to_string);
            row.extend([shown(&one.source), shown(&one.target)]);
        }
        table.add_row(row);
    }
    lines.push(table.to_string());
    lines.extend(report.unlike.iter().map(|why| format!("the target is not as a run would make it: {why}")));
    for kept in &report.quarantine {
        let column = kept.column.as_ref().map_or_else(String::new, |column| format!(", column {column}"));
        lines.push(format!("in quarantine since run {}: {}{column}", kept.run_id, kept.reason));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    let known = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    lines.extend(known("written at", &report.loaded_at));
    if report.loaded_at.is_some() {
        lines.push(format!("written by run {}", report.written_by.as_deref().unwrap_or("unknown")));
    }
    lines.extend(known("all rows of the table last compared by content at", &report.last_proved));
    let key = report.key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
    lines.push(format!("{}{key}: {}", report.table, report.status));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_both_sides_say_of_it() {
        let judged = |there, here, exists| WhyReport::default().judged((there, here, exists)).status;
        assert_eq!(judged(true, true, true), "same");
        assert_eq!(judged(true, false, true), "missing");
        assert_eq!(judged(false, true, true), "surplus");
        assert_eq!(judged(false, false, true), "absent");
        assert_eq!(judged(true, false, false), "no_target");
        let kept = WhyReport { kept_out: true, ..WhyReport::default() }.judged((false, false, true));
        assert_eq!((kept.status, kept.exit_code), ("quarantined", 3));
        let older = WhyReport { kept_out: true, ..WhyReport::default() }.judged((false, true, true));
        assert_eq!(older.status, "quarantined");
        let unlike = WhyReport { unlike: Some("x".into()), ..WhyReport::default() }.judged((true, false, true));
        assert_eq!((unlike.status, unlike.exit_code), ("unlike", 1));
    }
}
