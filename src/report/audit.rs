//! The audit: what `verify` found, weighed by how many rows the warehouse lacks.
//!
//! A table is significant when it lacks any row and the source has fewer than 100, else when it lacks more than 10 %. What
//! lies below is listed apart and still a difference: there should be none.

use super::text::number;
use super::verify::{TableVerified, VerifyReport};
use super::{ErrorReport, SCHEMA_VERSION};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt;

/// Source tables with fewer rows must not lack a single one.
const SMALL_TABLE_ROWS: u64 = 100;

/// Tables of a list shown as text.
const SHOWN: usize = 60;

/// How bad a significant difference is; the worst sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The warehouse has less than 50 % of the rows.
    Critical,
    /// Less than 90 %.
    High,
    /// The rest.
    Medium,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
        })
    }
}

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// As in [`VerifyReport`].
    pub status: &'static str,
    /// What the process exits with: 1 also for a difference below the threshold.
    pub exit_code: u8,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Source, without password.
    pub source: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// Tables looked at.
    pub tables: u64,
    /// Tables that are equal.
    pub equal: u64,
    /// Significant ones, the worst first.
    pub findings: Vec<Finding>,
    /// Tables that differ below the audit's threshold.
    pub below_threshold: Vec<Finding>,
    /// Tables that could not be compared.
    pub unproven: Vec<TableVerified>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why tables were not reached.
    pub error: Option<ErrorReport>,
}

/// A table that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad; none below the threshold.
    pub severity: Option<Severity>,
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// As in [`TableVerified`].
    pub status: &'static str,
    /// Rows of the source under its filter.
    pub source_rows: u64,
    /// Rows of the target.
    pub target_rows: u64,
    /// Source rows in quarantine.
    pub quarantined_rows: u64,
    /// Source rows that are neither in the target nor in quarantine, by the totals.
    pub missing_rows: u64,
    /// Rows of the target that the source does not have, by the totals.
    pub surplus_rows: u64,
    /// Ranges of the key that differ.
    pub ranges: usize,
    /// End of the last run that brought the table up to date, RFC 3339, UTC.
    pub last_success: Option<String>,
}

/// How bad it is when of so many source rows so many have arrived; none below the threshold.
#[must_use]
pub fn severity(source: u64, arrived: u64) -> Option<Severity> {
    let missing = source.checked_sub(arrived).filter(|missing| *missing > 0)?;
    let (wide, arrived) = (u128::from(source), u128::from(arrived));
    if source >= SMALL_TABLE_ROWS && u128::from(missing) * 10 <= wide {
        return None;
    }
    Some(if arrived * 2 < wide {
        Severity::Critical
    } else if arrived * 10 < wide * 9 {
        Severity::High
    } else {
        Severity::Medium
    })
}

/// Weighs what was found.
#[must_use]
pub fn audit(report: &VerifyReport) -> AuditReport {
    let found: Vec<Finding> = report.tables.iter().filter(|table| table.is_different()).map(finding).collect();
    let (mut findings, below_threshold): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.severity.is_some());
    findings.sort_by(|a, b| (a.severity, &a.table).cmp(&(b.severity, &b.table)));
    let unproven = report.tables.iter().filter(|table| !table.is_equal() && !table.is_different());
    AuditReport {
        schema_version: SCHEMA_VERSION,
        program: report.program.clone(),
        status: report.status,
        exit_code: report.exit_code,
        started_at: report.started_at.clone(),
        source: report.source.clone(),
        warehouse: report.warehouse.clone(),
        schema: report.schema.clone(),
        tables: report.totals.tables,
        equal: report.totals.equal,
        findings,
        below_threshold,
        unproven: unproven.cloned().collect(),
        warnings: report.warnings.clone(),
        error: report.error.clone(),
    }
}

fn finding(table: &TableVerified) -> Finding {
    let [source, target, quarantined] =
        [table.source_rows, table.target_rows, table.quarantined_rows].map(|rows| rows.unwrap_or(0));
    let arrived = target.saturating_add(quarantined);
    Finding {
        severity: severity(source, arrived),
        table: table.table.clone(),
        target: table.target.clone(),
        status: table.status,
        source_rows: source,
        target_rows: target,
        quarantined_rows: quarantined,
        missing_rows: source.saturating_sub(arrived),
        surplus_rows: arrived.saturating_sub(source),
        ranges: table.ranges.len(),
        last_success: table.last_success.clone(),
    }
}

/// The audit as text.
#[must_use]
pub fn text(report: &AuditReport) -> String {
    let mut lines = vec![
        format!("audit of {} against {}, schema {}, {}", report.warehouse, report.source, report.schema, report.started_at),
        String::new(),
    ];
    list("significant differences", &report.findings, &mut lines);
    list("differs, below the audit's threshold", &report.below_threshold, &mut lines);
    if !report.unproven.is_empty() {
        lines.push(format!("not compared ({})", report.unproven.len()));
        lines.extend(report.unproven.iter().take(SHOWN).map(|table| match &table.error {
            Some(error) => format!("  {}: {}\n    → {}", table.table, error.message, error.hint),
            None => format!("  {}: {}", table.table, table.status),
        }));
        lines.push(String::new());
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.error.iter().map(|error| format!("error: {}\n  → {}", error.message, error.hint)));
    let count = |severity| report.findings.iter().filter(|one| one.severity == Some(severity)).count();
    let [critical, high, medium] = [Severity::Critical, Severity::High, Severity::Medium].map(count);
    let [equal, tables] = [report.equal, report.tables].map(number);
    let below = report.below_threshold.len();
    lines.push(format!(
        "{}: {equal} of {tables} tables equal, {critical} CRITICAL, {high} HIGH, {medium} MEDIUM, {below} below the threshold",
        report.status
    ));
    lines.join("\n") + "\n"
}

fn list(title: &str, findings: &[Finding], lines: &mut Vec<String>) {
    if findings.is_empty() {
        return;
    }
    lines.push(format!("{title} ({})", findings.len()));
    let mut out = Table::new();
    out.load_style(presets::NOTHING);
    out.set_header(["severity", "table", "source", "warehouse", "quarantined", "missing", "surplus", "last success", "status"]);
    for one in findings.iter().take(SHOWN) {
        let last = one.last_success.clone().unwrap_or_else(|| "unknown".into());
        let severity = one.severity.map_or_else(String::new, |severity| severity.to_string());
        let [source, target, quarantined, missing, surplus] =
            [one.source_rows, one.target_rows, one.quarantined_rows, one.missing_rows, one.surplus_rows].map(number);
        let status = one.status.to_owned();
        out.add_row([severity, one.table.clone(), source, target, quarantined, missing, surplus, last, status]);
    }
    for column in 2..7 {
        if let Some(column) = out.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines.push(out.to_string());
    if findings.len() > SHOWN {
        lines.push(format!("and {} more (--json lists all)", findings.len() - SHOWN));
    }
    lines.push(String::new());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_thresholds() {
        for (source, arrived, want) in [
            (0, 0, None),
            (0, 5, None),
            (99, 99, None),
            (99, 98, Some(Severity::Medium)),
            (99, 89, Some(Severity::High)),
            (99, 49, Some(Severity::Critical)),
            (100, 99, None),
            (100, 90, None),
            (100, 89, Some(Severity::High)),
            (100, 50, Some(Severity::High)),
            (100, 49, Some(Severity::Critical)),
            (1_090, 5, Some(Severity::Critical)),
            (1_090, 1_091, None),
            (u64::MAX, 0, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(source, arrived), want, "{arrived} of {source}");
        }
    }

    proptest! {
        #[test]
        fn the_fewer_have_arrived_the_worse(source in 0_u64..100_000, a in 0_u64..100_000, b in 0_u64..100_000) {
            let rank = |arrived| severity(source, arrived).map_or(3, |severity| severity as u8);
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
        }
    }
}
