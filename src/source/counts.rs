//! Counts the rows of a source table, by buckets of its key. Works inside whatever transaction the caller has open.
//!
//! No index is forced: every row is counted, and the server knows which index is the smallest that holds the key.

use crate::catalog::SourceTable;
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::name::quote_mysql;
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::strategy::{Splitter, splitter};
use mysql::prelude::Queryable;
use mysql::{Row, Value};

/// The one column that buckets are made of; none for a table that gets only a total.
fn key(table: &SourceTable) -> Option<String> {
    let column = table.key_columns().next().filter(|_| splitter(table) == Splitter::Integer)?;
    Some(quote_mysql(&column.name))
}

/// Smallest and largest key of the table, whatever its filter; none for an empty table or one without an integer key.
///
/// # Errors
/// The classified server error.
pub fn ends(conn: &mut MysqlConn, table: &SourceTable) -> Result<Option<(i128, i128)>> {
    let Some(key) = key(table) else { return Ok(None) };
    let doing = format!("looking for the first and the last key of table {}", table.name.table);
    let rows = ask(conn, &format!("SELECT MIN({key}), MAX({key}) FROM {}", table.name.mysql()), &doing)?;
    let [(Some(min), Some(max))] = rows.as_slice() else { return Ok(None) };
    Ok(Some((*min, *max)))
}

/// The statement that counts the rows under the filter: one row of bucket and count per bucket, NULL for the only bucket of
/// a table that gets only a total.
#[must_use]
pub fn sql(table: &SourceTable, filter: Option<&str>, buckets: Option<Buckets>) -> String {
    let condition = filter.map(|filter| format!(" WHERE ({filter})")).unwrap_or_default();
    let rest = format!("COUNT(*) FROM {}{condition}", table.name.mysql());
    match key(table).zip(buckets) {
        // MySQL refuses to divide the smallest BIGINT by 1 (error 1690), though the result is that number.
        Some((key, buckets)) if buckets.width() == 1 => format!("SELECT {key}, {rest} GROUP BY 1"),
        Some((key, buckets)) => format!("SELECT {key} DIV {}, {rest} GROUP BY 1", buckets.width()),
        None => format!("SELECT NULL, {rest}"),
    }
}

/// Rows of the table under its filter.
///
/// # Errors
/// The classified server error.
pub fn counts(conn: &mut MysqlConn, table: &SourceTable, filter: Option<&str>, buckets: Option<Buckets>) -> Result<Counts> {
    let doing = format!("counting table {}", table.name.table);
    let mut counts = Counts::default();
    for (bucket, rows) in ask(conn, &sql(table, filter, buckets), &doing)? {
        let rows = rows.and_then(|rows| u64::try_from(rows).ok());
        let rows = rows.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))?;
        counts.add(&Counts { rows, buckets: bucket.map(|bucket| (bucket, rows)).into_iter().collect() });
    }
    Ok(counts)
}

/// Pairs of integers or NULL.
fn ask(conn: &mut MysqlConn, sql: &str, doing: &str) -> Result<Vec<(Option<i128>, Option<i128>)>> {
    let rows: Vec<Row> = conn.conn.query(sql).map_err(|e| classify::mysql(&e, doing))?;
    let number = |row: &Row, at| match row.as_ref(at) {
        Some(Value::NULL) => Ok(None),
        Some(value) => integer(value).map(Some).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: not an integer"))),
        None => Err(Error::new(Kind::Internal, format!("{doing}: a column is missing"))),
    };
    rows.iter().map(|row| Ok((number(row, 0)?, number(row, 1)?))).collect()
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(v) => Some(i128::from(*v)),
        Value::UInt(v) => Some(i128::from(*v)),
        Value::Bytes(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}
