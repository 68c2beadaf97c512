//! Where rows go. One trait, and a folder for each kind of server.

pub mod mysql; // a replica: INSERT, rename or merge by content
pub mod postgres; // PostgreSQL: staging, COPY, merge by content

use crate::catalog::TargetTable;
use crate::conn::classify::RowRefusal;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::TableName;
use crate::plan::TablePlan;
use crate::plan::census::{Census, Drift};
use crate::plan::ledger::{self, Sum};
use crate::plan::traces::Traces;
use crate::plan::watermark::{Clock, Watermark};
use crate::track::RunIdentity;
use crate::track::quarantine::Reject;
use crate::usage;
use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A refresh of at most so many bytes is compared with the target before anything is staged. Both are in memory, per worker.
pub const COMPARED_BYTES_MAX: usize = 1 << 19;

/// Everything a sink needs to know of one table's load; shared by the workers that fill it.
#[derive(Debug)]
pub struct Load<'a> {
    /// The plan of the table.
    pub plan: &'a TablePlan,
    /// The target as it was when the run was planned; none for a first load.
    pub existing: Option<&'a TargetTable>,
    /// Who writes.
    pub run: &'a RunIdentity,
    /// Number of the snapshot group inside the run, from 0: chunks never pass from one group to the next.
    pub round: u32,
    /// Shadow or staging table; the target itself for a first load with one chunk.
    pub staging: TableName,
    /// Snapshot kind word, for the state row.
    pub snapshot: &'static str,
    /// Where the source stood in its log then, for the certificate; none when nobody knows.
    pub position: Option<String>,
    /// Identity of the source, for the state row.
    pub source_identity: &'a str,
    /// Fingerprint of columns, types and filter, for the state row.
    pub fingerprint: String,
    /// The source's clock when the snapshot opened; none when no table of the run keeps a watermark.
    pub clock: Option<Clock>,
    /// What showed on both sides before the read whether anything is written; none when the next run shall count.
    pub traces: Option<Traces>,
    /// Percent of the target's rows that may be deleted.
    pub deletes_percent_max: u64,
    /// Columns whose NOT NULL was given up, because a policy puts NULL into them.
    pub nullable: Mutex<BTreeSet<usize>>,
    /// Staging is that of an interrupted run, with chunks of it.
    pub is_taken_over: AtomicBool,
}

impl Load<'_> {
    /// Staging of an interrupted run is there, and was not taken over.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.plan.reuse.is_some() && !self.is_taken_over.load(Ordering::SeqCst)
    }

    /// A chunk of an interrupted run that is in staging, and what its rows add up to, where it may be kept.
    #[must_use]
    pub fn left(&self, chunk: usize) -> Option<Option<Sum>> {
        let reuse = self.plan.reuse.as_ref().filter(|_| self.is_taken_over.load(Ordering::SeqCst))?;
        reuse.chunks.get(&chunk).copied()
    }

    /// From where the next run may read after this load; none for a table that keeps no watermark.
    #[must_use]
    pub fn watermark(&self) -> Option<Watermark> {
        let increments = self.plan.increments.as_ref()?;
        if !self.plan.reads_source() {
            // Nobody looked at the source after the evidence.
            return increments.last.clone();
        }
        increments.next(self.clock.as_ref()?, self.plan.source.counter)
    }

    /// The columns that are nullable by now.
    #[must_use]
    pub fn nullable(&self) -> BTreeSet<usize> {
        self.nullable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the finish compares and writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Rows that the source counted in the snapshot; none without one.
    pub source_count: Option<u64>,
    /// Rows that the readers got.
    pub rows_read: u64,
    /// Rows that COPY took.
    pub rows_copied: u64,
    /// Rows that went to the quarantine.
    pub rows_rejected: u64,
    /// What the rows that COPY took add up to, by bucket; none when it is not known.
    pub sums: Option<Vec<Sum>>,
}

/// What a table's state says of how it was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// One of the words of [`Proof`].
    pub proof: &'static str,
    /// What all rows add up to; none when not all of them were added up.
    pub digest: Option<u128>,
    /// All rows of the source; none when not all of them were looked at.
    pub rows: Option<u64>,
    /// Rows that were compared by content.
    pub rows_compared: u64,
}

impl Again {
    /// What is proved when these buckets, as they were read again, are the target's, too, and what all buckets hold then.
    #[must_use]
    pub fn proven(&self, read: &[Sum]) -> (Proven, Vec<Option<Sum>>) {
        let (mut sums, mut compared) = (self.sums.clone(), self.rows_compared);
        for bucket in &self.buckets {
            if let (Some(place), Some(sum)) = (sums.get_mut(*bucket), read.get(*bucket)) {
                *place = Some(*sum);
                compared += sum.rows;
            }
        }
        (Proven::by_content(&sums, compared, self.proof), sums)
    }
}

impl Proven {
    /// By content. Where only a part was compared, what all rows add up to is not known: some of it was added up by another run.
    #[must_use]
    pub fn by_content(sums: &[Option<Sum>], rows_compared: u64, (proof, is_all): (&'static str, bool)) -> Self {
        let all: Option<Vec<Sum>> = sums.iter().copied().collect();
        let total = all.filter(|_| is_all).map(|sums| ledger::total(&sums));
        Self { proof, digest: total.map(|total| total.digest), rows: total.map(|total| total.rows), rows_compared }
    }

    /// By a word, and by what all rows add up to.
    #[must_use]
    pub fn of(proof: &'static str, sum: Option<Sum>) -> Self {
        Self { proof, digest: sum.map(|sum| sum.digest), rows: sum.map(|sum| sum.rows), rows_compared: 0 }
    }
}

impl Proof {
    /// Rows of both sides were counted.
    pub const COUNTS: &'static str = "counts";
    /// What was sent has this digest, and was counted at its target.
    pub const SENT: &'static str = "sent";
    /// All rows of both sides were compared by content.
    pub const CONTENT: &'static str = "content";
    /// Rows of both sides were counted, and a part of them compared by content.
    pub const SAMPLE: &'static str = "sample";
    /// The source stands on evidence, and all rows of the target were compared with what it held.
    pub const EVIDENCE: &'static str = "evidence";
    /// Nothing.
    pub const NONE: &'static str = "none";

    /// # Errors
    /// [`Kind::Proof`] when what was counted, read and copied is not one number.
    pub fn check(&self, load: &Load<'_>) -> Result<()> {
        let call = usage::CHECK_PROOF.attempt(load.plan.shape());
        let counted = self.source_count.unwrap_or(self.rows_read);
        if counted == self.rows_read && self.rows_read == self.rows_copied + self.rows_rejected {
            return call.ends(Ok(()));
        }
        Err(Error::new(
            Kind::Proof,
            format!(
                "table {}: the source counts {counted} rows, {} were read, {} copied, {} rejected",
                load.plan.name(),
                self.rows_read,
                self.rows_copied,
                self.rows_rejected
            ),
        ))
    }
}

/// What a merge of increments is proved by.
#[derive(Debug, Clone)]
pub struct Part {
    /// Key ranges that are read whole.
    pub ranges: Vec<KeyRange>,
    /// What the source counted; none when counts are switched off.
    pub census: Option<Census>,
    /// Both sides were looked at, and differ there.
    pub again: Option<Again>,
}

/// Buckets that are read again, because both sides were not the same there.
#[derive(Debug, Clone)]
pub struct Again {
    /// Which.
    pub buckets: Vec<usize>,
    /// What every bucket holds when they are the same; none for those that nobody knows of. The ones that are read again are
    /// replaced by what was read.
    pub sums: Vec<Option<Sum>>,
    /// Rows that were compared with the target, in the other buckets.
    pub rows_compared: u64,
    /// The word of [`Proof`] for it, and that all buckets of the source were looked at.
    pub proof: (&'static str, bool),
    /// What the source has in every bucket, in the snapshot that is read again; none without a snapshot.
    pub expected: Option<Vec<Sum>>,
    /// What was done to the target before in this run.
    pub before: Outcome,
    /// Rows at or past this were written after the increments had been read, and are no miss; none in a snapshot.
    pub past: Option<Watermark>,
}

/// What became of increments.
#[derive(Debug)]
pub enum Merge {
    /// They are in, and the counts of the whole table agree.
    Done(Outcome),
    /// The table differs from the source beyond them; nothing was changed. What they would have done.
    Drift(Drift, Outcome),
}

/// What the finish did to the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows of the target afterwards.
    pub rows: u64,
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows whose image differed.
    pub updated: u64,
    /// Rows that the source does not have any more.
    pub deleted: u64,
    /// Source rows that are in the quarantine.
    pub rejected: u64,
    /// Of the rows that were changed, those that the increments should have brought.
    pub missed: u64,
    /// How the table is proved with it; none when the answer to COMMIT was lost.
    pub proven: Option<Proven>,
}

impl Outcome {
    /// Rows that were inserted, updated and deleted.
    #[must_use]
    pub const fn changed(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    /// With what was done before in the same run.
    #[must_use]
    pub const fn after(self, before: &Self) -> Self {
        Self {
            inserted: self.inserted + before.inserted,
            updated: self.updated + before.updated,
            deleted: self.deleted + before.deleted,
            ..self
        }
    }
}

/// What became of the rows of a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows that COPY took.
    pub rows: u64,
    /// Rows that went to the quarantine.
    pub rejected: u64,
    /// They had been committed before: what was read again may be other rows.
    pub was_in: bool,
}

/// The rows of one chunk attempt, as COPY bytes.
pub trait Rows {
    /// The WITH clause of the COPY that reads the bytes.
    fn options(&self) -> String;

    /// How many rows there are, when each can be written by itself; none while they stream.
    fn parts(&self) -> Option<usize>;

    /// That there is no row at all, and none was refused: known only when they have left the source before they are written.
    fn are_none(&self) -> bool;

    /// All rows as the tuples of a binary COPY, when they have left the source, none was refused and they are few.
    ///
    /// # Errors
    /// [`Kind::File`] when they cannot be read back.
    fn tuples(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>>;

    /// Writes all rows, or those of a part; returns how many.
    ///
    /// # Errors
    /// The classified error of the source or of the stream.
    fn write(&mut self, part: Option<Range<usize>>, out: &mut dyn Write) -> Result<u64>;

    /// PostgreSQL refused this row.
    ///
    /// # Errors
    /// [`crate::error::Kind::Data`] when the policy is to fail, or too many rows were refused.
    fn refused(&mut self, row: usize, refusal: &RowRefusal) -> Result<()>;

    /// Every row that was refused so far.
    fn rejects(&self) -> &[Reject];

    /// What the rows add up to by bucket of the plan's partition, once they were written; none before, and when it is not known.
    fn sums(&self) -> Option<&[Sum]>;
}

/// One writer into a sink: a connection that one worker keeps for its whole life.
///
/// After an error the connection is thrown away and made anew by the next call; an open transaction ends with it.
pub trait Sink: Send {
    /// Makes the empty shadow or staging table of a load with several chunks, or takes over the one of an interrupted run.
    ///
    /// # Errors
    /// The classified server error.
    fn prepare(&mut self, load: &Load<'_>) -> Result<()>;

    /// Keeps a chunk that an interrupted run has left in staging: its rows are those that the source has now.
    ///
    /// # Errors
    /// The classified server error.
    fn keep(&mut self, load: &Load<'_>, chunk: usize, sum: Sum) -> Result<Copied>;

    /// Writes one chunk and its rejects in a transaction of its own, in place of what an interrupted run has left of it; a chunk
    /// that is in already is not written again.
    ///
    /// # Errors
    /// [`crate::error::Kind::RowRefused`] when rows that stream hold one that is refused; the classified server error, or
    /// what `rows` returned.
    fn chunk(&mut self, load: &Load<'_>, chunk: usize, rows: &mut dyn Rows) -> Result<Copied>;

    /// Proves the counts and makes the chunks the table's content, together with its state row.
    ///
    /// # Errors
    /// [`crate::error::Kind::Proof`] when counts disagree; the classified server error.
    fn finish(&mut self, load: &Load<'_>, proof: &Proof) -> Result<Outcome>;

    /// The whole of a table with one chunk, from empty staging to the state row, in one transaction.
    ///
    /// # Errors
    /// As for `chunk` and `finish`.
    fn whole(&mut self, load: &Load<'_>, source_count: Option<u64>, rows: &mut dyn Rows) -> Result<Outcome>;

    /// Merges rows past the watermark and rows of ranges into the table, together with its state row, when the counts of the
    /// whole table agree afterwards. `ranges` are those that `rows` holds whole: what the source does not have any more is
    /// deleted there.
    ///
    /// # Errors
    /// As for `whole`.
    fn increments(&mut self, load: &Load<'_>, part: &Part, rows: &mut dyn Rows) -> Result<Merge>;

    /// Gives the tuple of every row of the target, or of those in ranges of its integer key, to `each`.
    ///
    /// # Errors
    /// The classified server error; what `each` returned.
    fn read_back(
        &mut self,
        load: &Load<'_>,
        ranges: Option<&[KeyRange]>,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64>;

    /// Counts the rows of the target; those that are marked as deleted are none.
    ///
    /// # Errors
    /// The classified server error.
    fn count(&mut self, load: &Load<'_>) -> Result<u64>;

    /// Writes the state of a table that is as its source already; `sums` are what its buckets hold.
    ///
    /// # Errors
    /// The classified server error.
    fn confirm(&mut self, load: &Load<'_>, outcome: &Outcome, proven: &Proven, sums: &[Option<Sum>]) -> Result<Outcome>;

    /// Gives up NOT NULL of a column of the shadow table.
    ///
    /// # Errors
    /// The classified server error.
    fn make_nullable(&mut self, load: &Load<'_>, column: usize) -> Result<()>;

    /// Drops what a load left: staging and its ledger rows, and of a table that is not loaded the rows it has refused.
    ///
    /// # Errors
    /// The classified server error.
    fn discard(&mut self, load: &Load<'_>, is_loaded: bool) -> Result<()>;
}
