//! Reads rows from MySQL and MariaDB: one prepared statement per table, the binary protocol, streamed.
//!
//! The binary protocol costs a third of the text protocol's CPU and keeps FLOAT exact. Every read stands between a
//! savepoint and its rollback, which gives the table's metadata lock back without leaving the snapshot.

use super::{EachRow, Source, counts};
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::key::{KeyRange, KeyValue};
use crate::name::quote_mysql;
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::{Slice, TablePlan};
use crate::usage;
use crate::value::{Cell, ColumnType, DateTime, Row, Time};
use mysql::prelude::Queryable;
use mysql::{Params, Value};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the rest of an abandoned result is read before the connection is given up instead.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Rows with more bytes than this in their long columns are read one at a time: each of them is in memory several times,
/// and several workers with one each would be too much.
const LONG_ROW_BYTES: u64 = 4 << 20;

/// What the workers of a run share about rows of many megabytes: one connection of the snapshot group for all of them,
/// because the driver's buffers stay as large as the longest row they have held.
#[derive(Debug, Clone)]
pub struct LongRows {
    /// Its holder reads from a server, under that connection's deadlines. None: the reader reads them itself, afterwards.
    lane: Option<Arc<Mutex<Reader>>>,
    /// Longest row that is read, bytes.
    bytes_max: u64,
}

impl LongRows {
    /// A lane over a connection whose transaction is open already, for rows of at most so many bytes.
    #[must_use]
    pub fn new(conn: MysqlConn, bytes_max: u64) -> Self {
        Self { lane: Some(Arc::new(Mutex::new(Reader::new(conn)))), bytes_max }
    }

    /// For a reader that shares its snapshot with nobody.
    #[must_use]
    pub const fn own(bytes_max: u64) -> Self {
        Self { lane: None, bytes_max }
    }
}

/// One connection inside a snapshot (or outside of any, for tables without transactions).
#[derive(Debug)]
struct Reader {
    conn: Option<MysqlConn>,
    /// Set by the first work: a rollback to it leaves it in place.
    has_savepoint: bool,
}

impl Reader {
    const fn new(conn: MysqlConn) -> Self {
        Self { conn: Some(conn), has_savepoint: false }
    }

    /// Runs `work` between a savepoint and its rollback, which lets go of the table; any error but one of `work`'s own caller
    /// loses the connection.
    fn in_savepoint<T>(&mut self, table: &str, work: impl FnOnce(&mut MysqlConn) -> Result<T>) -> Result<T> {
        let gone = || Error::new(Kind::SnapshotLost, format!("reading table {table}: the source connection is gone"));
        let mut conn = self.conn.take().ok_or_else(gone)?;
        let doing = format!("reading table {table}");
        if !self.has_savepoint {
            conn.execute("SAVEPOINT chunk", &doing)?;
            self.has_savepoint = true;
        }
        let result = work(&mut conn);
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

/// A worker's reader.
#[derive(Debug)]
pub struct MysqlSource {
    reader: Reader,
    long_rows: Option<LongRows>,
}

impl MysqlSource {
    /// Takes a connection whose transaction is open already; the lane may be missing when no table has long columns.
    #[must_use]
    pub const fn new(conn: MysqlConn, long_rows: Option<LongRows>) -> Self {
        Self { reader: Reader::new(conn), long_rows }
    }

    /// The connection, inside the transaction that it came with; none when it is lost.
    #[must_use]
    pub fn into_conn(self) -> Option<MysqlConn> {
        self.reader.conn
    }
}

/// Errors after which the protocol stands at a known place: the sink's, and those the server answered with.
fn keeps_connection(error: &Error) -> bool {
    !matches!(error.kind(), Kind::SnapshotLost | Kind::Timeout)
}

impl Source for MysqlSource {
    fn read(&mut self, table: &TablePlan, slice: &Slice, each: &mut EachRow<'_>) -> Result<u64> {
        let mut call = usage::READ.attempt(table.shape());
        let Some((long_rows, lengths)) = self.long_rows.clone().zip(Lengths::of(table)) else {
            let query = select(table, slice, None);
            let read = self.reader.in_savepoint(table.name(), |conn| Ok(stream(conn, table, query, u64::MAX, each)?.0));
            call.rows(*read.as_ref().unwrap_or(&0));
            return call.ends(read);
        };
        let bytes_max = long_rows.bytes_max;
        let query = select(table, slice, Some(lengths.clone().short()));
        let (read, long) = self.reader.in_savepoint(table.name(), |conn| stream(conn, table, query, bytes_max, each))?;
        call.rows(read);
        if long == 0 {
            return call.ends(Ok(read));
        }
        let query = select(table, slice, Some(lengths.long(bytes_max)));
        let work = |reader: &mut Reader| reader.in_savepoint(table.name(), |conn| stream(conn, table, query, bytes_max, each));
        let (more, _) = match &long_rows.lane {
            Some(lane) => work(&mut lane.lock().unwrap_or_else(PoisonError::into_inner))?,
            None => work(&mut self.reader)?,
        };
        if more != long {
            let text = format!("reading table {}: {long} long rows were seen, {more} were read", table.name());
            return Err(Error::new(Kind::Proof, text));
        }
        call.rows(read + more);
        call.ends(Ok(read + more))
    }

    fn count(&mut self, table: &TablePlan) -> Result<Option<u64>> {
        if table.drains() {
            return Ok(None);
        }
        let mut sql = format!("SELECT COUNT(*) FROM {}", table.source.name.mysql());
        if let Some(filter) = &table.filter {
            sql.push_str(&format!(" WHERE ({filter})"));
        }
        let call = usage::COUNT_SOURCE.attempt(table.shape());
        let count = self.reader.in_savepoint(table.name(), |conn| {
            let doing = format!("counting table {}", table.name());
            let count: Option<u64> = conn.conn.query_first(&sql).map_err(|e| classify::mysql(&e, &doing))?;
            count.map(Some).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))
        });
        call.ends(count)
    }

    fn ends(&mut self, table: &TablePlan) -> Result<Option<(i128, i128)>> {
        self.reader.in_savepoint(table.name(), |conn| counts::ends(conn, &table.source))
    }

    fn counts(&mut self, table: &TablePlan, buckets: Option<Buckets>) -> Result<Counts> {
        let counts = |conn: &mut MysqlConn| counts::counts(conn, &table.source, table.filter.as_deref(), buckets);
        usage::COUNT_BUCKETS.run(table.shape(), || self.reader.in_savepoint(table.name(), counts))
    }

    fn is_lost(&self) -> bool {
        self.reader.conn.is_none()
    }
}

/// How many bytes the long columns of a row have, in SQL.
#[derive(Clone)]
struct Lengths {
    sum: String,
    /// A row that is too long has a column with more bytes than this, because all others together cannot make it so.
    share: u64,
}

/// Which rows a statement reads, in tables that may have long ones.
struct Part {
    /// NULL stands for long columns of rows that are too long.
    guard: Option<Lengths>,
    /// The last column: bytes of the long columns.
    length: String,
    condition: Option<String>,
}

impl Lengths {
    /// None for a table whose columns are all short.
    fn of(table: &TablePlan) -> Option<Self> {
        let long: Vec<String> = table
            .source
            .columns
            .iter()
            .filter(|column| column.may_be_long())
            .map(|column| format!("COALESCE(OCTET_LENGTH({}), 0)", quote_mysql(&column.name)))
            .collect();
        let share = LONG_ROW_BYTES.checked_div(u64::try_from(long.len()).ok()?)?;
        Some(Self { sum: long.join(" + "), share })
    }

    /// Every row; where the long columns are too long for a parallel read, NULL stands for those above their share.
    fn short(self) -> Part {
        Part { length: self.sum.clone(), guard: Some(self), condition: None }
    }

    /// The column, or NULL in a row that is too long. Its own length is asked first: the sum in every column of every row
    /// is work by the square of the columns, and a table without transactions is locked meanwhile.
    fn guarded(&self, column: &str) -> String {
        let (sum, share) = (&self.sum, self.share);
        format!("IF(COALESCE(OCTET_LENGTH({column}), 0) > {share} AND {sum} > {LONG_ROW_BYTES}, NULL, {column})")
    }

    /// The rows that [`Lengths::short`] left out, up to the longest that is read.
    fn long(&self, bytes_max: u64) -> Part {
        let condition = Some(format!("{} > {LONG_ROW_BYTES} AND {} <= {bytes_max}", self.sum, self.sum));
        Part { guard: None, length: "0".into(), condition }
    }
}

/// A statement and its parameters.
struct Query {
    sql: String,
    values: Vec<Value>,
    /// The last column is the length of the long columns.
    measured: bool,
}

/// The statement of a slice. Columns are always named: a star leaves invisible ones out.
fn select(table: &TablePlan, slice: &Slice, part: Option<Part>) -> Query {
    let _call = usage::SELECT.enter(table.shape());
    let source = &table.source;
    let guard = part.as_ref().and_then(|part| part.guard.as_ref());
    let mut columns: Vec<String> = source
        .columns
        .iter()
        .map(|column| match guard.filter(|_| column.may_be_long()) {
            Some(lengths) => lengths.guarded(&quote_mysql(&column.name)),
            None => quote_mysql(&column.name),
        })
        .collect();
    columns.extend(part.as_ref().map(|part| part.length.clone()));
    let mut sql = format!("SELECT {} FROM {}", columns.join(", "), source.name.mysql());
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    match slice {
        Slice::Range(range) => {
            if let Some((condition, keys)) = key_condition(table, range) {
                // Left to itself the optimizer scans the whole table for a wide range, once per chunk.
                if let Some(index) = &source.key_index {
                    sql.push_str(&format!(" FORCE INDEX ({})", quote_mysql(index)));
                }
                conditions.push(condition);
                values = keys;
            }
        }
        Slice::Past { condition, ranges } => {
            let mut parts = vec![condition.clone()];
            for range in ranges {
                // A range without an end is every row, not none.
                let (range, keys) = key_condition(table, range).unwrap_or_else(|| ("TRUE".into(), Vec::new()));
                parts.push(format!("({range})"));
                values.extend(keys);
            }
            conditions.push(format!("({})", parts.join(" OR ")));
        }
    }
    conditions.extend(table.filter.as_ref().map(|filter| format!("({filter})")));
    let measured = part.is_some();
    conditions.extend(part.and_then(|part| part.condition));
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    Query { sql, values, measured }
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

/// Gives every row to `each` but those that are left for the lane; returns how many of either there were.
fn stream(conn: &mut MysqlConn, table: &TablePlan, query: Query, bytes_max: u64, each: &mut EachRow<'_>) -> Result<(u64, u64)> {
    let doing = || format!("reading table {}", table.name());
    let params = if query.values.is_empty() { Params::Empty } else { Params::Positional(query.values) };
    let mut result = conn.conn.exec_iter(query.sql, params).map_err(|e| classify::mysql(&e, doing()))?;
    let width = table.source.columns.len();
    let Some(mut rows) = result.iter() else {
        return Err(Error::new(Kind::SnapshotLost, format!("{}: the server answered a SELECT without columns", doing())));
    };
    let mut spare: Vec<Cell<'static>> = Vec::with_capacity(width);
    let (mut count, mut long) = (0_u64, 0_u64);
    let failed = loop {
        let Some(row) = rows.next() else { return Ok((count, long)) };
        let row = row.map_err(|e| classify::mysql(&e, doing()))?;
        if row.len() != width + usize::from(query.measured) {
            break Error::new(Kind::Changed, doing());
        }
        let length = if query.measured { bytes_of(row.as_ref(width)) } else { 0 };
        if length > LONG_ROW_BYTES && length <= bytes_max {
            long += 1;
            continue;
        }
        let mut cells = recycle(spare);
        let values = row.unwrap_raw();
        cells.extend(values.iter().take(width).map(|value| value.as_ref().map_or(Cell::Null, cell)));
        let outcome = each(&Row { cells: &cells, too_long: (length > bytes_max).then_some(length) });
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

/// A length as the server counted it.
fn bytes_of(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::UInt(bytes)) => *bytes,
        Some(Value::Int(bytes)) => u64::try_from(*bytes).unwrap_or(0),
        // MySQL adds lengths up as a decimal where there are many.
        Some(Value::Bytes(text)) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
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
