//! Rounds: a round is one snapshot group. Its workers pull jobs until none is left; a worker that loses its source
//! connection leaves. What is unfinished when all have left starts again in the next round, with a new snapshot.

use super::chunk::{self, Worker};
use super::looks::{self, Decision, Looks, Stage};
use super::queue::{Job, Queue};
use super::table::{End, TableResult, TableWork};
use super::timed::caught;
use super::{Services, ended, events, increments};
use crate::catalog::TargetTable;
use crate::config::Verify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result, Retry};
use crate::plan::traces::{SourceTrace, Traces};
use crate::plan::watermark::Clock;
use crate::plan::{Action, Plan, TablePlan};
use crate::sink::{Load, Outcome, Proof, Sink};
use crate::source::Source;
use crate::source::guard::Hold;
use crate::source::mysql::MysqlSource;
use crate::source::snapshot::{self, Group, GroupLimits, SnapshotKind, Watermarks};
use crate::source::throttle::Throttle;
use crate::track::writer::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Rounds after which a source that keeps breaking is given up.
const ROUNDS_MAX: u32 = 8;

/// Rounds that a table gets whose counts did not agree.
const PROOF_ROUNDS_MAX: u32 = 3;

/// Pause before looking again whether a lost server is back.
const KNOCK_EVERY: Duration = Duration::from_millis(500);

/// What became of a plan.
#[derive(Debug)]
pub struct Moved {
    /// One per table of the plan.
    pub results: Vec<TableResult>,
    /// What a person should know of the snapshots.
    pub warnings: Vec<String>,
    /// What ended the whole run early: a server that does not come back, a thread pool that cannot be made.
    pub ended_by: Option<Error>,
}

/// Moves all tables of the plan. `targets` are the tables that the warehouse has, by name.
///
/// A table's own error is in its result.
pub fn run(services: &Services<'_>, plan: Plan, targets: &BTreeMap<String, TargetTable>) -> Moved {
    let mut waiting = plan.tables;
    let (mut results, mut warnings, mut ended_by) = (Vec::new(), Vec::new(), None);
    for round in 0..ROUNDS_MAX {
        if waiting.is_empty() || services.cancel.is_stopping() {
            break;
        }
        let done = open_group(services, &waiting).and_then(|mut group| {
            for warning in group.warnings.drain(..) {
                log::warn!("{warning}");
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            if group.kind == SnapshotKind::PerTable {
                waiting.iter_mut().for_each(TablePlan::weaken);
            }
            one_round(services, round, &waiting, targets, group)
        });
        match done {
            Ok((done, left)) => {
                let silent = done.iter().any(|result| matches!(&result.end, Some(End::Failed(e)) if e.kind() == Kind::Timeout));
                results.extend(done);
                // One slow table is that table's failure; a source that answers nobody is the run's end.
                if silent && let Err(error) = MysqlConn::connect(services.source) {
                    ended_by = Some(error);
                    break;
                }
                waiting.retain(|table| left.iter().any(|name| name == table.name()));
                waiting.iter_mut().for_each(TablePlan::again);
            }
            Err(error) => {
                ended_by = Some(services.cancel.stopped(error)).filter(|error| error.kind() != Kind::Stopped);
                break;
            }
        }
    }
    results.extend(waiting.iter().map(TableResult::not_reached));
    Moved { results, warnings, ended_by }
}

/// Opens a group; a source that is away is waited for.
fn open_group(services: &Services<'_>, waiting: &[TablePlan]) -> Result<Group> {
    let tables: Vec<_> = waiting.iter().map(|table| &table.source).collect();
    let limits = GroupLimits {
        workers: services.limits.workers,
        lock_wait: services.limits.snapshot_lock_wait,
        row_bytes_max: services.limits.row_bytes_max,
        position: waiting
            .iter()
            .filter_map(|table| table.traces.as_ref())
            .any(|t| matches!(t.source, Some(SourceTrace::Log { .. }))),
        watermarks: waiting
            .iter()
            .any(|table| table.increments.is_some())
            .then_some(Watermarks { ahead: services.ahead, wait: services.limits.transaction_wait }),
    };
    let until = Instant::now() + services.limits.server_down_wait;
    loop {
        match snapshot::open(services.source, &limits, &tables, (services.cancel, services.watchdog)) {
            Err(error) if is_away(error.kind()) && Instant::now() < until => {
                log::warn!("{error}; waiting for the source");
                services.cancel.sleep(KNOCK_EVERY)?;
            }
            other => return other,
        }
    }
}

const fn is_away(kind: Kind) -> bool {
    matches!(kind, Kind::Unreachable | Kind::SnapshotLost | Kind::Timeout)
}

/// Runs one group to its end. Returns the results and the names of the tables that want another round.
fn one_round(
    services: &Services<'_>,
    round: u32,
    tables: &[TablePlan],
    targets: &BTreeMap<String, TargetTable>,
    group: Group,
) -> Result<(Vec<TableResult>, Vec<String>)> {
    let Group { kind, readers, guard, missing, clock, position, gtid, .. } = group;
    let hold = Hold::new(guard);
    let works: Vec<TableWork<'_>> = tables
        .iter()
        .enumerate()
        .map(|(i, table)| {
            work(services, round, (kind, clock, position.as_deref(), gtid.as_ref()), targets, (table, i), hold.clone())
        })
        .collect();
    for (name, error) in missing {
        fail(services, works.iter().find(|w| w.plan().name() == name), error);
    }
    prepare(services, &works);
    let stop_guard = Arc::new(AtomicBool::new(false));
    let guard = hold.watch(Arc::clone(&stop_guard))?;
    let queue = Queue::new(jobs(&works));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(services.limits.workers)
        .thread_name(|i| format!("worker-{i}"))
        .build()
        .map_err(|e| Error::with(Kind::Internal, "starting the worker threads", e))?;
    let shared = Shared { services, works: &works, queue: &queue };
    pool.scope(|scope| {
        for reader in readers {
            let shared = &shared;
            scope.spawn(move |_| shared.work(reader));
        }
    });
    stop_guard.store(true, Ordering::Relaxed);
    if guard.join().is_err() {
        log::error!("the guard thread panicked; what was confirmed before each finish stays true");
    }
    Ok(collect(services, round, works))
}

fn work<'a>(
    services: &'a Services<'_>,
    round: u32,
    (kind, clock, position, gtid): (SnapshotKind, Option<Clock>, Option<&str>, Option<&String>),
    targets: &'a BTreeMap<String, TargetTable>,
    (table, index): (&'a TablePlan, usize),
    hold: Hold,
) -> TableWork<'a> {
    let snapshot = if table.source.transactional { kind } else { SnapshotKind::Statement };
    let existing = targets.get(&table.target.table);
    // Without a snapshot at all, what was looked up before the first read is early enough.
    let seen = if kind == SnapshotKind::Statement { None } else { Some(position) };
    let load = Load {
        plan: table,
        existing,
        run: services.run,
        round,
        staging: services.staging(table, round, index),
        snapshot: snapshot.word(),
        position: gtid
            .cloned()
            .or_else(|| position.map(str::to_owned))
            .filter(|_| snapshot == SnapshotKind::Shared && table.reads_source()),
        source_identity: services.source_identity,
        fingerprint: services.fingerprint(table),
        clock,
        traces: traces(services, table, seen),
        deletes_percent_max: services.limits.deletes_percent_max,
        nullable: Mutex::new(
            existing
                .filter(|_| table.action == Action::Refresh)
                .map(|target| nullable_already(table, target))
                .unwrap_or_default(),
        ),
        is_taken_over: AtomicBool::new(false),
    };
    TableWork::new(load, hold, services.limits.rejected_rows_max)
}

/// What the next run may take for evidence; nothing when this one does not prove the table. `seen`: up to where the source's
/// log was written when the snapshot opened, where there is one.
fn traces(services: &Services<'_>, table: &TablePlan, seen: Option<Option<&str>>) -> Option<Traces> {
    let traces = table.traces.clone().filter(|_| !table.reads_increments() || services.limits.verify != Verify::Off)?;
    // Of a source that is not read, what was seen before the snapshot is all that is known.
    Some(match seen.filter(|_| table.reads_source()) {
        Some(position) => traces.at(position),
        None => traces,
    })
}

/// Columns that an earlier load made nullable for zero dates: NULL may arrive in them without asking again.
fn nullable_already(table: &TablePlan, target: &TargetTable) -> BTreeSet<usize> {
    let loose = |name: &str| target.columns.iter().any(|found| found.name == name && !found.not_null);
    table.source.columns.iter().enumerate().filter(|(_, column)| loose(&column.target)).map(|(index, _)| index).collect()
}

/// Staging of the tables with several chunks; the others make theirs inside their one transaction.
fn prepare(services: &Services<'_>, works: &[TableWork<'_>]) {
    let mut sink = services.sink();
    for work in works.iter().filter(|w| w.looks.is_none() && !w.plan().is_single() && !w.is_over()) {
        if let Err(error) = sink.prepare(&work.load) {
            fail(services, Some(work), error);
        }
    }
}

/// All jobs, in the order of the plan. Where a table's jobs follow one another, only its first is there yet.
fn jobs(works: &[TableWork<'_>]) -> Vec<Job> {
    works.iter().enumerate().flat_map(|(table, work)| jobs_of(table, work)).collect()
}

/// The jobs of a table at its stage. The last one leads to the next stage, or to its end.
fn jobs_of(table: usize, work: &TableWork<'_>) -> Vec<Job> {
    let plan = work.plan();
    let chunks = plan.chunks.len();
    let (jobs, all) = match work.looks.as_ref().map_or(Stage::Load, Looks::stage) {
        Stage::Look => {
            let looks = work.looks.as_ref().map_or(0, Looks::len);
            ((0..looks).map(|look| Job::Look { table, look }).collect(), looks)
        }
        Stage::Mend => (vec![Job::Mend { table }], 1),
        Stage::Merge => (vec![Job::Whole { table }], 1),
        Stage::Load if plan.is_single() => (vec![Job::Whole { table }], 1),
        Stage::Load if plan.traits().is_in_order() => (vec![Job::Chunk { table, chunk: 0 }], chunks + 1),
        Stage::Load => {
            let chunk = |chunk| Job::Chunk { table, chunk };
            ((0..chunks).map(chunk).chain([Job::Count { table }]).collect(), chunks + 1)
        }
    };
    work.expect(all);
    jobs
}

fn fail(services: &Services<'_>, work: Option<&TableWork<'_>>, error: Error) {
    if let Some(work) = work {
        let error = services.cancel.stopped(error);
        log::debug!("table {} ends: {error}", work.plan().name());
        let ends = !matches!(error.kind(), Kind::SnapshotLost | Kind::Proof | Kind::Stopped);
        work.end(End::Failed(error));
        if ends {
            services.tracker.send(Event::Failed { table: work.plan().name().to_owned() });
        }
    }
}

/// What the workers of a round share.
struct Shared<'a> {
    services: &'a Services<'a>,
    works: &'a [TableWork<'a>],
    queue: &'a Queue,
}

impl Shared<'_> {
    /// A worker's life: take a job, do it, until there is none or its source connection is gone.
    fn work(&self, mut reader: MysqlSource) {
        let services = self.services;
        let mut sink = services.sink();
        while let Some(job) = self.queue.take(|| services.cancel.is_stopping()) {
            let Some(table) = self.works.get(job.table()) else { return self.queue.done(Vec::new()) };
            if !table.is_over() {
                if table.begin() {
                    services.tracker.send(Event::Started { table: table.plan().name().to_owned() });
                }
                let mut worker = Worker { source: &mut reader, sink: sink.as_mut(), throttled: false };
                match caught(services, table, &job.what(), || self.perform(job, table, &mut worker)) {
                    // A table that is silent for the whole deadline would take one worker after the other with it.
                    Err(error) if reader.is_lost() && error.kind() == Kind::Timeout => {
                        log::warn!("{error}; a worker leaves");
                        fail(services, Some(table), error);
                    }
                    Err(error) if reader.is_lost() && error.kind().policy().retry != Retry::Never => {
                        log::warn!("{error}; a worker leaves, the others take its work");
                        self.queue.put_back(job);
                        return;
                    }
                    // The run is to end: the table was not reached, whatever of it was done.
                    Err(error) if error.kind() == Kind::Stopped => return self.queue.put_back(job),
                    Err(error) => fail(services, Some(table), error),
                    Ok(()) => {}
                }
            }
            let is_last = table.job_done() && !table.is_over();
            let mut next: Vec<Job> = self.next(job, table).into_iter().collect();
            if is_last {
                next.extend(self.next_stage(job.table(), table, sink.as_mut()));
            }
            let is_at_end = is_last && next.is_empty();
            self.queue.done(next);
            if is_at_end && !table.is_over() {
                self.finish(table, sink.as_mut());
            }
            if reader.is_lost() {
                return;
            }
        }
    }

    fn perform(&self, job: Job, table: &TableWork<'_>, worker: &mut Worker<'_>) -> Result<()> {
        let _room = self.services.room()?;
        let admitted = Throttle::admit(self.services.throttle.as_ref(), self.services.cancel)?;
        worker.throttled = admitted.has_waited();
        table.stands_still()?;
        match job {
            Job::Whole { .. } => {
                let since = table.plan().increments.as_ref().and_then(|increments| increments.since.as_deref());
                match (since, table.looks.as_ref()) {
                    (Some(condition), Some(looks)) if looks.stage() == Stage::Merge => {
                        let (outcome, read) = increments::load(self.services, table, worker, condition)?;
                        // Read whole after all, it was compared whole. With rows in quarantine the next run does so. Without an
                        // answer to COMMIT nobody knows what the increments have changed.
                        let is_compared = outcome.proven.is_none_or(|proven| proven.proof == Proof::CONTENT);
                        if outcome.rejected > 0 || is_compared {
                            self.end(table, outcome);
                        } else {
                            looks.merged((outcome, read));
                        }
                    }
                    (Some(condition), None) => self.end(table, increments::load(self.services, table, worker, condition)?.0),
                    _ => {
                        let outcome = chunk::copy_whole(self.services, table, worker)?;
                        self.end(table, looks::after(table, outcome));
                    }
                }
            }
            Job::Look { look, .. } => {
                if let Some(looks) = &table.looks {
                    looks::look(self.services, table, (looks, look), worker)?;
                }
            }
            Job::Mend { .. } => {
                // Without an outcome the whole table is read.
                if let Some(looks) = &table.looks
                    && let Some(outcome) = looks::mend(self.services, table, looks, worker)?
                {
                    self.end(table, outcome);
                }
            }
            Job::Chunk { chunk, .. } => {
                chunk::copy_chunk(self.services, table, chunk, worker)?;
            }
            Job::Count { .. } => {
                table.counted(worker.source.count(table.plan())?);
                table.stood_still()?;
            }
        }
        Ok(())
    }

    /// The job of the same table that this one makes possible.
    fn next(&self, job: Job, table: &TableWork<'_>) -> Option<Job> {
        let plan = table.plan();
        match job {
            Job::Chunk { table, chunk } if plan.traits().is_in_order() => {
                let next = chunk + 1;
                Some(if next < plan.chunks.len() { Job::Chunk { table, chunk: next } } else { Job::Count { table } })
            }
            _ => None,
        }
    }

    /// What follows when all jobs of a stage are done: the jobs of the next one, or none when the table can end.
    fn next_stage(&self, index: usize, table: &TableWork<'_>, sink: &mut dyn Sink) -> Vec<Job> {
        let Some(looks) = &table.looks else { return Vec::new() };
        match caught(self.services, table, "decide", || stage_after(self.services, table, looks, sink)) {
            Ok(Some(next)) => {
                looks.enter(next);
                jobs_of(index, table)
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                fail(self.services, Some(table), error);
                Vec::new()
            }
        }
    }

    fn finish(&self, table: &TableWork<'_>, sink: &mut dyn Sink) {
        let finish = || match table.looks.as_ref().filter(|looks| looks.stage() == Stage::Look) {
            Some(looks) => looks::confirm(self.services, table, looks, sink),
            None => chunk::finish(self.services, table, sink).map(|outcome| looks::after(table, outcome)),
        };
        match caught(self.services, table, "finish", finish) {
            Ok(outcome) => self.end(table, outcome),
            Err(error) => fail(self.services, Some(table), error),
        }
    }

    fn end(&self, table: &TableWork<'_>, outcome: Outcome) {
        table.end(End::Loaded(outcome));
        ended::loaded(self.services, table, &outcome);
    }
}

/// The stage that follows when all jobs of this one are done; none when the table can end.
fn stage_after(services: &Services<'_>, table: &TableWork<'_>, looks: &Looks, sink: &mut dyn Sink) -> Result<Option<Stage>> {
    let again = |error: &Error, _| error.kind().policy().retry == Retry::Chunk;
    let retries = services.limits.retries;
    let next = match looks.stage() {
        Stage::Merge => Stage::Look,
        Stage::Load => return Ok(None),
        Stage::Mend => Stage::Load,
        Stage::Look => match retries.run(services.cancel, || looks::decide(table, looks, sink), again)? {
            Decision::Same => return Ok(None),
            Decision::Mend => Stage::Mend,
            Decision::Load => Stage::Load,
        },
    };
    if next == Stage::Load {
        table.begin_again();
        if !table.plan().is_single() {
            retries.run(services.cancel, || sink.prepare(&table.load), again)?;
        }
    }
    Ok(Some(next))
}

/// Sorts the tables of a round into those that ended and those that want another one, and drops their staging.
fn collect(services: &Services<'_>, round: u32, works: Vec<TableWork<'_>>) -> (Vec<TableResult>, Vec<String>) {
    let mut sink = services.sink();
    let (mut done, mut left) = (Vec::new(), Vec::new());
    for work in works {
        // A run that was stopped leaves its chunks to the next one.
        let is_loaded = work.peek() == Some(true);
        let unfinished = !is_loaded && !work.plan().is_single();
        let left_behind = (unfinished || work.load.is_left()) && !services.cancel.is_stopping();
        if left_behind && let Err(error) = sink.discard(&work.load, is_loaded) {
            log::debug!("{error}; the next run drops it");
        }
        let attempt = work.attempt();
        let result = work.into_result();
        let again = TableWork::wants_another_round(result.end.as_ref());
        let proof_failed = matches!(&result.end, Some(End::Failed(e)) if e.kind() == Kind::Proof);
        let rounds_max = if proof_failed { PROOF_ROUNDS_MAX } else { ROUNDS_MAX };
        if again && round + 1 < rounds_max && !services.cancel.is_stopping() {
            if let Some(End::Failed(error)) = &result.end {
                log::warn!("{error}; table {} starts again in a new snapshot", result.table);
            }
            left.push(result.table);
        } else {
            if let Some(End::Failed(error)) = &result.end {
                services.progress.table_done();
                services.tracker.send(Event::Failed { table: result.table.clone() });
                events::attempt(services, attempt);
                log::debug!("table {}: {}", result.table, error.kind().word());
            }
            done.push(result);
        }
    }
    (done, left)
}
