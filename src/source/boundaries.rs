//! Asks MySQL where a table's chunks may be cut; the decisions themselves are in `plan::chunks`.

use super::mysql::key_condition;
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::key::{KeyRange, KeyValue};
use crate::name::{column_list, quote_mysql};
use crate::plan::TablePlan;
use crate::plan::chunks::{self, ChunkGoal};
use crate::plan::strategy::{self, Splitter};
use crate::usage;
use mysql::prelude::Queryable;
use mysql::{Params, Row, Value};

/// The ranges of a table that has more than one chunk.
///
/// # Errors
/// The classified server error.
pub fn ranges(conn: &mut MysqlConn, table: &TablePlan, goal: ChunkGoal) -> Result<Vec<KeyRange>> {
    usage::CUT.run(table.shape(), || match strategy::splitter(&table.source) {
        Splitter::None => Ok(vec![KeyRange::everything()]),
        Splitter::Walk => chunks::walk(goal, |from, rows| key_after(conn, table, from, rows)),
        Splitter::Integer => match ends(conn, table)? {
            None => Ok(vec![KeyRange::everything()]),
            Some((min, max)) => chunks::integer(goal, min, max, |low, high| estimate(conn, table, low, high)),
        },
    })
}

fn doing(table: &TablePlan) -> String {
    format!("planning the chunks of table {}", table.name())
}

fn ends(conn: &mut MysqlConn, table: &TablePlan) -> Result<Option<(i128, i128)>> {
    let Some(column) = table.source.key_columns().next() else { return Ok(None) };
    let name = quote_mysql(&column.name);
    let sql = format!("SELECT MIN({name}), MAX({name}) FROM {}", table.source.name.mysql());
    let row: Option<Row> = conn.conn.exec_first(sql, ()).map_err(|e| classify::mysql(&e, doing(table)))?;
    let end = |index| row.as_ref().and_then(|row| row.as_ref(index)).and_then(integer);
    Ok(end(0).zip(end(1)))
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(v) => Some(i128::from(*v)),
        Value::UInt(v) => Some(i128::from(*v)),
        _ => None,
    }
}

/// The optimizer's own range estimate: two dives into the index.
fn estimate(conn: &mut MysqlConn, table: &TablePlan, low: i128, high: i128) -> Result<u64> {
    let Some(column) = table.source.key_columns().next() else { return Ok(0) };
    let name = quote_mysql(&column.name);
    // Not FORCE INDEX: under it MySQL does not look and answers 1 for every range.
    let index = table.source.key_index.as_ref().map(|i| format!("USE INDEX ({})", quote_mysql(i))).unwrap_or_default();
    let sql = format!(
        "EXPLAIN FORMAT=TRADITIONAL SELECT {name} FROM {} {index} WHERE {name} >= {low} AND {name} < {high}",
        table.source.name.mysql()
    );
    let row: Option<Row> = conn.conn.query_first(sql).map_err(|e| classify::mysql(&e, doing(table)))?;
    let Some(row) = row else { return Ok(0) };
    let position = row.columns_ref().iter().position(|c| c.name_str().eq_ignore_ascii_case("rows"));
    if position.is_none() {
        return Err(Error::new(Kind::Internal, format!("{}: EXPLAIN has no column of rows", doing(table))));
    }
    match position.and_then(|p| row.as_ref(p)) {
        // "Impossible WHERE" and empty ranges have no number.
        None | Some(Value::NULL) => Ok(0),
        Some(Value::Bytes(digits)) => {
            let text = std::str::from_utf8(digits).ok().and_then(|t| t.parse().ok());
            text.ok_or_else(|| Error::new(Kind::Internal, format!("{}: EXPLAIN gave no number of rows", doing(table))))
        }
        Some(value) => Ok(integer(value).and_then(|v| u64::try_from(v).ok()).unwrap_or(0)),
    }
}

/// The key `rows` rows after `from`, in the server's own order.
fn key_after(conn: &mut MysqlConn, table: &TablePlan, from: Option<&[KeyValue]>, rows: u64) -> Result<Option<Vec<KeyValue>>> {
    let source = &table.source;
    let order = column_list(source.key_columns().map(|c| c.name.as_str()), quote_mysql);
    // Dates go through text: a parameter of another type would be compared as another type.
    let wanted: Vec<String> = source
        .key_columns()
        .map(|c| if c.ty.is_calendar() { format!("CAST({} AS CHAR)", quote_mysql(&c.name)) } else { quote_mysql(&c.name) })
        .collect();
    let mut sql = format!("SELECT {} FROM {}", wanted.join(", "), source.name.mysql());
    if let Some(index) = &source.key_index {
        sql.push_str(&format!(" FORCE INDEX ({})", quote_mysql(index)));
    }
    let range = KeyRange { low: from.map(<[KeyValue]>::to_vec), high: None };
    let mut params = Params::Empty;
    if let Some((condition, values)) = key_condition(table, &range) {
        sql.push_str(&format!(" WHERE {condition}"));
        params = Params::Positional(values);
    }
    sql.push_str(&format!(" ORDER BY {order} LIMIT 1 OFFSET {rows}"));
    let row: Option<Row> = conn.conn.exec_first(sql, params).map_err(|e| classify::mysql(&e, doing(table)))?;
    row.map(|row| source.key.iter().enumerate().map(|(i, _)| key_value(row.as_ref(i), table)).collect::<Result<Vec<KeyValue>>>())
        .transpose()
}

fn key_value(value: Option<&Value>, table: &TablePlan) -> Result<KeyValue> {
    match value {
        Some(Value::Int(v)) => Ok(KeyValue::Int(*v)),
        Some(Value::UInt(v)) => Ok(KeyValue::UInt(*v)),
        Some(Value::Bytes(v)) => Ok(KeyValue::Bytes(v.clone())),
        _ => Err(Error::new(Kind::Internal, format!("{}: the key has a type that cannot be compared", doing(table)))),
    }
}
