//! Which columns of a table can show its new and changed rows: from what the catalog declares, never from its values.
//!
//! Values are evidence for people. They decide nothing: a column with a zero date or a date in 9999 is as good as before,
//! because such values are counted and no watermark is made of them; and what depends on values flips when they change.

mod choice; // which columns, class and fields, beside what the file says
mod marks; // which changes the columns in use do not show

pub use choice::{Asked, Decision, Kept, Proposal, decide};

use super::strategy::is_integer;
use crate::catalog::cast::Declared;
use crate::catalog::definitions::{ColumnDefault, Definitions, ForeignKey, Index};
use crate::catalog::{Column, KeyKind, SourceTable};
use crate::config::Category;

/// What moves a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moves {
    /// The server sets it in every inserted and every changed row.
    Changes,
    /// The server sets it in changed rows only: `ON UPDATE CURRENT_TIMESTAMP` without a default.
    Updates,
    /// The server sets it in inserted rows: `DEFAULT CURRENT_TIMESTAMP`.
    Inserts,
    /// AUTO_INCREMENT: inserted rows have larger numbers.
    Counter,
    /// The application writes it; nobody knows when.
    Application,
}

impl Moves {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Updates => "updates",
            Self::Inserts => "inserts",
            Self::Counter => "counter",
            Self::Application => "application",
        }
    }

    /// Inserted rows are shown.
    #[must_use]
    pub const fn shows_inserts(self) -> bool {
        matches!(self, Self::Changes | Self::Inserts | Self::Counter)
    }

    /// Changed rows are shown.
    #[must_use]
    pub const fn shows_updates(self) -> bool {
        matches!(self, Self::Changes | Self::Updates)
    }
}

/// A column that may carry a watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Source column.
    pub column: String,
    /// Its declared type.
    pub declared: String,
    /// What moves it.
    pub moves: Moves,
    /// The server sets it in changed rows.
    pub on_update: bool,
    /// The server sets it in inserted rows.
    pub default_now: bool,
    /// Digits of a second's fraction, 0 to 6; 0 for a counter.
    pub digits: u32,
    /// NULL may occur.
    pub nullable: bool,
    /// It leads an index, so that rows past a watermark are found without reading the others.
    pub indexed: bool,
}

/// How many rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Counted.
    Exactly(u64),
    /// Counted up to here.
    AtLeast(u64),
}

impl Rows {
    /// The number that is certain.
    #[must_use]
    pub const fn least(self) -> u64 {
        match self {
            Self::Exactly(rows) | Self::AtLeast(rows) => rows,
        }
    }
}

/// What is known about a table.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The table with the columns and key that a run would use.
    pub source: &'a SourceTable,
    /// Its candidates, in the table's order.
    pub candidates: Vec<Candidate>,
    /// Foreign keys by which the server changes its rows without moving any column, for people.
    pub cascades: Vec<String>,
    /// Its rows.
    pub rows: Rows,
}

/// Limits of the size classes in rows, the largest first.
const CLASSES: [(Category, u64); 3] = [(Category::Large, 1_000_000), (Category::Medium, 100_000), (Category::Small, 10_000)];

/// Rows from which on the exact number changes no decision: the highest limit and the share that classes are kept within.
pub const ROWS_OF_INTEREST: u64 = 1_200_000;

/// The class of a table: by its rows, but the one it has is kept while the rows are within 20 % of its limits, so that a
/// table near a limit does not go to and fro.
#[must_use]
pub fn category(rows: Rows, now: Option<Category>) -> Category {
    let rows = rows.least();
    let fitting = |limit_of: &dyn Fn(u64) -> u64| {
        CLASSES.iter().find(|(_, limit)| rows >= limit_of(*limit)).map_or(Category::Tiny, |(class, _)| *class)
    };
    // The classes that the rows have when every limit is a fifth lower, or a fifth higher.
    let (highest, lowest) = (fitting(&|limit| limit / 5 * 4), fitting(&|limit| limit / 5 * 6));
    now.filter(|class| (lowest..=highest).contains(class)).unwrap_or_else(|| fitting(&|limit| limit))
}

/// The columns of a table that may carry a watermark, in the table's order; `definitions` are those of this table.
#[must_use]
pub fn candidates(table: &SourceTable, definitions: &Definitions) -> Vec<Candidate> {
    table.columns.iter().filter_map(|column| candidate(table, column, definitions)).collect()
}

fn candidate(table: &SourceTable, column: &Column, definitions: &Definitions) -> Option<Candidate> {
    let declared = Declared::parse(&column.data_type, &column.declared, false);
    let is_time = matches!(declared.word(), "datetime" | "timestamp");
    let is_counter = column.auto_increment && is_integer(column.ty);
    if column.generated || !(is_time || is_counter) {
        return None;
    }
    let default = definitions.defaults.iter().find(|default| default.column == column.name);
    let on_update = is_time && default.is_some_and(|default| default.on_update);
    let default_now = is_time && default.is_some_and(is_now);
    let moves = match (is_counter, on_update, default_now) {
        (true, ..) => Moves::Counter,
        (_, true, true) => Moves::Changes,
        (_, true, false) => Moves::Updates,
        (_, false, true) => Moves::Inserts,
        (_, false, false) => Moves::Application,
    };
    Some(Candidate {
        column: column.name.clone(),
        declared: column.declared.clone(),
        moves,
        on_update,
        default_now,
        digits: if is_time { declared.number(0).unwrap_or(0).min(6) } else { 0 },
        nullable: column.nullable,
        indexed: leads_key(table, &column.name) || definitions.indexes.iter().any(|index| leads(index, &column.name)),
    })
}

/// `CURRENT_TIMESTAMP(6)`, `current_timestamp()`: the servers spell it differently.
fn is_now(default: &ColumnDefault) -> bool {
    let text = default.text.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
    !default.bare && (text.starts_with("current_timestamp") || text.starts_with("now(") || text.starts_with("localtime"))
}

fn leads_key(table: &SourceTable, column: &str) -> bool {
    table.key_kind == KeyKind::Primary && table.key_columns().next().is_some_and(|first| first.name == column)
}

fn leads(index: &Index, column: &str) -> bool {
    let first = index.parts.first().filter(|part| !part.prefix).and_then(|part| part.column.as_deref());
    index.kind.eq_ignore_ascii_case("btree") && first == Some(column)
}

/// Foreign keys of a table by which the server changes its rows when a row of the parent goes or gets another key. No
/// column is set by that, not even one with ON UPDATE CURRENT_TIMESTAMP.
#[must_use]
pub fn cascades(keys: &[ForeignKey]) -> Vec<String> {
    let changes = |rule: &str| matches!(rule, "CASCADE" | "SET NULL" | "SET DEFAULT");
    let one = |key: &ForeignKey| {
        let update = changes(&key.on_update).then(|| format!("ON UPDATE {}", key.on_update));
        // ON DELETE CASCADE deletes the row, which no column ever shows.
        let delete = (changes(&key.on_delete) && key.on_delete != "CASCADE").then(|| format!("ON DELETE {}", key.on_delete));
        let rules: Vec<String> = update.into_iter().chain(delete).collect();
        (!rules.is_empty()).then(|| format!("foreign key {} ({})", key.name, rules.join(", ")))
    };
    keys.iter().filter_map(one).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
