//! Whether a table can be loaded by its increments, and by which columns: from the catalog and the configuration.

use super::watermark::{Incremental, Join, Lookback, SECOND, Scale};
use crate::catalog::{KeyKind, SourceTable};
use crate::config::{Extraction, IncrementalStrategy, TableRule};
use crate::usage;

/// Reading begins so far below the safe point where sessions of the source are not seen, or a transaction stays.
const UNKNOWN: i64 = 3600 * SECOND;

/// Numbers below an AUTO_INCREMENT counter that are read again when it is not known which may still appear.
const KEYS: i64 = 10_000;

/// The decision for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Every run reads all rows, and why.
    Full(String),
    /// A watermark is kept for these columns.
    Increments {
        /// In configured order.
        columns: Vec<Incremental>,
        /// How they combine.
        join: Join,
        /// Columns that were configured and cannot be used, and why.
        unused: Vec<String>,
    },
}

/// Chooses the columns. `primary_incremental_column` is used alone; else `incremental_columns` together.
#[must_use]
pub fn choose(table: &SourceTable, rule: &TableRule) -> Choice {
    let _call = usage::CHOOSE_COLUMNS.enter(usage::Shape::NONE);
    match rule.extraction {
        Some(Extraction::FullTable) => return Choice::Full("full_table is configured".into()),
        Some(Extraction::Ledger) => return Choice::Full("ledger is configured".into()),
        Some(Extraction::Incremental | Extraction::IncrementalChunked) | None => {}
    }
    let primary = rule.primary_incremental_column.as_ref().filter(|column| !crate::config::is_none(column));
    let several = rule.incremental_columns.as_deref().unwrap_or_default();
    let strategy = rule.incremental_strategy.unwrap_or(IncrementalStrategy::OrLogic);
    let wanted: Vec<&String> = match (primary, strategy) {
        (Some(column), _) => vec![column],
        (None, IncrementalStrategy::None) => Vec::new(),
        (None, _) => several.iter().collect(),
    };
    if wanted.is_empty() {
        return Choice::Full("no incremental column".into());
    }
    if table.key_kind == KeyKind::None {
        return Choice::Full("no key by which changed rows could be told".into());
    }
    let (mut columns, mut unused) = (Vec::new(), Vec::new());
    for name in wanted {
        match incremental(table, name) {
            Ok(column) => columns.push(column),
            Err(why) => unused.push(why),
        }
    }
    if strategy == IncrementalStrategy::SingleColumn {
        columns.truncate(1);
    }
    if columns.is_empty() {
        return Choice::Full(format!("no usable incremental column: {}", unused.join("; ")));
    }
    let join = if strategy == IncrementalStrategy::AndLogic { Join::And } else { Join::Or };
    Choice::Increments { columns, join, unused }
}

fn incremental(table: &SourceTable, name: &str) -> Result<Incremental, String> {
    let Some(column) = table.column(name).and_then(|index| table.columns.get(index)) else {
        return Err(format!("{name} is no column that is copied"));
    };
    let scale = Scale::of(&column.declared, column.ty, column.auto_increment).ok_or_else(|| {
        let is_integer = super::strategy::is_integer(column.ty);
        let what = if is_integer { "not AUTO_INCREMENT: lower numbers may appear later" } else { "no clock and no counter" };
        format!("{name} ({}) is {what}", column.declared)
    })?;
    Ok(Incremental { column: column.name.clone(), declared: column.declared.clone(), scale, nullable: column.nullable })
}

/// The lookback of a table.
#[must_use]
pub fn lookback(rule: &TableRule) -> Lookback {
    let whole = |number: Option<u64>, other: i64| number.map_or(other, |n| i64::try_from(n).unwrap_or(i64::MAX));
    Lookback { unknown: UNKNOWN, always: whole(rule.lookback_s, 0).saturating_mul(SECOND), keys: whole(rule.lookback_keys, KEYS) }
}
