//! The sections about all runs that are kept: how they went, and how the slow tables developed.

use super::charts::{self, Bar, figure, spark};
use super::document::{Documents, Past};
use super::markup::{Cell, Html, folded, table};
use super::moment;
use super::scale::{Scale, Unit, length, real, words};
use super::tables::Trends;
use crate::report::text::number;

/// Runs in the charts; the latest ones.
const RUNS_SHOWN: usize = 100;

/// Tables with a trend of their own.
const TABLES_SHOWN: usize = 15;

/// Charts over the runs, and the runs as a table.
#[must_use]
pub fn runs(documents: &Documents) -> Html {
    let first = documents.history.len().saturating_sub(RUNS_SHOWN);
    let runs = documents.history.get(first..).unwrap_or_default();
    let mut out = Html::new();
    if runs.is_empty() {
        out.tag("p", "empty", "No document of a run is kept in runs/.");
        return out;
    }
    let this = documents.run.run_id.as_str();
    out.raw("<div class=\"grid-2\">");
    let read = |run: &Past| real(run.totals.rows_read);
    out.put(&chart(runs, this, ("Time", "How long each run took; the colour tells how it ended.", ""), Unit::Seconds, |run| {
        run.seconds
    }));
    out.put(&chart(runs, this, ("Rows read", "By each run.", "c1"), Unit::Count, read));
    let open = |run: &Past| real(run.totals.failed + run.totals.not_reached);
    out.put(&chart(runs, this, ("Failed tables", "Those not reached included.", "bad"), Unit::Count, open));
    let mended = |run: &Past| real(run.totals.healed);
    out.put(&chart(runs, this, ("Mended tables", "Differed beyond their increments.", "c3"), Unit::Count, mended));
    out.raw("</div>").put(&told(runs, this));
    out
}

/// A bar per run. Without a colour of its own it has that of the run's end.
fn chart(
    runs: &[Past],
    this: &str,
    (title, about, colour): (&str, &str, &'static str),
    unit: Unit,
    of: impl Fn(&Past) -> f64,
) -> Html {
    let y = Scale::round(runs.iter().map(&of).fold(0.0, f64::max), unit);
    let bars: Vec<Bar> = runs
        .iter()
        .map(|run| Bar {
            value: of(run),
            class: if colour.is_empty() { class(&run.status) } else { colour },
            title: format!("{}: {}, {}", moment(&run.started_at), words(of(run), unit), run.status),
            word: day(&run.started_at),
            is_this: run.run_id == this,
        })
        .collect();
    let rows: Vec<Vec<Cell>> =
        runs.iter().rev().map(|run| vec![Cell::Text(moment(&run.started_at)), Cell::Number(words(of(run), unit))]).collect();
    figure(title, about, &charts::bars(title, &y, &bars), &folded(title, &["run", title], &rows))
}

fn class(status: &str) -> &'static str {
    match status {
        "success" => "good",
        "incomplete" | "stopped" => "warn",
        "failed" => "bad",
        _ => "c4",
    }
}

/// Month and day.
fn day(started_at: &str) -> String {
    started_at.get(5..10).unwrap_or_default().to_owned()
}

fn told(runs: &[Past], this: &str) -> Html {
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .rev()
        .map(|run| {
            let t = &run.totals;
            let mark = if run.run_id == this { " (this one)" } else { "" };
            vec![
                Cell::Text(format!("{}{mark}", moment(&run.started_at))),
                Cell::Status(run.status.clone()),
                Cell::Number(length(run.seconds)),
                Cell::Number(number(t.tables)),
                Cell::Number(number(t.rows_read)),
                Cell::Number(number(t.inserted)),
                Cell::Number(number(t.updated)),
                Cell::Number(number(t.deleted)),
                Cell::Number(number(t.failed + t.not_reached)),
                Cell::Number(number(t.healed)),
                Cell::Number(number(t.rejected)),
            ]
        })
        .collect();
    let head = ["run", "status", "time", "tables", "rows read", "new", "changed", "gone", "failed", "mended", "rejected"];
    let mut out = Html::new();
    out.raw("<div class=\"card tall\">").put(&table("Runs, the latest first", &head, &rows)).raw("</div>");
    out
}

/// How the tables developed that took longest lately.
#[must_use]
pub fn trend(trends: &Trends<'_>) -> Html {
    let mut slow: Vec<(&str, &Vec<f64>)> =
        trends.iter().filter(|(_, all)| all.len() > 1).map(|(name, all)| (*name, all)).collect();
    let last = |all: &[f64]| all.last().copied().unwrap_or(0.0);
    slow.sort_by(|a, b| last(b.1).total_cmp(&last(a.1)));
    let mut out = Html::new();
    let rows: Vec<Vec<Cell>> = slow
        .into_iter()
        .take(TABLES_SHOWN)
        .map(|(name, all)| {
            let usual = median(all.get(..all.len() - 1).unwrap_or_default());
            let change = if usual > 0.0 { format!("{:+.0} %", (last(all) / usual - 1.0) * 100.0) } else { String::new() };
            vec![
                Cell::Text(name.to_owned()),
                Cell::Markup(spark(all)),
                Cell::Number(length(last(all))),
                Cell::Number(length(usual)),
                Cell::Number(change),
                Cell::Number(all.len().to_string()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["table", "trend", "last time", "median before", "change", "runs"];
        out.raw("<div class=\"card\">").put(&table("Slowest tables over the runs", &head, &rows)).raw("</div>");
    }
    out
}

fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
