//! Reads what a schema of PostgreSQL holds: relations, columns, keys, comments, in three queries for all tables; and what rests on some.
//!
//! Sessions run with `search_path = pg_catalog`, so `format_type` prints built-in types without a schema. Run the three
//! queries in one REPEATABLE READ transaction when DDL may run beside them.

use super::definitions::OURS;
use super::{Dependant, TargetColumn, TargetKind, TargetTable};
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use ::postgres::types::ToSql;
use ::postgres::{GenericClient, Row};
use std::collections::{BTreeMap, HashMap};

const TABLES: &str = include_str!("postgres_tables.sql");
const COLUMNS: &str = include_str!("postgres_columns.sql");
const KEYS: &str = include_str!("postgres_keys.sql");
const DEPENDANTS: &str = include_str!("postgres_dependants.sql");

/// Reads every relation of `schema` by its name; empty when the schema does not exist or is empty.
///
/// # Errors
/// The query's error with the driver's as its cause.
pub fn read<C: GenericClient>(client: &mut C, schema: &str) -> Result<BTreeMap<String, TargetTable>> {
    let doing = format!("reading the tables of target schema {schema:?}");
    let mut rows = |sql: &str| -> Result<Vec<Row>> {
        let params: [&(dyn ToSql + Sync); 1] = [&schema];
        client.query(sql, &params).map_err(|error| failed(&doing, error))
    };
    let mut tables: HashMap<u32, TargetTable> = HashMap::new();
    for row in rows(TABLES)? {
        let table = table(&row, schema).map_err(|error| failed(&doing, error))?;
        tables.insert(table.oid, table);
    }
    // A relation made between the queries is in the later answers only; it was not there when the catalog was read.
    for row in rows(COLUMNS)? {
        let (oid, column) = column(&row).map_err(|error| failed(&doing, error))?;
        if let Some(table) = tables.get_mut(&oid) {
            table.columns.push(column);
        }
    }
    for row in rows(KEYS)? {
        let (oid, primary, names) = key(&row).map_err(|error| failed(&doing, error))?;
        match tables.get_mut(&oid) {
            Some(table) if primary => table.primary_key = names,
            Some(table) => table.unique.push(names),
            None => {}
        }
    }
    Ok(tables.into_values().map(|table| (table.name.table.clone(), table)).collect())
}

/// Reads what rests on tables, into them: asked only for those whose columns change, because it is dear where many views are.
///
/// # Errors
/// The query's error with the driver's as its cause.
pub fn read_dependants<C: GenericClient>(client: &mut C, tables: &mut [&mut TargetTable]) -> Result<()> {
    let doing = "reading what rests on the target tables";
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    for row in client.query(DEPENDANTS, &[&oids, &OURS]).map_err(|error| failed(doing, error))? {
        let (oid, dependant) = dependant(&row).map_err(|error| failed(doing, error))?;
        if let Some(table) = tables.iter_mut().find(|table| table.oid == oid) {
            table.dependants.push(dependant);
        }
    }
    Ok(())
}

fn table(row: &Row, schema: &str) -> Result<TargetTable, ::postgres::Error> {
    let kind: String = row.try_get(2)?;
    Ok(TargetTable {
        oid: row.try_get(0)?,
        name: TableName::new(schema, row.try_get::<_, String>(1)?),
        kind: match kind.chars().next() {
            Some('r') => TargetKind::Table,
            Some('p') => TargetKind::Partitioned,
            Some('v') => TargetKind::View,
            other => TargetKind::Other(other.unwrap_or('?')),
        },
        relfilenode: row.try_get(3)?,
        logged: row.try_get(4)?,
        comment: row.try_get(5)?,
        columns: Vec::new(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        dependants: Vec::new(),
    })
}

fn column(row: &Row) -> Result<(u32, TargetColumn), ::postgres::Error> {
    let column = TargetColumn {
        name: row.try_get(1)?,
        format_type: row.try_get(2)?,
        not_null: row.try_get(3)?,
        generated: row.try_get(4)?,
        has_default: row.try_get(5)?,
        comment: row.try_get(6)?,
    };
    Ok((row.try_get(0)?, column))
}

fn key(row: &Row) -> Result<(u32, bool, Vec<String>), ::postgres::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

fn dependant(row: &Row) -> Result<(u32, Dependant), ::postgres::Error> {
    Ok((row.try_get(0)?, Dependant { column: row.try_get(1)?, what: row.try_get(2)? }))
}

/// The driver's error under the action's name. The caller that knows SQLSTATEs may give it a closer kind.
fn failed(doing: &str, error: ::postgres::Error) -> Error {
    let kind = if error.as_db_error().is_some() { Kind::Transient } else { Kind::Unreachable };
    Error::with(kind, doing, error)
}
