//! What a tracked call on a table was about: its size class and its strategy.

use super::TablePlan;
use crate::config::{Category, Strategy};
use crate::usage;

impl TablePlan {
    /// Of this table.
    #[must_use]
    pub const fn shape(&self) -> usage::Shape {
        usage::Shape { class: class(self.source.rows_estimated), strategy: strategy(self.strategy) }
    }
}

const fn class(rows: u64) -> usage::Class {
    match Category::of(rows) {
        Category::Tiny => usage::Class::Tiny,
        Category::Small => usage::Class::Small,
        Category::Medium => usage::Class::Medium,
        Category::Large => usage::Class::Large,
    }
}

const fn strategy(strategy: Strategy) -> usage::Strategy {
    match strategy {
        Strategy::Standard => usage::Strategy::Standard,
        Strategy::Streaming => usage::Strategy::Streaming,
        Strategy::Chunked => usage::Strategy::Chunked,
        Strategy::CopyCsv => usage::Strategy::CopyCsv,
        Strategy::Parallel => usage::Strategy::Parallel,
    }
}
