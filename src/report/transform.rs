//! What a transformation did, as a part of a run's document and as a document of its own.

use super::text::number;
use super::{ErrorReport, SCHEMA_VERSION, now};
use crate::transform::{Node, Outcome, Verdict};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Parts told one by one in text.
const SHOWN: usize = 10;

/// The step after the load.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct TransformReport {
    /// `dbt`, `sql`.
    pub tool: String,
    /// What was run, without secrets; empty when nothing was.
    pub command: String,
    /// `success`, `failed`, `stopped`, `not_run`.
    pub status: String,
    /// Why it was not run.
    pub reason: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// Tables whose models were built, by their names in the warehouse; none when everything was.
    pub tables: Option<BTreeSet<String>>,
    /// Models, tests, seeds, snapshots, or SQL files.
    pub models: Vec<Node>,
    /// Of those, the ones that went well.
    pub passed: u64,
    /// Tests that found something and only warn.
    pub warned: u64,
    /// The ones that failed.
    pub failed: u64,
    /// The ones that were not reached.
    pub skipped: u64,
    /// Why it failed as a whole.
    pub error: Option<ErrorReport>,
}

impl TransformReport {
    /// A step that was not run.
    #[must_use]
    pub fn not_run(tool: &str, reason: impl Into<String>) -> Self {
        Self { tool: tool.into(), status: "not_run".into(), reason: Some(reason.into()), ..Self::default() }
    }

    /// A step that was run; what it left in the outcome goes over to the report.
    #[must_use]
    pub fn of(tool: &str, outcome: &mut Outcome, tables: Option<BTreeSet<String>>, seconds: f64) -> Self {
        let [passed, warned, failed, skipped] =
            [Verdict::Passed, Verdict::Warned, Verdict::Failed, Verdict::Skipped].map(|verdict| outcome.count(verdict));
        let stopped = outcome.error.as_ref().is_some_and(|error| error.kind() == crate::error::Kind::Stopped);
        let status = match outcome.is_well() {
            true => "success",
            false if stopped => "stopped",
            false => "failed",
        };
        Self {
            tool: tool.into(),
            command: std::mem::take(&mut outcome.command),
            status: status.into(),
            reason: None,
            seconds,
            tables,
            models: std::mem::take(&mut outcome.nodes),
            passed,
            warned,
            failed,
            skipped,
            error: outcome.error.as_ref().map(ErrorReport::from),
        }
    }

    /// What a person is warned of.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let warned = self.models.iter().filter(|node| node.verdict == Verdict::Warned);
        warned
            .map(|node| format!("{} {} warns: {}", node.kind, node.name, node.message.as_deref().unwrap_or("no message")))
            .collect()
    }
}

/// The lines of a step for people.
#[must_use]
pub fn lines(report: &TransformReport) -> Vec<String> {
    let mut out = Vec::new();
    let mut bad = report.models.iter().filter(|node| node.verdict == Verdict::Failed);
    for node in bad.by_ref().take(SHOWN) {
        out.push(format!("transform: {} {}: {}", node.kind, node.name, node.message.as_deref().unwrap_or(&node.status)));
    }
    let hidden = bad.count();
    if hidden > 0 {
        out.push(format!("and {hidden} more (--json lists all)"));
    }
    if let Some(error) = &report.error {
        out.push(format!("transform: {}\n  → {}", error.message, error.hint));
    }
    let mut line = format!("transform: {}", report.status.replace('_', " "));
    match &report.reason {
        Some(reason) => line.push_str(&format!(", {reason}")),
        None => {
            let of = report.tables.as_ref().map_or_else(String::new, |tables| {
                format!(" for {} changed tables", number(u64::try_from(tables.len()).unwrap_or(u64::MAX)))
            });
            line.push_str(&format!(", {}{of} in {:.1} s: {} passed", report.tool, report.seconds, number(report.passed)));
            for (count, word) in [(report.warned, "warned"), (report.failed, "failed"), (report.skipped, "skipped")] {
                if count > 0 {
                    line.push_str(&format!(", {} {word}", number(count)));
                }
            }
        }
    }
    out.push(line);
    out
}

/// The document of `etl-sync transform`.
#[derive(Debug, Clone, Serialize)]
pub struct TransformDocument {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// This transformation, a UUID that sorts by time.
    pub run_id: String,
    /// As that of the step.
    pub status: String,
    /// What the process exits with.
    pub exit_code: u8,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Schema of the loaded tables.
    pub schema: String,
    /// What was done.
    pub transform: TransformReport,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl TransformDocument {
    /// A transformation that has not begun.
    #[must_use]
    pub fn opening(run_id: String, warehouse: String, schema: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            run_id,
            status: "failed".into(),
            exit_code: 70,
            started_at: now(),
            ended_at: String::new(),
            warehouse,
            schema,
            transform: TransformReport::default(),
            warnings: Vec::new(),
        }
    }
}

/// The document for people.
#[must_use]
pub fn text(document: &TransformDocument) -> String {
    let warnings = document.warnings.iter().map(|warning| format!("warning: {warning}"));
    warnings.chain(lines(&document.transform)).map(|line| line + "\n").collect()
}

/// The document of `etl-sync dbt sources` and `dbt models`.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Always `ok`.
    pub status: &'static str,
    /// The files that were written.
    pub files: Vec<String>,
    /// Text that was to go to standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl WrittenReport {
    /// Files, or text.
    #[must_use]
    pub fn new(files: Vec<String>, text: Option<String>) -> Self {
        Self { schema_version: SCHEMA_VERSION, program: env!("CARGO_PKG_VERSION").into(), status: "ok", files, text }
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        self.text.clone().unwrap_or_else(|| self.files.iter().map(|file| format!("{file} written\n")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn people_are_told_what_failed_and_why_nothing_was_run() {
        let node = |name: &str, verdict, message: Option<&str>| Node {
            name: name.into(),
            kind: "model".into(),
            status: "error".into(),
            seconds: 1.0,
            rows: None,
            message: message.map(str::to_owned),
            unique_id: String::new(),
            verdict,
        };
        let mut nodes: Vec<Node> = (0..12).map(|i| node(&format!("m{i}"), Verdict::Failed, None)).collect();
        nodes.push(node("w", Verdict::Warned, Some("Got 5 results")));
        nodes.push(node("s", Verdict::Skipped, None));
        let mut outcome = Outcome { nodes, error: Some(Error::new(Kind::Transform, "late").hint("wait")), ..Outcome::default() };
        let report = TransformReport::of("dbt", &mut outcome, Some(["a".to_owned()].into()), 2.0);
        assert_eq!(report.warnings(), ["model w warns: Got 5 results"]);
        let lines = lines(&report);
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[10].as_str()),
            (13, "transform: model m0: error", "and 2 more (--json lists all)")
        );
        assert_eq!(lines[11], "transform: late\n  → wait");
        assert_eq!(lines[12], "transform: failed, dbt for 1 changed tables in 2.0 s: 0 passed, 1 warned, 12 failed, 1 skipped");
        outcome.error = Some(Error::new(Kind::Stopped, "stopped"));
        assert_eq!(TransformReport::of("dbt", &mut outcome, None, 0.0).status, "stopped");
        let not_run = super::lines(&TransformReport::not_run("dbt", "nothing had changed"));
        assert_eq!(not_run, ["transform: not run, nothing had changed"]);
    }
}
