//! Names on the target: kept exactly as the source spells them, or refused.
//!
//! PostgreSQL cuts names after 63 bytes without an error and reserves a few column names; both would lose a table or a
//! column, so both are refused here before anything is created.

use super::{POSTGRES_COLUMNS_MAX, SourceTable};
use crate::error::{Error, Kind, Result};
use crate::name::{POSTGRES_NAME_BYTES_MAX, check_postgres};
use std::collections::HashMap;

/// Names that every PostgreSQL table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Checks the names of tables that go into one target schema.
///
/// # Errors
/// [`Kind::Config`]: two names would become one (both are named), or a name is empty, too long or holds NUL.
pub fn check_tables<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    check(names, "tables")
}

/// Checks number and names of a table's columns.
///
/// # Errors
/// [`Kind::Config`] as [`check_tables`], also for a name that PostgreSQL reserves; [`Kind::Data`] when there are more
/// than 1600 columns, or none.
pub fn check_columns(table: &SourceTable) -> Result<()> {
    let count = table.columns.len();
    if count == 0 || count > POSTGRES_COLUMNS_MAX {
        return Err(Error::new(
            Kind::Data,
            format!("table {}: {count} columns; PostgreSQL takes 1 to {POSTGRES_COLUMNS_MAX}", table.name),
        ));
    }
    check(table.columns.iter().map(|column| column.name.as_str()), "columns")
        .map_err(|error| error.doing(format_args!("table {}", table.name)))?;
    match table.columns.iter().find(|column| SYSTEM_COLUMNS.contains(&column.name.as_str())) {
        Some(column) => {
            Err(Error::new(Kind::Config, format!("table {}: PostgreSQL reserves the column name {:?}", table.name, column.name)))
        }
        None => Ok(()),
    }
}

fn check<'a>(names: impl IntoIterator<Item = &'a str>, what: &str) -> Result<()> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut long = Ok(());
    for name in names {
        // Both names of a pair that becomes one are worth more than the length of the first, so lengths come last.
        if let Some(other) = seen.insert(cut(name), name) {
            return Err(Error::new(Kind::Config, format!("{what} {other:?} and {name:?} have the same name in PostgreSQL")));
        }
        if long.is_ok() {
            long = check_postgres(name);
        }
    }
    long
}

/// What PostgreSQL keeps of a name: at most 63 bytes, cut between characters.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(POSTGRES_NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ddl::tests::table;
    use super::*;

    #[test]
    fn names_that_become_one_are_both_named() {
        let (a, b) = (format!("{}a", "x".repeat(63)), format!("{}b", "x".repeat(63)));
        let text = check_tables([a.as_str(), b.as_str()]).unwrap_err().to_string();
        assert!(text.contains(&a) && text.contains(&b), "{text}");
        // The cut falls inside the 32nd character, so 62 bytes stay.
        let (a, b) = (format!("{}1", "é".repeat(40)), format!("{}2", "é".repeat(40)));
        assert_eq!(cut(&a).len(), 62);
        assert!(check_tables([a.as_str(), b.as_str()]).unwrap_err().to_string().contains("same name"));
    }

    #[test]
    fn case_and_odd_characters_are_kept_apart() {
        assert!(check_tables(["a", "A", "a b", "special\"[`]$'", "é"]).is_ok());
        assert!(check_tables([""]).is_err());
        assert!(check_tables(["a\0"]).is_err());
    }

    #[test]
    fn columns_are_counted_and_reserved_names_refused() {
        assert!(check_columns(&table(&["a", "b"])).is_ok());
        assert!(check_columns(&table(&["a", "ctid"])).unwrap_err().to_string().contains("ctid"));
        assert_eq!(check_columns(&table(&[])).unwrap_err().kind(), Kind::Data);
        let many: Vec<String> = (0..1601).map(|n| format!("c{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = check_columns(&table(&many)).unwrap_err();
        assert!(error.to_string().contains("s.t") && error.to_string().contains("1601"), "{error}");
    }
}
