//! Staging into a replica's table, by content: what is gone, what differs, what is new.

use crate::catalog::Column;
use crate::catalog::replica::NUMBER;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::quote_mysql;
use crate::sink::{Load, Outcome};
use crate::value::ColumnType;

/// Makes the table hold the rows of staging, and inside `ranges` no others. Rows of the outcome are not counted.
///
/// # Errors
/// The classified server error; [`Kind::Proof`] when the table does not hold all of them afterwards.
pub fn add(conn: &mut MysqlConn, load: &Load<'_>, ranges: &[KeyRange], copied: u64, doing: &str) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Some(delete) = delete(load, ranges) {
        outcome.deleted = run(conn, &delete, doing)?;
    }
    outcome.updated = run(conn, &update(load), doing)?;
    outcome.inserted = run(conn, &insert(load), doing)?;
    let sql = format!("SELECT CONCAT(COUNT(*)) FROM {}", joined(load, "JOIN"));
    let held = conn.text(&sql, doing)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    if held != copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {copied} rows were to be merged, the table holds {held} of them")));
    }
    Ok(outcome)
}

fn run(conn: &mut MysqlConn, sql: &str, doing: &str) -> Result<u64> {
    conn.execute(sql, doing)?;
    Ok(conn.conn.affected_rows())
}

/// Staging `s` and the table `t`, by key.
fn joined(load: &Load<'_>, how: &str) -> String {
    let same: Vec<String> = load.plan.source.key_columns().map(|c| both(c, "=")).collect();
    format!("{} s {how} {} t ON {}", load.staging.mysql(), load.plan.target.mysql(), same.join(" AND "))
}

fn both(column: &Column, sign: &str) -> String {
    let name = quote_mysql(&column.name);
    format!("t.{name} {sign} s.{name}")
}

/// Rows inside the ranges that staging does not have; ranges are of an integer key only.
fn delete(load: &Load<'_>, ranges: &[KeyRange]) -> Option<String> {
    let key = load.plan.source.key_columns().next().map(|c| format!("t.{}", quote_mysql(&c.name)))?;
    let inside: Vec<String> = ranges.iter().map(|range| range.of_integers(&key)).collect();
    let same: Vec<String> = load.plan.source.key_columns().map(|c| both(c, "=")).collect();
    (!inside.is_empty()).then(|| {
        format!(
            "DELETE t FROM {} t LEFT JOIN {} s ON {} WHERE ({}) AND s.{} IS NULL",
            load.plan.target.mysql(),
            load.staging.mysql(),
            same.join(" AND "),
            inside.join(" OR "),
            key.trim_start_matches("t.")
        )
    })
}

/// Only rows that differ get the run's number, or the next load would read them for nothing.
fn update(load: &Load<'_>) -> String {
    let columns = &load.plan.source.columns;
    let set = columns.iter().map(|c| both(c, "="));
    let same: Vec<String> = columns.iter().map(is_same).collect();
    let number = format!("t.{} = {}", quote_mysql(NUMBER), load.run.epoch);
    let set: Vec<String> = set.chain([number]).collect();
    format!("UPDATE {} SET {} WHERE NOT ({})", joined(load, "JOIN"), set.join(", "), same.join(" AND "))
}

/// Whether a column holds the same on both sides, to the last bit. Text is compared by bytes in every table of ours.
fn is_same(column: &Column) -> String {
    let name = quote_mysql(&column.name);
    let by = |function: &str, more: &str| format!("{function}(t.{name}{more}) <=> {function}(s.{name}{more})");
    match column.ty {
        // 0 and -0 are equal, and two different spellings.
        ColumnType::Float32 | ColumnType::Float64 => format!("({} AND {})", both(column, "<=>"), by("CAST", " AS CHAR")),
        // As JSON, 1 and 1.0 are equal.
        ColumnType::Json | ColumnType::Jsonb => by("CAST", " AS CHAR"),
        ColumnType::Geometry | ColumnType::Vector => by("HEX", ""),
        _ => both(column, "<=>"),
    }
}

fn insert(load: &Load<'_>) -> String {
    let source = &load.plan.source;
    let names: Vec<String> = source.columns.iter().map(|c| quote_mysql(&c.name)).collect();
    let values: Vec<String> = names.iter().map(|name| format!("s.{name}")).collect();
    let key = source.key_columns().next().map(|c| quote_mysql(&c.name)).unwrap_or_default();
    format!(
        "INSERT INTO {} ({}, {}) SELECT {}, {} FROM {} WHERE t.{key} IS NULL",
        load.plan.target.mysql(),
        names.join(", "),
        quote_mysql(NUMBER),
        values.join(", "),
        load.run.epoch,
        joined(load, "LEFT JOIN"),
    )
}
