//! `_loaded_at`, a column that only the target has: when this version of the row was written. Its default fills it.

use super::{POSTGRES_COLUMNS_MAX, SourceTable, TargetColumn, TargetTable};

/// Its name, as dbt's source freshness and incremental models know it.
pub const NAME: &str = "_loaded_at";

/// How a new table gets it: name, type, NOT NULL, default.
pub const DECLARATION: &str = "\"_loaded_at\" timestamptz NOT NULL DEFAULT now()";

/// Its type as `format_type` prints it. A source's TIMESTAMP has digits, so it is never taken for this.
const FORMAT_TYPE: &str = "timestamp with time zone";

/// Whether a table has the column, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadedAt {
    /// The table has it, or gets it.
    Kept,
    /// By configuration: a column that is there stays and is not written.
    Off,
    /// The source has a column of that name, in whatever case: it goes before.
    Source,
    /// The target has a column of that name that is not ours.
    Target,
    /// The table has as many columns as PostgreSQL takes.
    NoRoom,
}

impl LoadedAt {
    /// Decides for a table whose columns are reduced to those wanted; `existing` is its target, when there is one.
    #[must_use]
    pub fn decide(wanted: bool, source: &SourceTable, existing: Option<&TargetTable>) -> Self {
        let named = |column: &&TargetColumn| column.name == NAME;
        let present = existing.and_then(|table| table.columns.iter().find(named));
        let theirs = existing.map_or(&[][..], |table| &table.columns);
        let added = source.columns.iter().filter(|column| !theirs.iter().any(|found| found.name == column.target)).count();
        if !wanted {
            Self::Off
        } else if source.columns.iter().any(|column| column.target.eq_ignore_ascii_case(NAME)) {
            Self::Source
        } else if let Some(column) = present {
            if is_ours(column) { Self::Kept } else { Self::Target }
        } else if theirs.len() + added >= POSTGRES_COLUMNS_MAX {
            Self::NoRoom
        } else {
            Self::Kept
        }
    }

    /// Whether rows of the table carry it.
    #[must_use]
    pub fn is_kept(self) -> bool {
        self == Self::Kept
    }

    /// Why it was left out although it was wanted.
    #[must_use]
    pub const fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Kept | Self::Off => None,
            Self::Source => Some("the source has a column of that name"),
            Self::Target => Some("the warehouse has a column of that name that etl-sync did not make"),
            Self::NoRoom => Some("the table has as many columns as PostgreSQL takes"),
        }
    }
}

/// Whether a target column is the one that we make: by name, type and a default.
#[must_use]
pub fn is_ours(column: &TargetColumn) -> bool {
    column.name == NAME && column.format_type == FORMAT_TYPE && column.has_default && !column.generated
}

/// One line per reason, with the tables that it holds for.
#[must_use]
pub fn left_out<'t>(tables: impl IntoIterator<Item = (&'t str, LoadedAt)>) -> Vec<String> {
    let mut by_reason = std::collections::BTreeMap::<LoadedAt, Vec<&str>>::new();
    for (table, loaded_at) in tables {
        by_reason.entry(loaded_at).or_default().push(table);
    }
    let line = |(reason, mut tables): (LoadedAt, Vec<&str>)| {
        tables.sort_unstable();
        reason.why_not().map(|why| format!("no column {NAME} in {}: {why}", tables.join(", ")))
    };
    by_reason.into_iter().filter_map(line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ddl::tests::{table, target};
    use super::*;

    fn stamp() -> TargetColumn {
        TargetColumn {
            name: NAME.into(),
            format_type: FORMAT_TYPE.into(),
            not_null: true,
            generated: false,
            has_default: true,
            comment: String::new(),
        }
    }

    #[test]
    fn a_table_gets_it_unless_the_name_is_taken() {
        let source = table(&["id", "v"]);
        assert_eq!(LoadedAt::decide(true, &source, None), LoadedAt::Kept);
        assert_eq!(LoadedAt::decide(false, &source, None), LoadedAt::Off);
        for name in ["_loaded_at", "_LOADED_AT", "_Loaded_At"] {
            assert_eq!(LoadedAt::decide(true, &table(&["id", name]), None), LoadedAt::Source, "{name}");
        }
        let mut existing = target(&source);
        assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::Kept);
        existing.columns.push(stamp());
        assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::Kept);
        let no_default = TargetColumn { has_default: false, ..stamp() };
        let of_the_source = TargetColumn { format_type: "timestamp(0) with time zone".into(), ..stamp() };
        for other in [no_default, of_the_source, TargetColumn { generated: true, ..stamp() }] {
            *existing.columns.last_mut().unwrap() = other;
            assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::Target);
        }
    }

    #[test]
    fn there_is_room_for_1599_other_columns() {
        let names: Vec<String> = (0..1600).map(|n| format!("c{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(LoadedAt::decide(true, &table(&names), None), LoadedAt::NoRoom);
        let source = table(&names[..1599]);
        assert_eq!(LoadedAt::decide(true, &source, None), LoadedAt::Kept);
        let mut existing = target(&source);
        existing.columns.push(TargetColumn { name: "of the warehouse".into(), ..stamp() });
        assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::NoRoom);
        // Added by the same refresh.
        existing.columns.remove(0);
        assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::NoRoom);
        // It is there already.
        existing.columns.push(stamp());
        assert_eq!(LoadedAt::decide(true, &source, Some(&existing)), LoadedAt::Kept);
    }

    #[test]
    fn reasons_are_told_once() {
        let lines = left_out([("b", LoadedAt::Source), ("x", LoadedAt::Kept), ("a", LoadedAt::Source), ("w", LoadedAt::Off)]);
        assert_eq!(lines, ["no column _loaded_at in a, b: the source has a column of that name"]);
    }
}
