//! Identifiers of both servers and their quoting: the only two functions that turn a name into SQL.
//!
//! Names are kept exactly as the catalog gave them; a name in SQL is always quoted.

use crate::error::{Error, Kind, Result};
use std::fmt;

/// PostgreSQL cuts identifiers after this many bytes (NAMEDATALEN - 1).
pub const POSTGRES_NAME_BYTES_MAX: usize = 63;

/// Quotes an identifier for MySQL or MariaDB: backticks, doubled inside.
#[must_use]
pub fn quote_mysql(name: &str) -> String {
    quote(name, '`')
}

/// Quotes an identifier for PostgreSQL: double quotes, doubled inside.
#[must_use]
pub fn quote_postgres(name: &str) -> String {
    quote(name, '"')
}

fn quote(name: &str, mark: char) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push(mark);
    for c in name.chars() {
        if c == mark {
            out.push(mark);
        }
        out.push(c);
    }
    out.push(mark);
    out
}

/// A string literal for PostgreSQL, for the few statements that take no parameter (comments, settings).
///
/// Sessions run with `standard_conforming_strings=on`, so only the quote itself is special.
#[must_use]
pub fn literal_postgres(text: &str) -> String {
    quote(text, '\'')
}

/// A name that PostgreSQL holds unchanged.
///
/// # Errors
/// [`Kind::Config`] when the name is empty, holds NUL, or is longer than 63 bytes.
pub fn check_postgres(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        return Err(Error::new(Kind::Config, format!("name {name:?} is empty or holds a NUL byte")));
    }
    if name.len() > POSTGRES_NAME_BYTES_MAX {
        return Err(Error::new(
            Kind::Config,
            format!("name {name:?} has {} bytes, PostgreSQL keeps {POSTGRES_NAME_BYTES_MAX}", name.len()),
        ));
    }
    Ok(())
}

/// A table on one side: its schema (the database, on MySQL) and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// Schema, or database on MySQL.
    pub schema: String,
    /// The table's own name.
    pub table: String,
}

impl TableName {
    /// A table name from its two parts.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }

    /// `` `schema`.`table` `` for MySQL.
    #[must_use]
    pub fn mysql(&self) -> String {
        format!("{}.{}", quote_mysql(&self.schema), quote_mysql(&self.table))
    }

    /// `"schema"."table"` for PostgreSQL.
    #[must_use]
    pub fn postgres(&self) -> String {
        format!("{}.{}", quote_postgres(&self.schema), quote_postgres(&self.table))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// The quoted names, joined by commas, for a column list.
pub fn column_list<'a>(names: impl IntoIterator<Item = &'a str>, quote: fn(&str) -> String) -> String {
    let quoted: Vec<String> = names.into_iter().map(quote).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote_mysql("a`b"), "`a``b`");
        assert_eq!(quote_postgres("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal_postgres("it's"), "'it''s'");
    }

    #[test]
    fn long_names_are_refused_not_cut() {
        assert!(check_postgres(&"é".repeat(31)).is_ok());
        assert!(check_postgres(&"é".repeat(32)).is_err());
        assert!(check_postgres("").is_err());
    }
}
