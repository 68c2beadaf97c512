//! What `discover` found and would write, as data and as text: the diff, with everything else as comments before it.
//!
//! Nothing in it depends on when or how fast it was made, so two runs over the same rows give the same bytes.

use super::text::number;
use super::{ErrorReport, SCHEMA_VERSION, plan::RefusedTable};
use crate::config::edit::FieldValue;
use serde::Serialize;
use serde_json::Value;

/// The whole answer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DiscoverReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `ok`, `failed` (a table could not be looked at), `stopped`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Source, without password.
    pub source: String,
    /// The file that is changed.
    pub file: String,
    /// What changes in it, as a unified diff; empty when nothing does.
    pub diff: String,
    /// The file was written.
    pub written: bool,
    /// Where its former text is kept.
    pub backup: Option<String>,
    /// Tables by name.
    pub tables: Vec<TableDiscovered>,
    /// Tables of the file that the source does not have.
    pub vanished: Vec<String>,
    /// Tables that cannot be copied.
    pub refused: Vec<RefusedTable>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Evidence is part of the text.
    #[serde(skip)]
    pub told: bool,
}

/// One table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableDiscovered {
    /// Source table.
    pub table: String,
    /// `new`, `changed`, `marked` (only comments change), `same`, `pinned`, `unknown` (it could not be looked at).
    pub entry: &'static str,
    /// Rows, counted.
    pub rows: u64,
    /// There are no more than that.
    pub rows_exact: bool,
    /// Which rows the evidence is from: `all`, `ends` (of the key, and what indexes show), `indexes`.
    pub looked_at: &'static str,
    /// Columns that may carry a watermark, in the table's order.
    pub candidates: Vec<CandidateReport>,
    /// What would be written, were there no entry.
    pub proposal: Vec<FieldReport>,
    /// Why.
    pub reason: String,
    /// What is written.
    pub set: Vec<FieldReport>,
    /// What stays although the proposal differs.
    pub kept: Vec<KeptReport>,
    /// Columns that a run uses then; none when it reads all rows.
    pub in_use: Vec<String>,
    /// Changes that those columns do not show, and why.
    pub unseen_changes: Vec<String>,
    /// Why the entry was not changed although it should be.
    pub untouched: Option<String>,
    /// Why the table could not be looked at.
    pub error: Option<ErrorReport>,
}

/// A field and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldReport {
    /// The field.
    pub field: &'static str,
    /// A word or a list of words.
    pub value: Value,
}

impl FieldReport {
    /// From a field as it is written.
    #[must_use]
    pub fn new((field, value): &(&'static str, FieldValue)) -> Self {
        let value = match value {
            FieldValue::Word(word) => Value::from(word.as_str()),
            FieldValue::List(words) => Value::from(words.clone()),
        };
        Self { field, value }
    }
}

/// A field that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptReport {
    /// The field.
    pub field: &'static str,
    /// What the file has; empty for nothing.
    pub value: String,
    /// What is proposed.
    pub proposed: String,
}

/// A column that may carry a watermark, with its evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CandidateReport {
    /// Source column.
    pub column: String,
    /// Its declared type.
    pub declared: String,
    /// What moves it: `changes`, `updates`, `inserts`, `counter`, `application`.
    pub moves: &'static str,
    /// It has ON UPDATE CURRENT_TIMESTAMP.
    pub on_update: bool,
    /// It has DEFAULT CURRENT_TIMESTAMP.
    pub default_now: bool,
    /// It leads an index.
    pub indexed: bool,
    /// Digits of a second's fraction.
    pub fraction_digits: u32,
    /// NULL may occur.
    pub nullable: bool,
    /// Rows that were looked at.
    pub seen: u64,
    /// Of those, rows with NULL.
    pub nulls: u64,
    /// Zero dates; of a counter, numbers below 1.
    pub zero: u64,
    /// Years before 1900, other than zero dates.
    pub before_1900: u64,
    /// Beyond the source's clock, at most a year.
    pub future: u64,
    /// More than a year beyond it.
    pub far_future: u64,
    /// Month of the first of the other values.
    pub first: Option<String>,
    /// Month of the last of them.
    pub last: Option<String>,
    /// Rows with the last of them.
    pub ties: u64,
    /// Of a counter: numbers from the smallest to the largest.
    pub span: Option<u64>,
}

impl CandidateReport {
    /// The evidence in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let moved = match self.moves {
            "changes" => "set by the server when a row is inserted or changed",
            "updates" => "set by the server when a row is changed",
            "inserts" => "set by the server when a row is inserted",
            "counter" => "counts inserted rows",
            _ => "written by the application",
        };
        let mut parts = vec![format!("{} {}", self.column, self.declared), moved.to_owned()];
        parts.push(if self.indexed { "indexed" } else { "not indexed" }.to_owned());
        if self.seen > 0 && self.nullable {
            parts.push(format!("NULL in {} of {} rows", number(self.nulls), number(self.seen)));
        }
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            parts.push(format!("{first} to {last}, the last in {} rows", number(self.ties)));
        }
        if let Some(span) = self.span {
            parts.push(format!("{} numbers from first to last", number(span)));
        }
        let zero = if self.moves == "counter" { "below 1" } else { "zero dates" };
        let odd = [
            (self.zero, zero),
            (self.before_1900, "before 1900"),
            (self.future, "in the future"),
            (self.far_future, "over a year ahead"),
        ];
        parts.extend(odd.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", number(*count))));
        parts.join("; ")
    }
}

impl TableDiscovered {
    /// The table in one line: rows, what is proposed, and why.
    #[must_use]
    pub fn line(&self) -> String {
        let least = if self.rows_exact { "" } else { "at least " };
        let seen = match self.looked_at {
            "ends" => ", sampled at both ends of the key",
            "indexes" => ", sampled by indexes only",
            _ => "",
        };
        let what = self.proposal.first().and_then(|field| field.value.as_str()).unwrap_or_default();
        format!("{least}{} rows{seen}; {what}: {}", number(self.rows), self.reason)
    }
}

impl DiscoverReport {
    /// Decides status and exit code; `stopped` is the exit code of a signal.
    #[must_use]
    pub fn judged(mut self, stopped: Option<u8>) -> Self {
        self.schema_version = SCHEMA_VERSION;
        let failed =
            !self.refused.is_empty() || self.tables.iter().any(|table| table.error.is_some() || table.untouched.is_some());
        (self.status, self.exit_code) = match stopped {
            Some(code) => ("stopped", code),
            None if failed => ("failed", 1),
            None => ("ok", 0),
        };
        self
    }
}

/// The answer as text: comments, then the diff, so that the whole can be given to `patch`.
#[must_use]
pub fn text(report: &DiscoverReport) -> String {
    let mut out = String::new();
    let mut say = |line: String| out.push_str(&format!("# {}\n", line.replace('\n', "\n# ")));
    let count = |entry: &str| report.tables.iter().filter(|table| table.entry == entry).count();
    say(format!(
        "{}: {} tables: {} new, {} changed, {} marked, {} as they are, {} pinned",
        report.source,
        report.tables.len(),
        count("new"),
        count("changed"),
        count("marked"),
        count("same"),
        count("pinned"),
    ));
    for table in &report.tables {
        table_lines(table, report.told, &mut say);
    }
    if !report.vanished.is_empty() {
        say(format!("in the file, but not at the source (kept): {}", report.vanished.join(", ")));
    }
    for refused in &report.refused {
        say(format!("cannot be copied: {}", refused.error.message));
    }
    report.warnings.iter().for_each(|warning| say(format!("warning: {warning}")));
    say(match (report.diff.is_empty(), report.written) {
        _ if report.status == "stopped" => format!("stopped; {} is as it was", report.file),
        (true, _) => format!("{}: nothing to change", report.file),
        (false, true) => format!("written to {}", report.file),
        (false, false) => format!("would change {} (--write does)", report.file),
    });
    if let Some(backup) = &report.backup {
        say(format!("its former text is in {backup}"));
    }
    out.push_str(&report.diff);
    out
}

fn table_lines(table: &TableDiscovered, told: bool, say: &mut impl FnMut(String)) {
    let name = &table.table;
    if let Some(error) = &table.error {
        say(format!("{name}: not looked at: {}", error.message));
        return;
    }
    if told {
        say(format!("{name}: {}", table.line()));
        table.candidates.iter().for_each(|candidate| say(format!("{name}: {}", candidate.line())));
    }
    if !table.kept.is_empty() {
        let of = |kept: &KeptReport| match kept.value.as_str() {
            "" => format!("no {} (discover would choose {})", kept.field, kept.proposed),
            value => format!("{}: {value} (discover would choose {})", kept.field, kept.proposed),
        };
        let kept: Vec<String> = table.kept.iter().map(of).collect();
        say(format!("{name}: kept {}; because {}", kept.join(", "), table.reason));
    }
    table.unseen_changes.iter().for_each(|mark| say(format!("{name}: unseen changes: {mark}")));
    if let Some(why) = &table.untouched {
        say(format!("{name}: not changed: {why}"));
    }
}
