//! A run as figures in Prometheus' text format (exposition format 0.0.4), for a file that node_exporter's textfile collector reads.
//!
//! Gauges throughout, because the file tells of one run and not of all. Base units: seconds, bytes, rows. The number of series is
//! bounded: per table only when asked for, and then for so many tables at most. What is told of the last success is kept over runs
//! that fail, by reading the file that is replaced.

use super::{RunReport, Totals};
use chrono::DateTime;
use std::collections::BTreeMap;

/// Most tables that get series of their own; beyond them, none gets any.
pub const TABLES_MAX: usize = 1000;

const LAST_SUCCESS: &str = "etl_sync_last_success_timestamp_seconds";
const TABLE_SUCCESS: &str = "etl_sync_table_last_success_timestamp_seconds";

/// One metric: its lines by labels, so that no series can be there twice.
struct Metric {
    help: &'static str,
    series: BTreeMap<String, f64>,
}

#[derive(Default)]
struct Page(BTreeMap<&'static str, Metric>);

impl Page {
    fn add(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let metric = self.0.entry(name).or_insert_with(|| Metric { help, series: BTreeMap::new() });
        metric.series.insert(written(labels), value);
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (name, metric) in &self.0 {
            out.push_str(&format!("# HELP {name} {}\n# TYPE {name} gauge\n", metric.help));
            metric.series.iter().for_each(|(labels, value)| out.push_str(&format!("{name}{labels} {value}\n")));
        }
        out
    }
}

/// `{a="b"}` with backslash, quote and line end escaped.
fn written(labels: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// The file's text for a run. `before` is the text of the last run's, `per_table` asks for series of each table.
#[must_use]
pub fn text(report: &RunReport, before: Option<&str>, per_table: bool) -> String {
    let (mut page, job) = (Page::default(), report.schema.as_str());
    let of_job = [("job", job)];
    let is_success = report.exit_code == 0;
    page.add("etl_sync_build_info", "Version of the program.", &[("version", &report.program)], 1.0);
    page.add("etl_sync_run_success", "Whether the last run ended with exit code 0.", &of_job, f64::from(u8::from(is_success)));
    page.add("etl_sync_run_exit_code", "Exit code of the last run.", &of_job, report.exit_code.into());
    page.add("etl_sync_run_duration_seconds", "Length of the last run.", &of_job, report.seconds);
    for (name, help, at) in [
        ("etl_sync_run_start_timestamp_seconds", "When the last run began.", &report.started_at),
        ("etl_sync_run_end_timestamp_seconds", "When the last run ended.", &report.ended_at),
    ] {
        moment(at).into_iter().for_each(|at| page.add(name, help, &of_job, at));
    }
    let help = "When the last run that ended with exit code 0 ended.";
    let ended = moment(&report.ended_at).filter(|_| is_success);
    if let Some(at) = ended.or_else(|| kept(before?, &format!("{LAST_SUCCESS}{}", written(&of_job)))) {
        page.add(LAST_SUCCESS, help, &of_job, at);
    }
    for (hop, report) in report.replicate.as_deref().map(|first| ("replica", first)).into_iter().chain([("warehouse", report)]) {
        totals(&mut page, [("job", job), ("hop", hop)], &report.totals);
    }
    if per_table && report.tables.len() <= TABLES_MAX {
        tables(&mut page, report, before);
    }
    page.text()
}

fn totals(page: &mut Page, hop: [(&str, &str); 2], totals: &Totals) {
    let with = |name, value| [hop[0], hop[1], (name, value)];
    let Totals { loaded, kept, unmoved, failed, not_reached, .. } = *totals;
    for (status, count) in
        [("loaded", loaded), ("kept", kept), ("unmoved", unmoved), ("failed", failed), ("not_reached", not_reached)]
    {
        page.add("etl_sync_tables", "Tables of the last run by what became of them.", &with("status", status), number(count));
    }
    let Totals { rows_read, inserted, updated, deleted, rejected, .. } = *totals;
    for (operation, count) in
        [("read", rows_read), ("inserted", inserted), ("updated", updated), ("deleted", deleted), ("rejected", rejected)]
    {
        let help = "Rows of the last run by what was done with them; rejected ones are in the quarantine.";
        page.add("etl_sync_rows", help, &with("operation", operation), number(count));
    }
    for (operation, count) in [("nulled", totals.nulled), ("stripped", totals.stripped)] {
        let help = "Values that policies changed in the last run.";
        page.add("etl_sync_values", help, &with("operation", operation), number(count));
    }
    for (name, help, count) in [
        ("etl_sync_copied_bytes", "Bytes that the last run copied.", totals.bytes),
        ("etl_sync_healed_tables", "Tables whose sides differed although nothing had said so, and were mended.", totals.healed),
        ("etl_sync_unproved_tables", "Tables that were loaded and are not proved at all.", totals.unproved),
        ("etl_sync_events_lost", "Status events that could not be written.", totals.events_lost),
    ] {
        page.add(name, help, &hop, number(count));
    }
}

fn tables(page: &mut Page, report: &RunReport, before: Option<&str>) {
    for table in &report.tables {
        let of = [("job", report.schema.as_str()), ("table", table.table.as_str())];
        let is_well = matches!(table.status.as_str(), "loaded" | "kept" | "unmoved");
        if is_well {
            page.add("etl_sync_table_rows", "Rows of the target after the last run.", &of, number(table.rows));
        }
        page.add("etl_sync_table_duration_seconds", "From the table's first job to its end.", &of, table.seconds);
        let drift = table.certificate.as_ref().map_or(0, |certificate| certificate.drift);
        page.add(
            "etl_sync_table_drift_rows",
            "Rows that differed although nothing showed it, and were mended.",
            &of,
            number(drift),
        );
        let now = moment(&report.ended_at).filter(|_| is_well);
        if let Some(at) = now.or_else(|| kept(before?, &format!("{TABLE_SUCCESS}{}", written(&of)))) {
            page.add(TABLE_SUCCESS, "When a run ended that loaded the table or left it as proved.", &of, at);
        }
    }
}

/// The value of a series in an earlier text.
fn kept(before: &str, series: &str) -> Option<f64> {
    before.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn moment(text: &str) -> Option<f64> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    at.timestamp_millis().to_string().parse::<f64>().ok().map(|millis| millis / 1000.0)
}

/// Prometheus' values are all floats; a count beyond 2^53 loses its last digits there.
fn number(count: u64) -> f64 {
    count.to_string().parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
