//! Reads definitions of the source, one query per kind, whatever the number of tables.

use super::{ColumnDefault, Definitions, ForeignKey, Index, IndexPart, Wanted};
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use mysql::Row;
use mysql::prelude::{FromValue, Queryable};

/// Reads what is wanted.
///
/// # Errors
/// The classified server error.
pub fn read(conn: &mut MysqlConn, database: &str, wanted: Wanted) -> Result<Definitions> {
    let mut out = Definitions::default();
    if wanted.unique_indexes || wanted.other_indexes {
        indexes(conn, database, &mut out.indexes)?;
    }
    if wanted.foreign_keys {
        foreign_keys(conn, database, &mut out.foreign_keys)?;
    }
    if wanted.defaults {
        defaults(conn, database, &mut out.defaults)?;
    }
    Ok(out)
}

fn rows(conn: &mut MysqlConn, sql: &str, database: &str, what: &str) -> Result<Vec<Row>> {
    let doing = format!("reading the {what} of source database {database:?}");
    conn.conn.exec(sql, (database,)).map_err(|error| classify::mysql(&error, doing))
}

fn get<T: FromValue>(row: &mut Row, column: usize) -> Result<T> {
    row.take_opt(column)
        .and_then(std::result::Result::ok)
        .ok_or_else(|| Error::new(Kind::Internal, format!("reading definitions: column {column} is of another type")))
}

fn indexes(conn: &mut MysqlConn, database: &str, out: &mut Vec<Index>) -> Result<()> {
    for mut row in rows(conn, include_str!("indexes.sql"), database, "indexes")? {
        let (table, name): (String, String) = (get(&mut row, 0)?, get(&mut row, 1)?);
        let part = IndexPart { column: get(&mut row, 4)?, prefix: get(&mut row, 5)?, descending: get(&mut row, 6)? };
        match out.last_mut().filter(|last| last.table == table && last.name == name) {
            Some(last) => last.parts.push(part),
            None => out.push(Index { table, name, unique: get(&mut row, 2)?, kind: get(&mut row, 3)?, parts: vec![part] }),
        }
    }
    Ok(())
}

fn foreign_keys(conn: &mut MysqlConn, database: &str, out: &mut Vec<ForeignKey>) -> Result<()> {
    for mut row in rows(conn, include_str!("foreign_keys.sql"), database, "foreign keys")? {
        let (table, name): (String, String) = (get(&mut row, 0)?, get(&mut row, 1)?);
        let (column, parent_column): (String, String) = (get(&mut row, 2)?, get(&mut row, 5)?);
        match out.last_mut().filter(|last| last.table == table && last.name == name) {
            Some(last) => {
                last.columns.push(column);
                last.parent_columns.push(parent_column);
            }
            None => out.push(ForeignKey {
                table,
                name,
                columns: vec![column],
                parent_schema: get(&mut row, 3)?,
                parent: get(&mut row, 4)?,
                parent_columns: vec![parent_column],
                on_update: get(&mut row, 6)?,
                on_delete: get(&mut row, 7)?,
            }),
        }
    }
    Ok(())
}

fn defaults(conn: &mut MysqlConn, database: &str, out: &mut Vec<ColumnDefault>) -> Result<()> {
    let mariadb = conn.server.mariadb;
    for mut row in rows(conn, include_str!("defaults.sql"), database, "defaults")? {
        let extra: String = get(&mut row, 3)?;
        let extra = extra.to_ascii_lowercase();
        out.push(ColumnDefault {
            table: get(&mut row, 0)?,
            column: get(&mut row, 1)?,
            text: get(&mut row, 2)?,
            bare: !mariadb && !extra.contains("default_generated"),
            on_update: extra.contains("on update"),
        });
    }
    Ok(())
}
