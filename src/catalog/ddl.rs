//! Target SQL as text: CREATE TABLE, keys, comments, and the comparison with a table that exists.
//!
//! Pure functions; nothing is executed here. Every name goes through `crate::name`, so a name may hold anything.

use super::{Column, KeyKind, SourceTable, TargetColumn, TargetTable, deleted_at, loaded_at};
use crate::name::{TableName, column_list, literal_postgres, quote_postgres};
use crate::value::ColumnType;
use std::collections::BTreeSet;
use std::fmt;

/// How a target table is made.
#[derive(Debug, Clone, Copy)]
pub struct CreateOptions<'a> {
    /// Written to the WAL. An unlogged table is empty after a crash of PostgreSQL.
    pub logged: bool,
    /// TEMPORARY, in the session's own schema; the target's schema part is left out and `logged` has no meaning.
    pub temporary: bool,
    /// Indexes of columns whose NOT NULL is dropped, because zero dates become NULL in them.
    pub nullable: &'a BTreeSet<usize>,
    /// Columns of ours behind the others, as they are declared.
    pub own: &'a [&'static str],
    /// Other transactions fill it before it is anybody's: autovacuum would only read along, and make the finish wait for a lock.
    pub in_work: bool,
}

/// The settings of a table in work.
const IN_WORK: &str = "autovacuum_enabled = false, toast.autovacuum_enabled = false";

/// The table is finished and takes part in autovacuum.
#[must_use]
pub fn out_of_work(table: &TableName) -> String {
    format!("ALTER TABLE {} RESET (autovacuum_enabled, toast.autovacuum_enabled)", table.postgres())
}

/// CREATE TABLE with columns, types and NOT NULL; no keys, no defaults but those of our own columns, no comments.
#[must_use]
pub fn create_table(target: &TableName, table: &SourceTable, options: CreateOptions<'_>) -> String {
    let (kind, name) = match (options.temporary, options.logged) {
        (true, _) => ("TEMPORARY ", quote_postgres(&target.table)),
        (false, true) => ("", target.postgres()),
        (false, false) => ("UNLOGGED ", target.postgres()),
    };
    let own = options.own.iter().map(|column| (*column).to_owned());
    let columns: Vec<String> = column_lines(table, options.nullable).chain(own).collect();
    let settings = if options.in_work { format!(" WITH ({IN_WORK})") } else { String::new() };
    format!("CREATE {kind}TABLE {name} (\n  {}\n){settings}", columns.join(",\n  "))
}

/// Name, type and NOT NULL of every column.
fn column_lines<'t>(table: &'t SourceTable, nullable: &'t BTreeSet<usize>) -> impl Iterator<Item = String> + 't {
    table.columns.iter().enumerate().map(|(index, column)| {
        let not_null = if is_not_null(index, column, nullable) { " NOT NULL" } else { "" };
        format!("{} {}{not_null}", quote_postgres(&column.target), column.ty)
    })
}

/// A first load's CREATE TABLE for people: as [`create_table`], with a comment behind each column.
#[must_use]
pub fn create_table_told(target: &TableName, table: &SourceTable, notes: &[String], own: &[&str]) -> String {
    let nullable = BTreeSet::new();
    let own = own.iter().map(|column| (*column).to_owned());
    let lines: Vec<String> = column_lines(table, &nullable).chain(own).collect();
    let mut out = format!("CREATE TABLE {} (\n", target.postgres());
    for (index, line) in lines.iter().enumerate() {
        let comma = if index + 1 < lines.len() { "," } else { "" };
        let note = notes.get(index).map_or_else(String::new, |note| format!(" {}", comment_line(note)));
        out.push_str(&format!("  {line}{comma}{note}\n"));
    }
    out.push_str(");\n");
    out
}

/// A comment to the end of the line. A name or a member of an ENUM may hold anything, so nothing of it may end the line.
#[must_use]
pub fn comment_line(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { c.escape_default().collect() } else { c.to_string() }
    };
    format!("-- {}", text.chars().map(shown).collect::<String>())
}

/// Whether the target column is made NOT NULL: as on the source, unless its NOT NULL is dropped.
#[must_use]
pub fn is_not_null(index: usize, column: &Column, nullable: &BTreeSet<usize>) -> bool {
    !column.nullable && !nullable.contains(&index)
}

/// ALTER TABLE … ADD for the table's key, or none without one.
///
/// A primary key becomes PRIMARY KEY. A NOT NULL unique index becomes a UNIQUE constraint, so that the target says what
/// the source says; so does a primary key with a column whose NOT NULL is dropped, because PRIMARY KEY would bring it back.
/// The name is left to PostgreSQL, which finds a free one.
#[must_use]
pub fn add_primary_key(target: &TableName, table: &SourceTable, nullable: &BTreeSet<usize>) -> Option<String> {
    let kind = match table.key_kind {
        KeyKind::None => return None,
        KeyKind::Primary if table.key.iter().all(|index| !nullable.contains(index)) => "PRIMARY KEY",
        KeyKind::Primary | KeyKind::Unique => "UNIQUE",
    };
    let columns = column_list(table.key_columns().map(|column| column.target.as_str()), quote_postgres);
    Some(format!("ALTER TABLE {} ADD {kind} ({columns})", target.postgres()))
}

/// COMMENT ON statements for the table and its columns, those that have one; empty text when none has.
///
/// PostgreSQL text holds no NUL, so a NUL in a comment is left out.
#[must_use]
pub fn comments(target: &TableName, table: &SourceTable) -> String {
    let mut out = String::new();
    let mut push = |on: &str, name: &str, comment: &str| {
        if !comment.is_empty() {
            out.push_str(&format!("COMMENT ON {on} {name} IS {};\n", literal_postgres(&comment.replace('\0', ""))));
        }
    };
    push("TABLE", &target.postgres(), &table.comment);
    for column in &table.columns {
        push("COLUMN", &format!("{}.{}", target.postgres(), quote_postgres(&column.target)), &column.comment);
    }
    out
}

/// One way in which a target table is not what its source asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The source has a column that the target lacks.
    Added {
        /// Its name.
        column: String,
        /// The type it would get, as `format_type` prints it.
        wanted: String,
    },
    /// The target has a column that the source lacks.
    Dropped {
        /// Its name.
        column: String,
        /// NOT NULL without a value from us: a row without this column cannot be written.
        not_null: bool,
    },
    /// Both have it with different types.
    Changed {
        /// Its name.
        column: String,
        /// The source's type, as `format_type` prints it.
        wanted: String,
        /// The target's type, as `format_type` prints it.
        found: String,
    },
    /// The target says NOT NULL where the source allows NULL.
    NotNull {
        /// Its name.
        column: String,
    },
    /// The target computes the column itself, so it cannot be written.
    Generated {
        /// Its name.
        column: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column, wanted } => write!(f, "column {column:?} ({wanted}) is new on the source"),
            Self::Dropped { column, .. } => write!(f, "column {column:?} is gone from the source"),
            Self::Changed { column, wanted, found } => write!(f, "column {column:?} is {found}, the source asks for {wanted}"),
            Self::NotNull { column } => write!(f, "column {column:?} is NOT NULL, the source allows NULL"),
            Self::Generated { column } => write!(f, "column {column:?} is generated by PostgreSQL and cannot be written"),
        }
    }
}

/// Compares columns by name and type; order does not matter. Empty when every source row fits the target unchanged.
///
/// A target column that allows NULL where the source does not is no difference: zero dates need it. Nor are our own columns
/// `_loaded_at`, which fills itself, and `_deleted_at`.
#[must_use]
pub fn matches(table: &SourceTable, existing: &TargetTable) -> Vec<Difference> {
    let mut out = Vec::new();
    for column in &table.columns {
        let wanted = format_type(column.ty);
        match existing.columns.iter().find(|found| found.name == column.target) {
            None => out.push(Difference::Added { column: column.target.clone(), wanted }),
            Some(found) => compare(column, wanted, found, &mut out),
        }
    }
    for found in &existing.columns {
        let is_ours = loaded_at::is_ours(found) || deleted_at::is_ours(found);
        if !is_ours && !table.columns.iter().any(|column| column.target == found.name) {
            out.push(Difference::Dropped { column: found.name.clone(), not_null: found.not_null });
        }
    }
    out
}

fn compare(column: &Column, wanted: String, found: &TargetColumn, out: &mut Vec<Difference>) {
    let name = column.target.clone();
    if found.generated {
        out.push(Difference::Generated { column: name });
    } else if found.format_type != wanted {
        out.push(Difference::Changed { column: name, wanted, found: found.format_type.clone() });
    } else if found.not_null && column.nullable {
        out.push(Difference::NotNull { column: name });
    }
}

/// The type as PostgreSQL's `format_type` prints it, which is longer than what DDL may write.
#[must_use]
pub fn format_type(ty: ColumnType) -> String {
    match ty {
        ColumnType::Varchar { chars } => format!("character varying({chars})"),
        ColumnType::Timestamp { digits } => format!("timestamp({digits}) without time zone"),
        ColumnType::TimestampTz { digits } => format!("timestamp({digits}) with time zone"),
        ColumnType::TimeOfDay { digits } => format!("time({digits}) without time zone"),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::super::{TableKind, TargetKind};
    use super::*;

    pub(crate) fn table(names: &[&str]) -> SourceTable {
        let column = |(index, name): (usize, &&str)| Column {
            name: (*name).into(),
            target: super::super::names::column(name),
            policies: crate::config::Policies::default(),
            declared: "int(11)".into(),
            data_type: "int".into(),
            nullable: index > 0,
            comment: String::new(),
            ty: ColumnType::Int32,
            rule: "int",
            invisible: false,
            generated: false,
            auto_increment: false,
            charset: None,
            position: u32::try_from(index).unwrap() + 1,
        };
        SourceTable {
            name: TableName::new("s", "t"),
            kind: TableKind::Base,
            engine: "InnoDB".into(),
            transactional: true,
            comment: String::new(),
            rows_estimated: 0,
            bytes_estimated: 0,
            counter: None,
            columns: names.iter().enumerate().map(column).collect(),
            key: vec![0],
            key_kind: KeyKind::Primary,
            key_index: Some("PRIMARY".into()),
            identity: String::new(),
        }
    }

    pub(crate) fn target(table: &SourceTable) -> TargetTable {
        let column = |column: &Column| TargetColumn {
            name: column.name.clone(),
            format_type: format_type(column.ty),
            not_null: !column.nullable,
            generated: false,
            has_default: false,
            comment: String::new(),
        };
        TargetTable {
            name: TableName::new("w", "t"),
            oid: 1,
            relfilenode: 1,
            kind: TargetKind::Table,
            logged: true,
            comment: String::new(),
            columns: table.columns.iter().map(column).collect(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            dependants: Vec::new(),
        }
    }

    fn options(nullable: &BTreeSet<usize>) -> CreateOptions<'_> {
        CreateOptions { logged: true, temporary: false, nullable, own: &[], in_work: false }
    }

    #[test]
    fn create_table_quotes_names_and_keeps_not_null() {
        let (name, none, first) = (TableName::new("w", "T\"1"), BTreeSet::new(), BTreeSet::from([0]));
        let source = table(&["Id", "a b"]);
        assert_eq!(
            create_table(&name, &source, options(&none)),
            "CREATE TABLE \"w\".\"T\"\"1\" (\n  \"Id\" integer NOT NULL,\n  \"a b\" integer\n)"
        );
        let sql = create_table(&name, &source, CreateOptions { logged: false, ..options(&first) });
        assert!(sql.starts_with("CREATE UNLOGGED TABLE \"w\".") && !sql.contains("NOT NULL"), "{sql}");
        let sql = create_table(&name, &source, CreateOptions { temporary: true, ..options(&none) });
        assert!(sql.starts_with("CREATE TEMPORARY TABLE \"T\"\"1\" ("), "{sql}");
        let sql = create_table(&name, &source, CreateOptions { own: &[loaded_at::DECLARATION], ..options(&none) });
        assert!(sql.ends_with("\"a b\" integer,\n  \"_loaded_at\" timestamptz NOT NULL DEFAULT now()\n)"), "{sql}");
    }

    #[test]
    fn comments_behind_columns_end_with_their_line() {
        let name = TableName::new("w", "t");
        let notes = ["int: rule \"int\"".to_owned(), "enum('a\n); DROP')".to_owned()];
        assert_eq!(
            create_table_told(&name, &table(&["a", "b"]), &notes, &[]),
            "CREATE TABLE \"w\".\"t\" (\n  \"a\" integer NOT NULL, -- int: rule \"int\"\n  \"b\" integer -- enum('a\\n); DROP')\n);\n"
        );
    }

    #[test]
    fn keys_follow_their_kind() {
        let (name, none) = (TableName::new("w", "t"), BTreeSet::new());
        let mut source = table(&["a", "b"]);
        source.key = vec![1, 0];
        assert_eq!(add_primary_key(&name, &source, &none).unwrap(), "ALTER TABLE \"w\".\"t\" ADD PRIMARY KEY (\"b\", \"a\")");
        assert!(add_primary_key(&name, &source, &BTreeSet::from([0])).unwrap().contains("ADD UNIQUE"));
        source.key_kind = KeyKind::Unique;
        assert!(add_primary_key(&name, &source, &none).unwrap().contains("ADD UNIQUE"));
        source.key_kind = KeyKind::None;
        assert_eq!(add_primary_key(&name, &source, &none), None);
    }

    #[test]
    fn comments_are_literals_and_only_where_there_is_one() {
        let name = TableName::new("w", "t");
        let mut source = table(&["a", "b"]);
        assert_eq!(comments(&name, &source), "");
        source.comment = "it's; \\ done".into();
        source.columns[1].comment = "two\nlines".into();
        assert_eq!(
            comments(&name, &source),
            "COMMENT ON TABLE \"w\".\"t\" IS 'it''s; \\ done';\nCOMMENT ON COLUMN \"w\".\"t\".\"b\" IS 'two\nlines';\n"
        );
    }

    #[test]
    fn differences_are_found_by_name_and_type() {
        let source = table(&["a", "b", "c"]);
        let mut existing = target(&source);
        assert_eq!(matches(&source, &existing), []);
        existing.columns.reverse();
        assert_eq!(matches(&source, &existing), []);
        let stamp = TargetColumn {
            name: "_loaded_at".into(),
            format_type: "timestamp with time zone".into(),
            not_null: true,
            has_default: true,
            ..existing.columns[0].clone()
        };
        existing.columns.push(stamp.clone());
        assert_eq!(matches(&source, &existing), []);
        *existing.columns.last_mut().unwrap() = TargetColumn { has_default: false, ..stamp };
        assert_eq!(matches(&source, &existing), [Difference::Dropped { column: "_loaded_at".into(), not_null: true }]);
        existing.columns.pop();
        existing.columns.retain(|column| column.name != "a");
        existing.columns[0].format_type = "bigint".into();
        existing.columns[1].not_null = true;
        existing.columns.push(TargetColumn { name: "x".into(), ..existing.columns[0].clone() });
        let text: Vec<String> = matches(&source, &existing).iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "column \"a\" (integer) is new on the source",
                "column \"b\" is NOT NULL, the source allows NULL",
                "column \"c\" is bigint, the source asks for integer",
                "column \"x\" is gone from the source",
            ]
        );
    }
}
