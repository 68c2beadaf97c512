//! Questions to what was counted: which methods no run calls, how calls change from run to run, what strategies achieve.
//!
//! The counts say how much something is used, never that it may go: whether a method is for a season or a fault is for people.

use crate::config::{Config, Strategy};
use crate::error::{Error, Kind, Result};
use crate::report::SCHEMA_VERSION;
use crate::report::methods::{
    ArchiveReport, Asked, EffectReport, MethodsReport, Path as Way, StrategyEffect, Tracked, TrendReport, UnusedReport, lines,
    newest, store,
};
use crate::usage::{self, Document, METHODS, Method, ShapeRecord};
use std::path::{Path, PathBuf};

/// What is proved is not what was asked for: exit code of `unused --fail-on-unused` with too few runs.
const TOO_FEW: u8 = 3;

/// The file of a configuration.
///
/// # Errors
/// [`Kind::Config`] when nothing is counted.
pub fn file(config: &Config) -> Result<PathBuf> {
    let off =
        || Error::new(Kind::Config, "method usage is off").hint("set method_usage in pipeline.yml, or name a file by --file");
    config.method_usage.file.clone().ok_or_else(off)
}

/// What a run of this configuration would count.
#[must_use]
pub fn tracked(config: &Config) -> Tracked {
    let usage = &config.method_usage;
    let methods = if usage.file.is_some() { METHODS.iter().map(|method| method.id).collect() } else { Vec::new() };
    Tracked { file: usage.file.clone(), times: usage.times && usage.file.is_some(), methods }
}

fn document(file: &Path) -> Result<Document> {
    Ok(store::load(file)?.unwrap_or_default())
}

/// All methods.
///
/// # Errors
/// As [`store::load`].
pub fn report(file: &Path) -> Result<MethodsReport> {
    let document = document(file)?;
    Ok(MethodsReport {
        schema_version: SCHEMA_VERSION,
        file: file.to_owned(),
        runs_total: document.runs_total,
        methods: lines(&document),
    })
}

/// Methods that the last `runs` runs did not call, and no other command since the first of them. With `fails`, exit code 1 when
/// there are some, 3 when fewer runs are known.
///
/// # Errors
/// As [`store::load`].
pub fn unused(file: &Path, runs: usize, fails: bool) -> Result<UnusedReport> {
    let document = document(file)?;
    let looked_at = newest(&document, runs);
    let since = looked_at.first().map(|run| run.run_id.clone());
    let after: Vec<_> = document.runs.iter().filter(|run| since.as_ref().is_some_and(|since| run.run_id >= *since)).collect();
    let is_called = |id: &str| after.iter().any(|run| run.calls.contains_key(id));
    let is_registered = |id: &str| METHODS.iter().any(|method| method.id == id);
    let mut methods = lines(&document);
    methods.retain(|line| line.purpose.is_some() && !is_called(&line.method));
    let known = looked_at.len();
    let exit_code = match (fails, known < runs, methods.is_empty()) {
        (false, _, _) => 0,
        (true, true, _) => TOO_FEW,
        (true, false, is_empty) => u8::from(!is_empty),
    };
    Ok(UnusedReport {
        schema_version: SCHEMA_VERSION,
        file: file.to_owned(),
        runs_wanted: runs,
        runs: known,
        commands: after.iter().filter(|run| !run.syncs).count(),
        since,
        registered: METHODS.len(),
        methods,
        gone: document.methods.keys().filter(|id| !is_registered(id)).cloned().collect(),
        exit_code,
    })
}

/// Calls per run of the last `runs` runs.
///
/// # Errors
/// As [`store::load`].
pub fn trend(file: &Path, runs: usize) -> Result<TrendReport> {
    let document = document(file)?;
    let newest = newest(&document, runs);
    let calls = |id: &String| newest.iter().map(|run| run.calls.get(id).copied().unwrap_or(0)).collect();
    Ok(TrendReport {
        schema_version: SCHEMA_VERSION,
        file: file.to_owned(),
        runs: newest.iter().map(|run| run.run_id.clone()).collect(),
        methods: document.methods.keys().map(|id| (id.clone(), calls(id))).collect(),
    })
}

/// Puts the file aside.
///
/// # Errors
/// As [`store::archive`].
pub fn archive(file: &Path) -> Result<ArchiveReport> {
    Ok(ArchiveReport { schema_version: SCHEMA_VERSION, file: file.to_owned(), archived: store::archive(file)? })
}

/// What strategies achieve, which way of writing dominates, how often checks and fallbacks occur.
///
/// # Errors
/// As [`store::load`].
pub fn effectiveness(file: &Path) -> Result<EffectReport> {
    let document = document(file)?;
    let calls = |method: &Method| document.methods.get(method.id).map_or(0, |record| record.call_count);
    let shapes = document.methods.get(usage::TABLE_LOAD.id).map(|record| record.shapes.as_slice()).unwrap_or_default();
    let paths = paths(calls);
    let asked = |question, method: &Method, of, of_method: &Method| {
        let (method, calls, of_calls) =
            (METHODS.iter().find(|one| one.id == method.id).map_or("", |one| one.id), calls(method), calls(of_method));
        Asked { question, method, calls, of, of_calls }
    };
    Ok(EffectReport {
        schema_version: SCHEMA_VERSION,
        file: file.to_owned(),
        strategies: strategies(shapes),
        dominates: paths.first().filter(|first| first.calls > 0).map(|first| first.path),
        paths,
        asked: vec![
            asked("evidence asked whether a table moved", &usage::STANDS, "tables loaded", &usage::TABLE_LOAD),
            asked("incremental columns chosen", &usage::CHOOSE_COLUMNS, "loads by increments", &usage::INCREMENTS),
            asked("both sides looked at by content", &usage::DECIDE, "tables loaded", &usage::TABLE_LOAD),
            asked("counts differ after increments: more is read", &usage::FALLBACK, "loads by increments", &usage::INCREMENTS),
            asked("differing parts read again", &usage::MEND, "tables looked at", &usage::DECIDE),
            asked("a table mended", &usage::HEALED, "tables loaded", &usage::TABLE_LOAD),
            asked("refused rows looked for", &usage::ISOLATE, "COPY", &usage::COPY_IN),
        ],
    })
}

/// The ways of writing, most calls first.
fn paths(calls: impl Fn(&Method) -> u64) -> Vec<Way> {
    let ways: [(&'static str, &'static Method); 7] = [
        ("copy into a new table", &usage::INSTALL),
        ("copy into a new table in the old one's place", &usage::EXCHANGE),
        ("copy and merge of all rows", &usage::MERGE),
        ("copy and merge of a part", &usage::MERGE_ADD),
        ("nothing to write, the same already", &usage::CONFIRM),
        ("insert into a replica", &usage::FILL_REPLICA),
        ("merge in a replica", &usage::MERGE_REPLICA),
    ];
    let all = ways.iter().map(|(_, method)| calls(method)).fold(0, u64::saturating_add);
    let way = |(path, method): (&'static str, &'static Method)| {
        let calls = calls(method);
        Way { path, method: method.id, calls, percent: calls.saturating_mul(100).checked_div(all).unwrap_or(0) }
    };
    let mut ways: Vec<Way> = ways.into_iter().map(way).collect();
    ways.sort_by_key(|way| std::cmp::Reverse(way.calls));
    ways
}

/// By strategy, the sum of its classes first; strategies that no table had show with zero.
fn strategies(shapes: &[ShapeRecord]) -> Vec<StrategyEffect> {
    let all = [Strategy::Standard, Strategy::Streaming, Strategy::Chunked, Strategy::CopyCsv, Strategy::Parallel];
    let mut out = Vec::new();
    for strategy in all.map(|strategy| strategy.to_string()) {
        let own: Vec<&ShapeRecord> = shapes.iter().filter(|shape| shape.strategy == strategy).collect();
        out.push(effect(&strategy, "all", &own));
        out.extend(own.iter().filter(|_| own.len() > 1).map(|one| effect(&strategy, &one.class, &[one])));
    }
    out
}

fn effect(strategy: &str, class: &str, shapes: &[&ShapeRecord]) -> StrategyEffect {
    let sum = |of: fn(&ShapeRecord) -> u64| shapes.iter().map(|shape| of(shape)).fold(0, u64::saturating_add);
    let (loads, rows, total) = (sum(|one| one.calls), sum(|one| one.rows), sum(|one| one.total_us));
    StrategyEffect {
        strategy: strategy.to_owned(),
        class: class.to_owned(),
        loads,
        failures: sum(|one| one.failures),
        rows,
        mean_us: total.checked_div(loads).unwrap_or(0),
        max_us: shapes.iter().map(|one| one.max_us).max().unwrap_or(0),
        rows_per_second: rows.saturating_mul(1_000_000).checked_div(total),
    }
}
