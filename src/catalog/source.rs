//! Puts catalog rows together to a [`SourceTable`]: engine, columns with their types, the key, the identity.
//!
//! Pure: rows in, table out, so every rule here is tested without a server. A table that is not wholly visible is refused.

use super::{Column, KeyKind, SourceTable, TableKind, cast, names};
use crate::config::Policies;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, quote_mysql};
use std::collections::BTreeSet;

/// Engines that keep old row versions for a reader, so that a snapshot exists. All others are read as they stand.
const TRANSACTIONAL: [&str; 3] = ["innodb", "rocksdb", "tokudb"];

/// A row of `information_schema.tables`.
#[derive(Debug, Clone, Default)]
pub(super) struct TableRow {
    pub name: String,
    pub table_type: String,
    pub engine: Option<String>,
    pub comment: String,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub create_time: Option<String>,
    pub counter: Option<u64>,
}

impl TableRow {
    /// Table or view; none for sequences, temporary tables and whatever else has a name.
    pub(super) fn kind(&self) -> Option<TableKind> {
        match self.table_type.as_str() {
            "BASE TABLE" | "SYSTEM VERSIONED" => Some(TableKind::Base),
            "VIEW" => Some(TableKind::View),
            _ => None,
        }
    }
}

/// A row of `information_schema.columns`.
#[derive(Debug, Clone)]
pub(super) struct ColumnRow {
    pub name: String,
    pub position: u64,
    pub data_type: String,
    pub declared: String,
    pub nullable: bool,
    pub extra: String,
    pub comment: String,
    pub charset: Option<String>,
}

/// A row of `information_schema.statistics`, of a unique index.
#[derive(Debug, Clone)]
pub(super) struct KeyPart {
    pub index: String,
    pub position: u64,
    /// None for an expression.
    pub column: Option<String>,
    /// Only the column's beginning is indexed.
    pub prefix: bool,
    /// The optimizer may use the index.
    pub usable: bool,
}

/// Puts one table together. `parts` are in index name and key order, `checks` are pairs of table and check clause.
///
/// # Errors
/// [`Kind::Data`] for a type without a rule or too many columns; [`Kind::Config`] for a name PostgreSQL cannot keep;
/// [`Kind::Refused`] when this user does not see all columns; [`Kind::Changed`] when the table cannot be opened.
pub(super) fn build(
    name: TableName,
    table: TableRow,
    rows: Vec<ColumnRow>,
    parts: Vec<KeyPart>,
    checks: &BTreeSet<(String, String)>,
) -> Result<SourceTable> {
    let kind = table.kind().unwrap_or(TableKind::Base);
    let engine = match (kind, table.engine) {
        (TableKind::View, _) => String::new(),
        (TableKind::Base, Some(engine)) => engine,
        // The server puts its reason into the comment.
        (TableKind::Base, None) => {
            return Err(Error::new(Kind::Changed, format!("table {name}: the source cannot open it: {}", table.comment))
                .hint("repair or drop this table at the source"));
        }
    };
    check_visible(&name, &rows)?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        columns.push(column(&name, row, checks)?);
    }
    let key = choose_key(&columns, &parts);
    let mut out = SourceTable {
        kind,
        transactional: TRANSACTIONAL.contains(&engine.to_ascii_lowercase().as_str()),
        // A view's comment is the word VIEW.
        comment: if kind == TableKind::View { String::new() } else { table.comment },
        rows_estimated: table.rows.unwrap_or(0),
        bytes_estimated: table.bytes.unwrap_or(0),
        counter: table.counter,
        key: key.columns,
        key_kind: key.kind,
        key_index: key.index,
        identity: String::new(),
        name,
        engine,
        columns,
    };
    names::check_columns(&out)?;
    out.identity = identity(&out, table.create_time.as_deref());
    Ok(out)
}

/// Servers leave out the columns a user has no right to, without a word: a gap in the positions shows it.
fn check_visible(name: &TableName, rows: &[ColumnRow]) -> Result<()> {
    let gap = (1u64..).zip(rows).find(|(position, row)| row.position != *position);
    if rows.is_empty() || gap.is_some() {
        return Err(Error::new(Kind::Refused, format!("table {name}: not all columns are visible to this user"))
            .hint("grant SELECT on the whole table; for a view, check that it can still be read"));
    }
    Ok(())
}

fn column(table: &TableName, row: ColumnRow, checks: &BTreeSet<(String, String)>) -> Result<Column> {
    let json = row.data_type.eq_ignore_ascii_case("longtext") && has_json_check(&table.table, &row.name, checks);
    let (ty, rule) = cast::column(table, &row.name, &row.data_type, &row.declared, json)?;
    let extra = row.extra.to_ascii_uppercase();
    Ok(Column {
        ty,
        rule,
        invisible: extra.contains("INVISIBLE"),
        // Not DEFAULT_GENERATED, which is MySQL's word for a default that is an expression.
        generated: ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"].iter().any(|word| extra.contains(word)),
        auto_increment: extra.contains("AUTO_INCREMENT"),
        position: u32::try_from(row.position)
            .map_err(|_| Error::new(Kind::Internal, format!("table {table}: column position {}", row.position)))?,
        target: names::column(&row.name),
        policies: Policies::default(),
        name: row.name,
        declared: row.declared,
        data_type: row.data_type.to_ascii_lowercase(),
        nullable: row.nullable,
        comment: row.comment,
        charset: row.charset,
    })
}

/// The clause is printed with the session's quoting: backticks, double quotes under ANSI_QUOTES, or none.
fn has_json_check(table: &str, column: &str, checks: &BTreeSet<(String, String)>) -> bool {
    if checks.is_empty() {
        return false;
    }
    let spellings = [quote_mysql(column), format!("\"{}\"", column.replace('"', "\"\"")), column.to_owned()];
    spellings.iter().any(|spelling| checks.contains(&(table.to_owned(), format!("json_valid({spelling})"))))
}

struct Key {
    columns: Vec<usize>,
    kind: KeyKind,
    index: Option<String>,
}

/// The primary key; else the first unique index in name order over whole NOT NULL columns, one that the optimizer may
/// use before one it may not.
///
/// A primary key over column beginnings is taken too: unique beginnings make unique values. For other indexes it would
/// hold as well, but they are no good for reading ranges.
fn choose_key(columns: &[Column], parts: &[KeyPart]) -> Key {
    let mut unusable = None;
    let mut first = None;
    for index in parts.chunk_by(|a, b| a.index == b.index) {
        let primary = index.iter().all(|part| part.index == "PRIMARY");
        let Some(found) = key_columns(columns, index, primary) else { continue };
        let usable = index.iter().all(|part| part.usable);
        let name = index.first().map(|part| part.index.clone()).filter(|_| usable);
        if primary {
            return Key { columns: found, kind: KeyKind::Primary, index: name };
        }
        let slot = if usable { &mut first } else { &mut unusable };
        if slot.is_none() {
            *slot = Some(Key { columns: found, kind: KeyKind::Unique, index: name });
        }
    }
    first.or(unusable).unwrap_or(Key { columns: Vec::new(), kind: KeyKind::None, index: None })
}

/// The columns of one index, or none when it does not make a key.
fn key_columns(columns: &[Column], index: &[KeyPart], primary: bool) -> Option<Vec<usize>> {
    let mut out = Vec::with_capacity(index.len());
    for part in index {
        let name = part.column.as_deref()?;
        let at = columns.iter().position(|column| column.name == name)?;
        let column = columns.get(at)?;
        // A whole TEXT or BLOB is only in MariaDB's hash indexes, which give no order.
        let long = column.data_type.ends_with("text") || column.data_type.ends_with("blob");
        if !primary && (column.nullable || part.prefix || long) {
            return None;
        }
        out.push(at);
    }
    Some(out)
}

/// Creation time and a hash of what the columns are. An ALTER changes one of them, a swap or a new table the time.
fn identity(table: &SourceTable, create_time: Option<&str>) -> String {
    let mut hash = Fnv::new();
    hash.text(&table.engine);
    for column in &table.columns {
        hash.text(&column.name);
        hash.text(&column.declared);
        hash.text(column.charset.as_deref().unwrap_or(""));
        hash.text(match (column.nullable, column.generated) {
            (true, true) => "null generated",
            (true, false) => "null",
            (false, true) => "generated",
            (false, false) => "",
        });
    }
    for &index in &table.key {
        hash.text(table.columns.get(index).map_or("", |column| column.name.as_str()));
    }
    format!("{} {:016x}", create_time.unwrap_or("-"), hash.0)
}

/// FNV-1a: identities are stored between runs, so the hash must be the same in every build.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a text and its end, so that `ab`,`c` and `a`,`bc` differ (0xff is in no UTF-8 text).
    pub(super) fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::value::ColumnType;

    fn columns(names: &[(&str, &str, bool)]) -> Vec<ColumnRow> {
        (1..)
            .zip(names)
            .map(|(position, (name, declared, nullable))| ColumnRow {
                name: (*name).into(),
                position,
                data_type: declared.split('(').next().unwrap().into(),
                declared: (*declared).into(),
                nullable: *nullable,
                extra: String::new(),
                comment: String::new(),
                charset: None,
            })
            .collect()
    }

    fn part(index: &str, position: u64, column: &str) -> KeyPart {
        KeyPart { index: index.into(), position, column: Some(column.into()), prefix: false, usable: true }
    }

    fn row(engine: &str) -> TableRow {
        TableRow {
            name: "t".into(),
            table_type: "BASE TABLE".into(),
            engine: Some(engine.into()),
            create_time: Some("2026-01-01 00:00:00".into()),
            ..TableRow::default()
        }
    }

    fn table(columns: Vec<ColumnRow>, parts: Vec<KeyPart>) -> Result<SourceTable> {
        build(TableName::new("d", "t"), row("InnoDB"), columns, parts, &BTreeSet::new())
    }

    const THREE: [(&str, &str, bool); 3] = [("a", "int", false), ("b", "varchar(9)", false), ("n", "int", true)];

    #[test]
    fn the_primary_key_wins_and_keeps_its_order() {
        let parts = vec![part("A_first", 1, "a"), part("PRIMARY", 1, "b"), part("PRIMARY", 2, "a")];
        let found = table(columns(&THREE), parts).unwrap();
        assert_eq!((found.key, found.key_kind, found.key_index.as_deref()), (vec![1, 0], KeyKind::Primary, Some("PRIMARY")));
    }

    #[test]
    fn a_unique_index_needs_whole_not_null_columns() {
        let prefix = KeyPart { prefix: true, ..part("p", 1, "b") };
        let expression = KeyPart { column: None, ..part("e", 1, "") };
        let hidden = KeyPart { usable: false, ..part("h", 1, "a") };
        let parts = vec![expression.clone(), hidden.clone(), part("n", 1, "a"), part("n", 2, "n"), prefix.clone()];
        let found = table(columns(&THREE), parts).unwrap();
        assert_eq!((found.key, found.key_kind, found.key_index), (vec![0], KeyKind::Unique, None));
        let found = table(columns(&THREE), vec![expression, hidden, prefix, part("z", 1, "b")]).unwrap();
        assert_eq!((found.key, found.key_index.as_deref()), (vec![1], Some("z")));
        let long = columns(&[("a", "text", false)]);
        assert_eq!(table(long, vec![part("a", 1, "a")]).unwrap().key_kind, KeyKind::None);
    }

    #[test]
    fn hidden_columns_and_broken_tables_are_refused() {
        let mut gap = columns(&THREE);
        gap.remove(1);
        assert_eq!(table(gap, Vec::new()).unwrap_err().kind(), Kind::Refused);
        assert_eq!(table(Vec::new(), Vec::new()).unwrap_err().kind(), Kind::Refused);
        let broken = TableRow { engine: None, comment: "can't open".into(), ..row("") };
        let error = build(TableName::new("d", "t"), broken, columns(&THREE), Vec::new(), &BTreeSet::new()).unwrap_err();
        assert!(error.to_string().contains("d.t") && error.to_string().contains("can't open"), "{error}");
    }

    #[test]
    fn the_engine_says_whether_there_is_a_snapshot() {
        for (engine, expected) in [("InnoDB", true), ("ROCKSDB", true), ("MyISAM", false), ("Aria", false), ("CSV", false)] {
            let found = build(TableName::new("d", "t"), row(engine), columns(&THREE), Vec::new(), &BTreeSet::new()).unwrap();
            assert_eq!(found.transactional, expected, "{engine}");
        }
    }

    #[test]
    fn json_checks_are_read_in_every_quoting() {
        for clause in ["json_valid(`a``\"c`)", "json_valid(\"a`\"\"c\")", "json_valid(a`\"c)"] {
            let checks = BTreeSet::from([("t".to_owned(), clause.to_owned())]);
            let rows = columns(&[("a`\"c", "longtext", true), ("b", "longtext", true)]);
            let found = build(TableName::new("d", "t"), row("InnoDB"), rows, Vec::new(), &checks).unwrap();
            assert_eq!([found.columns[0].ty, found.columns[1].ty], [ColumnType::Jsonb, ColumnType::Text], "{clause}");
        }
    }

    #[test]
    fn extra_tells_generated_from_generated_defaults() {
        let mut rows = columns(&THREE);
        rows[0].extra = "DEFAULT_GENERATED on update CURRENT_TIMESTAMP".into();
        rows[1].extra = "VIRTUAL GENERATED, INVISIBLE".into();
        rows[2].extra = "auto_increment".into();
        let found = table(rows, Vec::new()).unwrap().columns;
        assert_eq!(found.iter().map(|c| c.generated).collect::<Vec<_>>(), [false, true, false]);
        assert!(found[1].invisible && found[2].auto_increment);
    }

    #[test]
    fn the_identity_follows_alterations_only() {
        let base = table(columns(&THREE), Vec::new()).unwrap().identity;
        let mut rows = columns(&THREE);
        rows[2].comment = "new".into();
        assert_eq!(table(rows, Vec::new()).unwrap().identity, base);
        let mut rows = columns(&THREE);
        rows[2].declared = "int(10)".into();
        assert_ne!(table(rows, Vec::new()).unwrap().identity, base);
        let later = TableRow { create_time: Some("2026-01-02 00:00:00".into()), ..row("InnoDB") };
        let swapped = build(TableName::new("d", "t"), later, columns(&THREE), Vec::new(), &BTreeSet::new()).unwrap();
        assert_ne!(swapped.identity, base);
    }
}
