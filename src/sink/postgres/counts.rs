//! Counts the rows of a target and of its quarantine, by buckets of the key: SQL that runs inside whatever transaction the
//! caller has open, and what its answers mean.

use super::run;
use crate::catalog::{SourceTable, deleted_at};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::{TableName, literal_postgres, quote_postgres};
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::strategy::{Splitter, splitter};
use crate::value::ColumnType;

/// Smallest and largest key of the target; none for an empty table or one without an integer key.
///
/// # Errors
/// The classified server error.
pub fn ends(conn: &mut PostgresConn, table: &SourceTable, target: &TableName) -> Result<Option<(i128, i128)>> {
    let column = table.key_columns().next().filter(|_| splitter(table) == Splitter::Integer);
    let Some(key) = column.map(|column| quote_postgres(&column.target)) else { return Ok(None) };
    let doing = format!("looking for the first and the last key of {target}");
    let rows = run(conn, &format!("SELECT min({key}), max({key}) FROM ONLY {}", target.postgres()), &doing)?.rows;
    match rows.as_slice() {
        [row] => match row.as_slice() {
            [min, max] => Ok(integer(min, &doing)?.zip(integer(max, &doing)?)),
            _ => Err(Error::new(Kind::Internal, format!("{doing}: no answer"))),
        },
        _ => Err(Error::new(Kind::Internal, format!("{doing}: no answer"))),
    }
}

/// The statement that counts the target's rows: one row of bucket and count per bucket. NULL is the only bucket of a table
/// that gets only a total, and that of rows whose key became NULL by a policy.
///
/// `marks`: rows that the source has no more are marked, and not counted.
#[must_use]
pub fn target_sql(table: &SourceTable, (target, marks): (&TableName, bool), buckets: Option<Buckets>) -> String {
    let bucket = table.key_columns().next().zip(buckets).filter(|_| splitter(table) == Splitter::Integer);
    let bucket = bucket.map_or("NULL".to_owned(), |(column, buckets)| {
        let (key, width) = (quote_postgres(&column.target), buckets.width());
        match column.ty {
            ColumnType::UInt64 => format!("div({key}, {width})"),
            _ => format!("{key}::bigint / {width}::bigint"),
        }
    });
    let there = if marks { format!(" WHERE {}", deleted_at::is_null("")) } else { String::new() };
    format!("SELECT {bucket}, count(*) FROM ONLY {}{there} GROUP BY 1", target.postgres())
}

/// The statement that counts the source rows of a table that are in quarantine instead of the target, in the same form.
/// Inside a finish it sees the rejects of its own load once the state row is written.
#[must_use]
pub fn rejected_sql(job: &str, table: &SourceTable, buckets: Option<Buckets>) -> String {
    let bucket = table.key_columns().next().zip(buckets).filter(|_| splitter(table) == Splitter::Integer);
    let bucket = bucket.map_or("NULL".to_owned(), |(column, buckets)| {
        format!("div((r.key ->> {})::numeric, {})", literal_postgres(&column.name), buckets.width())
    });
    format!(
        "SELECT {bucket}, count(*) FROM etl_quarantine.rejected_row r WHERE r.job = {} AND r.table_name = {} AND {} GROUP BY 1",
        literal_postgres(job),
        literal_postgres(&table.name.table),
        include_str!("rejected_finished.sql").trim_end()
    )
}

/// The statement that asks something of these rows, `r`: of all, or of those in ranges of an integer key.
#[must_use]
pub fn rejected_in_sql(what: &str, job: &str, table: &SourceTable, ranges: Option<&[KeyRange]>) -> String {
    let own = format!("r.job = {} AND r.table_name = {}", literal_postgres(job), literal_postgres(&table.name.table));
    let mut sql = format!(
        "SELECT {what} FROM etl_quarantine.rejected_row r WHERE {own} AND {}",
        include_str!("rejected_finished.sql").trim_end()
    );
    if let Some((column, ranges)) = table.key_columns().next().zip(ranges) {
        // Keys of other tables may be no numbers, and the server chooses what it evaluates first.
        let key = format!("CASE WHEN {own} THEN (r.key ->> {})::numeric END", literal_postgres(&column.name));
        let all: Vec<String> = ranges.iter().map(|range| range.of_integers(&key)).collect();
        sql.push_str(&format!(" AND ({})", if all.is_empty() { "false".into() } else { all.join(" OR ") }));
    }
    sql
}

/// Runs one of these statements.
///
/// # Errors
/// The classified server error.
pub fn counts(conn: &mut PostgresConn, sql: &str, doing: &str) -> Result<Counts> {
    parse(&run(conn, sql, doing)?.rows, doing)
}

/// The answer to one of these statements, or to several at once: then their rows are added up.
///
/// # Errors
/// [`Kind::Internal`] for anything but rows of bucket and count.
pub fn parse(rows: &[Vec<String>], doing: &str) -> Result<Counts> {
    let mut counts = Counts::default();
    for row in rows {
        let [bucket, rows] = row.as_slice() else {
            return Err(Error::new(Kind::Internal, format!("{doing}: not a bucket and a count")));
        };
        let rows = super::count(rows, doing)?;
        let bucket = integer(bucket, doing)?;
        counts.add(&Counts { rows, buckets: bucket.map(|bucket| (bucket, rows)).into_iter().collect() });
    }
    Ok(counts)
}

/// Empty for NULL.
fn integer(text: &str, doing: &str) -> Result<Option<i128>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|e| Error::with(Kind::Internal, format!("{doing}: not an integer"), e))
}
