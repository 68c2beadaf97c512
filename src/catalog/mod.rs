//! What exists on both sides: source tables with their type rules, and the target tables PostgreSQL has.
//!
//! This file owns the plain data; [`mysql`] and [`postgres`] read it, type rules are in
//! [`cast`] and [`convert`], name rules in [`names`], SQL text for the target in [`ddl`], its changes in [`drift`],
//! for a replica in [`replica`]. Nothing here reads rows or decides what to copy.

pub mod cast;
pub mod convert;
pub mod ddl;
pub mod definitions;
pub mod deleted_at;
pub mod drift;
pub mod loaded_at;
pub mod mysql;
pub mod names;
pub mod postgres;
pub mod replica;
mod source;
pub mod widen;

use crate::config::Policies;
use crate::error::Error;
use crate::name::TableName;
use crate::value::ColumnType;
use std::collections::BTreeSet;

/// PostgreSQL's limit of columns in one table.
pub const POSTGRES_COLUMNS_MAX: usize = 1600;

/// Everything read from one source database.
#[derive(Debug, Default)]
pub struct SourceCatalog {
    /// Base tables that can be copied, by name.
    pub tables: Vec<SourceTable>,
    /// Base tables that cannot be copied, and why; an error only for those who ask for that table.
    pub refused: Vec<Refused>,
    /// Names of the views. A view is read on request only, see [`mysql::read_view`].
    pub views: Vec<TableName>,
}

/// A table that the catalog saw but cannot describe (unknown type, too many columns, no engine, hidden columns).
#[derive(Debug)]
pub struct Refused {
    /// Which table.
    pub name: TableName,
    /// Why; names the table, and the column and type where there is one.
    pub why: Error,
}

/// Table or view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// A base table, system-versioned ones included.
    Base,
    /// A view.
    View,
}

/// Where a table's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The primary key.
    Primary,
    /// A unique index over NOT NULL columns; the table has no primary key.
    Unique,
    /// No column set is known to tell rows apart.
    None,
}

/// A table or view on MySQL or MariaDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTable {
    /// Database and table, as the server spells them.
    pub name: TableName,
    /// Table or view.
    pub kind: TableKind,
    /// Storage engine, of the partitions where there are some; empty for a view.
    pub engine: String,
    /// The engine keeps snapshots, so a consistent read is possible; false for a view.
    pub transactional: bool,
    /// The table's comment, or empty.
    pub comment: String,
    /// The server's estimate of rows; good for sizing only, may be 0 for a full table.
    pub rows_estimated: u64,
    /// The server's estimate of data bytes without indexes; good for sizing only.
    pub bytes_estimated: u64,
    /// The next AUTO_INCREMENT value, as of the moment the catalog was read; none without such a column.
    pub counter: Option<u64>,
    /// All columns in the table's order, invisible and generated ones included.
    pub columns: Vec<Column>,
    /// Indexes into `columns`, in key order; empty for [`KeyKind::None`].
    pub key: Vec<usize>,
    /// Where `key` comes from.
    pub key_kind: KeyKind,
    /// Name of the index behind `key`, for FORCE INDEX; none without a key or when the optimizer may not use it.
    pub key_index: Option<String>,
    /// Changes when the table is altered, swapped or made anew; equal text means the same table. Never changes with rows.
    pub identity: String,
}

impl SourceTable {
    /// The columns of the key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|&index| self.columns.get(index))
    }

    /// The index of a column by its exact name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// One column of a source table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, as the server spells it.
    pub name: String,
    /// The name on the target: the same, unless PostgreSQL would cut it or has it already.
    pub target: String,
    /// The full declaration, as `COLUMN_TYPE` gives it: `int(11) unsigned`.
    pub declared: String,
    /// The type's word, lower case: `int`.
    pub data_type: String,
    /// NULL is allowed.
    pub nullable: bool,
    /// The column's comment, or empty.
    pub comment: String,
    /// What it becomes.
    pub ty: ColumnType,
    /// Name of the rule that chose `ty`, for the plan's explanation.
    pub rule: &'static str,
    /// What happens to values that `ty` cannot hold.
    pub policies: Policies,
    /// Left out by the source where columns are not named.
    pub invisible: bool,
    /// Computed by the source; its value is copied like any other.
    pub generated: bool,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// Character set of a text column.
    pub charset: Option<String>,
    /// Ordinal position on the source, from 1.
    pub position: u32,
}

impl Column {
    /// Whether one value of it may have many megabytes.
    #[must_use]
    pub fn may_be_long(&self) -> bool {
        let word = self.data_type.as_str();
        matches!(word, "mediumtext" | "longtext" | "mediumblob" | "longblob" | "json")
            || (self.ty == ColumnType::Geometry && word != "point")
    }
}

/// A table that PostgreSQL has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetTable {
    /// Schema and table.
    pub name: TableName,
    /// `pg_class.oid`: changes when the table is dropped and made anew.
    pub oid: u32,
    /// `pg_class.relfilenode`: changes when the storage is rewritten (TRUNCATE, VACUUM FULL); 0 for views and partitioned tables.
    pub relfilenode: u32,
    /// Table, partitioned table or something else.
    pub kind: TargetKind,
    /// False for unlogged and temporary tables.
    pub logged: bool,
    /// The table's comment, or empty.
    pub comment: String,
    /// Live columns in attribute order.
    pub columns: Vec<TargetColumn>,
    /// Primary key column names in key order; empty without one.
    pub primary_key: Vec<String>,
    /// Column names of every other valid unique index that covers all rows and holds plain columns only, by index name.
    pub unique: Vec<Vec<String>>,
    /// What rests on it; read only where columns change, see [`postgres::read_dependants`].
    pub dependants: Vec<Dependant>,
}

impl TargetTable {
    /// Whether it keeps the source's key unique, so that rows can be told by it; a table without a primary key fits a source
    /// without a key.
    #[must_use]
    pub fn keeps_key(&self, source: &SourceTable) -> bool {
        let key: BTreeSet<&str> = source.key_columns().map(|column| column.target.as_str()).collect();
        let is_key = |names: &Vec<String>| names.iter().map(String::as_str).collect::<BTreeSet<_>>() == key;
        std::iter::once(&self.primary_key).chain(&self.unique).any(is_key)
    }
}

/// Something of others that rests on a target table, or belongs to it and would be lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependant {
    /// For people, as PostgreSQL describes it: `view mart.sums`.
    pub what: String,
    /// The column that it reads, whose type PostgreSQL does not change then; none for the table as a whole.
    pub column: Option<String>,
}

/// What kind of relation has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// An ordinary table (`r`).
    Table,
    /// A partitioned table (`p`).
    Partitioned,
    /// A view (`v`).
    View,
    /// Materialized view, foreign table, sequence or whatever else blocks the name; the `relkind` letter.
    Other(char),
}

/// One column of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetColumn {
    /// The name.
    pub name: String,
    /// The type as `format_type(atttypid, atttypmod)` prints it under `search_path = pg_catalog`.
    pub format_type: String,
    /// NOT NULL.
    pub not_null: bool,
    /// GENERATED ALWAYS AS (stored or virtual) or GENERATED ALWAYS AS IDENTITY: COPY cannot write it freely.
    pub generated: bool,
    /// It has a default or an expression: a row can be written without it.
    pub has_default: bool,
    /// The column's comment, or empty.
    pub comment: String,
}
