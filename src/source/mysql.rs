//! Reads rows from MySQL and MariaDB: one prepared statement per table, the binary protocol, streamed.
//!
//! The binary protocol costs a third of the text protocol's CPU and keeps FLOAT exact. Every read stands between a
//! savepoint and its rollback, which gives the table's metadata lock back without leaving the snapshot.

use super::{EachRow, Source};
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::key::{KeyRange, KeyValue};
use crate::name::{column_list, quote_mysql};
use crate::plan::TablePlan;
use crate::value::{Cell, ColumnType, DateTime, Time};
use mysql::prelude::Queryable;
use mysql::{Params, Value};
use std::time::{Duration, Instant};

/// How long the rest of an abandoned result is read before the connection is given up instead.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// One connection inside a snapshot (or outside of any, for tables without transactions).
#[derive(Debug)]
pub struct MysqlSource {
    conn: Option<MysqlConn>,
}

impl MysqlSource {
    /// Takes a connection whose transaction is open already.
    #[must_use]
    pub const fn new(conn: MysqlConn) -> Self {
        Self { conn: Some(conn) }
    }

    /// Runs `work` between a savepoint and its rollback; any error but one of `work`'s own caller loses the connection.
    fn in_savepoint<T>(&mut self, table: &str, work: impl FnOnce(&mut MysqlConn) -> Result<T>) -> Result<T> {
        let gone = || Error::new(Kind::SnapshotLost, format!("reading table {table}: this worker's source connection is gone"));
        let mut conn = self.conn.take().ok_or_else(gone)?;
        let doing = format!("reading table {table}");
        let result = conn.execute("SAVEPOINT chunk", &doing).and_then(|()| work(&mut conn));
        let back = match &result {
            Err(error) if conn.abandoned || !keeps_connection(error) => return result,
            _ => conn.execute("ROLLBACK TO SAVEPOINT chunk", &doing),
        };
        match back {
            Ok(()) => self.conn = Some(conn),
            // The rows are complete; only the connection is gone.
            Err(error) => log::debug!("{error}"),
        }
        result
    }
}

/// Errors after which the protocol stands at a known place: the sink's, and those the server answered with.
fn keeps_connection(error: &Error) -> bool {
    !matches!(error.kind(), Kind::SnapshotLost | Kind::Timeout)
}

impl Source for MysqlSource {
    fn read(&mut self, table: &TablePlan, range: &KeyRange, each: &mut EachRow<'_>) -> Result<u64> {
        let (sql, values) = select(table, range);
        self.in_savepoint(table.name(), |conn| stream(conn, table, &sql, values, each))
    }

    fn count(&mut self, table: &TablePlan) -> Result<Option<u64>> {
        if table.drains() {
            return Ok(None);
        }
        let mut sql = format!("SELECT COUNT(*) FROM {}", table.source.name.mysql());
        if let Some(filter) = &table.filter {
            sql.push_str(&format!(" WHERE ({filter})"));
        }
        self.in_savepoint(table.name(), |conn| {
            let doing = format!("counting table {}", table.name());
            let count: Option<u64> = conn.conn.query_first(&sql).map_err(|e| classify::mysql(&e, &doing))?;
            count.map(Some).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))
        })
    }

    fn is_lost(&self) -> bool {
        self.conn.is_none()
    }
}

/// The statement of a range and its parameters. Columns are always named: `SELECT *` leaves invisible ones out.
#[must_use]
pub fn select(table: &TablePlan, range: &KeyRange) -> (String, Vec<Value>) {
    let source = &table.source;
    let columns = column_list(source.columns.iter().map(|c| c.name.as_str()), quote_mysql);
    let mut sql = format!("SELECT {columns} FROM {}", source.name.mysql());
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if let Some((condition, keys)) = key_condition(table, range) {
        // Left to itself the optimizer scans the whole table for a wide range, once per chunk.
        if let Some(index) = &source.key_index {
            sql.push_str(&format!(" FORCE INDEX ({})", quote_mysql(index)));
        }
        conditions.push(condition);
        values = keys;
    }
    if let Some(filter) = &table.filter {
        conditions.push(format!("({filter})"));
    }
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    (sql, values)
}

/// The range as a condition; bytes of binary columns are cast, or the server would read them as text.
pub(super) fn key_condition(table: &TablePlan, range: &KeyRange) -> Option<(String, Vec<Value>)> {
    let place = |ty| if ty == ColumnType::Bytes { "CAST(? AS BINARY)" } else { "?" };
    let columns: Vec<(&str, &str)> = table.source.key_columns().map(|c| (c.name.as_str(), place(c.ty))).collect();
    let (text, keys) = range.condition(&columns)?;
    Some((text, keys.into_iter().map(parameter).collect()))
}

fn parameter(value: KeyValue) -> Value {
    match value {
        KeyValue::Int(v) => Value::Int(v),
        KeyValue::UInt(v) => Value::UInt(v),
        KeyValue::Bytes(v) => Value::Bytes(v),
    }
}

fn stream(conn: &mut MysqlConn, table: &TablePlan, sql: &str, values: Vec<Value>, each: &mut EachRow<'_>) -> Result<u64> {
    let doing = || format!("reading table {}", table.name());
    let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
    let mut result = conn.conn.exec_iter(sql, params).map_err(|e| classify::mysql(&e, doing()))?;
    let width = table.source.columns.len();
    let Some(mut rows) = result.iter() else {
        return Err(Error::new(Kind::SnapshotLost, format!("{}: the server answered a SELECT without columns", doing())));
    };
    let mut spare: Vec<Cell<'static>> = Vec::with_capacity(width);
    let mut count = 0_u64;
    let failed = loop {
        let Some(row) = rows.next() else { return Ok(count) };
        let row = row.map_err(|e| classify::mysql(&e, doing()))?;
        let mut cells = recycle(spare);
        for column in 0..width {
            cells.push(row.as_ref(column).map_or(Cell::Null, cell));
        }
        let outcome = if row.len() == width { each(&cells) } else { Err(Error::new(Kind::Changed, doing())) };
        spare = recycle(cells);
        match outcome {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    // The driver reads an abandoned result to its end when it is dropped, however long that is.
    let until = Instant::now() + DRAIN_MAX;
    while Instant::now() < until {
        match rows.next() {
            None => return Err(failed),
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(classify::mysql(&e, doing())),
        }
    }
    // Never dropped, so never read to its end: the connection is closed right after, which ends the statement.
    std::mem::forget(rows);
    std::mem::forget(result);
    conn.abandoned = true;
    Err(failed)
}

/// The same allocation for the next row: an empty vector carries no borrow.
fn recycle<'b>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    cells.clear();
    cells.into_iter().map(|_| Cell::Null).collect()
}

#[inline]
fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::NULL => Cell::Null,
        Value::Bytes(bytes) => Cell::Bytes(bytes),
        Value::Int(v) => Cell::Int(*v),
        Value::UInt(v) => Cell::UInt(*v),
        Value::Float(v) => Cell::Float(*v),
        Value::Double(v) => Cell::Double(*v),
        Value::Date(year, month, day, hour, minute, second, micro) => Cell::DateTime(DateTime {
            year: *year,
            month: *month,
            day: *day,
            hour: *hour,
            minute: *minute,
            second: *second,
            micro: *micro,
        }),
        Value::Time(negative, days, hours, minutes, seconds, micros) => Cell::Time(Time {
            negative: *negative,
            hours: days * 24 + u32::from(*hours),
            minutes: *minutes,
            seconds: *seconds,
            micros: *micros,
        }),
    }
}
