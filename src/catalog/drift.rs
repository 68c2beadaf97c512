//! Schema drift: what a target table needs so that rows of its source, as it is today, can go into it.
//!
//! Pure: two descriptions in, a decision out. What cannot be done without a loss, or would take something of others along,
//! is an error that says so, before anything is touched.

use super::ddl::{self, Difference};
use super::widen::{self, Fit};
use super::{SourceTable, TargetColumn, TargetKind, TargetTable, deleted_at};
use crate::error::{Error, Kind, Result};
use crate::usage;
use std::collections::BTreeSet;
use std::fmt;

/// One change of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A column that the source has got; all rows are read for it.
    Added {
        /// Its name on the target.
        column: String,
        /// Its type, as `format_type` prints it.
        ty: String,
    },
    /// `ALTER COLUMN … TYPE`.
    Widened {
        /// Its name on the target.
        column: String,
        /// The target's type.
        from: String,
        /// The source's type.
        to: String,
        /// PostgreSQL writes the whole table anew for it.
        rewrites: bool,
    },
    /// A column that the source has no more stays.
    Kept {
        /// Its name on the target.
        column: String,
        /// What rows have in it that are written from now on.
        later: Later,
    },
    /// NOT NULL goes, as it did on the source.
    Loosened {
        /// Its name on the target.
        column: String,
    },
    /// A type that the old one's values may not fit: the table is made anew.
    Unlike {
        /// Its name on the target.
        column: String,
        /// The target's type.
        from: String,
        /// The source's type.
        to: String,
    },
    /// A column of the target's key that allows NULL on the source: the table is made anew.
    KeyLoosened {
        /// Its name on the target.
        column: String,
    },
}

/// What later rows have in a column that the source has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// NULL.
    Null,
    /// NULL, for which NOT NULL goes.
    NullInstead,
    /// The column's own default.
    Default,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anew = "the table is built anew beside the old one and exchanged";
        match self {
            Self::Added { column, ty } => write!(f, "column {column:?} ({ty}) is new: it is added, and all rows are read for it"),
            Self::Widened { column, from, to, rewrites } => {
                let price = if *rewrites { "PostgreSQL rewrites the table, readers wait" } else { "nothing is rewritten" };
                write!(f, "column {column:?} widens in place from {from} to {to}: {price}")
            }
            Self::Kept { column, later } => {
                let later = match later {
                    Later::Null => "later rows have NULL in it",
                    Later::NullInstead => "its NOT NULL goes, later rows have NULL in it",
                    Later::Default => "later rows have its default in it",
                };
                write!(f, "column {column:?} no longer comes from the source: it stays, {later}")
            }
            Self::Loosened { column } => write!(f, "column {column:?} allows NULL on the source: its NOT NULL goes"),
            Self::Unlike { column, from, to } => {
                write!(f, "column {column:?} is {from}, the source asks for {to}, which may not hold its values: {anew}")
            }
            Self::KeyLoosened { column } => {
                write!(f, "column {column:?} of the key allows NULL on the source: {anew}")
            }
        }
    }
}

/// Everything that changes about one target table; empty on most nights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// In the source's order of columns, then columns that only the target has.
    pub changes: Vec<Change>,
}

impl Drift {
    /// Whether the table is made anew beside the old one and takes its place.
    #[must_use]
    pub fn exchanges(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Unlike { .. } | Change::KeyLoosened { .. }))
    }

    /// Whether a change in place rewrites the table, which is not seen whole by transactions that began before.
    #[must_use]
    pub fn rewrites(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Widened { rewrites: true, .. }))
    }

    /// Whether the rows that are there have to be compared with the source, all of them.
    #[must_use]
    pub fn needs_all_rows(&self) -> bool {
        let harmless = |change: &Change| matches!(change, Change::Kept { .. } | Change::Loosened { .. });
        !self.changes.iter().all(harmless)
    }

    /// The changes for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.changes.iter().map(ToString::to_string).collect()
    }
}

/// Whether [`decide`] has to know what rests on the target.
#[must_use]
pub fn asks_for_dependants(source: &SourceTable, existing: &TargetTable) -> bool {
    let weighs = |difference: &Difference| matches!(difference, Difference::Changed { .. } | Difference::NotNull { .. });
    ddl::matches(source, existing).iter().any(weighs)
}

/// Decides. `is_ours`: the state row says that this very table was loaded by this job; no other is ever exchanged.
///
/// # Errors
/// [`Kind::Changed`] for a target that cannot be made to fit without a loss, with every reason and what to do.
pub fn decide(source: &SourceTable, existing: &TargetTable, is_ours: bool) -> Result<Drift> {
    let call = usage::DRIFT.attempt(usage::Shape::NONE);
    if existing.kind != TargetKind::Table {
        let text = format!("table {}: its target {} is not an ordinary table", source.name, existing.name);
        return Err(Error::new(Kind::Changed, text).hint("rename or drop it in the warehouse"));
    }
    let (mut drift, mut bad) = (Drift::default(), Vec::new());
    for difference in ddl::matches(source, existing) {
        let told = difference.to_string();
        match change(difference, existing) {
            Some(change) => drift.changes.push(change),
            None => bad.push(told),
        }
    }
    if !bad.is_empty() || drift.exchanges() && !is_ours {
        let unlike = ddl::matches(source, existing).into_iter().filter(|d| matches!(d, Difference::Changed { .. }));
        let why = if bad.is_empty() { unlike.map(|d| d.to_string()).collect() } else { bad };
        let text = format!("table {}: its target {} does not fit any more: {}", source.name, existing.name, why.join("; "));
        return Err(Error::new(Kind::Changed, text)
            .hint("change the column in the warehouse, or rename the old table away: the next run then loads it anew"));
    }
    kept_by_exchange(source, existing, &drift)?;
    call.ends(dependants(source, existing, &drift))?;
    Ok(drift)
}

/// What is done about a difference; none when nothing can be.
fn change(difference: Difference, existing: &TargetTable) -> Option<Change> {
    let in_key = |column: &str| existing.primary_key.iter().any(|name| name == column);
    match difference {
        Difference::Added { column, wanted } => Some(Change::Added { column, ty: wanted }),
        Difference::Changed { column, wanted, found } => Some(match widen::fit(&found, &wanted) {
            Fit::Widens { rewrites } => Change::Widened { column, from: found, to: wanted, rewrites },
            Fit::Same | Fit::Unlike => Change::Unlike { column, from: found, to: wanted },
        }),
        Difference::Dropped { column, not_null } => {
            let found = existing.columns.iter().find(|found| found.name == column)?;
            let later = match (not_null, fills_itself(found)) {
                (_, true) => Later::Default,
                (false, false) => Later::Null,
                (true, false) if in_key(&column) => return None,
                (true, false) => Later::NullInstead,
            };
            Some(Change::Kept { column, later })
        }
        Difference::NotNull { column } if in_key(&column) => Some(Change::KeyLoosened { column }),
        Difference::NotNull { column } => Some(Change::Loosened { column }),
        Difference::Generated { .. } => None,
    }
}

const fn fills_itself(column: &TargetColumn) -> bool {
    column.has_default || column.generated
}

/// A column that only the old table has would go with it, and nobody has its values any more.
fn kept_by_exchange(source: &SourceTable, existing: &TargetTable, drift: &Drift) -> Result<()> {
    let kept = |change: &Change| if let Change::Kept { column, .. } = change { Some(column.clone()) } else { None };
    let mut kept: Vec<String> = drift.changes.iter().filter_map(kept).collect();
    if deleted_at::is_in(existing) {
        kept.push(deleted_at::NAME.into());
    }
    if kept.is_empty() || !drift.exchanges() {
        return Ok(());
    }
    let text = format!("{}, and only the old table has {kept:?}; nothing was touched", exchange_of(source, existing, drift));
    Err(Error::new(Kind::Changed, text)
        .hint("drop these columns in the warehouse, or rename the old table away: the next run then loads it anew"))
}

fn exchange_of(source: &SourceTable, existing: &TargetTable, drift: &Drift) -> String {
    let unlike = drift.changes.iter().filter_map(|change| match change {
        Change::Unlike { column, from, to } => Some(format!("column {column:?} is {from}, the source asks for {to}")),
        Change::KeyLoosened { column } => Some(format!("column {column:?} of its key allows NULL on the source")),
        _ => None,
    });
    let why = unlike.collect::<Vec<_>>().join("; ");
    format!("table {}: its target {} would have to be made anew ({why})", source.name, existing.name)
}

/// What PostgreSQL would refuse to lose, or would lose without a word. The decision is made before anything is touched.
fn dependants(source: &SourceTable, existing: &TargetTable, drift: &Drift) -> Result<()> {
    if drift.exchanges() {
        let all: BTreeSet<&str> = existing.dependants.iter().map(|dependant| dependant.what.as_str()).collect();
        return blocked(&exchange_of(source, existing, drift), &all);
    }
    for change in &drift.changes {
        let Change::Widened { column, from, to, .. } = change else { continue };
        let reads = existing.dependants.iter().filter(|dependant| dependant.column.as_ref() == Some(column));
        let all: BTreeSet<&str> = reads.map(|dependant| dependant.what.as_str()).collect();
        let doing =
            format!("table {}: column {column:?} of its target {} is to widen from {from} to {to}", source.name, existing.name);
        blocked(&doing, &all)?;
    }
    Ok(())
}

fn blocked(doing: &str, by: &BTreeSet<&str>) -> Result<()> {
    if by.is_empty() {
        return Ok(());
    }
    let names = by.iter().copied().collect::<Vec<_>>().join(", ");
    Err(Error::new(Kind::Changed, format!("{doing}, but in its way: {names}; nothing was touched"))
        .hint("drop what is in the way (keep its definition), run again, and make it again"))
}

/// The target of a table that marks deletes gets the column for it.
///
/// # Errors
/// As [`deleted_at::is_missing`]; [`Kind::Changed`] when the target would have to be made anew.
pub fn mark_deletes(table: &SourceTable, existing: Option<&TargetTable>, drift: &mut Drift) -> Result<()> {
    if deleted_at::is_missing(table, existing)? {
        drift.changes.push(Change::Added { column: deleted_at::NAME.into(), ty: deleted_at::FORMAT_TYPE.into() });
    }
    if drift.exchanges() {
        let text =
            format!("table {}: its target would have to be made anew, and rows marked as deleted would be lost", table.name);
        return Err(Error::new(Kind::Changed, format!("{text}: {}", drift.lines().join("; ")))
            .hint("change the column in the warehouse, or rename the old table away: the next run then loads it anew"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Dependant;
    use super::super::ddl::tests::{table, target};
    use super::*;

    fn text(source: &SourceTable, existing: &TargetTable, is_ours: bool) -> String {
        match decide(source, existing, is_ours) {
            Ok(drift) => drift.lines().join("\n"),
            Err(error) => format!("{error} → {}", error.what_to_do()),
        }
    }

    fn dependant(what: &str, column: Option<&str>) -> Dependant {
        Dependant { what: what.into(), column: column.map(str::to_owned) }
    }

    #[test]
    fn what_fits_needs_nothing() {
        let source = table(&["a", "b"]);
        let drift = decide(&source, &target(&source), false).unwrap();
        assert_eq!(drift, Drift::default());
        assert!(!drift.exchanges() && !drift.rewrites() && !drift.needs_all_rows());
    }

    #[test]
    fn columns_are_added_widened_and_kept() {
        let source = table(&["a", "b", "c"]);
        let mut existing = target(&source);
        existing.columns[1].format_type = "smallint".into();
        existing.columns[2].name = "old".into();
        let drift = decide(&source, &existing, false).unwrap();
        assert_eq!(
            drift.lines(),
            [
                "column \"b\" widens in place from smallint to integer: PostgreSQL rewrites the table, readers wait",
                "column \"c\" (integer) is new: it is added, and all rows are read for it",
                "column \"old\" no longer comes from the source: it stays, later rows have NULL in it",
            ]
        );
        assert!(drift.rewrites() && drift.needs_all_rows() && !drift.exchanges());
    }

    #[test]
    fn a_column_that_stays_gets_null_or_its_default() {
        let source = table(&["a"]);
        let mut existing = target(&table(&["a", "old"]));
        for (not_null, has_default, in_key, said) in [
            (false, false, false, "later rows have NULL in it"),
            (true, false, false, "its NOT NULL goes, later rows have NULL in it"),
            (true, true, false, "later rows have its default in it"),
            (true, true, true, "later rows have its default in it"),
            (true, false, true, "does not fit any more"),
        ] {
            (existing.columns[1].not_null, existing.columns[1].has_default) = (not_null, has_default);
            existing.primary_key = if in_key { vec!["a".into(), "old".into()] } else { vec!["a".into()] };
            let told = text(&source, &existing, true);
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn null_is_let_in_where_no_key_forbids_it() {
        let source = table(&["a", "b"]);
        let mut existing = target(&source);
        existing.columns[1].not_null = true;
        let drift = decide(&source, &existing, false).unwrap();
        assert_eq!(drift.changes, [Change::Loosened { column: "b".into() }]);
        assert!(!drift.needs_all_rows());
        existing.primary_key = vec!["a".into(), "b".into()];
        assert!(decide(&source, &existing, true).unwrap().exchanges());
    }

    #[test]
    fn only_a_table_that_we_loaded_is_exchanged() {
        let source = table(&["a", "b"]);
        let mut existing = target(&source);
        existing.columns[1].format_type = "text".into();
        let drift = decide(&source, &existing, true).unwrap();
        assert!(drift.exchanges() && drift.needs_all_rows() && !drift.rewrites());
        let told = text(&source, &existing, false);
        assert!(told.contains("column \"b\" is text, the source asks for integer → change the column"), "{told}");
        existing.columns[1].generated = true;
        assert!(text(&source, &existing, true).contains("generated by PostgreSQL"));
        existing.kind = TargetKind::View;
        assert!(text(&source, &existing, true).contains("is not an ordinary table"));
    }

    #[test]
    fn values_that_only_the_old_table_has_are_not_exchanged_away() {
        let source = table(&["a", "b"]);
        let mut existing = target(&table(&["a", "b", "old"]));
        existing.columns[1].format_type = "text".into();
        let told = text(&source, &existing, true);
        assert!(told.contains("only the old table has [\"old\"]; nothing was touched → drop these columns"), "{told}");
    }

    #[test]
    fn marks_of_deleted_rows_are_not_exchanged_away() {
        let source = table(&["a", "b"]);
        let mut existing = target(&table(&["a", "b"]));
        existing.columns.push(deleted_at::tests::ours());
        assert_eq!(decide(&source, &existing, true).unwrap(), Drift::default());
        existing.columns[1].format_type = "text".into();
        let told = text(&source, &existing, true);
        assert!(told.contains("only the old table has [\"_deleted_at\"]; nothing was touched"), "{told}");
    }

    #[test]
    fn what_reads_a_column_keeps_its_type() {
        let source = table(&["a", "b"]);
        let mut existing = target(&source);
        existing.columns[1].format_type = "smallint".into();
        existing.dependants =
            vec![dependant("view w.x", Some("b")), dependant("view w.y", Some("a")), dependant("publication p", None)];
        let told = text(&source, &existing, true);
        assert!(told.contains("is to widen from smallint to integer, but in its way: view w.x; nothing was touched"), "{told}");
        existing.dependants.remove(0);
        assert!(!text(&source, &existing, true).contains("in its way"));
        existing.columns[1].format_type = "text".into();
        let told = text(&source, &existing, true);
        assert!(
            told.contains(
                "made anew (column \"b\" is text, the source asks for integer), but in its way: publication p, view w.y"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_column_more_under_a_view_is_no_matter() {
        let source = table(&["a", "b"]);
        let mut existing = target(&table(&["a"]));
        existing.dependants = vec![dependant("view w.x", Some("a"))];
        assert_eq!(decide(&source, &existing, false).unwrap().changes.len(), 1);
    }
}
