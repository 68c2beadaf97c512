//! Which strategy a table gets, and why. A strategy is a row of one table; one pipeline runs all of them.

use super::Action;
use super::chunks::ChunkGoal;
use crate::catalog::{KeyKind, SourceTable};
use crate::config::Strategy;
use crate::usage;
use crate::value::ColumnType;

/// Up to this size a table with transactions is read by one statement and written by one transaction. Beyond it, one worker
/// would still be at it when the others have nothing left to do.
pub const STANDARD_BYTES_MAX: u64 = 50 << 20;

/// From so many rows a table is read by all workers, however short its rows are.
pub const PARALLEL_ROWS_MIN: u64 = 1_000_000;

/// How many workers a table may have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One: the next job of the table exists when the one before it is done.
    One,
    /// As many as are free.
    All,
}

/// In how many chunks a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// One, in one transaction from empty staging to the state row, without a ledger.
    One,
    /// Key ranges, each in a transaction of its own with a row in the ledger, and one more for the finish.
    Several,
}

/// Where rows go before they are the table, and how they become it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staging {
    /// The new table itself, in the transaction that makes it: nobody sees it before it is complete.
    Table,
    /// A logged shadow that is renamed when it is complete.
    Shadow,
    /// A temporary table, merged by content.
    Temporary,
    /// An unlogged table that all workers fill, merged by content.
    Unlogged,
}

/// All that the pipeline knows of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// Its name.
    pub strategy: Strategy,
    /// Workers at once.
    pub workers: Workers,
    /// Chunks.
    pub chunks: Chunks,
    /// Staging of a first load; none where the strategy is not for first loads.
    pub first_load: Option<Staging>,
    /// Staging of a refresh; none where the strategy is not for refreshes.
    pub refresh: Option<Staging>,
}

/// Every strategy. ARCHITECTURE.md has the same table in words.
#[rustfmt::skip]
pub const STRATEGIES: [Traits; 5] = [
    Traits { strategy: Strategy::Standard,  workers: Workers::One, chunks: Chunks::One,     first_load: Some(Staging::Table),  refresh: Some(Staging::Temporary) },
    Traits { strategy: Strategy::Streaming, workers: Workers::One, chunks: Chunks::One,     first_load: Some(Staging::Table),  refresh: Some(Staging::Temporary) },
    Traits { strategy: Strategy::Chunked,   workers: Workers::One, chunks: Chunks::Several, first_load: Some(Staging::Shadow), refresh: Some(Staging::Unlogged) },
    Traits { strategy: Strategy::CopyCsv,   workers: Workers::All, chunks: Chunks::Several, first_load: Some(Staging::Shadow), refresh: None },
    Traits { strategy: Strategy::Parallel,  workers: Workers::All, chunks: Chunks::Several, first_load: None,                  refresh: Some(Staging::Unlogged) },
];

/// The row of a strategy.
#[must_use]
pub fn traits(strategy: Strategy) -> Traits {
    let [standard, ..] = STRATEGIES;
    STRATEGIES.into_iter().find(|row| row.strategy == strategy).unwrap_or(standard)
}

impl Traits {
    /// Whether the table is read in several chunks.
    #[must_use]
    pub const fn is_split(&self) -> bool {
        matches!(self.chunks, Chunks::Several)
    }

    /// Whether the jobs of the table follow one another.
    #[must_use]
    pub const fn is_in_order(&self) -> bool {
        matches!(self.workers, Workers::One)
    }

    /// Where rows go; none where the strategy is not for this action.
    #[must_use]
    pub const fn staging(&self, action: Action) -> Option<Staging> {
        match action {
            Action::FirstLoad => self.first_load,
            // The table that it takes the place of has its name until then.
            Action::Exchange if self.first_load.is_some() => Some(Staging::Shadow),
            Action::Exchange => None,
            Action::Refresh => self.refresh,
        }
    }
}

/// How the key of a table can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// One integer column: cut by numbers.
    Integer,
    /// Any other key the server can compare with a bound value: walk along it.
    Walk,
    /// No key, or one that cannot be compared exactly.
    None,
}

/// How this table's key can be cut.
#[must_use]
pub fn splitter(table: &SourceTable) -> Splitter {
    if table.key_kind == KeyKind::None || table.key.is_empty() {
        return Splitter::None;
    }
    if table.key.len() == 1 && table.key_columns().all(|column| is_integer(column.ty)) {
        return Splitter::Integer;
    }
    // ENUM and SET sort by number and compare by text; floats and decimals have no exact text parameter.
    let comparable = table.key_columns().all(|column| match column.ty {
        ColumnType::Text => !matches!(column.data_type.as_str(), "enum" | "set"),
        ColumnType::Varchar { .. } | ColumnType::Bytes => true,
        ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::TimestampTz { .. } => true,
        ty => is_integer(ty),
    });
    if comparable { Splitter::Walk } else { Splitter::None }
}

/// Whether values arrive as integers.
#[must_use]
pub const fn is_integer(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::UInt64 | ColumnType::Year)
}

/// How large the chunks of a table of so many bytes shall be: one beyond the bounds of `standard` gets several, unless its own
/// configuration sizes its chunks.
#[must_use]
pub fn goal(goal: ChunkGoal, bytes: u64, workers: u64, is_sized: bool) -> ChunkGoal {
    if is_sized {
        return goal;
    }
    let fits = bytes <= STANDARD_BYTES_MAX && goal.rows < PARALLEL_ROWS_MIN;
    if fits { goal.even_for(workers) } else { goal.at_least(2).even_for(workers) }
}

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// First load or refresh.
    pub action: Action,
    /// How the key can be cut.
    pub splitter: Splitter,
    /// Chunks the size asks for.
    pub chunks_wanted: u64,
    /// What the configuration demands.
    pub configured: Option<Strategy>,
}

/// The strategy and the reason for it.
#[must_use]
pub fn choose(facts: Facts) -> (Strategy, String) {
    let _call = usage::CHOOSE_STRATEGY.enter(usage::Shape::NONE);
    let Facts { action, splitter, chunks_wanted, configured } = facts;
    if chunks_wanted <= 1 && configured.is_none() {
        return (Strategy::Standard, "fits one chunk".into());
    }
    if splitter == Splitter::None && configured.is_none_or(|strategy| traits(strategy).is_split()) {
        return (Strategy::Streaming, "no key to split by: one stream".into());
    }
    let by_all = |action| match action {
        Action::FirstLoad => (Strategy::CopyCsv, "first load, nothing to merge with"),
        Action::Exchange => (Strategy::CopyCsv, "a new table, nothing to merge with"),
        Action::Refresh => (Strategy::Parallel, "merged by content, because the table exists"),
    };
    match configured {
        None => {
            let (strategy, why) = by_all(action);
            (strategy, format!("about {chunks_wanted} chunks in parallel; {why}"))
        }
        Some(strategy) if traits(strategy).staging(action).is_some() => (strategy, "configured".into()),
        // The two that all workers share differ in what becomes of their chunks, and that follows from what is there.
        Some(configured) => {
            let (strategy, why) = by_all(action);
            (strategy, format!("{configured} is configured; {why}"))
        }
    }
}

#[cfg(test)]
#[path = "strategy_tests.rs"]
mod tests;
