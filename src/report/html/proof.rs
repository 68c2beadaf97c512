//! The sections about what the rows are worth: what was mended, what was refused, what was proved, and by which strategy.

use super::charts::{self, Part, figure, parts};
use super::document::{Run, Table};
use super::markup::{Cell, Html, table};
use super::scale::{Unit, length, real, words};
use crate::report::text::number;
use std::collections::BTreeMap;

/// Lines of a table of figures.
const LINES: usize = 60;

/// How a table may have been proved, best first: the certificate's words, colours, and what they say.
const PROOFS: [(&str, &str, &str); 6] = [
    ("content", "c2", "all rows compared by content"),
    ("sent", "c2b", "new: as many rows as were sent, with their digest"),
    ("sample", "c1", "a part compared by content, all counted"),
    ("counts", "c1b", "rows counted on both sides"),
    ("evidence", "c4", "nothing moved on either side"),
    ("none", "warn", "not proved"),
];

fn empty(text: &str) -> Html {
    let mut out = Html::new();
    out.tag("p", "empty", text);
    out
}

fn card(caption: &str, head: &[&str], mut rows: Vec<Vec<Cell>>) -> Html {
    let hidden = rows.len().saturating_sub(LINES);
    rows.truncate(LINES);
    let mut out = Html::new();
    out.raw("<div class=\"card\">").put(&table(caption, head, &rows));
    if hidden > 0 {
        out.tag("p", "note", &format!("and {} more", number(u64::try_from(hidden).unwrap_or(0))));
    }
    out.raw("</div>");
    out
}

/// What differed and was mended, and what changed about columns.
#[must_use]
pub fn drift(run: &Run) -> Html {
    let healed: Vec<Vec<Cell>> = run.tables.iter().filter_map(|table| Some(heal(table, table.healed.as_ref()?))).collect();
    let drifted: Vec<Vec<Cell>> = run
        .tables
        .iter()
        .flat_map(|table| table.drift.iter().map(|line| vec![Cell::Text(table.table.clone()), Cell::Text(line.clone())]))
        .collect();
    let mut out = Html::new();
    if healed.is_empty() && drifted.is_empty() {
        return empty("No table differed beyond its increments, and no column changed.");
    }
    if !healed.is_empty() {
        let head = ["table", "rows that differed", "missed by increments", "shown by", "source", "target", "mended via", "time"];
        out.put(&card("Tables that differed and were mended", &head, healed));
    }
    if !drifted.is_empty() {
        out.put(&card("Changes of columns", &["table", "change"], drifted));
    }
    out
}

fn heal(table: &Table, healed: &super::document::Healed) -> Vec<Cell> {
    let cause = match healed.cause.as_str() {
        "warehouse" => "content: the warehouse was changed",
        "source" => "content: the source has other rows",
        other => other,
    };
    vec![
        Cell::Text(table.table.clone()),
        Cell::Number(number(healed.drift)),
        Cell::Number(healed.missed.map_or_else(String::new, number)),
        Cell::Text(cause.to_owned()),
        Cell::Number(number(healed.source)),
        Cell::Number(number(healed.target)),
        Cell::Text(healed.via.clone()),
        Cell::Number(length(healed.seconds)),
    ]
}

/// Rows that were refused, and values that policies changed.
#[must_use]
pub fn quarantine(run: &Run) -> Html {
    let mut refused: Vec<&Table> = run.tables.iter().filter(|table| table.rejected > 0).collect();
    refused.sort_by_key(|table| std::cmp::Reverse(table.rejected));
    let mut out = Html::new();
    let most = refused.first().map_or(1, |table| table.rejected);
    let rows: Vec<Vec<Cell>> = refused
        .iter()
        .map(|table| {
            vec![
                Cell::Text(table.table.clone()),
                Cell::Markup(charts::bar(real(table.rejected) / real(most), "warn")),
                Cell::Number(number(table.rejected)),
                Cell::Number(number(table.rows)),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["table", "", "rows rejected", "rows in the warehouse"];
        out.put(&card("Rows in etl_quarantine.rejected_row", &head, rows));
    }
    let values: Vec<Vec<Cell>> = run
        .tables
        .iter()
        .flat_map(|table| {
            table.values.iter().map(|value| {
                vec![
                    Cell::Text(format!("{}.{}", table.table, value.column)),
                    Cell::Text(value.fault.replace('_', " ")),
                    Cell::Text(if value.done == "strip" { "stripped".into() } else { "became NULL".to_owned() }),
                    Cell::Number(number(value.count)),
                ]
            })
        })
        .collect();
    if !values.is_empty() {
        out.put(&card("Values that policies changed", &["column", "fault", "done", "values"], values));
    }
    if out.is_empty() { empty("No row was refused, and no value was changed by a policy.") } else { out }
}

/// How a table was proved, in the certificate's words; none when it was not loaded.
#[must_use]
pub fn word(table: &Table) -> Option<&str> {
    match &table.certificate {
        Some(certificate) if !certificate.checked.is_empty() => Some(&certificate.checked),
        _ if matches!(table.status.as_str(), "loaded" | "kept" | "unmoved") && !table.proof.is_empty() => Some(&table.proof),
        _ => None,
    }
}

/// How many tables were proved by what.
#[must_use]
pub fn certificates(run: &Run) -> Html {
    let mut counts: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for table in &run.tables {
        let Some(word) = word(table) else { continue };
        let known = PROOFS.iter().find(|(proof, ..)| *proof == word).map_or("none", |(proof, ..)| proof);
        let (tables, rows, compared) = counts.entry(known).or_default();
        *tables += 1;
        *rows += table.rows;
        *compared += table.certificate.as_ref().map_or(0, |certificate| certificate.rows_compared);
    }
    if counts.is_empty() {
        return empty("No table was loaded, so nothing is proved.");
    }
    let found = || PROOFS.iter().filter_map(|(proof, class, says)| Some((*proof, *class, *says, *counts.get(proof)?)));
    let pieces: Vec<Part> = found()
        .map(|(proof, class, _, (tables, ..))| Part { value: real(tables), class, name: format!("{proof} {}", number(tables)) })
        .collect();
    let rows: Vec<Vec<Cell>> = found()
        .map(|(proof, _, says, (tables, rows, compared))| {
            vec![
                Cell::Status(proof.to_owned()),
                Cell::Text(says.to_owned()),
                Cell::Number(number(tables)),
                Cell::Number(number(rows)),
                Cell::Number(number(compared)),
            ]
        })
        .collect();
    let head = ["proof", "what it says", "tables", "rows", "rows compared"];
    let about = "What shows that both sides hold the same rows, by tables.";
    figure("Certificates", about, &parts("Tables by proof", &pieces), &table("Certificates", &head, &rows))
}

/// Tables, rows and time by strategy.
#[must_use]
pub fn strategies(run: &Run) -> Html {
    let mut used: BTreeMap<&str, (u64, u64, u64, f64)> = BTreeMap::new();
    for table in run.tables.iter().filter(|table| !table.strategy.is_empty()) {
        let (tables, rows, bytes, seconds) = used.entry(&table.strategy).or_default();
        *tables += 1;
        *rows += table.rows_read;
        *bytes += table.bytes;
        *seconds += if table.seconds.is_finite() { table.seconds } else { 0.0 };
    }
    if used.is_empty() {
        return empty("No table was read.");
    }
    const CLASSES: [&str; 5] = ["c1", "c2", "c3", "c4", "c1b"];
    let pieces: Vec<Part> = used
        .iter()
        .zip(CLASSES.iter().cycle())
        .map(|((name, (tables, ..)), class)| Part { value: real(*tables), class, name: format!("{name} {}", number(*tables)) })
        .collect();
    let rows: Vec<Vec<Cell>> = used
        .iter()
        .map(|(name, (tables, rows, bytes, seconds))| {
            vec![
                Cell::Text((*name).to_owned()),
                Cell::Number(number(*tables)),
                Cell::Number(number(*rows)),
                Cell::Number(words(real(*bytes), Unit::Bytes)),
                Cell::Number(length(*seconds)),
            ]
        })
        .collect();
    let numbers = table("Use of strategies", &["strategy", "tables", "rows read", "bytes", "time of all"], &rows);
    figure("Tables by strategy", "How they were copied.", &parts("Tables by strategy", &pieces), &numbers)
}
