//! What strategies achieve, which way of writing dominates, and how often checks and fallbacks occur.

use super::{length, quiet, right};
use crate::report::text::number;
use serde::Serialize;
use std::path::PathBuf;

/// Loads of one strategy and size class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StrategyEffect {
    /// Strategy word.
    pub strategy: String,
    /// Size class of the tables; `all` for the sum.
    pub class: String,
    /// Tables that were loaded, each round counted.
    pub loads: u64,
    /// Those that failed, or want another round.
    pub failures: u64,
    /// Rows that were read for it.
    pub rows: u64,
    /// Mean time from the first job to the end, microseconds.
    pub mean_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
    /// Rows per second of the tables' time; none without timing.
    pub rows_per_second: Option<u64>,
}

/// A way by which rows got into a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// What it does.
    pub path: &'static str,
    /// The method.
    pub method: &'static str,
    /// Its calls.
    pub calls: u64,
    /// Percent of all of these.
    pub percent: u64,
}

/// How often something was called, as a share of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The question.
    pub question: &'static str,
    /// The method that answers it.
    pub method: &'static str,
    /// Its calls.
    pub calls: u64,
    /// What it is a share of.
    pub of: &'static str,
    /// Calls of that.
    pub of_calls: u64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectReport {
    /// [`super::super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The file that was read.
    pub file: PathBuf,
    /// By strategy, then by class.
    pub strategies: Vec<StrategyEffect>,
    /// The ways of writing, those with most calls first.
    pub paths: Vec<Path>,
    /// The way with most calls; none without any.
    pub dominates: Option<&'static str>,
    /// Checks and fallbacks.
    pub asked: Vec<Asked>,
}

/// The answer as text.
#[must_use]
pub fn text(report: &EffectReport) -> String {
    let mut strategies = quiet(&["strategy", "tables", "loads", "failures", "rows read", "mean", "longest", "rows/s"]);
    for one in &report.strategies {
        strategies.add_row([
            one.strategy.clone(),
            one.class.clone(),
            number(one.loads),
            number(one.failures),
            number(one.rows),
            length(one.mean_us),
            length(one.max_us),
            one.rows_per_second.map_or_else(String::new, number),
        ]);
    }
    right(&mut strategies, 2..8);
    let mut paths = quiet(&["rows got in by", "calls", "share", "method"]);
    for one in &report.paths {
        paths.add_row([one.path.to_owned(), number(one.calls), format!("{} %", one.percent), one.method.to_owned()]);
    }
    right(&mut paths, 1..3);
    let mut asked = quiet(&["how often", "calls", "of", "method"]);
    for one in &report.asked {
        let of = format!("{} {}", number(one.of_calls), one.of);
        asked.add_row([one.question.to_owned(), number(one.calls), of, one.method.to_owned()]);
    }
    right(&mut asked, 1..2);
    format!("{strategies}\n\n{paths}\n\n{asked}\n")
}
