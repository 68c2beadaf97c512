//! Which methods runs call, as data and as text: all of them, the unused, the trend, what strategies achieve.

mod effect; // what strategies achieve, and which ways dominate
pub mod store; // the file behind it

pub use effect::{Asked, EffectReport, Path, StrategyEffect, text as effect_text};

use super::text::number;
use crate::error::{Doing, Kind, Result};
use crate::usage::{Document, METHODS, Record, Run};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Width of the report's banner.
const BANNER: usize = 60;

/// Methods that a run would count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Where; none when nothing is counted.
    pub file: Option<PathBuf>,
    /// Whether calls are timed.
    pub times: bool,
    /// Their ids.
    pub methods: Vec<&'static str>,
}

/// One method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MethodLine {
    /// `Type.method`.
    pub method: String,
    /// What it does; none when this program does not have it any more.
    pub purpose: Option<&'static str>,
    /// What all runs counted.
    #[serde(flatten)]
    pub record: Record,
}

/// All methods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MethodsReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The file that was read.
    pub file: PathBuf,
    /// Runs and commands that were counted.
    pub runs_total: u64,
    /// By calls, the most first, then by name.
    pub methods: Vec<MethodLine>,
}

/// Methods that no run called for a while: candidates for removal, which is a person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusedReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The file that was read.
    pub file: PathBuf,
    /// Runs that were asked for.
    pub runs_wanted: usize,
    /// Runs that were looked at: fewer when fewer are known.
    pub runs: usize,
    /// Other commands since the first of them.
    pub commands: usize,
    /// The first run that was looked at.
    pub since: Option<String>,
    /// Registered methods.
    pub registered: usize,
    /// Those that none of these runs and commands called; last seen before, or never.
    pub methods: Vec<MethodLine>,
    /// Names in the file that this program does not have any more.
    pub gone: Vec<String>,
    /// What the process exits with.
    pub exit_code: u8,
}

/// Calls per run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrendReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The file that was read.
    pub file: PathBuf,
    /// The newest runs, oldest first.
    pub runs: Vec<String>,
    /// Calls of each method in each of them.
    pub methods: BTreeMap<String, Vec<u64>>,
}

/// What was archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The file.
    pub file: PathBuf,
    /// Where it is now; none when there was none.
    pub archived: Option<PathBuf>,
}

/// All methods of a document, by calls, the most first, then by name.
#[must_use]
pub fn lines(document: &Document) -> Vec<MethodLine> {
    let line = |(id, record): (&String, &Record)| MethodLine {
        method: id.clone(),
        purpose: METHODS.iter().find(|method| method.id == id).map(|method| method.purpose),
        record: record.clone(),
    };
    let mut lines: Vec<MethodLine> = document.methods.iter().map(line).collect();
    lines.sort_by(|a, b| b.record.call_count.cmp(&a.record.call_count).then_with(|| a.method.cmp(&b.method)));
    lines
}

/// The newest runs that synced, oldest first.
#[must_use]
pub fn newest(document: &Document, runs: usize) -> Vec<&Run> {
    let mut newest: Vec<&Run> = document.runs.iter().rev().filter(|run| run.syncs).take(runs).collect();
    newest.reverse();
    newest
}

/// The report in its original form.
#[must_use]
pub fn text(report: &MethodsReport) -> String {
    let rule = "=".repeat(BANNER);
    let mut out = format!("{rule}\nMETHOD USAGE REPORT\n{rule}\n");
    for MethodLine { method, purpose, record } in &report.methods {
        let seen = |at: &Option<String>| at.clone().unwrap_or_else(|| "never".into());
        let gone = if purpose.is_none() { " (not in this program any more)" } else { "" };
        out.push_str(&format!("\n{method}{gone}\n  Calls: {}\n", record.call_count));
        out.push_str(&format!("  First seen: {}\n  Last seen: {}\n", seen(&record.first_seen), seen(&record.last_seen)));
        if record.failures > 0 {
            out.push_str(&format!("  Failures: {}\n", record.failures));
        }
        if record.total_us > 0 {
            let [total, longest] = [record.total_us, record.max_us].map(length);
            out.push_str(&format!("  Time: {total}, longest {longest}, threads {}\n", record.threads_max));
        }
    }
    out.push_str(&format!("\n{rule}\n{} runs and commands in {}\n", report.runs_total, report.file.display()));
    out
}

/// Microseconds for people.
fn length(us: u64) -> String {
    match us {
        0..10_000_000 => format!("{}.{:03} ms", us / 1_000, us % 1_000),
        _ => format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000),
    }
}

/// Candidates and the evidence.
#[must_use]
pub fn unused_text(report: &UnusedReport) -> String {
    let mut lines = Vec::new();
    let since = report.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    let known = format!("{} runs and {} other commands{since}", report.runs, report.commands);
    if report.runs < report.runs_wanted {
        lines.push(format!("only {} of {} runs are known: this shows little", report.runs, report.runs_wanted));
    }
    if report.methods.is_empty() {
        lines.push(format!("all {} methods were called by {known}", report.registered));
    } else {
        let mut table = quiet(&["method", "calls before", "last seen", "purpose"]);
        for MethodLine { method, purpose, record } in &report.methods {
            let seen = record.last_seen.clone().unwrap_or_else(|| "never".into());
            table.add_row([method.clone(), number(record.call_count), seen, purpose.unwrap_or_default().into()]);
        }
        right(&mut table, 1..2);
        lines.push(table.to_string());
        lines.push(format!("{} of {} methods were not called by {known}", report.methods.len(), report.registered));
        lines.push("candidates for removal; some are for seasons, faults or other configurations".into());
    }
    if !report.gone.is_empty() {
        lines.push(format!("in the file, and not in this program any more: {}", report.gone.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// Calls per run, one column per run.
#[must_use]
pub fn trend_text(report: &TrendReport) -> String {
    if report.runs.is_empty() {
        return format!("no run is known in {}\n", report.file.display());
    }
    let head = |run: &String| run.get(5..16).unwrap_or(run).replace('T', " ");
    let mut table = quiet(&["method"]);
    table.set_header(std::iter::once("method".to_owned()).chain(report.runs.iter().map(head)));
    for (method, calls) in &report.methods {
        table.add_row(std::iter::once(method.clone()).chain(calls.iter().map(|calls| number(*calls))));
    }
    right(&mut table, 1..report.runs.len() + 1);
    format!("{table}\ncalls per run, oldest first; runs by their begin, UTC\n")
}

/// What was archived.
#[must_use]
pub fn archive_text(report: &ArchiveReport) -> String {
    match &report.archived {
        Some(archived) => format!("{} is now {}; the next run begins anew\n", report.file.display(), archived.display()),
        None => format!("there is no {}\n", report.file.display()),
    }
}

/// All methods as csv.
///
/// # Errors
/// [`Kind::Internal`] when a line cannot be written.
pub fn csv(report: &MethodsReport) -> Result<String> {
    let doing = || "writing method usage as csv";
    let mut out = ::csv::Writer::from_writer(Vec::new());
    let head =
        ["method", "call_count", "first_seen", "last_seen", "runs", "failures", "total_us", "max_us", "threads_max", "purpose"];
    out.write_record(head).doing(Kind::Internal, doing)?;
    for MethodLine { method, purpose, record } in &report.methods {
        let numbers = [record.runs, record.failures, record.total_us, record.max_us, u64::from(record.threads_max)];
        let [runs, failures, total, max, threads] = numbers.map(|number| number.to_string());
        let (calls, first) = (record.call_count.to_string(), record.first_seen.as_deref().unwrap_or_default());
        let (last, purpose) = (record.last_seen.as_deref().unwrap_or_default(), purpose.unwrap_or_default());
        let fields = [method, &calls, first, last, &runs, &failures, &total, &max, &threads, purpose];
        out.write_record(fields).doing(Kind::Internal, doing)?;
    }
    let bytes = out.into_inner().map_err(|error| error.into_error()).doing(Kind::Internal, doing)?;
    String::from_utf8(bytes).doing(Kind::Internal, doing)
}

fn quiet(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.iter().copied());
    table
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
