//! What the status tables have and got, as data and as text.

use super::text::number;
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct TrackingReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `ok`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Source, without password.
    pub source: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// Tables that the configuration selects.
    pub configured: usize,
    /// Each status table.
    pub records: Vec<StatusRecords>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One status table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusRecords {
    /// Its name.
    pub table: &'static str,
    /// Configured tables that had a record.
    pub there: u64,
    /// Configured tables that got one.
    pub added: u64,
}

/// The answer as text.
#[must_use]
pub fn text(report: &TrackingReport) -> String {
    let line = |records: &StatusRecords| {
        let (there, added) = (number(records.there), number(records.added));
        format!("{}.{}: {there} records were there, {added} added\n", report.schema, records.table)
    };
    let lines: String = report.records.iter().map(line).collect();
    let warnings: String = report.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!("{} tables are configured\n{lines}{warnings}", report.configured)
}
