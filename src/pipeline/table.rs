//! A table in work: what its workers share, and what became of it.

use super::looks::Looks;
use super::oddities::{Odd, Oddities};
use crate::config::Strategy;
use crate::encode::{Done, Tally};
use crate::error::{Error, Kind, Result};
use crate::plan::TablePlan;
use crate::plan::ledger::Sum;
use crate::sink::{Copied, Load, Outcome, Proof};
use crate::source::guard::Hold;
use crate::source::snapshot::SnapshotKind;
use crate::track::attempts::Attempt;
use crate::usage;
use crate::value::Fault;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A table of the current round.
#[derive(Debug)]
pub struct TableWork<'a> {
    /// What the sink needs.
    pub load: Load<'a>,
    /// Holds the table in place, or says that it does not.
    hold: Hold,
    /// Jobs of its stage that have not ended; the one that brings it to zero leads to the next stage, or runs the finish.
    remaining: AtomicUsize,
    rows_read: AtomicU64,
    bytes: AtomicU64,
    source_count: Mutex<Option<u64>>,
    rows_rejected: AtomicU64,
    chunks_kept: AtomicUsize,
    rejects_max: u64,
    tally: Mutex<Tally>,
    started: Mutex<Option<Instant>>,
    announced: AtomicBool,
    heal: Mutex<Option<Heal>>,
    oddities: Mutex<Oddities>,
    /// Where it stands, when both sides are looked at.
    pub(super) looks: Option<Looks>,
    /// What its rows add up to, by bucket; none when some were not added up.
    sums: Mutex<Option<Vec<Sum>>>,
    end: Mutex<Option<(End, Instant)>>,
}

/// What shows that a table was not as its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The counts of both sides.
    Counts,
    /// Their content, where the source has other rows than at the last success.
    Source,
    /// Their content, where the source has the same rows as then: the warehouse was changed.
    Warehouse,
}

impl Cause {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Source => "source",
            Self::Warehouse => "warehouse",
        }
    }
}

/// What a run mended because both sides differed although nothing said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heal {
    /// Rows of the source; of the buckets that were looked at, where that is a part of the table.
    pub source: u64,
    /// Rows that the target had there with the increments.
    pub target: u64,
    /// Rows that were inserted, updated and deleted in the end.
    pub rows: u64,
    /// Of those, the ones beyond the increments; where only counts differed, the least.
    pub drift: u64,
    /// By what: key ranges, buckets or a full load.
    pub via: String,
    /// What showed it.
    pub cause: Cause,
    /// Rows that the incremental columns should have brought, where both sides were compared by content.
    pub missed: Option<u64>,
    /// How long it took, from the first row that was read again.
    pub elapsed: Duration,
}

impl Heal {
    /// With what was mended before in the same run; `rows` are those of both already.
    #[must_use]
    fn after(self, before: Self) -> Self {
        let missed = before.missed.map_or(self.missed, |missed| Some(missed.saturating_add(self.missed.unwrap_or(0))));
        Self {
            source: before.source,
            target: before.target,
            drift: before.drift.saturating_add(self.drift),
            via: format!("{}, {}", before.via, self.via),
            missed,
            elapsed: before.elapsed + self.elapsed,
            ..self
        }
    }
}

/// How a table ended in this round.
#[derive(Debug)]
pub enum End {
    /// Finished and committed.
    Loaded(Outcome),
    /// Failed for good, or for this round when its kind says that a new snapshot can help.
    Failed(Error),
}

/// What a table's end was, for the report.
#[derive(Debug)]
pub struct TableResult {
    /// Source table name.
    pub table: String,
    /// How it ended; none when the run stopped before it did.
    pub end: Option<End>,
    /// Rows the readers got.
    pub rows_read: u64,
    /// COPY bytes.
    pub bytes: u64,
    /// From its first job to its end.
    pub elapsed: Duration,
    /// Rows that went to the quarantine.
    pub rejected: u64,
    /// What policies did to values: column name, fault, what was done, how often.
    pub values: Vec<(String, Fault, Done, u64)>,
    /// What differed beyond the increments, and was mended.
    pub heal: Option<Heal>,
    /// Odd values of incremental columns among the rows that were read.
    pub oddities: Vec<(String, Odd)>,
    /// Snapshot kind word.
    pub snapshot: &'static str,
    /// Where the source stood in its log: GTID, or file and position.
    pub position: Option<String>,
    /// Rounds it took, 1 when all went well.
    pub rounds: u32,
    /// How it was copied in the end; a weaker snapshot changes the plan.
    pub strategy: Strategy,
    /// Why.
    pub reason: String,
    /// In how many chunks.
    pub chunks: usize,
    /// Of those, the ones that an interrupted run had copied, and that the source still has.
    pub chunks_kept: usize,
}

impl TableResult {
    /// Of a table whose turn did not come.
    #[must_use]
    pub fn not_reached(table: &TablePlan) -> Self {
        Self {
            table: table.name().to_owned(),
            end: None,
            rows_read: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            rejected: 0,
            values: Vec::new(),
            heal: None,
            oddities: Vec::new(),
            snapshot: SnapshotKind::Statement.word(),
            position: None,
            rounds: 0,
            strategy: table.strategy,
            reason: table.reason.clone(),
            chunks: table.chunks.len(),
            chunks_kept: 0,
        }
    }
}

impl<'a> TableWork<'a> {
    /// A table about to begin, with the number of rows that may be rejected.
    #[must_use]
    pub fn new(load: Load<'a>, hold: Hold, rejects_max: u64) -> Self {
        let columns = load.plan.source.columns.len();
        Self {
            hold,
            remaining: AtomicUsize::new(0),
            looks: Looks::of(load.plan),
            sums: Mutex::new(Some(vec![Sum::default(); load.plan.partition.len()])),
            load,
            rows_read: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            source_count: Mutex::new(None),
            rows_rejected: AtomicU64::new(0),
            chunks_kept: AtomicUsize::new(0),
            rejects_max,
            tally: Mutex::new(Tally::new(columns)),
            started: Mutex::new(None),
            announced: AtomicBool::new(false),
            heal: Mutex::new(None),
            oddities: Mutex::new(Oddities::default()),
            end: Mutex::new(None),
        }
    }

    /// The plan of the table.
    #[must_use]
    pub const fn plan(&self) -> &'a TablePlan {
        self.load.plan
    }

    /// Asked before a read.
    ///
    /// # Errors
    /// [`Kind::Changed`] or [`Kind::SnapshotLost`] when nobody holds the table in place.
    pub fn stands_still(&self) -> Result<()> {
        self.hold.check(self.plan().name())
    }

    /// Asked after a read, which counts only when the table stood still all the time.
    ///
    /// # Errors
    /// As [`TableWork::stands_still`].
    pub fn stood_still(&self) -> Result<()> {
        self.hold.confirm(self.plan().name())
    }

    /// Marks the begin; true for the first caller.
    pub fn begin(&self) -> bool {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        !self.announced.swap(true, Ordering::SeqCst)
    }

    /// Whether the table has ended, so that its other jobs are not worth doing.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// `Some(true)` when the table is loaded, `Some(false)` when it failed, `None` while it is in work.
    #[must_use]
    pub fn peek(&self) -> Option<bool> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(end, _)| matches!(end, End::Loaded(_)))
    }

    /// The first end wins.
    pub fn end(&self, end: End) {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((end, Instant::now()));
    }

    /// Some of its rows were looked at.
    pub fn looked(&self, rows: u64, tally: &Tally) {
        self.rows_read.fetch_add(rows, Ordering::SeqCst);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
    }

    /// So many jobs are about to be put into the queue.
    pub fn expect(&self, jobs: usize) {
        self.remaining.store(jobs, Ordering::SeqCst);
    }

    /// What was read of it so far does not count for its proof.
    pub fn begin_again(&self) {
        self.rows_read.store(0, Ordering::SeqCst);
        self.rows_rejected.store(0, Ordering::SeqCst);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the rows of a chunk that is in add up to; none when it is not known.
    pub fn add_up(&self, more: Option<&[Sum]>) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        match (sums.as_mut(), more) {
            (Some(sums), Some(more)) => sums.iter_mut().zip(more).for_each(|(sum, more)| sum.add(*more)),
            _ => *sums = None,
        }
    }

    /// A chunk was there already.
    pub fn keeps(&self, sums: &[Sum]) {
        self.chunks_kept.fetch_add(1, Ordering::SeqCst);
        self.add_up(Some(sums));
    }

    /// A chunk is in.
    pub fn add(&self, copied: Copied, bytes: u64, tally: &Tally, oddities: &Oddities) {
        self.rows_read.fetch_add(copied.rows + copied.rejected, Ordering::SeqCst);
        self.rows_rejected.fetch_add(copied.rejected, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
        self.oddities.lock().unwrap_or_else(PoisonError::into_inner).add(oddities);
    }

    /// Both sides differed, and were mended: by counts first, then by content.
    pub fn healed(&self, heal: Heal) {
        usage::HEALED.record(self.plan().shape(), true, heal.rows, heal.elapsed);
        let mut all = self.heal.lock().unwrap_or_else(PoisonError::into_inner);
        *all = Some(match all.take() {
            Some(before) => heal.after(before),
            None => heal,
        });
    }

    /// Rows that may still be rejected.
    #[must_use]
    pub fn rejects_left(&self) -> u64 {
        self.rejects_max.saturating_sub(self.rows_rejected.load(Ordering::SeqCst))
    }

    /// What the source counted.
    pub fn counted(&self, count: Option<u64>) {
        *self.source_count.lock().unwrap_or_else(PoisonError::into_inner) = count;
    }

    /// Rows of the source, as this run has counted, compared or read them; none where it read a part.
    #[must_use]
    pub fn source_rows(&self, outcome: &Outcome) -> Option<u64> {
        let counted = *self.source_count.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || self.rows_read.load(Ordering::SeqCst);
        let is_read = !self.plan().reads_increments() && self.plan().reads_source();
        outcome.proven.and_then(|proven| proven.rows).or(counted).or_else(|| is_read.then(read))
    }

    /// A job has ended; true for the last one.
    pub fn job_done(&self) -> bool {
        self.remaining.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// What the finish of a table with several chunks compares.
    #[must_use]
    pub fn proof(&self) -> Proof {
        let (rows, rejected) = (self.rows_read.load(Ordering::SeqCst), self.rows_rejected.load(Ordering::SeqCst));
        Proof {
            source_count: *self.source_count.lock().unwrap_or_else(PoisonError::into_inner),
            rows_read: rows,
            rows_copied: rows - rejected,
            rows_rejected: rejected,
            sums: self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// How it went, for the history; none while it is in work.
    #[must_use]
    pub fn attempt(&self) -> Option<Attempt> {
        let plan = self.plan();
        let increments = plan.increments.as_ref();
        let started = *self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let heal = self.heal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let audited = self.looks.as_ref().is_some_and(Looks::are_after_increments);
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, ended) = end.as_ref()?;
        let blank = Attempt {
            table: plan.name().to_owned(),
            strategy: Some(plan.strategy.to_string()),
            rows_read: self.rows_read.load(Ordering::SeqCst),
            seconds: started.map_or(Duration::ZERO, |from| ended.duration_since(from)).as_secs_f64(),
            watermark_before: increments.and_then(|increments| increments.before.clone()),
            voided: increments.and_then(|increments| increments.voided.clone()),
            snapshot: Some(self.load.snapshot),
            position: self.load.position.clone(),
            columns: increments.filter(|_| plan.reads_increments()).map(|increments| increments.names()),
            ..Attempt::default()
        };
        Some(match end {
            End::Failed(error) => Attempt { outcome: "failed", error_kind: Some(error.kind().word()), ..blank },
            End::Loaded(outcome) => Attempt {
                outcome: "loaded",
                rows: Some(outcome.rows),
                inserted: outcome.inserted,
                updated: outcome.updated,
                deleted: outcome.deleted,
                healed_via: heal.as_ref().map(|heal| heal.via.clone()),
                watermark_after: self.load.watermark().map(|watermark| watermark.value),
                checked: outcome.proven.map(|proven| proven.proof),
                rows_compared: outcome.proven.map(|proven| proven.rows_compared),
                digest: outcome.proven.and_then(|proven| proven.digest).map(|digest| format!("{digest:032x}")),
                drift: Some(heal.as_ref().map_or(0, |heal| heal.drift)),
                missed: match &heal {
                    Some(heal) => heal.missed.filter(|_| plan.reads_increments()),
                    None => audited.then_some(0),
                },
                ..blank
            },
        })
    }

    /// Whether another snapshot group can mend what went wrong.
    #[must_use]
    pub fn wants_another_round(end: Option<&End>) -> bool {
        match end {
            None => true,
            Some(End::Loaded(_)) => false,
            Some(End::Failed(error)) => matches!(error.kind(), Kind::SnapshotLost | Kind::Proof),
        }
    }

    /// What became of the table.
    #[must_use]
    pub fn into_result(self) -> TableResult {
        let columns = &self.load.plan.source.columns;
        let tally = self.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let started = self.started.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (end, ended) = self.end.into_inner().unwrap_or_else(PoisonError::into_inner).unzip();
        let elapsed = started.zip(ended).map(|(from, to)| to.duration_since(from)).unwrap_or_default();
        let rows_read = self.rows_read.into_inner();
        if started.is_some() {
            let is_loaded = matches!(end, Some(End::Loaded(_)));
            usage::TABLE_LOAD.record(self.load.plan.shape(), is_loaded, rows_read, elapsed);
        }
        TableResult {
            table: self.load.plan.name().to_owned(),
            // A stop is no failure: the table was not reached, and the next run goes on with it.
            end: end.filter(|end| !matches!(end, End::Failed(error) if error.kind() == Kind::Stopped)),
            rows_read,
            bytes: self.bytes.into_inner(),
            elapsed,
            rejected: self.rows_rejected.into_inner(),
            values: tally
                .iter()
                .filter_map(|(index, fault, done, count)| columns.get(index).map(|c| (c.name.clone(), fault, done, count)))
                .collect(),
            heal: self.heal.into_inner().unwrap_or_else(PoisonError::into_inner),
            oddities: self
                .oddities
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .seen()
                .filter_map(|(index, odd)| columns.get(index).map(|column| (column.name.clone(), odd)))
                .collect(),
            snapshot: self.load.snapshot,
            position: self.load.position,
            rounds: self.load.round + 1,
            strategy: self.load.plan.strategy,
            reason: self.load.plan.reason.clone(),
            chunks: self.load.plan.chunks.len(),
            chunks_kept: self.chunks_kept.into_inner(),
        }
    }
}
