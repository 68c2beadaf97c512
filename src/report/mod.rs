//! What a run was, as data: one document that text and JSON are made from. Holds no cell value and no password.

pub mod audit; // what `verify` found, weighed
pub mod check; // what `check` found
pub mod columns; // a column for people
pub mod data; // what `check --data` found
pub mod ddl; // the target's tables and the rules behind them
pub mod discover; // what `discover` found, and what it would write
pub mod html; // a run and the history as one page
pub mod line; // a run as one line, for schedulers
pub mod lock; // who holds the run lock
pub mod methods; // which methods runs call
pub mod metrics; // a run as figures, for Prometheus
pub mod plan; // what a run would do
pub mod runs; // the run log
pub mod schema; // the form of a run's document
pub mod status; // what the last runs left
pub mod store; // result documents on disk
pub mod text; // the summary table
pub mod tracking; // what the status tables got
pub mod transform; // what the step after the load did
pub mod verify; // whether both sides hold the same rows
pub mod why; // one row on both sides

use crate::context::Context;
use crate::context::memory::MIB;
use crate::context::phases::Phase;
use crate::context::progress::Progress;
use crate::context::timeline;
use crate::error::Error;
use crate::pipeline::oddities::Odd;
use chrono::{SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;

/// Version of the document's form; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunReport {
    /// Version of this form: raised when a field changes its meaning or goes; fields may be added without.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// This run, a UUID that sorts by time.
    pub run_id: String,
    /// The interrupted run that this one went on with.
    pub resumes: Option<String>,
    /// `success`, `incomplete` (rows are in the quarantine), `failed`, `stopped`.
    pub status: String,
    /// What the process exits with.
    pub exit_code: u8,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// From start to end.
    pub seconds: f64,
    /// Source, without password.
    pub source: String,
    /// Warehouse, without password.
    pub warehouse: String,
    /// Target schema.
    pub schema: String,
    /// Worker threads.
    pub parallel: usize,
    /// The first hop of a run through a replica: from the source to the replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicate: Option<Box<RunReport>>,
    /// What proves a table: `counts`, `evidence`, `off`.
    pub verify: String,
    /// What was done one after the other; of a run through a replica those of both hops are here.
    pub phases: Vec<Phase>,
    /// What the process held.
    pub memory: MemoryReport,
    /// Sums over the tables.
    pub totals: Totals,
    /// One entry per table, in the order of the plan.
    pub tables: Vec<TableReport>,
    /// Indexes, foreign keys, sequences and defaults, when the run was asked to build them.
    pub definitions: Vec<DefinitionReport>,
    /// The step after the load, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<transform::TransformReport>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why the run as a whole failed.
    pub error: Option<ErrorReport>,
    /// What each worker did and when.
    pub timeline: timeline::Recorded,
    /// How the counters moved.
    pub samples: Vec<timeline::Sample>,
}

/// The memory of a process, in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryReport {
    /// The limit in force; none for none.
    pub limit_mb: Option<u64>,
    /// The most that the plan is expected to take; none when nothing was planned.
    pub predicted_mb: Option<u64>,
    /// The most that it had; none where the kernel does not tell.
    pub high_mb: Option<u64>,
}

/// Sums over the tables of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Totals {
    /// Tables of the plan, those of an interrupted run included.
    pub tables: u64,
    /// Tables whose finish was committed by this run.
    pub loaded: u64,
    /// Tables that an interrupted run had finished.
    pub kept: u64,
    /// Tables that were not read, on evidence that nothing moved on either side since they were counted.
    pub unmoved: u64,
    /// Tables of this run or the interrupted one whose rows were counted on both sides.
    pub counted: u64,
    /// Tables of which all rows of both sides were compared by content.
    pub by_content: u64,
    /// Tables of which a part was.
    pub by_sample: u64,
    /// Tables that are loaded and not proved at all.
    pub unproved: u64,
    /// Tables that failed.
    pub failed: u64,
    /// Tables that were not reached.
    pub not_reached: u64,
    /// Rows read from the source.
    pub rows_read: u64,
    /// Rows new in the warehouse.
    pub inserted: u64,
    /// Rows changed in the warehouse.
    pub updated: u64,
    /// Rows gone from the warehouse.
    pub deleted: u64,
    /// COPY bytes.
    pub bytes: u64,
    /// Source rows that are in the quarantine, not in the warehouse.
    pub rejected: u64,
    /// Tables whose counts differed beyond their increments, and were mended.
    pub healed: u64,
    /// Values that became NULL by policy.
    pub nulled: u64,
    /// Values that lost bytes by policy.
    pub stripped: u64,
    /// Of those that became NULL: zero and partial dates.
    pub zero_dates: u64,
    /// Status events written.
    pub events_written: u64,
    /// Status events lost.
    pub events_lost: u64,
}

/// One table of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TableReport {
    /// Source table.
    pub table: String,
    /// Target table, schema included.
    pub target: String,
    /// `loaded`, `kept`, `unmoved`, `failed`, `not_reached`, `refused`.
    pub status: String,
    /// What shows that both sides are equal: `counts` of both, `evidence` (nothing moved since they were counted), `none`.
    pub proof: String,
    /// `standard`, `streaming`, `chunked`, `copy_csv`, `parallel`.
    pub strategy: String,
    /// Why that strategy.
    pub reason: String,
    /// Chunks planned.
    pub chunks: usize,
    /// Of those, the ones that an interrupted run had copied, and that the source still has.
    pub chunks_kept: usize,
    /// `shared`, `per_table`, `statement`.
    pub snapshot: String,
    /// Rows of the target afterwards.
    pub rows: u64,
    /// Rows read from the source.
    pub rows_read: u64,
    /// Rows new in the warehouse.
    pub inserted: u64,
    /// Rows changed in the warehouse.
    pub updated: u64,
    /// Rows gone from the warehouse.
    pub deleted: u64,
    /// COPY bytes.
    pub bytes: u64,
    /// From its first job to its end.
    pub seconds: f64,
    /// Snapshot groups it took.
    pub rounds: u32,
    /// Source rows that are in the quarantine.
    pub rejected: u64,
    /// What differed beyond the increments, and was mended.
    pub healed: Option<Healed>,
    /// What the run proves of it; none when it was not loaded.
    pub certificate: Option<Certificate>,
    /// What policies did to values.
    pub values: Vec<ValueCount>,
    /// Values of incremental columns that cannot be the time of a change, among the rows that were read.
    pub incremental_values: Vec<IncrementalValues>,
    /// Names that PostgreSQL cannot keep.
    pub renamed: Vec<Renamed>,
    /// What changed about the target's columns, or was to change.
    pub drift: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

/// A table whose sides differed although nothing had said so, and was mended in the same run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Healed {
    /// Rows of the source; of the buckets that were looked at, where that is a part of the table.
    pub source: u64,
    /// Rows that the target had there with the increments merged.
    pub target: u64,
    /// Rows that were inserted, updated and deleted in the end, the increments included.
    pub rows: u64,
    /// By what: key ranges, buckets or a full load.
    pub via: String,
    /// Of `rows`, the ones beyond the increments; where only counts differed, the least.
    pub drift: u64,
    /// What showed it: `counts` of both sides, or their content, where the `source` has other rows than at the last success, or where
    /// it has the same and so the `warehouse` was changed.
    pub cause: &'static str,
    /// Where both sides were compared by content: rows that the incremental columns should have brought.
    pub missed: Option<u64>,
    /// Length of the mending.
    pub seconds: f64,
}

/// What a run proves of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Certificate {
    /// `content` (all rows of both sides were compared), `sample` (a part of them, all were counted), `sent` (a new table holds
    /// as many rows as were sent, and they have this digest), `counts` (of both sides), `evidence` (the source did not move, and
    /// neither did the target, or all of its rows were compared with what the source held), `none`.
    pub checked: String,
    /// Of what the source's side is: `shared`, `per_table`, `statement`; empty when this run did not read the table.
    pub snapshot: String,
    /// Where the source stood in its log then, as GTID or file and position; none where it cannot be known.
    pub position: Option<String>,
    /// Rows of the warehouse.
    pub rows: u64,
    /// Rows that were compared by content.
    pub rows_compared: u64,
    /// What all rows add up to: 32 hexadecimal digits (`encode::digest`, version 1); none when not all were added up.
    pub digest: Option<String>,
    /// Rows that differed although nothing showed it, and were mended.
    pub drift: u64,
}

/// What became of an index, a foreign key, a sequence or a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DefinitionReport {
    /// Source table; empty for a foreign key that was put back.
    pub table: String,
    /// `index`, `foreign_key`, `sequence`, `default`.
    pub kind: &'static str,
    /// Its name: on the target, or on the source where it is not possible.
    pub name: String,
    /// `built`, `existing`, `not_possible`, `failed`.
    pub status: &'static str,
    /// Why not.
    pub reason: Option<String>,
}

/// What a policy did to values of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ValueCount {
    /// Source column.
    pub column: String,
    /// What was wrong: `zero_date`, `nul_byte`, `invalid_utf8`, `out_of_range`.
    pub fault: &'static str,
    /// What was done: `null`, `strip`.
    pub done: &'static str,
    /// How often.
    pub count: u64,
}

/// What was seen in an incremental column. Such values move no watermark, and their rows are copied as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IncrementalValues {
    /// Source column.
    pub column: String,
    /// NULL.
    pub nulls: u64,
    /// Zero dates and years before 1970.
    pub before_1970: u64,
    /// More than a day ahead of the source's clock: read again by every run.
    pub future: u64,
}

impl From<&(String, Odd)> for IncrementalValues {
    fn from((column, odd): &(String, Odd)) -> Self {
        Self { column: column.clone(), nulls: odd.nulls, before_1970: odd.before_1970, future: odd.future }
    }
}

/// A name that is not the source's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Renamed {
    /// Source column; empty for the table itself.
    pub column: String,
    /// Its name in the warehouse.
    pub target: String,
}

impl From<(String, String)> for Renamed {
    fn from((column, target): (String, String)) -> Self {
        Self { column, target }
    }
}

/// An error as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorReport {
    /// Stable word of the kind.
    pub kind: String,
    /// One line.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Every level of the cause, outermost first; for `-v`, not part of the document.
    #[serde(skip)]
    pub chain: Vec<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        let hint = error.what_to_do().to_owned();
        Self { kind: error.kind().word().into(), message: error.to_string(), hint, chain: error.chain() }
    }
}

/// A document, indented.
#[must_use]
pub fn json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// A document on one line.
#[must_use]
pub fn compact(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// What a command other than `run` leaves when it cannot do its work.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// Always `failed`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Why.
    pub error: ErrorReport,
}

impl Failure {
    /// The document of an error.
    #[must_use]
    pub fn new(error: &Error, exit_code: u8) -> Self {
        let program = env!("CARGO_PKG_VERSION").into();
        Self { schema_version: SCHEMA_VERSION, program, status: "failed", exit_code, error: ErrorReport::from(error) }
    }
}

/// Now, as documents show it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A moment, microseconds since 1970, in the same form but in whole seconds; none beyond the calendar.
#[must_use]
pub fn moment(micros: i64) -> Option<String> {
    chrono::DateTime::from_timestamp_micros(micros).map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl RunReport {
    /// A run that has not done anything yet; every field that needs a configuration is empty.
    #[must_use]
    pub fn empty(run_id: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            run_id,
            resumes: None,
            status: "failed".into(),
            exit_code: 70,
            started_at: now(),
            ended_at: String::new(),
            seconds: 0.0,
            source: String::new(),
            warehouse: String::new(),
            schema: String::new(),
            parallel: 0,
            replicate: None,
            verify: String::new(),
            phases: Vec::new(),
            memory: MemoryReport::default(),
            totals: Totals::default(),
            tables: Vec::new(),
            definitions: Vec::new(),
            transform: None,
            warnings: Vec::new(),
            error: None,
            timeline: timeline::Recorded::default(),
            samples: Vec::new(),
        }
    }

    /// Takes what was recorded of its time.
    pub fn add_times(&mut self, progress: &Progress) {
        progress.sample(true);
        (self.timeline, self.samples) = progress.timeline.take();
    }

    /// The document, indented.
    #[must_use]
    pub fn json(&self) -> String {
        json(self)
    }

    /// Takes over what the run's context knows now.
    pub fn tell(&mut self, context: &Context) {
        self.phases = context.phases.told();
        self.memory.limit_mb = context.memory.limit().map(|limit| limit.bytes / MIB);
        self.memory.high_mb = context.memory.high().map(|bytes| bytes.div_ceil(MIB));
    }

    /// Sums `tables` up.
    pub fn add_up(&mut self) {
        let mut totals =
            Totals { events_written: self.totals.events_written, events_lost: self.totals.events_lost, ..Totals::default() };
        for table in &self.tables {
            totals.tables += 1;
            match table.status.as_str() {
                "loaded" => totals.loaded += 1,
                "kept" => totals.kept += 1,
                "unmoved" => totals.unmoved += 1,
                "not_reached" => totals.not_reached += 1,
                _ => totals.failed += 1,
            }
            totals.counted += u64::from(table.proof == "counts");
            match table.certificate.as_ref().map(|certificate| certificate.checked.as_str()) {
                Some("content") => totals.by_content += 1,
                Some("sample") => totals.by_sample += 1,
                Some("none") => totals.unproved += 1,
                _ => {}
            }
            totals.rows_read += table.rows_read;
            totals.inserted += table.inserted;
            totals.updated += table.updated;
            totals.deleted += table.deleted;
            totals.bytes += table.bytes;
            totals.rejected += table.rejected;
            totals.healed += u64::from(table.healed.is_some());
            for value in &table.values {
                match value.done {
                    "strip" => totals.stripped += value.count,
                    _ => totals.nulled += value.count,
                }
                if value.fault == "zero_date" {
                    totals.zero_dates += value.count;
                }
            }
        }
        self.totals = totals;
    }
}
