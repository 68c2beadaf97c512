//! The target's DDL, as data and as text that psql runs.

use super::columns::ColumnReport;
use super::plan::RefusedTable;
use super::{Renamed, SCHEMA_VERSION};
use crate::catalog::ddl::comment_line;
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct DdlReport {
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
    /// Target schema.
    pub schema: String,
    /// The statement that makes the schema.
    pub create_schema: String,
    /// Tables by name.
    pub tables: Vec<TableDdl>,
    /// Tables that cannot be copied.
    pub refused: Vec<RefusedTable>,
}

/// One table.
#[derive(Debug, Clone, Serialize)]
pub struct TableDdl {
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// Its statements, as a first load makes the table; comments tell what chose each column.
    pub sql: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnReport>,
    /// Names that PostgreSQL cannot keep.
    pub renamed: Vec<Renamed>,
}

impl DdlReport {
    /// Decides status and exit code.
    #[must_use]
    pub fn judged(mut self) -> Self {
        self.schema_version = SCHEMA_VERSION;
        self.exit_code = u8::from(!self.refused.is_empty());
        self.status = if self.exit_code == 0 { "ok" } else { "failed" };
        self
    }
}

/// The DDL as text that psql runs.
#[must_use]
pub fn text(report: &DdlReport) -> String {
    let mut out = format!("{}\n", comment_line(&format!("what a first load from {} makes", report.source)));
    out.push_str(&comment_line("NOT NULL is dropped from a column when a policy puts NULL in"));
    out.push_str(&format!("\n{};\n", report.create_schema));
    for table in &report.tables {
        out.push('\n');
        out.push_str(&table.sql);
    }
    for refused in &report.refused {
        out.push_str(&format!("\n{}\n", comment_line(&format!("not copied: {}", refused.error.message))));
    }
    out
}
