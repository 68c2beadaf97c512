//! Counts the rows of a source table, by buckets of its key. Works inside whatever transaction the caller has open.

use crate::catalog::SourceTable;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::plan::buckets::{Buckets, Counts, count_sql, ends_sql};

/// Smallest and largest key of the table, whatever its filter; none for an empty table or one without an integer key.
///
/// # Errors
/// The classified server error.
pub fn ends(conn: &mut MysqlConn, table: &SourceTable) -> Result<Option<(i128, i128)>> {
    let Some(sql) = ends_sql(table) else { return Ok(None) };
    let rows = conn.integers(&sql, &format!("looking for the first and the last key of table {}", table.name.table))?;
    let [(Some(min), Some(max))] = rows.as_slice() else { return Ok(None) };
    Ok(Some((*min, *max)))
}

/// Rows of the table under its filter.
///
/// # Errors
/// The classified server error.
pub fn counts(conn: &mut MysqlConn, table: &SourceTable, filter: Option<&str>, buckets: Option<Buckets>) -> Result<Counts> {
    let doing = format!("counting table {}", table.name.table);
    let pairs = conn.integers(&count_sql(table, &table.name, filter, buckets), &doing)?;
    Counts::of(&pairs).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))
}
