//! The table of tables: all of them, to be sorted and searched.

use super::charts::spark;
use super::document::{Documents, Table};
use super::markup::{Html, badge};
use super::proof;
use super::scale::{Unit, length, real, words};
use crate::report::text::number;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of rows; the least interesting tables are left out beyond it, and counted.
const ROWS_BYTES_MAX: usize = 900_000;

/// Runs in a small line.
const TREND: usize = 20;

/// Heads: name, whether a number, whether it is left out on a phone.
const HEAD: [(&str, bool, bool); 12] = [
    ("table", false, false),
    ("status", false, false),
    ("rows", true, false),
    ("time", true, false),
    ("read", true, true),
    ("new", true, true),
    ("changed", true, true),
    ("gone", true, true),
    ("bytes", true, true),
    ("rejected", true, true),
    ("proof", false, true),
    ("trend", false, true),
];

/// Lengths of each table in the last runs that read it, the latest last.
pub type Trends<'a> = BTreeMap<&'a str, Vec<f64>>;

/// From the history.
#[must_use]
pub fn trends(documents: &Documents) -> Trends<'_> {
    let mut out: Trends<'_> = BTreeMap::new();
    for run in documents.history.iter().filter(|run| run.run_id <= documents.run.run_id) {
        for table in run.tables.iter().filter(|table| table.status == "loaded" && table.seconds.is_finite()) {
            out.entry(&table.table).or_default().push(table.seconds);
        }
    }
    out.values_mut().for_each(|all| drop(all.drain(..all.len().saturating_sub(TREND))));
    out
}

/// The section's content.
#[must_use]
pub fn tables(documents: &Documents, trends: &Trends<'_>) -> Html {
    let mut tables: Vec<&Table> = documents.run.tables.iter().collect();
    let is_well = |table: &Table| matches!(table.status.as_str(), "loaded" | "kept" | "unmoved");
    tables.sort_by(|a, b| is_well(a).cmp(&is_well(b)).then(b.seconds.total_cmp(&a.seconds)).then_with(|| a.table.cmp(&b.table)));
    let mut rows = Html::new();
    let mut shown: u64 = 0;
    for table in &tables {
        if rows.len() > ROWS_BYTES_MAX {
            break;
        }
        row(&mut rows, table, trends.get(table.table.as_str()).map_or(&[], Vec::as_slice));
        shown += 1;
    }
    let mut out = Html::new();
    if tables.is_empty() {
        out.tag("p", "empty", "This run reached no table.");
        return out;
    }
    out.raw("<div class=\"card\">");
    filter(&mut out, &tables);
    out.raw(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Tables of this run\"><table id=\"tables-of-run\">",
    );
    out.raw("<caption class=\"unseen\">Tables of this run</caption><thead><tr>");
    for (name, is_number, is_more) in HEAD {
        out.raw("<th scope=\"col\"")
            .attr("class", format_args!("{}{}", if is_number { "n" } else { "" }, if is_more { " more-col" } else { "" }));
        out.raw("><button type=\"button\" class=\"sort\">").text(name).raw("</button></th>");
    }
    out.raw("</tr></thead><tbody>").put(&rows).raw("</tbody></table></div>");
    let hidden = u64::try_from(tables.len()).unwrap_or(0).saturating_sub(shown);
    if hidden > 0 {
        out.tag("p", "note", &format!("{} more tables, loaded and quick, are in the result document only.", number(hidden)));
    }
    out.raw("</div>");
    out
}

fn filter(out: &mut Html, tables: &[&Table]) {
    out.raw("<div class=\"filters\"><label>Name <input type=\"search\" id=\"filter-name\" autocomplete=\"off\" placeholder=\"part of a name\"></label>");
    out.raw("<label>Status <select id=\"filter-status\"><option value=\"\">all</option>");
    let words: BTreeSet<&str> = tables.iter().map(|table| table.status.as_str()).collect();
    for word in words {
        out.raw("<option").attr("value", word).raw(">").text(&word.replace('_', " ")).raw("</option>");
    }
    out.raw("</select></label><button type=\"button\" id=\"all-columns\" aria-pressed=\"false\">All columns</button>");
    out.raw("<span id=\"filter-count\" role=\"status\"></span></div>");
}

fn row(out: &mut Html, table: &Table, trend: &[f64]) {
    out.raw("<tr")
        .attr("data-s", &table.status)
        .raw("><th scope=\"row\"><details><summary>")
        .text(&table.table)
        .raw("</summary>");
    details(out, table);
    out.raw("</details></th><td>").put(&badge(&table.status)).raw("</td>");
    let mut cell = |class: &'static str, value: f64, text: &str| {
        out.raw("<td class=\"n")
            .raw(class)
            .raw(if value == 0.0 { " z\"" } else { "\"" })
            .attr("data-v", value)
            .raw(">")
            .text(text)
            .raw("</td>");
    };
    let count = |count: u64| (real(count), if count == 0 { "0".into() } else { number(count) });
    let (value, text) = count(table.rows);
    cell("", value, &text);
    cell("", if table.seconds.is_finite() { table.seconds } else { 0.0 }, &length(table.seconds));
    for (value, text) in [table.rows_read, table.inserted, table.updated, table.deleted].map(count) {
        cell(" more-col", value, &text);
    }
    cell(" more-col", real(table.bytes), &words(real(table.bytes), Unit::Bytes));
    let (value, text) = count(table.rejected);
    cell(" more-col", value, &text);
    out.raw("<td class=\"more-col\">").text(proof::word(table).unwrap_or_default()).raw("</td>");
    out.raw("<td class=\"more-col\">").put(&spark(trend)).raw("</td></tr>");
}

/// What is told of a table when it is opened.
fn details(out: &mut Html, table: &Table) {
    out.raw("<dl>");
    let mut fact = |name: &'static str, value: &str| {
        if !value.is_empty() {
            out.raw("<dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
    };
    if let Some(error) = &table.error {
        fact("Error", &error.message);
        fact("What to do", &error.hint);
    }
    fact("Target", &table.target);
    fact("Strategy", &table.strategy);
    fact("Why", &table.reason);
    let kept =
        if table.chunks_kept > 0 { format!(", {} kept from an interrupted run", table.chunks_kept) } else { String::new() };
    fact("Chunks", &if table.chunks > 1 { format!("{}{kept}", number(table.chunks)) } else { String::new() });
    fact("Snapshot", &table.snapshot);
    fact("Rounds", &if table.rounds > 1 { table.rounds.to_string() } else { String::new() });
    if let Some(certificate) = &table.certificate {
        fact("Digest", certificate.digest.as_deref().unwrap_or_default());
        fact("Log position", certificate.position.as_deref().unwrap_or_default());
    }
    table.drift.iter().for_each(|line| fact("Columns", line));
    out.raw("</dl>");
}
