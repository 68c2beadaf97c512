//! Pure decisions: what is done with each table, by which strategy, in which chunks and order. No I/O.

pub mod buckets; // where counts of both sides are compared
pub mod census; // whether both sides counted the same, and what is read again when not
pub mod chunks; // where a table is cut
pub mod discovery; // which columns show new and changed rows, and what that means for tables.yml
pub mod increments; // whether a table can be loaded by what is new, and by which columns
pub mod ledger; // rows and digests per bucket of the key, and where two sides differ
pub mod reuse; // which chunks of an interrupted run are kept
mod shape; // what a tracked call on a table was about
pub mod since; // which rows of a table are of late
pub mod strategy; // the five ways to copy a table as data, and which one it gets
pub mod traces; // whether anything can have moved on either side since the last count
pub mod watermark; // from where the next run reads, and why no row can appear below

use crate::catalog::deleted_at;
use crate::catalog::drift::{Change, Drift};
use crate::catalog::loaded_at::{self, LoadedAt};
use crate::catalog::{Column, SourceTable, names, replica};
use crate::config::{Deletes, Priority, Strategy};
use crate::error::Error;
use crate::key::KeyRange;
use crate::name::{TableName, quote_postgres};
use crate::track::state::Left;
use crate::value::Fault;
use ledger::{Partition, Sum};
use reuse::Reuse;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;
use strategy::{Staging, Traits};
use traces::{Traces, Writers};
use watermark::{Clock, Incremental, Lookback, Watermark};

/// Tables named in the line about incremental columns that cannot be used; a plan's reasons name all.
const UNUSABLE_SHOWN: usize = 10;

/// What a run will do, table by table, in the order it begins them.
#[derive(Debug, Default)]
pub struct Plan {
    /// Tables to copy, by priority, then biggest first.
    pub tables: Vec<TablePlan>,
    /// Tables that an interrupted run has finished, with their rows.
    pub kept: Vec<(TablePlan, Left)>,
    /// Tables that are not read, on evidence that nothing moved since they were counted, with their rows.
    pub unmoved: Vec<(TablePlan, Left)>,
    /// Tables that were asked for and cannot be copied, and why.
    pub refused: Vec<(String, Error)>,
    /// Tables that were loaded before and that the source does not have any more; they stay as they are.
    pub gone: Vec<String>,
    /// Tables whose configured incremental columns cannot be used, all or some, and why.
    pub unusable: Vec<String>,
}

/// What happens to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// There is no target yet: fill a logged shadow table, rename it into place.
    FirstLoad,
    /// There is one: fill staging, then change only what differs.
    Refresh,
    /// There is one that the source's rows may not fit any more: as for a first load, then it takes the old one's place.
    Exchange,
}

impl Action {
    /// Whether a table is filled anew, in a shadow.
    #[must_use]
    pub const fn is_new_table(self) -> bool {
        matches!(self, Self::FirstLoad | Self::Exchange)
    }

    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::FirstLoad => "first_load",
            Self::Refresh => "refresh",
            Self::Exchange => "exchange",
        }
    }
}

/// The plan of one table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The source table, its columns already reduced to those wanted.
    pub source: SourceTable,
    /// Where it goes.
    pub target: TableName,
    /// Row filter on the source, from the configuration.
    pub filter: Option<String>,
    /// First load or refresh.
    pub action: Action,
    /// How.
    pub strategy: Strategy,
    /// Why that strategy, for people.
    pub reason: String,
    /// Half-open key ranges; their sum is the table.
    pub chunks: Vec<KeyRange>,
    /// How new and changed rows are told from the others; none where every run reads all rows.
    pub increments: Option<Increments>,
    /// Whether the target has the column `_loaded_at`.
    pub loaded_at: LoadedAt,
    /// What becomes of rows that the source has no more.
    pub deletes: Deletes,
    /// In a replica: the incarnation of the target that increments go into.
    pub incarnation: Option<String>,
    /// What changes about the target before rows can go into it.
    pub drift: Drift,
    /// What shows on both sides whether anything was written, as of before the read; none where nothing does.
    pub traces: Option<Traces>,
    /// Place among the tables, before their size.
    pub priority: Priority,
    /// How its keys are divided, for digests.
    pub partition: Arc<Partition>,
    /// Smallest and largest key, where it is one integer and the planning has asked for them.
    pub ends: Option<(i128, i128)>,
    /// What both sides are compared by; none where rows are copied without a look, or nothing is looked at afterwards.
    pub audit: Option<Audit>,
    /// What the last success has left in its buckets; none where the ledger is of another form.
    pub known: Option<Known>,
    /// Who has written to the target since.
    pub writers: Writers,
    /// It has its turns of being compared by content, and this load is one of them.
    pub has_turns: bool,
    /// Staging of an interrupted run that some of its chunks are in; none where all of them are copied.
    pub reuse: Option<Reuse>,
}

/// What the last success has left in each bucket; none for those that increments have changed and nobody looked at since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the source held then.
    pub sums: Vec<Option<Sum>>,
    /// The target still holds it, as far as anybody knows.
    pub is_in_target: bool,
}

impl Known {
    /// What the source held.
    #[must_use]
    pub fn of(&self, bucket: usize) -> Option<Sum> {
        *self.sums.get(bucket)?
    }
}

/// What of a table is compared by content: instead of a copy of all rows, or after its increments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Buckets that both sides are compared in.
    pub buckets: Range<usize>,
    /// All buckets are looked at on the source, the others being compared with what the target is known to hold.
    pub is_whole_source: bool,
    /// The table is looked at because somebody asked for it, and everything that differs is told.
    pub is_repair: bool,
    /// Otherwise the source stands, and holds what is known of it.
    pub reads_source: bool,
}

/// How new and changed rows of a table are told from the others, and from where this run reads.
#[derive(Debug, Clone)]
pub struct Increments {
    /// Columns that the watermark is kept for.
    pub columns: Vec<Incremental>,
    /// How far below the safe point reading begins.
    pub lookback: Lookback,
    /// What the last success left; its counters go on.
    pub last: Option<Watermark>,
    /// The rows this run reads, as a condition in the source's SQL; none for all of them.
    pub since: Option<String>,
    /// What a success leaves, where it is known before the snapshot: rows of a replica carry numbers, no clock counts.
    pub known: Option<Watermark>,
    /// The watermark of the last success as people read it, whether it is read from or not.
    pub before: Option<String>,
    /// Why that watermark is not read from.
    pub voided: Option<String>,
}

impl Increments {
    /// The names of the columns, for people.
    #[must_use]
    pub fn names(&self) -> String {
        self.columns.iter().map(|column| column.column.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The watermark after a success in a snapshot of this clock; none when the clock does not tell.
    #[must_use]
    pub fn next(&self, clock: &Clock, counter: Option<u64>) -> Option<Watermark> {
        if self.known.is_some() {
            return self.known.clone();
        }
        let counter = counter.map(|counter| i64::try_from(counter).unwrap_or(i64::MAX));
        watermark::next(&self.columns, clock, counter, self.lookback, self.last.as_ref())
    }
}

/// Rows of a table that one read gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// Those of a key range.
    Range(KeyRange),
    /// Those past the watermark, and those of key ranges that are to be mended.
    Past {
        /// In the source's SQL.
        condition: String,
        /// Key ranges; may be empty.
        ranges: Vec<KeyRange>,
    },
}

impl Slice {
    /// The whole table.
    #[must_use]
    pub const fn everything() -> Self {
        Self::Range(KeyRange::everything())
    }
}

impl TablePlan {
    /// All rows of a table, into the target that it has.
    #[must_use]
    pub fn whole(source: SourceTable, target: TableName, filter: Option<String>) -> Self {
        Self {
            source,
            target,
            filter,
            action: Action::Refresh,
            strategy: Strategy::Standard,
            reason: String::new(),
            chunks: vec![KeyRange::everything()],
            increments: None,
            loaded_at: LoadedAt::Off,
            deletes: Deletes::Apply,
            drift: Drift::default(),
            incarnation: None,
            traces: None,
            priority: Priority::Medium,
            partition: Arc::new(Partition::Whole),
            ends: None,
            audit: None,
            known: None,
            writers: Writers::Unknown,
            has_turns: false,
            reuse: None,
        }
    }

    /// The table's name as people and state rows know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.source.name.table
    }

    /// The names that are not the source's own: pairs of source column (empty: the table) and target name.
    #[must_use]
    pub fn renamed(&self) -> Vec<(String, String)> {
        names::renamed(&self.source, &self.target)
    }

    /// What a row of the table looks like in the warehouse: columns, types, policies, filter. Another text is another table.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let policies = |c: &Column| Fault::ALL.map(|fault| &c.policies.of(fault).word()[..1]).concat();
        let column = |c: &Column| format!("{} {} {}", quote_postgres(&c.target), c.ty, policies(c));
        let columns: Vec<String> = self.source.columns.iter().map(column).collect();
        let marks = if self.marks_deletes() { ";deletes are marked" } else { "" };
        format!("2;{};{}{marks}", columns.join(","), self.filter.as_deref().unwrap_or(""))
    }

    /// Whether rows that the source has no more stay, with the time of their end.
    #[must_use]
    pub fn marks_deletes(&self) -> bool {
        self.deletes == Deletes::Mark
    }

    /// The columns of ours that a new target gets, as they are declared.
    #[must_use]
    pub fn own_columns(&self) -> Vec<&'static str> {
        let loaded_at = self.loaded_at.is_kept().then_some(loaded_at::DECLARATION);
        loaded_at.into_iter().chain(self.marks_deletes().then_some(deleted_at::DECLARATION)).collect()
    }

    /// What a row of the table looks like in a replica: columns as the source declares them, key, filter.
    #[must_use]
    pub fn replica_fingerprint(&self) -> String {
        format!("{};{}", replica::shape(&self.source), self.filter.as_deref().unwrap_or(""))
    }

    /// Rows are read by one statement each that no snapshot covers, so a chunk is drained before it is written.
    #[must_use]
    pub const fn drains(&self) -> bool {
        !self.source.transactional
    }

    /// This run reads what is past the watermark, not the whole table.
    #[must_use]
    pub fn reads_increments(&self) -> bool {
        self.increments.as_ref().is_some_and(|increments| increments.since.is_some())
    }

    /// What the strategy means.
    #[must_use]
    pub fn traits(&self) -> Traits {
        strategy::traits(self.strategy)
    }

    /// Where rows go before they are the table.
    #[must_use]
    pub fn staging(&self) -> Staging {
        // `choose` gives no strategy that has none.
        self.traits().staging(self.action).unwrap_or(Staging::Temporary)
    }

    /// One chunk: one transaction, no ledger.
    #[must_use]
    pub fn is_single(&self) -> bool {
        !self.traits().is_split()
    }

    /// What is known is not relied on in another round: increments may be in, and what stood may have moved. Staging of another
    /// run was taken over in the first one, or is gone.
    pub fn again(&mut self) {
        let stood = !self.reads_source();
        let merged = self.reads_increments();
        if let Some(known) = self.known.as_mut().filter(|_| stood || merged) {
            known.is_in_target = false;
        }
        if let Some(audit) = &mut self.audit {
            audit.reads_source = true;
        }
        self.reuse = None;
    }

    /// Without a snapshot that several connections share, a transactional table is read whole through one of them.
    pub fn weaken(&mut self) {
        if !self.source.transactional {
            return;
        }
        if !self.is_single() {
            self.make_single(Strategy::Streaming, "no snapshot shared by several connections: one stream".into());
        }
        // What one worker reads is not what another one looks at. Its turn comes again.
        self.has_turns = false;
        if self.audit.take().is_some() {
            self.reason.push_str("; not compared by content without a shared snapshot");
        }
    }

    /// Otherwise the source stands on evidence, and only the target is looked at.
    #[must_use]
    pub fn reads_source(&self) -> bool {
        self.audit.as_ref().is_none_or(|audit| audit.reads_source)
    }

    /// All rows in one chunk from now on.
    pub fn make_single(&mut self, strategy: Strategy, reason: String) {
        self.chunks = vec![KeyRange::everything()];
        self.reuse = None;
        self.strategy = strategy;
        self.reason = reason;
    }
}

impl Plan {
    /// The tables that this run has nothing to do with: finished by an interrupted run, or unmoved.
    pub fn done(&self) -> impl Iterator<Item = &TablePlan> {
        self.kept.iter().chain(&self.unmoved).map(|(table, _)| table)
    }

    /// Staging of interrupted runs that is taken over, by its oid.
    #[must_use]
    pub fn taken_over(&self) -> Vec<u32> {
        self.tables.iter().filter_map(|table| table.reuse.as_ref()).map(|reuse| reuse.oid).collect()
    }

    /// One line per reason why tables are without `_loaded_at` although it was wanted.
    #[must_use]
    pub fn without_loaded_at(&self) -> Vec<String> {
        let all = self.tables.iter().chain(self.done());
        loaded_at::left_out(all.map(|table| (table.name(), table.loaded_at)))
    }

    /// What has become of columns and tables that the source does not have any more.
    #[must_use]
    pub fn no_longer_there(&self) -> Vec<String> {
        let kept = |table: &TablePlan| {
            let kept = table.drift.changes.iter().filter(|change| matches!(change, Change::Kept { .. }));
            kept.map(|change| format!("table {}: {change}", table.name())).collect::<Vec<_>>()
        };
        let all = self.tables.iter().chain(self.done());
        let gone = self.gone.iter().map(|table| format!("table {table} is gone from the source: its last copy stays"));
        all.flat_map(kept).chain(gone).collect()
    }

    /// One line about incremental columns that cannot be used.
    #[must_use]
    pub fn unusable_columns(&self) -> Option<String> {
        let (first, rest) = self.unusable.split_at(self.unusable.len().min(UNUSABLE_SHOWN));
        let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
        (!first.is_empty()).then(|| format!("incremental columns that cannot be used: {}{more}", first.join("; ")))
    }

    /// By priority, and within one the biggest first: the last table to end should be a small one.
    pub fn order(&mut self) {
        let place = |table: &TablePlan| (Reverse(table.priority), Reverse(table.source.bytes_estimated));
        self.tables.sort_by(|a, b| (place(a), &a.source.name).cmp(&(place(b), &b.source.name)));
    }
}
