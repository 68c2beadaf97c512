//! Columns for people: what each becomes, which rule says so, which policies differ from the default.

use crate::catalog::{Column, SourceTable, cast};
use crate::config::Policies;
use crate::error::Error;
use crate::report::ErrorReport;
use crate::report::columns::{ColumnReport, PolicyReport};
use crate::report::plan::RefusedTable;
use crate::source::probe;
use crate::value::Fault;

/// Every column of a table.
pub(super) fn columns(table: &SourceTable) -> Vec<ColumnReport> {
    table.columns.iter().map(column).collect()
}

/// The columns that the configuration has changed anything about.
pub(super) fn special(table: &SourceTable) -> Vec<ColumnReport> {
    columns(table).into_iter().filter(ColumnReport::is_special).collect()
}

/// Tables that cannot be copied.
pub(super) fn refused(tables: &[(String, Error)]) -> Vec<RefusedTable> {
    tables.iter().map(|(table, error)| RefusedTable { table: table.clone(), error: ErrorReport::from(error) }).collect()
}

fn column(column: &Column) -> ColumnReport {
    ColumnReport {
        column: column.name.clone(),
        target: column.target.clone(),
        declared: column.declared.clone(),
        ty: column.ty.to_string(),
        not_null: !column.nullable,
        rule: column.rule,
        by_configuration: !cast::is_default(column.rule),
        policies: policies(column),
    }
}

/// Policies that no value of the column can fall under are left out.
fn policies(column: &Column) -> Vec<PolicyReport> {
    const POLICIES: [(Fault, &str); 4] = [
        (Fault::ZeroDate, "zero_dates"),
        (Fault::Nul, "nul_bytes"),
        (Fault::InvalidUtf8, "invalid_utf8"),
        (Fault::OutOfRange, "out_of_range"),
    ];
    let (own, default) = (column.policies, Policies::default());
    POLICIES
        .iter()
        .filter(|(fault, _)| own.of(*fault) != default.of(*fault) && probe::may_have(column, *fault))
        .map(|&(fault, policy)| PolicyReport { policy, action: own.of(fault).word() })
        .collect()
}
