//! Names on the target: kept exactly as the source spells them, unless PostgreSQL cannot keep them.
//!
//! PostgreSQL cuts names after 63 bytes without an error and reserves a few column names; both would lose a table or a
//! column. Such a name gets the hash of the whole name as its ending, so that it depends on nothing else, and the map is
//! recorded and shown.

use super::source::Fnv;
use super::{POSTGRES_COLUMNS_MAX, SourceTable};
use crate::error::{Error, Kind, Result};
use crate::name::{POSTGRES_NAME_BYTES_MAX, TableName, check_postgres};
use std::collections::HashMap;

/// Names that every PostgreSQL table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Bytes of `_` and eight hexadecimal digits.
const ENDING_BYTES: usize = 9;

/// The name of a table on the target.
#[must_use]
pub fn table(name: &str) -> String {
    if name.len() <= POSTGRES_NAME_BYTES_MAX { name.to_owned() } else { with_hash(name) }
}

/// The name of a column on the target.
#[must_use]
pub fn column(name: &str) -> String {
    if SYSTEM_COLUMNS.contains(&name) { with_hash(name) } else { table(name) }
}

/// The names that are not the source's own: pairs of source column (empty: the table) and target name.
#[must_use]
pub fn renamed(table: &SourceTable, target: &TableName) -> Vec<(String, String)> {
    let own = (target.table != table.name.table).then(|| (String::new(), target.table.clone()));
    let columns = table.columns.iter().filter(|c| c.target != c.name).map(|c| (c.name.clone(), c.target.clone()));
    own.into_iter().chain(columns).collect()
}

/// As much of the name as leaves room for its hash, cut between characters.
pub(super) fn with_hash(name: &str) -> String {
    let mut hash = Fnv::new();
    hash.text(name);
    let mut end = name.len().min(POSTGRES_NAME_BYTES_MAX - ENDING_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{:08x}", &name[..end], hash.0 >> 32)
}

/// Checks the names of tables that go into one target schema.
///
/// # Errors
/// [`Kind::Config`]: two names would become one (both are named), or a name is empty or holds NUL.
pub fn check_tables<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    check(names.into_iter().map(|name| (name, table(name))), "tables")
}

/// Checks number and names of a table's columns.
///
/// # Errors
/// [`Kind::Config`] as [`check_tables`]; [`Kind::Data`] when there are more
/// than 1600 columns, or none.
pub fn check_columns(table: &SourceTable) -> Result<()> {
    let count = table.columns.len();
    if count == 0 || count > POSTGRES_COLUMNS_MAX {
        return Err(Error::new(
            Kind::Data,
            format!("table {}: {count} columns; PostgreSQL takes 1 to {POSTGRES_COLUMNS_MAX}", table.name),
        ));
    }
    check(table.columns.iter().map(|column| (column.name.as_str(), column.target.clone())), "columns")
        .map_err(|error| error.doing(format_args!("table {}", table.name)))
}

fn check<'a>(names: impl IntoIterator<Item = (&'a str, String)>, what: &str) -> Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, target) in names {
        check_postgres(&target)?;
        if let Some(other) = seen.insert(target, name) {
            return Err(Error::new(Kind::Config, format!("{what} {other:?} and {name:?} have the same name in PostgreSQL")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ddl::tests::table;
    use super::*;

    #[test]
    fn long_and_reserved_names_end_in_their_hash() {
        let (a, b) = (format!("{}a", "x".repeat(63)), format!("{}b", "x".repeat(63)));
        assert_ne!(super::table(&a), super::table(&b));
        assert_eq!(super::table(&a).len(), 63);
        assert!(check_tables([a.as_str(), b.as_str()]).is_ok());
        // The cut falls inside a character.
        let accents = super::table(&"é".repeat(40));
        assert!(accents.starts_with(&"é".repeat(27)) && accents.len() == 63, "{accents}");
        assert_eq!(super::table(&"y".repeat(63)), "y".repeat(63));
        assert!(column("ctid").starts_with("ctid_") && column("ctid") == column("ctid"));
        assert_eq!(super::table("ctid"), "ctid");
        // Names are recorded in warehouses, so they must stay the same in every version.
        assert_eq!(column("xmin"), "xmin_8c5b2c5f");
    }

    #[test]
    fn names_that_become_one_are_both_named() {
        let long = "z".repeat(64);
        let taken = super::table(&long);
        let text = check_tables([long.as_str(), taken.as_str()]).unwrap_err().to_string();
        assert!(text.contains(&long) && text.contains(&taken), "{text}");
    }

    #[test]
    fn case_and_odd_characters_are_kept_apart() {
        assert!(check_tables(["a", "A", "a b", "special\"[`]$'", "é"]).is_ok());
        assert!(check_tables([""]).is_err());
        assert!(check_tables(["a\0"]).is_err());
    }

    #[test]
    fn columns_are_counted() {
        assert!(check_columns(&table(&["a", "b"])).is_ok());
        assert!(check_columns(&table(&["a", "ctid"])).is_ok());
        assert_eq!(check_columns(&table(&[])).unwrap_err().kind(), Kind::Data);
        let many: Vec<String> = (0..1601).map(|n| format!("c{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = check_columns(&table(&many)).unwrap_err();
        assert!(error.to_string().contains("s.t") && error.to_string().contains("1601"), "{error}");
    }
}
