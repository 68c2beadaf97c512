//! One chunk from the source into COPY, with its tries; beside it only a look at both sides (`looks`) tries again.
//!
//! What the next try does differently follows from what went wrong: another NULL token, a column that allows NULL, rows
//! kept apart so that a refused one can be found.

use super::events::{self, What};
use super::oddities::Oddities;
use super::rows::ChunkRows;
use super::table::TableWork;
use super::{Destination, Services};
use crate::catalog::ddl::is_not_null;
use crate::config::Verify;
use crate::encode::digest::{Digester, Layout};
use crate::encode::{EncodeError, Format, Tally, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::plan::buckets::{Buckets, Counts, ROWS_PER_BUCKET};
use crate::plan::census::Census;
use crate::plan::ledger::{self, Sum};
use crate::plan::{Slice, TablePlan};
use crate::sink::{Again, Copied, Merge, Outcome, Part, Proven, Rows, Sink};
use crate::source::{Source, scan};
use crate::track::quarantine::Reject;
use crate::usage;
use std::sync::Arc;
use std::time::Instant;

/// A cell equal to the NULL token is a matter of chance once; several times in a row it is a fault.
const TOKENS_MAX: usize = 4;

/// The two ends of one worker.
pub struct Worker<'a> {
    /// Where it reads.
    pub source: &'a mut dyn Source,
    /// Where it writes.
    pub sink: &'a mut dyn Sink,
    /// Its job has waited for a busy source; the first try of the job tells.
    pub throttled: bool,
}

/// Copies one chunk of a table with several chunks; returns what became of its rows.
///
/// # Errors
/// The last error after all tries; [`Kind::SnapshotLost`] at once, because the worker has to leave its group.
pub fn copy_chunk(services: &Services<'_>, table: &TableWork<'_>, chunk: usize, worker: &mut Worker<'_>) -> Result<Copied> {
    let plan = table.plan();
    let range = plan.chunks.get(chunk).ok_or_else(|| Error::new(Kind::Internal, "a chunk that is not in the plan"))?;
    let slice = Slice::Range(range.clone());
    let mut call = usage::COPY_CHUNK.attempt(plan.shape());
    let copied = attempt(services, table, What::Chunk(chunk), worker, |job, worker| {
        if let Some(copied) = keep(job, chunk, &slice, worker)? {
            return Ok((copied, copied));
        }
        let mut rows = ChunkRows::new(job, worker.source, &slice)?;
        let copied = worker.sink.chunk(&table.load, chunk, &mut rows)?;
        // Without a snapshot, rows that are read again may be others than those that are in.
        table.add_up(rows.sums().filter(|_| !copied.was_in || !table.plan().drains()));
        Ok((copied, copied))
    });
    call.rows(copied.as_ref().map_or(0, |copied| copied.rows));
    call.ends(copied)
}

/// Keeps a chunk that an interrupted run has left in staging when the source has the same rows there in this snapshot.
fn keep(job: &mut Job<'_>, chunk: usize, slice: &Slice, worker: &mut Worker<'_>) -> Result<Option<Copied>> {
    let (table, plan) = (job.table, job.plan);
    let Some(Some(left)) = table.load.left(chunk) else { return Ok(None) };
    let mut digester = Digester::new(Arc::new(Layout::of(plan)), Arc::clone(&plan.partition));
    let scanned = scan::tuples(worker.source, plan, slice, &mut |tuple| digester.add_tuple(tuple))?;
    job.read = Some(scanned.rows + scanned.kept_out);
    table.stood_still()?;
    let sum = ledger::total(digester.sums());
    if scanned.kept_out > 0 || !sum.is_same(left) {
        return Ok(None);
    }
    let copied = usage::KEEP_CHUNK.run(plan.shape(), || worker.sink.keep(&table.load, chunk, sum))?;
    job.tally = scanned.tally;
    table.keeps(digester.sums());
    Ok(Some(copied))
}

/// Copies a table with one chunk, from empty staging to its state row.
///
/// # Errors
/// As [`copy_chunk`].
pub fn copy_whole(services: &Services<'_>, table: &TableWork<'_>, worker: &mut Worker<'_>) -> Result<Outcome> {
    let everything = Slice::everything();
    let mut call = usage::COPY_WHOLE.attempt(table.plan().shape());
    let outcome = attempt(services, table, What::Whole, worker, |job, worker| {
        let count = worker.source.count(table.plan())?;
        table.counted(count);
        let mut rows = ChunkRows::new(job, worker.source, &everything)?;
        let outcome = worker.sink.whole(&table.load, count, &mut rows)?;
        Ok((Copied { rows: outcome.rows, rejected: outcome.rejected, was_in: false }, outcome))
    });
    call.rows(outcome.as_ref().map_or(0, |outcome| outcome.rows));
    call.ends(outcome)
}

/// What a merge of a part of a table is proved by.
#[derive(Clone, Copy)]
pub enum Counting<'a> {
    /// By the source's counts before the read.
    Once,
    /// By those after it, too, so that rows in flight of a source without snapshots are no drift.
    Twice,
    /// By the digests of buckets that are read again.
    Again(&'a Again),
}

/// One try to merge the rows of a slice that is not the whole table.
///
/// # Errors
/// As [`copy_chunk`].
pub fn merge(
    services: &Services<'_>,
    table: &TableWork<'_>,
    worker: &mut Worker<'_>,
    slice: &Slice,
    counting: Counting<'_>,
) -> Result<(Merge, Option<Census>, u64)> {
    let (plan, call) = (table.plan(), usage::MERGE_PART.attempt(table.plan().shape()));
    let ranges = if let Slice::Past { ranges, .. } = slice { ranges.clone() } else { Vec::new() };
    let again = if let Counting::Again(again) = counting { Some(again) } else { None };
    let merged = attempt(services, table, What::Part(slice), worker, |job, worker| {
        let counts = services.limits.verify != Verify::Off && again.is_none();
        if again.is_some() {
            // Only these rows are added up while they are copied.
            job.format = Format::Binary;
        }
        let before = if counts { Some(count(plan, worker.source)?) } else { None };
        if let Some((_, before)) = &before {
            table.counted(Some(before.rows));
        }
        let mut rows = ChunkRows::new(job, worker.source, slice)?;
        let census = match before {
            // In a snapshot the source stands still; without one the rows have been drained by now.
            Some((buckets, before)) if plan.drains() && matches!(counting, Counting::Twice) => {
                let after = rows.source().counts(plan, buckets)?;
                Some(Census { buckets, before, after })
            }
            Some((buckets, before)) => Some(Census { buckets, after: before.clone(), before }),
            None => None,
        };
        let part = Part { ranges: ranges.clone(), census, again: again.cloned() };
        let merged = worker.sink.increments(&table.load, &part, &mut rows)?;
        let read = rows.read();
        // Of a refresh, the looks have told of these rows already.
        let reads_source = plan.audit.as_ref().is_some_and(|audit| audit.reads_source);
        let is_told = again.is_some() && reads_source && table.looks.as_ref().is_some_and(|looks| !looks.are_after_increments());
        if is_told {
            job.tally = Tally::default();
        }
        let copied = match &merged {
            Merge::Done(_) if is_told => Copied::default(),
            Merge::Done(outcome) => {
                Copied { rows: read.saturating_sub(outcome.rejected), rejected: outcome.rejected, was_in: false }
            }
            Merge::Drift(..) => {
                job.tally = Tally::default();
                job.oddities = Oddities::default();
                Copied::default()
            }
        };
        Ok((copied, (merged, part.census, read)))
    });
    call.ends(merged)
}

/// A table that would be one bucket gets a total only: it is read whole when that differs.
fn count(plan: &TablePlan, source: &mut dyn Source) -> Result<(Option<Buckets>, Counts)> {
    let rows = plan.source.rows_estimated;
    let ends = if rows > ROWS_PER_BUCKET { source.ends(plan)? } else { None };
    let buckets = ends.map(|ends| Buckets::new(ends, rows, ROWS_PER_BUCKET));
    Ok((buckets, source.counts(plan, buckets)?))
}

/// Runs the finish of a table with several chunks.
///
/// # Errors
/// As [`copy_chunk`].
pub fn finish(services: &Services<'_>, table: &TableWork<'_>, sink: &mut dyn Sink) -> Result<Outcome> {
    let again = |error: &Error, _| error.kind().policy().retry == Retry::Chunk;
    let finish = || services.limits.retries.run(services.cancel, || sink.finish(&table.load, &table.proof()), again);
    usage::FINISH.run(table.plan().shape(), finish)
}

/// Ends a table that is as its source already.
///
/// # Errors
/// As [`copy_chunk`].
pub fn confirm(
    services: &Services<'_>,
    table: &TableWork<'_>,
    sink: &mut dyn Sink,
    outcome: &Outcome,
    (proven, sums): (&Proven, &[Option<Sum>]),
) -> Result<Outcome> {
    let again = |error: &Error, _| error.kind().policy().retry == Retry::Chunk;
    let confirm = || services.limits.retries.run(services.cancel, || sink.confirm(&table.load, outcome, proven, sums), again);
    usage::CONFIRM.run(table.plan().shape(), confirm)
}

/// Tries a job until it is done or an error says that trying is no use. `work` gives what became of the rows, too: after
/// a lost answer to COMMIT that is known without reading them again.
fn attempt<T>(
    services: &Services<'_>,
    table: &TableWork<'_>,
    what: What<'_>,
    worker: &mut Worker<'_>,
    mut work: impl FnMut(&mut Job<'_>, &mut Worker<'_>) -> Result<(Copied, T)>,
) -> Result<T> {
    let mut tokens = 0;
    let mut apart = false;
    let again = |error: &Error, tries: usize| {
        let waits = error.kind() == Kind::Timeout;
        let again = error.kind().policy().retry == Retry::Chunk && !waits && !services.cancel.is_aborting();
        if again {
            log::warn!("{error}; try {tries} of {}", services.limits.retries.count + 1);
        }
        again
    };
    let once = || loop {
        let mut job = Job::new(services, table, apart);
        let (started, throttled) = (Instant::now(), std::mem::take(&mut worker.throttled));
        let result = work(&mut job, worker);
        events::tried(services, table.plan(), (what, throttled), started, (job.read, events::error(&result)));
        match job.stopped_by.take() {
            Some(EncodeError::NullToken { .. }) if tokens < TOKENS_MAX => tokens += 1,
            Some(EncodeError::NullInNotNull { column }) => worker.sink.make_nullable(&table.load, column)?,
            _ => match result {
                Err(error) if error.kind() == Kind::RowRefused && !apart => {
                    log::debug!("{error}; its rows are copied apart");
                    apart = true;
                }
                // The worker's connection is gone: others may try again, this worker cannot.
                Err(error) if worker.source.is_lost() && error.kind() == Kind::Timeout => return Err(error),
                Err(error) if worker.source.is_lost() && error.kind().policy().retry == Retry::Chunk => {
                    return Err(error.as_kind(Kind::SnapshotLost));
                }
                other => {
                    let (copied, value) = other?;
                    table.add(copied, job.bytes, &job.tally, &job.oddities);
                    return Ok(value);
                }
            },
        }
        if worker.source.is_lost() {
            return Err(Error::new(Kind::SnapshotLost, format!("table {}: the source connection is gone", table.plan().name())));
        }
    };
    services.limits.retries.run(services.cancel, once, again)
}

/// One try: how its rows are encoded, and what came of them.
pub(super) struct Job<'a> {
    pub services: &'a Services<'a>,
    pub table: &'a TableWork<'a>,
    pub plan: &'a TablePlan,
    pub format: Format,
    pub targets: Vec<Target>,
    /// Rows are kept apart, so that PostgreSQL can be asked about each.
    pub apart: bool,
    /// What the encoder said when it gave up; the row callback can only pass the crate's own error through the source.
    pub stopped_by: Option<EncodeError>,
    /// Rows that the source gave; none while it gives them, and after an error.
    pub read: Option<u64>,
    pub bytes: u64,
    pub tally: Tally,
    pub oddities: Oddities,
    pub rejects: Vec<Reject>,
    /// Adds the rows up; none where nobody asks.
    pub digester: Option<Digester>,
    /// What they add up to, when all were encoded.
    pub sums: Option<Vec<Sum>>,
}

impl<'a> Job<'a> {
    fn new(services: &'a Services<'a>, table: &'a TableWork<'a>, apart: bool) -> Self {
        let (plan, nullable) = (table.plan(), table.load.nullable());
        let columns = plan.source.columns.iter().enumerate();
        Self {
            services,
            table,
            plan,
            format: services.format(),
            targets: columns.map(|(index, column)| Target::of(column, is_not_null(index, column, &nullable))).collect(),
            apart,
            stopped_by: None,
            read: None,
            bytes: 0,
            tally: Tally::default(),
            oddities: Oddities::default(),
            rejects: Vec::new(),
            // What was looked at is mended by digests, whatever else is added up.
            digester: ((services.limits.digests || plan.audit.is_some())
                && matches!(services.destination, Destination::Warehouse(_)))
            .then(|| Digester::new(Arc::new(Layout::of(plan)), Arc::clone(&plan.partition))),
            sums: None,
        }
    }
}
