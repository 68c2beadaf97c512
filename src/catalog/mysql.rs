//! Reads the source's catalog: all base tables of one database in six queries, whatever their number.
//!
//! Works on MariaDB 10.3 and later and on MySQL 8 and 9. Names are strict UTF-8, numbers are read or it is an error: no
//! default stands in for what a server did not say. Only `information_schema` is read, never a row of a table.

use super::source::{ColumnRow, KeyPart, TableRow, build};
use super::{Refused, SourceCatalog, SourceTable, TableKind};
use crate::conn::classify;
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use ::mysql::prelude::Queryable;
use ::mysql::{Params, Row, Value};
use std::collections::{BTreeMap, BTreeSet};

const FEATURES: &str = include_str!("mysql_features.sql");
const TABLES: &str = include_str!("mysql_tables.sql");
const COLUMNS: &str = include_str!("mysql_columns.sql");
const KEYS: &str = include_str!("mysql_keys.sql");
const CHECKS: &str = include_str!("mysql_checks.sql");
const GRANTS: &str = include_str!("mysql_grants.sql");

/// Put behind a query to read one table of the database.
const ONE_TABLE: &str = "\n  AND table_name = ?";

/// Reads every base table of `database` and the names of its views.
///
/// Tables that cannot be described stand in [`SourceCatalog::refused`], so that one odd table does not stop the others.
/// Sequences and temporary tables are left out. The session's time zone should be UTC: it goes into the identities.
///
/// # Errors
/// [`Kind::Config`] when the database does not exist or holds nothing that this user may see; the query's own error
/// otherwise (its cause is the driver's).
pub fn read<C: Queryable>(conn: &mut C, database: &str) -> Result<SourceCatalog> {
    let mut reader = Reader { conn, database };
    let features = reader.features()?;
    let tables = reader.tables(None)?;
    if tables.is_empty() {
        return Err(Error::new(Kind::Config, format!("source database {database:?}: no table is visible"))
            .hint("check the database's name and this user's SELECT privilege on it"));
    }
    let mut columns = reader.columns(None)?;
    let mut keys = reader.keys(features)?;
    let checks = if features.checks { reader.checks()? } else { BTreeSet::new() };
    let partly = reader.partly_readable()?;

    let mut catalog = SourceCatalog::default();
    for table in tables {
        match table.kind() {
            Some(TableKind::View) => catalog.views.push(TableName::new(database, table.name)),
            Some(TableKind::Base) => {
                // Without columns it is refused as one that is not wholly visible.
                let columns = columns.remove(&table.name).filter(|_| !partly.contains(&table.name)).unwrap_or_default();
                let keys = keys.remove(&table.name).unwrap_or_default();
                let name = TableName::new(database, table.name.clone());
                match build(name.clone(), table, columns, keys, &checks) {
                    Ok(table) => catalog.tables.push(table),
                    Err(why) => catalog.refused.push(Refused { name, why }),
                }
            }
            None => {}
        }
    }
    Ok(catalog)
}

/// Reads one view, asked for by name. It has no key, no engine and no snapshot of its own.
///
/// # Errors
/// [`Kind::Changed`] when there is no such view or the server cannot resolve it any more; as [`read`] otherwise.
pub fn read_view<C: Queryable>(conn: &mut C, view: &TableName) -> Result<SourceTable> {
    let mut reader = Reader { conn, database: &view.schema };
    let found = reader.tables(Some(&view.table))?.into_iter().find(|table| table.name == view.table);
    let Some(table) = found.filter(|table| table.kind() == Some(TableKind::View)) else {
        return Err(Error::new(Kind::Changed, format!("view {view}: the source has no view of this name")));
    };
    let columns = reader.columns(Some(&view.table))?.remove(&view.table).unwrap_or_default();
    build(view.clone(), table, columns, Vec::new(), &BTreeSet::new())
}

/// What this server's `information_schema` knows.
#[derive(Debug, Clone, Copy)]
struct Features {
    checks: bool,
    is_visible: bool,
    ignored: bool,
}

struct Reader<'a, C> {
    conn: &'a mut C,
    database: &'a str,
}

impl<C: Queryable> Reader<'_, C> {
    fn rows(&mut self, what: &str, sql: &str, table: Option<&str>) -> Result<Vec<Fields>> {
        let (sql, params) = match table {
            Some(table) => (format!("{sql}{ONE_TABLE}"), Params::from((self.database, table))),
            None => (sql.to_owned(), Params::from((self.database,))),
        };
        let doing = format!("reading {what} of source database {:?}", self.database);
        let rows: Vec<Row> = self.conn.exec(sql, params).map_err(|error| failed(&doing, error))?;
        Ok(rows.into_iter().map(|row| Fields { row, doing: doing.clone() }).collect())
    }

    fn features(&mut self) -> Result<Features> {
        let doing = "reading the source's information_schema";
        let row: Option<Row> = self.conn.query_first(FEATURES).map_err(|error| failed(doing, error))?;
        let row = row.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))?;
        let mut row = Fields { row, doing: doing.to_owned() };
        Ok(Features { checks: row.number(0)? > 0, is_visible: row.number(1)? > 0, ignored: row.number(2)? > 0 })
    }

    /// Tables of which this user may read some columns only. The server leaves the others out of its lists without a
    /// word, and a gap in the positions does not show when the last ones are missing.
    fn partly_readable(&mut self) -> Result<BTreeSet<String>> {
        let mut out = BTreeSet::new();
        for mut row in self.rows("column grants", GRANTS, None)? {
            let table = TableName::new(self.database, row.text(0)?);
            // This needs a right on the table as a whole.
            match self.conn.query_drop(format!("SHOW CREATE TABLE {}", table.mysql())) {
                Ok(()) => {}
                Err(::mysql::Error::MySqlError(error)) if error.code == 1142 => drop(out.insert(table.table)),
                Err(error) => return Err(failed(&format!("looking at the grants on source table {table}"), error)),
            }
        }
        Ok(out)
    }

    /// Tables and views in name order.
    fn tables(&mut self, table: Option<&str>) -> Result<Vec<TableRow>> {
        let mut out = Vec::new();
        for mut row in self.rows("tables", TABLES, table)? {
            out.push(TableRow {
                name: row.text(0)?,
                table_type: row.text(1)?,
                engine: row.optional(2)?,
                comment: row.optional(3)?.unwrap_or_default(),
                rows: row.optional_number(4)?,
                bytes: row.optional_number(5)?,
                create_time: row.optional(6)?,
                counter: row.optional_number(7)?,
            });
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// Columns by table, in the table's order.
    fn columns(&mut self, table: Option<&str>) -> Result<BTreeMap<String, Vec<ColumnRow>>> {
        let mut out: BTreeMap<String, Vec<ColumnRow>> = BTreeMap::new();
        for mut row in self.rows("columns", COLUMNS, table)? {
            let column = ColumnRow {
                name: row.text(1)?,
                position: row.number(2)?,
                data_type: row.text(3)?,
                declared: row.text(4)?,
                nullable: row.yes(5)?,
                extra: row.optional(6)?.unwrap_or_default(),
                comment: row.optional(7)?.unwrap_or_default(),
                charset: row.optional(8)?,
            };
            out.entry(row.text(0)?).or_default().push(column);
        }
        out.values_mut().for_each(|columns| columns.sort_by_key(|column| column.position));
        Ok(out)
    }

    /// Parts of unique indexes by table, in index name and key order.
    fn keys(&mut self, features: Features) -> Result<BTreeMap<String, Vec<KeyPart>>> {
        let usable = match features {
            Features { is_visible: true, .. } => "is_visible = 'YES'",
            Features { ignored: true, .. } => "ignored = 'NO'",
            _ => "1",
        };
        let mut out: BTreeMap<String, Vec<KeyPart>> = BTreeMap::new();
        for mut row in self.rows("keys", &KEYS.replace("{usable}", usable), None)? {
            let part = KeyPart {
                index: row.text(1)?,
                position: row.number(2)?,
                column: row.optional(3)?,
                prefix: row.optional_number(4)?.is_some(),
                usable: row.number(5)? == 1,
            };
            out.entry(row.text(0)?).or_default().push(part);
        }
        out.values_mut().for_each(|parts| parts.sort_by(|a, b| (&a.index, a.position).cmp(&(&b.index, b.position))));
        Ok(out)
    }

    /// Table and clause of every `json_valid` check.
    fn checks(&mut self) -> Result<BTreeSet<(String, String)>> {
        self.rows("checks", CHECKS, None)?.into_iter().map(|mut row| Ok((row.text(0)?, row.text(1)?))).collect()
    }
}

/// The driver's error under the action's name.
fn failed(doing: &str, error: ::mysql::Error) -> Error {
    classify::mysql(&error, doing)
}

/// The values of one catalog row, taken out by position; every mismatch is an error.
struct Fields {
    row: Row,
    doing: String,
}

impl Fields {
    fn take(&mut self, index: usize) -> Result<Value> {
        self.row.take::<Value, _>(index).ok_or_else(|| self.odd(index, "missing"))
    }

    fn odd(&self, index: usize, what: &str) -> Error {
        Error::new(Kind::Internal, format!("{}: field {index} is {what}", self.doing))
    }

    /// Text, or none for NULL. The servers type their catalog as text or as binary; both arrive as bytes.
    fn optional(&mut self, index: usize) -> Result<Option<String>> {
        match self.take(index)? {
            Value::NULL => Ok(None),
            Value::Bytes(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| self.odd(index, "not valid UTF-8")),
            _ => Err(self.odd(index, "not text")),
        }
    }

    fn text(&mut self, index: usize) -> Result<String> {
        self.optional(index)?.ok_or_else(|| self.odd(index, "NULL"))
    }

    fn optional_number(&mut self, index: usize) -> Result<Option<u64>> {
        let number = match self.take(index)? {
            Value::NULL => return Ok(None),
            Value::UInt(number) => Some(number),
            Value::Int(number) => u64::try_from(number).ok(),
            // SUM() is a decimal, which both protocols send as text.
            Value::Bytes(bytes) => std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.odd(index, "not a number"))
    }

    fn number(&mut self, index: usize) -> Result<u64> {
        self.optional_number(index)?.ok_or_else(|| self.odd(index, "NULL"))
    }

    fn yes(&mut self, index: usize) -> Result<bool> {
        match self.text(index)?.as_str() {
            "YES" => Ok(true),
            "NO" => Ok(false),
            _ => Err(self.odd(index, "neither YES nor NO")),
        }
    }
}
