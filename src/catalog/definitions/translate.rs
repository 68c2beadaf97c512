//! Definitions of the source as PostgreSQL statements. What PostgreSQL cannot have is told, never left out in silence.

use super::{ColumnDefault, Definitions, ForeignKey, Impossible, Index, Statement, Translated, Wanted, What};
use crate::catalog::{Column, KeyKind, SourceTable, names};
use crate::name::{TableName, column_list, literal_postgres, quote_postgres};
use crate::value::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// A table that is in the warehouse.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The source table, its columns reduced to those copied.
    pub source: &'a SourceTable,
    /// Where it is.
    pub target: &'a TableName,
    /// Rows that the source has no more stay in it.
    pub marks: bool,
}

/// Marks constraints of ours, so that a run may take them away while data moves.
pub const OURS: &str = "etl-sync";

/// Translates the definitions of the tables that are in the warehouse.
#[must_use]
pub fn translate(definitions: &Definitions, targets: &[Target<'_>], wanted: Wanted) -> Translated {
    let mut work = Work { targets, names: index_names(definitions), unique: Vec::new(), out: Translated::default() };
    for index in &definitions.indexes {
        if if index.unique { wanted.unique_indexes } else { wanted.other_indexes } {
            work.add(What::Index, &index.table, &index.name, |work, target| work.index(index, target));
        }
    }
    for key in &definitions.foreign_keys {
        work.add(What::ForeignKey, &key.table, &key.name, |work, target| work.foreign_key(key, target));
    }
    if wanted.sequences {
        for target in targets {
            for column in target.source.columns.iter().filter(|column| column.auto_increment) {
                work.add(What::Sequence, &target.source.name.table, &column.name, |work, target| work.sequence(column, target));
            }
        }
    }
    for default in &definitions.defaults {
        work.default(default);
    }
    work.out
}

struct Work<'a> {
    targets: &'a [Target<'a>],
    /// Names of indexes by table and name on the source.
    names: BTreeMap<(String, String), String>,
    /// Table and columns of unique indexes that are built.
    unique: Vec<(String, BTreeSet<String>)>,
    out: Translated,
}

impl<'a> Work<'a> {
    fn target(&self, table: &str) -> Option<Target<'a>> {
        self.targets.iter().find(|one| one.source.name.table == table).copied()
    }

    /// Of tables that are not in the warehouse nothing is wanted.
    fn add(
        &mut self,
        what: What,
        table: &str,
        name: &str,
        make: impl FnOnce(&mut Self, Target<'a>) -> Result<Option<Statement>, String>,
    ) {
        let Some(target) = self.target(table) else { return };
        match make(self, target) {
            Ok(statement) => self.out.statements.extend(statement),
            Err(why) => {
                self.out.impossible.push(Impossible { table: table.to_owned(), what, name: name.to_owned(), why });
            }
        }
    }

    fn index(&mut self, index: &Index, target: Target<'a>) -> Result<Option<Statement>, String> {
        if !matches!(index.kind.as_str(), "BTREE" | "HASH") {
            return Err(format!("PostgreSQL has no index of the kind {}", index.kind));
        }
        let mut parts = Vec::new();
        let mut columns = BTreeSet::new();
        for part in &index.parts {
            let name = part.column.as_deref().ok_or("it is over an expression")?;
            let column = copied(target, name)?;
            if part.prefix {
                return Err(format!("it holds only the beginning of column {name}"));
            }
            if column.ty == ColumnType::Json {
                return Err(format!("column {name} is json, which has no order"));
            }
            columns.insert(name.to_owned());
            parts.push(format!("{}{}", quote_postgres(&column.target), if part.descending { " DESC" } else { "" }));
        }
        let key: BTreeSet<String> = target.source.key_columns().map(|column| column.name.clone()).collect();
        if index.unique && target.source.key_kind == KeyKind::Unique && key == columns {
            // The table's key is this index, and the target has it as a constraint.
            return Ok(None);
        }
        if index.unique && target.marks {
            return Err("rows that are marked as deleted may hold the values of rows that came after them".into());
        }
        if index.unique {
            self.unique.push((index.table.clone(), columns));
        }
        let key = (index.table.clone(), index.name.clone());
        let name = self.names.get(&key).cloned().ok_or("it has no name")?;
        let unique = if index.unique { "UNIQUE " } else { "" };
        let sql =
            format!("CREATE {unique}INDEX {} ON {} ({})", quote_postgres(&name), target.target.postgres(), parts.join(", "));
        Ok(Some(Statement {
            table: index.table.clone(),
            what: What::Index,
            exists: of_table(target, &name),
            name,
            sql,
            refresh: None,
        }))
    }

    fn foreign_key(&mut self, key: &ForeignKey, target: Target<'a>) -> Result<Option<Statement>, String> {
        if key.parent_schema != target.source.name.schema {
            return Err(format!("it refers to another database, {}", key.parent_schema));
        }
        let parent = self.target(&key.parent).ok_or_else(|| format!("table {} is not in the warehouse", key.parent))?;
        if target.marks && !parent.marks {
            return Err(format!(
                "rows that are marked as deleted stay when those of {} that they refer to are deleted",
                key.parent
            ));
        }
        let wanted: BTreeSet<String> = key.parent_columns.iter().cloned().collect();
        let is_key = parent.source.key_kind != KeyKind::None
            && parent.source.key_columns().map(|column| column.name.clone()).collect::<BTreeSet<_>>() == wanted;
        if !is_key && !self.unique.iter().any(|(table, columns)| *table == key.parent && *columns == wanted) {
            return Err(format!("the columns of {} that it refers to are not unique in the warehouse", key.parent));
        }
        let list = |target: Target<'_>, columns: &[String]| -> Result<String, String> {
            let found: Vec<&str> =
                columns.iter().map(|name| copied(target, name).map(|c| c.target.as_str())).collect::<Result<_, _>>()?;
            Ok(column_list(found, quote_postgres))
        };
        let (columns, parent_columns) = (list(target, &key.columns)?, list(parent, &key.parent_columns)?);
        let name = names::table(&key.name);
        let (child, quoted) = (target.target.postgres(), quote_postgres(&name));
        let sql = format!(
            "ALTER TABLE {child} ADD CONSTRAINT {quoted} FOREIGN KEY ({columns}) REFERENCES {} ({parent_columns}) \
             ON UPDATE {} ON DELETE {}; COMMENT ON CONSTRAINT {quoted} ON {child} IS '{OURS}'",
            parent.target.postgres(),
            key.on_update,
            key.on_delete,
        );
        let exists = format!(
            "SELECT 1 FROM pg_constraint WHERE conrelid = {}::regclass AND contype = 'f' AND conname = {}",
            literal_postgres(&child),
            literal_postgres(&name)
        );
        Ok(Some(Statement { table: key.table.clone(), what: What::ForeignKey, name, exists, sql, refresh: None }))
    }

    fn sequence(&mut self, column: &Column, target: Target<'a>) -> Result<Option<Statement>, String> {
        if !matches!(column.ty, ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::UInt64) {
            return Err(format!("column {} is {} in the warehouse", column.name, column.ty));
        }
        let name = names::table(&format!("{}_{}_seq", target.target.table, column.target));
        let sequence = TableName::new(target.target.schema.clone(), name.clone());
        let (seq, literal) = (sequence.postgres(), literal_postgres(&sequence.postgres()));
        let (table, own) = (target.target.postgres(), quote_postgres(&column.target));
        // Only where it lags: an unchanged table gets no write.
        let refresh = format!(
            "SELECT setval({literal}::regclass, m.top) FROM (SELECT max({own})::bigint AS top FROM {table}) m, {seq} s \
             WHERE m.top >= 1 AND (s.last_value < m.top OR (s.last_value = m.top AND NOT s.is_called))"
        );
        let sql = format!(
            "CREATE SEQUENCE {seq}; ALTER SEQUENCE {seq} OWNED BY {table}.{own}; \
             ALTER TABLE {table} ALTER COLUMN {own} SET DEFAULT nextval({literal}::regclass); {refresh}"
        );
        let exists = format!(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relname = {} AND c.relkind = 'S'",
            literal_postgres(&target.target.schema),
            literal_postgres(&name)
        );
        let table = target.source.name.table.clone();
        Ok(Some(Statement { table, what: What::Sequence, name, exists, sql, refresh: Some(refresh) }))
    }

    fn default(&mut self, default: &ColumnDefault) {
        if default.on_update {
            self.add(What::Default, &default.table, &default.column, |_, _| {
                Err("PostgreSQL does not set a column at an update (ON UPDATE CURRENT_TIMESTAMP)".into())
            });
        }
        self.add(What::Default, &default.table, &default.column, |_, target| {
            let Some(text) = default.text.as_deref() else { return Ok(None) };
            let Ok(column) = copied(target, &default.column) else { return Ok(None) };
            let Some(value) = value(column.ty, text, default.bare)? else { return Ok(None) };
            let (table, own) = (target.target.postgres(), quote_postgres(&column.target));
            let exists = format!(
                "SELECT 1 FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
                 WHERE d.adrelid = {}::regclass AND a.attname = {}",
                literal_postgres(&table),
                literal_postgres(&column.target)
            );
            Ok(Some(Statement {
                table: default.table.clone(),
                what: What::Default,
                name: column.target.clone(),
                exists,
                sql: format!("ALTER TABLE {table} ALTER COLUMN {own} SET DEFAULT {value}"),
                refresh: None,
            }))
        });
    }
}

fn copied<'a>(target: Target<'a>, column: &str) -> Result<&'a Column, String> {
    let found = target.source.columns.iter().find(|one| one.name == column);
    found.ok_or_else(|| format!("column {column} is not copied"))
}

/// Names that nothing else in the schema has. They are made of all indexes of the source, so that they are the same
/// whichever tables a run is about.
fn index_names(definitions: &Definitions) -> BTreeMap<(String, String), String> {
    let tables: BTreeSet<&str> = definitions.indexes.iter().map(|index| index.table.as_str()).collect();
    let mut taken: BTreeSet<String> = tables.iter().map(|table| names::table(table)).collect();
    // What PostgreSQL calls the index of a primary key.
    taken.extend(tables.iter().map(|table| format!("{table}_pkey")));
    let mut out = BTreeMap::new();
    for index in &definitions.indexes {
        let plain = format!("{}_{}", index.table, index.name);
        let mut name = names::table(&plain);
        if !taken.insert(name.clone()) {
            name = names::with_hash(&format!("{plain}/{}", index.name));
            taken.insert(name.clone());
        }
        out.insert((index.table.clone(), index.name.clone()), name);
    }
    out
}

/// Asks for an index of this table.
fn of_table(target: Target<'_>, name: &str) -> String {
    format!(
        "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {}::regclass AND c.relname = {}",
        literal_postgres(&target.target.postgres()),
        literal_postgres(name)
    )
}

/// A default as PostgreSQL writes it; none where NULL is the default.
fn value(ty: ColumnType, text: &str, bare: bool) -> Result<Option<String>, String> {
    let lower = text.to_ascii_lowercase();
    if !bare && lower == "null" {
        return Ok(None);
    }
    if let Some(digits) = moment(&lower) {
        return match ty {
            ColumnType::TimestampTz { .. } => Ok(Some(format!("CURRENT_TIMESTAMP{digits}"))),
            ColumnType::Timestamp { .. } => Ok(Some(format!("LOCALTIMESTAMP{digits}"))),
            _ => Err(format!("the moment is no default of a column of type {ty}")),
        };
    }
    let literal = if bare {
        text.to_owned()
    } else if let Some(inside) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        inside.replace("''", "'").replace("\\\\", "\\")
    } else if is_number(text) || lower.starts_with("b'") {
        text.to_owned()
    } else {
        return Err("it is an expression".into());
    };
    if let Some(bits) = literal.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\'')) {
        return match ty {
            ColumnType::Boolean => Ok(Some(if bits.ends_with('1') { "true" } else { "false" }.into())),
            ColumnType::Bit { bits: width } => Ok(Some(format!("B'{bits:0>width$}'", width = usize::from(width)))),
            _ => Err("it is a bit literal".into()),
        };
    }
    match ty {
        ColumnType::Int16
        | ColumnType::Int32
        | ColumnType::Int64
        | ColumnType::UInt64
        | ColumnType::Year
        | ColumnType::Float32
        | ColumnType::Float64
        | ColumnType::Decimal { .. }
            if is_number(&literal) =>
        {
            Ok(Some(literal))
        }
        ColumnType::Boolean if literal == "0" || literal == "1" => Ok(Some(if literal == "1" { "true" } else { "false" }.into())),
        ColumnType::Text | ColumnType::Varchar { .. } => Ok(Some(literal_postgres(&literal))),
        ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::TimestampTz { .. } => {
            if literal.get(..4) == Some("0000") || literal.contains("-00") {
                return Err("a zero date is no date in PostgreSQL".into());
            }
            Ok(Some(literal_postgres(&literal)))
        }
        ColumnType::Interval { .. } | ColumnType::TimeOfDay { .. } => Ok(Some(literal_postgres(&literal))),
        _ => Err(format!("no literal of it is known for type {ty}")),
    }
}

/// The moment of the statement, as both servers show it: the number of fraction digits in parentheses, or nothing.
fn moment(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("current_timestamp").or_else(|| text.strip_prefix("now"))?;
    match digits {
        "" | "()" => Some(""),
        "(1)" | "(2)" | "(3)" | "(4)" | "(5)" | "(6)" => Some(digits),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_both_servers() {
        let of = |ty, text: &str, bare| value(ty, text, bare).map(Option::unwrap_or_default);
        let text = ColumnType::Varchar { chars: 9 };
        for (ty, shown, bare, expected) in [
            (ColumnType::Int32, "7", false, Ok("7")),
            (ColumnType::Int32, "7", true, Ok("7")),
            (ColumnType::Int32, "'7'", false, Ok("7")),
            (text, "'it''s'", false, Ok("'it''s'")),
            (text, "it's", true, Ok("'it''s'")),
            (text, "NULL", true, Ok("'NULL'")),
            (text, "NULL", false, Ok("")),
            (text, "uuid()", false, Err("expression")),
            (ColumnType::Date, "'0000-00-00'", false, Err("zero date")),
            (ColumnType::Date, "2024-01-01", true, Ok("'2024-01-01'")),
            (ColumnType::TimestampTz { digits: 0 }, "current_timestamp()", false, Ok("CURRENT_TIMESTAMP")),
            (ColumnType::Timestamp { digits: 3 }, "CURRENT_TIMESTAMP(3)", false, Ok("LOCALTIMESTAMP(3)")),
            (ColumnType::Timestamp { digits: 0 }, "current_timestamp() + interval 1 day", false, Err("expression")),
            (ColumnType::Boolean, "b'1'", true, Ok("true")),
            (ColumnType::Bit { bits: 4 }, "b'101'", false, Ok("B'0101'")),
            (ColumnType::Bytes, "'x'", false, Err("no literal")),
        ] {
            match (of(ty, shown, bare), expected) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{shown}"),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{shown}: {found}"),
                (found, wanted) => assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{shown}"),
            }
        }
    }
}
