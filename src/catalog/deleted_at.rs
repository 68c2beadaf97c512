//! `_deleted_at`, a column that only the target has: when the source was first seen without the row. Kept by tables that mark
//! deletes instead of applying them.

use super::{KeyKind, POSTGRES_COLUMNS_MAX, SourceTable, TargetColumn, TargetTable};
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, literal_postgres, quote_postgres};

/// Its name.
pub const NAME: &str = "_deleted_at";

/// How a new table gets it.
pub const DECLARATION: &str = "\"_deleted_at\" timestamptz";

/// Its type as `format_type` prints it. A source's TIMESTAMP has digits, so it is never taken for this.
pub const FORMAT_TYPE: &str = "timestamp with time zone";

/// The column's comment: others call a column of theirs the same, and ours is written to.
const COMMENT: &str = "etl-sync: since when the source is without this row";

/// Says on the column that it is ours.
#[must_use]
pub fn comment(target: &TableName) -> String {
    format!("COMMENT ON COLUMN {}.{} IS {};", target.postgres(), quote_postgres(NAME), literal_postgres(COMMENT))
}

/// Whether a target column is the one that we make: by name, type and comment, and that nothing fills it but us.
#[must_use]
pub fn is_ours(column: &TargetColumn) -> bool {
    let fills_itself = column.has_default || column.not_null || column.generated;
    column.name == NAME && column.format_type == FORMAT_TYPE && column.comment == COMMENT && !fills_itself
}

/// Whether the target has the column of ours.
#[must_use]
pub fn is_in(table: &TargetTable) -> bool {
    table.columns.iter().any(is_ours)
}

/// Decides for a table that is to mark deletes whether its target still needs the column.
///
/// # Errors
/// [`Kind::Config`] for a table whose rows cannot be marked; [`Kind::Changed`] for a target that has another column of that
/// name.
pub fn is_missing(source: &SourceTable, existing: Option<&TargetTable>) -> Result<bool> {
    let refused = |kind, why: &str| {
        let text = format!("table {}: deletes cannot be marked: {why}", source.name.table);
        Err(Error::new(kind, text).hint("leave out `deletes: mark` for this table, or remove what stands against it"))
    };
    if source.key_kind == KeyKind::None {
        return refused(Kind::Config, "it has no key that tells its rows apart");
    }
    if source.columns.iter().any(|column| column.target.eq_ignore_ascii_case(NAME)) {
        return refused(Kind::Config, "the source has a column _deleted_at");
    }
    if existing.is_some_and(|table| !table.keeps_key(source)) {
        return refused(Kind::Changed, "the target has no primary key or unique index over the columns of the source's key");
    }
    let theirs = existing.map_or(source.columns.len(), |table| table.columns.len());
    match existing.and_then(|table| table.columns.iter().find(|column| column.name == NAME)) {
        Some(column) if is_ours(column) => Ok(false),
        Some(_) => refused(Kind::Changed, "the warehouse has a column _deleted_at that etl-sync did not make"),
        None if theirs >= POSTGRES_COLUMNS_MAX => refused(Kind::Config, "it has as many columns as PostgreSQL takes"),
        None => Ok(existing.is_some()),
    }
}

/// The condition that a row behind `prefix` is there on the source, as far as is known.
#[must_use]
pub fn is_null(prefix: &str) -> String {
    format!("{prefix}{} IS NULL", quote_postgres(NAME))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::super::ddl::tests::{table, target};
    use super::*;

    pub(crate) fn ours() -> TargetColumn {
        TargetColumn {
            name: NAME.into(),
            format_type: FORMAT_TYPE.into(),
            not_null: false,
            generated: false,
            has_default: false,
            comment: COMMENT.into(),
        }
    }

    #[test]
    fn a_table_needs_a_key_and_the_name() {
        let source = SourceTable { key_kind: KeyKind::Primary, ..table(&["id", "v"]) };
        assert!(!is_missing(&source, None).unwrap(), "a new table is made with it");
        let mut existing = target(&source);
        assert_eq!(is_missing(&source, Some(&existing)).unwrap_err().kind(), Kind::Changed, "without a key there");
        existing.primary_key = source.key_columns().map(|column| column.target.clone()).collect();
        assert!(is_missing(&source, Some(&existing)).unwrap());
        existing.columns.push(ours());
        assert!(!is_missing(&source, Some(&existing)).unwrap());
        for other in [
            TargetColumn { format_type: "timestamp(0) with time zone".into(), ..ours() },
            TargetColumn { has_default: true, ..ours() },
            TargetColumn { not_null: true, ..ours() },
            TargetColumn { generated: true, ..ours() },
            TargetColumn { comment: "an analyst's".into(), ..ours() },
        ] {
            *existing.columns.last_mut().unwrap() = other;
            assert_eq!(is_missing(&source, Some(&existing)).unwrap_err().kind(), Kind::Changed);
        }
        let keyless = SourceTable { key_kind: KeyKind::None, ..source.clone() };
        assert_eq!(is_missing(&keyless, None).unwrap_err().kind(), Kind::Config);
        let named = SourceTable { key_kind: KeyKind::Primary, ..table(&["id", "_DELETED_AT"]) };
        assert_eq!(is_missing(&named, None).unwrap_err().kind(), Kind::Config);
        let names: Vec<String> = (0..1600).map(|n| format!("c{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wide = SourceTable { key_kind: KeyKind::Primary, ..table(&names) };
        assert_eq!(is_missing(&wide, None).unwrap_err().kind(), Kind::Config);
    }
}
