//! A run as one line of JSON behind a prefix: what schedulers look for at the end of the output.
//!
//! The line is the whole document, with the few counts that schedulers branch on at its top.

use super::RunReport;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    /// Tables that are as their source: loaded now, done by the interrupted run, or not moved.
    success_count: u64,
    /// Tables that failed or were refused.
    failure_count: u64,
    total_count: u64,
    failed_tables: Vec<&'a str>,
    /// Tables that were not reached.
    skipped: u64,
}

/// The line, without its end. Failed tables of the first hop are named, too.
#[must_use]
pub fn line(prefix: &str, report: &RunReport) -> String {
    let totals = &report.totals;
    let line = Line {
        report,
        success_count: totals.loaded + totals.kept + totals.unmoved,
        failure_count: totals.failed,
        total_count: totals.tables,
        failed_tables: failed(report),
        skipped: totals.not_reached,
    };
    let text = serde_json::to_string(&line).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    format!("{prefix}{text}")
}

/// Names of tables that failed or were refused in any hop, each once.
#[must_use]
pub fn failed(report: &RunReport) -> Vec<&str> {
    let hops = report.replicate.as_deref().into_iter().chain([report]);
    let tables = hops.flat_map(|hop| &hop.tables).filter(|table| matches!(table.status.as_str(), "failed" | "refused"));
    let mut names: Vec<&str> = tables.map(|table| table.table.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
