//! The summary of a run as text: a table of what is worth a line, and the totals.

use super::columns::renamed_line;
use super::{DefinitionReport, Healed, IncrementalValues, RunReport, TableReport, ValueCount};
use crate::value::Fault;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write;

/// Loaded tables shown; the biggest ones. Everything that did not go well is always shown.
const LOADED_SHOWN: usize = 12;

/// Errors shown; a fault of one kind may hit every table.
const ERRORS_SHOWN: usize = 10;

/// The summary of a run.
#[must_use]
pub fn summary(report: &RunReport) -> String {
    let mut out = String::new();
    if let Some(first) = &report.replicate {
        push(&mut out, &format!("replicate, {} to {}:\n{}", first.source, first.warehouse, summary(first)));
        if let Some(error) = &first.error {
            push(&mut out, &format!("{}\n  → {}\n", error.message, error.hint));
        }
        push(&mut out, &format!("load, {} to {}:", report.source, report.warehouse));
    }
    let shown = worth_showing(&report.tables);
    if !shown.is_empty() {
        out.push_str(&table(&shown));
        out.push('\n');
    }
    let hidden = report.tables.len() - shown.len();
    if hidden > 0 {
        push(&mut out, &format!("and {hidden} more tables (--json lists all)"));
    }
    let mut failures = report.tables.iter().filter_map(|t| t.error.as_ref());
    for error in failures.by_ref().take(ERRORS_SHOWN) {
        push(&mut out, &format!("{}\n  → {}", error.message, error.hint));
    }
    let hidden = failures.count();
    if hidden > 0 {
        push(&mut out, &format!("and {hidden} more errors (--json lists all)"));
    }
    for table in &report.tables {
        table.values.iter().for_each(|value| push(&mut out, &value_line(&table.table, value)));
        if table.status == "loaded" {
            table.drift.iter().for_each(|line| push(&mut out, &format!("{}: {line}", table.table)));
        }
        table.renamed.iter().for_each(|name| push(&mut out, &renamed_line(&table.table, name)));
        table.incremental_values.iter().for_each(|odd| push(&mut out, &odd_line(&table.table, odd)));
        if table.chunks_kept > 0 {
            let (kept, all) = (table.chunks_kept, table.chunks);
            push(&mut out, &format!("{}: {kept} of {all} chunks kept that an interrupted run had copied", table.table));
        }
        if let Some(healed) = &table.healed {
            push(&mut out, &healed_line(table, healed));
        }
        if table.rejected > 0 {
            let rows = number(table.rejected);
            push(&mut out, &format!("{}: {rows} rows rejected, see etl_quarantine.rejected_row", table.table));
        }
    }
    definitions(&mut out, &report.definitions);
    for warning in &report.warnings {
        push(&mut out, &format!("warning: {warning}"));
    }
    report.transform.iter().flat_map(super::transform::lines).for_each(|line| push(&mut out, &line));
    push(&mut out, &totals(report));
    out
}

/// How many were built, and each that was not.
fn definitions(out: &mut String, all: &[DefinitionReport]) {
    if all.is_empty() {
        return;
    }
    let count = |status: &str| all.iter().filter(|one| one.status == status).count();
    let [built, existing] = ["built", "existing"].map(count);
    push(out, &format!("definitions: {built} built, {existing} there already, {} not", all.len() - built - existing));
    let mut missing = all.iter().filter(|one| one.reason.is_some());
    for one in missing.by_ref().take(ERRORS_SHOWN) {
        let reason = one.reason.as_deref().unwrap_or_default();
        push(out, &format!("  {} {} of {}: {reason}", one.kind.replace('_', " "), one.name, one.table));
    }
    let hidden = missing.count();
    if hidden > 0 {
        push(out, &format!("  and {hidden} more (--json lists all)"));
    }
}

/// What differed beyond the increments, how it showed, and what was done.
fn healed_line(table: &TableReport, healed: &Healed) -> String {
    let compared_all = table.certificate.as_ref().is_some_and(|certificate| certificate.checked == "content");
    let (least, why, place) = match healed.cause {
        "counts" => ("at least ", "by the counts of both sides", ""),
        cause => {
            let why = if cause == "warehouse" { "changed in the warehouse" } else { "the source has other rows than before" };
            ("", why, if compared_all { "" } else { " in the buckets compared" })
        }
    };
    let beyond = if healed.rows > healed.drift { " beyond the increments" } else { "" };
    let missed = healed.missed.filter(|missed| *missed > 0);
    let missed = missed.map_or_else(String::new, |missed| format!(", {} of them missed", number(missed)));
    format!(
        "{}: {least}{} rows differed{beyond}{missed} ({why}); the source had {} rows{place}, the target {}; mended via {}",
        table.table,
        number(healed.drift),
        number(healed.source),
        number(healed.target),
        healed.via
    )
}

fn value_line(table: &str, value: &ValueCount) -> String {
    let what = Fault::ALL.iter().find(|fault| fault.word() == value.fault).map_or(value.fault, |fault| fault.plural());
    let done = if value.done == "strip" { "were stripped" } else { "became NULL" };
    format!("{table}.{}: {} {what} {done}", value.column, number(value.count))
}

/// What was seen of an incremental column.
fn odd_line(table: &str, odd: &IncrementalValues) -> String {
    let parts = [(odd.future, "in the future"), (odd.before_1970, "before 1970"), (odd.nulls, "NULL")];
    let seen: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", number(*count))).collect();
    format!("{table}.{}: of the times read, {}; the watermark does not follow them", odd.column, seen.join(", "))
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn worth_showing(tables: &[TableReport]) -> Vec<&TableReport> {
    let mut loaded: Vec<&TableReport> = tables.iter().filter(|t| is_well(t)).collect();
    loaded.sort_by_key(|t| std::cmp::Reverse((t.rows, t.bytes)));
    loaded.truncate(LOADED_SHOWN);
    let bad = tables.iter().filter(|t| !is_well(t));
    loaded.into_iter().chain(bad.take(LOADED_SHOWN)).collect()
}

fn is_well(table: &TableReport) -> bool {
    matches!(table.status.as_str(), "loaded" | "kept" | "unmoved")
}

fn table(tables: &[&TableReport]) -> String {
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["table", "rows", "inserted", "updated", "deleted", "seconds", "strategy", "status"]);
    for t in tables {
        out.add_row([
            t.table.clone(),
            number(t.rows),
            number(t.inserted),
            number(t.updated),
            number(t.deleted),
            format!("{:.2}", t.seconds),
            t.strategy.clone(),
            t.status.clone(),
        ]);
    }
    for column in 1..6 {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.to_string()
}

/// The last line of the summary.
#[must_use]
pub fn totals(report: &RunReport) -> String {
    let t = &report.totals;
    let mut out = format!(
        "{}: {} of {} tables in {:.1} s, {} rows read",
        report.status,
        number(t.loaded + t.kept + t.unmoved),
        number(t.tables),
        report.seconds,
        number(t.rows_read)
    );
    for (count, word) in [
        (t.inserted, "inserted"),
        (t.updated, "updated"),
        (t.deleted, "deleted"),
        (t.healed, "tables mended"),
        (t.rejected, "rejected"),
        (t.by_content, "tables compared by content"),
        (t.by_sample, if t.by_content > 0 { "in part" } else { "tables compared by content in part" }),
        (t.unproved, "tables not proved"),
        (t.kept, "tables kept from the interrupted run"),
        (t.failed, "tables failed"),
        (t.not_reached, "tables not reached"),
    ] {
        if count > 0 {
            // Writing to a String cannot fail.
            if write!(out, ", {} {word}", number(count)).is_err() {
                break;
            }
        }
    }
    match report.verify.as_str() {
        "evidence" => out.push_str(&format!(", {} tables counted, {} skipped on evidence", number(t.counted), number(t.unmoved))),
        "off" => out.push_str(&format!(", {} tables counted, {} not", number(t.counted), number(t.loaded + t.kept - t.counted))),
        _ => {}
    }
    if t.inserted + t.updated + t.deleted == 0 && t.failed == 0 && t.not_reached == 0 && report.error.is_none() {
        out.push_str(", nothing had changed");
    }
    out
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}
