//! Which strategy a table gets, and why. A strategy is data: workers, chunks and merge; one pipeline runs all of them.

use super::Action;
use crate::catalog::{KeyKind, SourceTable};
use crate::config::Strategy;
use crate::value::ColumnType;

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

/// Whether the strategy reads a table in several chunks.
#[must_use]
pub const fn is_split(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Chunked | Strategy::CopyCsv | Strategy::Parallel)
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

/// The strategy and the reason for it. `Standard` and `Streaming` read the table as one chunk.
#[must_use]
pub fn choose(facts: Facts) -> (Strategy, String) {
    let Facts { action, splitter, chunks_wanted, configured } = facts;
    let wants_one = matches!(configured, Some(Strategy::Standard | Strategy::Streaming));
    if chunks_wanted <= 1 && configured.is_none() {
        return (Strategy::Standard, "fits one chunk".into());
    }
    if splitter == Splitter::None && !wants_one {
        return (Strategy::Streaming, "no key to split by: one stream".into());
    }
    match (configured, action) {
        (Some(strategy), _) => (strategy, "configured".into()),
        (None, Action::FirstLoad) => (Strategy::CopyCsv, format!("first load, about {chunks_wanted} chunks in parallel")),
        (None, Action::Exchange) => (Strategy::CopyCsv, format!("a new table, about {chunks_wanted} chunks in parallel")),
        (None, Action::Refresh) => (Strategy::Parallel, format!("about {chunks_wanted} chunks in parallel, merged by content")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { action: Action::FirstLoad, splitter: Splitter::Integer, chunks_wanted: 9, configured: None }
    }

    #[test]
    fn size_and_key_decide() {
        assert_eq!(choose(facts()).0, Strategy::CopyCsv);
        assert_eq!(choose(Facts { action: Action::Refresh, ..facts() }).0, Strategy::Parallel);
        assert_eq!(choose(Facts { action: Action::Exchange, ..facts() }).0, Strategy::CopyCsv);
        assert_eq!(choose(Facts { chunks_wanted: 1, ..facts() }).0, Strategy::Standard);
        assert_eq!(choose(Facts { splitter: Splitter::None, ..facts() }).0, Strategy::Streaming);
    }

    #[test]
    fn the_configuration_wins_unless_it_is_impossible() {
        assert_eq!(choose(Facts { configured: Some(Strategy::Standard), ..facts() }).0, Strategy::Standard);
        assert_eq!(choose(Facts { configured: Some(Strategy::Chunked), ..facts() }).0, Strategy::Chunked);
        let impossible = Facts { configured: Some(Strategy::Parallel), splitter: Splitter::None, ..facts() };
        assert_eq!(choose(impossible).0, Strategy::Streaming);
    }
}
