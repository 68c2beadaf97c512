//! A table by the digests of both sides: every bucket is looked at, those that differ are read again and merged, and the
//! merge counts only when both sides are the same then.
//!
//! A table that is refreshed is loaded this way when it is more than a little one: of most nights nothing is left to write.
//! One that is loaded by its increments is looked at afterwards, whole or a part of it: what its watermark missed, and what
//! somebody did to the warehouse, moves no count.

mod told; // what was mended, and why

pub(super) use told::after;

use super::Services;
use super::chunk::{self, Worker};
use super::events::{self, What};
use super::increments;
use super::table::{Cause, TableWork};
use crate::encode::digest::{Digester, Layout};
use crate::error::{Error, Kind, Result, Retry};
use crate::key::KeyRange;
use crate::plan::ledger::{self, Sum};
use crate::plan::traces::Writers;
use crate::plan::watermark::Watermark;
use crate::plan::{Slice, TablePlan};
use crate::sink::{Again, Merge, Outcome, Proof, Proven, Sink};
use crate::source::scan;
use crate::usage;
use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Buckets that one job looks at: about 32 MB. Of a table without transactions about 8 MB, because its lock is held meanwhile.
const BUCKETS_PER_LOOK: usize = 8;
const BUCKETS_PER_LOOK_LOCKED: usize = 2;

/// Rows that are read again to mend a table; from there on it is read whole instead, by all workers unless it is one chunk.
const ROWS_MENDED_MAX: u64 = 1_000_000;

/// Differing ranges from which the table is read whole: each becomes a condition of the statement.
const RANGES_MAX: usize = 128;

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its rows are copied, and its finish ends it.
    Load,
    /// Its increments are merged; then it is looked at.
    Merge,
    /// Both sides are looked at.
    Look,
    /// What differs is read again.
    Mend,
}

/// What the looks at a table have seen.
#[derive(Debug)]
pub(super) struct Looks {
    layout: Arc<Layout>,
    groups: Vec<Group>,
    state: Mutex<State>,
}

/// Buckets that are looked at together.
#[derive(Debug)]
struct Group {
    buckets: Vec<usize>,
    /// The source is read; otherwise it holds what is known.
    source: bool,
    /// The target is; otherwise that does.
    target: bool,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    entered: Instant,
    source: Vec<Sum>,
    target: Vec<Sum>,
    kept_out: u64,
    /// What the increments did, where there were any, and how many rows they were.
    merged: Option<(Outcome, u64)>,
}

/// What follows from the looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Both sides are the same.
    Same,
    /// These buckets are read again.
    Mend,
    /// The whole table is.
    Load,
}

impl Looks {
    /// For a table that is to be looked at; none for others.
    pub fn of(plan: &TablePlan) -> Option<Self> {
        let audit = plan.audit.as_ref()?;
        let each = if plan.drains() { BUCKETS_PER_LOOK_LOCKED } else { BUCKETS_PER_LOOK };
        let all = plan.partition.len();
        let in_target = plan.known.as_ref().filter(|known| known.is_in_target || !audit.reads_source);
        let is_known = |bucket: usize| in_target.is_some_and(|known| known.of(bucket).is_some());
        // A look is at one side or at both, whole.
        let (both, source): (Vec<usize>, Vec<usize>) =
            (0..all).partition(|bucket| audit.buckets.contains(bucket) || audit.is_whole_source && !is_known(*bucket));
        let source = if audit.is_whole_source { source } else { Vec::new() };
        let cut = |buckets: &[usize], (source, target)| match plan.partition.ranges(buckets) {
            Some(_) => buckets.chunks(each).map(|part| Group { buckets: part.to_vec(), source, target }).collect(),
            None if buckets.is_empty() => Vec::new(),
            None => vec![Group { buckets: buckets.to_vec(), source, target }],
        };
        let groups: Vec<Group> = cut(&both, (audit.reads_source, true)).into_iter().chain(cut(&source, (true, false))).collect();
        let known =
            |bucket: usize, is_read: bool| in_target.filter(|_| !is_read).and_then(|known| known.of(bucket)).unwrap_or_default();
        let side = |is_read: fn(&Group) -> bool| {
            let mut sums = vec![Sum::default(); all];
            for group in &groups {
                group.buckets.iter().for_each(|bucket| sums[*bucket] = known(*bucket, is_read(group)));
            }
            sums
        };
        let (source, target) = (side(|group| group.source), side(|group| group.target));
        let state = State {
            stage: if plan.reads_increments() { Stage::Merge } else { Stage::Look },
            entered: Instant::now(),
            source,
            target,
            kept_out: 0,
            merged: None,
        };
        Some(Self { layout: Arc::new(Layout::of(plan)), groups, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stage(&self) -> Stage {
        self.state().stage
    }

    pub fn enter(&self, stage: Stage) {
        let mut state = self.state();
        (state.stage, state.entered) = (stage, Instant::now());
    }

    /// How long ago this stage was entered.
    fn since_decision(&self) -> Duration {
        self.state().entered.elapsed()
    }

    /// Takes over what one look has seen. Each bucket is looked at once, or all of them are.
    fn add(&self, source: &[Sum], target: &[Sum], kept_out: u64) {
        let mut state = self.state();
        let into = |all: &mut Vec<Sum>, more: &[Sum]| all.iter_mut().zip(more).for_each(|(sum, more)| sum.add(*more));
        into(&mut state.source, source);
        into(&mut state.target, target);
        state.kept_out += kept_out;
    }

    /// What every bucket holds when both sides are as the source was; none for those that nobody knows of.
    fn sums(&self, plan: &TablePlan) -> Vec<Option<Sum>> {
        let mut sums = vec![None; plan.partition.len()];
        let state = self.state();
        // Increments may have changed any bucket.
        let is_as_before = state.merged.is_none_or(|(merged, _)| merged.changed() == 0);
        if let Some(known) = plan.known.as_ref().filter(|known| is_as_before && known.is_in_target) {
            sums.clone_from(&known.sums);
        }
        for bucket in self.groups.iter().flat_map(|group| &group.buckets) {
            sums[*bucket] = state.source.get(*bucket).copied();
        }
        sums
    }

    /// Buckets that were compared with the target.
    fn compared(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().filter(|group| group.target).flat_map(|group| group.buckets.iter().copied())
    }

    /// Rows that were compared with the target, but for those of some buckets, which are in ascending order.
    fn rows_compared(&self, without: &[usize]) -> u64 {
        let state = self.state();
        let rows = |bucket: usize| state.source.get(bucket).map_or(0, |sum| sum.rows);
        self.compared().filter(|bucket| without.binary_search(bucket).is_err()).map(rows).sum()
    }

    /// Every bucket is compared with the target.
    fn is_whole(&self, plan: &TablePlan) -> bool {
        self.compared().count() == plan.partition.len()
    }

    /// What both sides are proved by when they are the same, and that every bucket of the source was looked at.
    fn proof(&self, plan: &TablePlan) -> (&'static str, bool) {
        let word = match self.is_whole(plan) {
            true if plan.reads_source() => Proof::CONTENT,
            true => Proof::EVIDENCE,
            false => Proof::SAMPLE,
        };
        (word, self.groups.iter().map(|group| group.buckets.len()).sum::<usize>() == plan.partition.len())
    }

    /// Rows that the target is to have when nothing differs; none where every bucket of it was read, or it was counted before.
    fn rows_to_count(&self, plan: &TablePlan) -> Option<u64> {
        let state = self.state();
        (!self.is_whole(plan) && state.merged.is_none()).then(|| ledger::total(&state.target).rows)
    }

    /// Number of jobs that look.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// What they see are the misses of increments.
    pub fn are_after_increments(&self) -> bool {
        self.state().merged.is_some()
    }

    /// The increments are in, and were so many rows.
    pub fn merged(&self, (outcome, read): (Outcome, u64)) {
        self.state().merged = Some((outcome, read));
    }

    /// What was done to the target before the looks.
    pub fn before(&self) -> Outcome {
        self.state().merged.map(|(outcome, _)| outcome).unwrap_or_default()
    }

    /// Rows of both sides in the buckets that were looked at.
    fn rows(&self) -> (u64, u64) {
        let state = self.state();
        (ledger::total(&state.source).rows, ledger::total(&state.target).rows)
    }

    /// What shows in the buckets that differ, and whether it is certain: where the source has what it had at the last success,
    /// the warehouse was changed. Where nobody knows what it had, somebody who may have written to the target is as good a reason.
    fn cause(&self, plan: &TablePlan) -> (Cause, bool) {
        let differing = self.differing();
        let state = self.state();
        let known = |bucket: usize| plan.known.as_ref().and_then(|known| known.of(bucket));
        let is_as_then =
            |bucket: &usize| known(*bucket).zip(state.source.get(*bucket)).is_some_and(|(known, now)| known.is_same(*now));
        if !differing.is_empty() && differing.iter().all(is_as_then) {
            return (Cause::Warehouse, true);
        }
        (Cause::Source, plan.writers == Writers::Nobody || differing.iter().all(|bucket| known(*bucket).is_some()))
    }

    fn differing(&self) -> Vec<usize> {
        let state = self.state();
        ledger::differing(&state.source, &state.target)
    }

    /// What is done about what was seen.
    pub fn decide(&self, plan: &TablePlan) -> Decision {
        let differing = self.differing();
        let state = self.state();
        if state.kept_out > 0 {
            // Rows that are kept out go to the quarantine, which holds those of one load.
            return Decision::Load;
        }
        if differing.is_empty() {
            return Decision::Same;
        }
        let rows = |bucket: &usize| {
            let at = |sums: &[Sum]| sums.get(*bucket).map_or(0, |sum| sum.rows);
            at(&state.source).max(at(&state.target))
        };
        // Buckets that are no ranges are not read alone.
        let ranges = plan.partition.ranges(&differing);
        let read = match &ranges {
            Some(_) => differing.iter().map(rows).sum::<u64>(),
            None => ledger::total(&state.source).rows,
        };
        let ranges = ranges.map_or(1, |ranges| ranges.len());
        if plan.source.key.is_empty() || read > ROWS_MENDED_MAX || ranges > RANGES_MAX { Decision::Load } else { Decision::Mend }
    }
}

/// What is done about what was seen. Where a part of the target was not read, its rows are counted: a hand may have written there.
///
/// # Errors
/// The classified error of the target's server.
pub(super) fn decide(table: &TableWork<'_>, looks: &Looks, sink: &mut dyn Sink) -> Result<Decision> {
    let (plan, call) = (table.plan(), usage::DECIDE.attempt(table.plan().shape()));
    let mut decision = looks.decide(plan);
    if decision == Decision::Same
        && let Some(expected) = looks.rows_to_count(plan)
    {
        let counted = sink.count(&table.load)?;
        if counted != expected {
            log::warn!("table {}: its target has {counted} rows, {expected} were left there: it is read whole", plan.name());
            decision = Decision::Load;
        }
    }
    let (source, target) = looks.rows();
    let way = match decision {
        Decision::Same => return call.ends(Ok(decision)),
        Decision::Mend => buckets(looks.differing().len(), plan),
        Decision::Load => "a full load".into(),
    };
    let read = looks.state().merged.map(|(_, read)| read);
    if let Some(read) = read.filter(|_| source != target) {
        increments::announce(plan.name(), (source, target), read, &way);
    }
    call.ends(Ok(decision))
}

/// So many buckets, as people read it.
fn buckets(count: usize, plan: &TablePlan) -> String {
    match plan.partition.len() {
        all if all == count => "a full load".into(),
        all => format!("{count} of {all} buckets"),
    }
}

/// Looks at some buckets of both sides, and tries again where that can help: nothing counts before both are read.
///
/// # Errors
/// The classified error of a server; [`Kind::SnapshotLost`] when the worker has to leave its group.
pub(super) fn look(
    services: &Services<'_>,
    table: &TableWork<'_>,
    (looks, group): (&Looks, usize),
    worker: &mut Worker<'_>,
) -> Result<()> {
    // Without its connection this worker cannot try again; others take the job.
    let is_lost = Cell::new(false);
    let once = || {
        let looked = look_once(services, table, (looks, group), worker);
        is_lost.set(worker.source.is_lost());
        looked
    };
    let again = |error: &Error, _| error.kind().policy().retry == Retry::Chunk && error.kind() != Kind::Timeout && !is_lost.get();
    usage::LOOK.run(table.plan().shape(), || services.limits.retries.run(services.cancel, once, again))
}

fn look_once(
    services: &Services<'_>,
    table: &TableWork<'_>,
    (looks, at): (&Looks, usize),
    worker: &mut Worker<'_>,
) -> Result<()> {
    let plan = table.plan();
    let gone = || Error::new(Kind::Internal, "a look that is not in the plan");
    let group = looks.groups.get(at).ok_or_else(gone)?;
    let ranges = plan.partition.ranges(&group.buckets);
    let slice = match ranges.as_deref() {
        Some([one]) => Slice::Range(one.clone()),
        Some(several) => Slice::Past { condition: "FALSE".into(), ranges: several.to_vec() },
        None => Slice::everything(),
    };
    let digester = || Digester::new(Arc::clone(&looks.layout), Arc::clone(&plan.partition));
    let (mut there, mut here) = (digester(), digester());
    let scanned = match group.source {
        true => {
            let (started, throttled) = (Instant::now(), std::mem::take(&mut worker.throttled));
            let scanned = scan::tuples(worker.source, plan, &slice, &mut |tuple| there.add_tuple(tuple));
            let rows = scanned.as_ref().ok().map(|scanned| scanned.rows + scanned.kept_out);
            let what = What::Look(at, looks.len(), ranges.as_deref());
            events::tried(services, plan, (what, throttled), started, (rows, events::error(&scanned)));
            scanned?
        }
        false => scan::Scanned::default(),
    };
    table.stood_still()?;
    if group.target {
        worker.sink.read_back(&table.load, ranges.as_deref(), &mut |tuple| here.add_tuple(tuple))?;
    }
    looks.add(there.sums(), here.sums(), scanned.kept_out);
    // After its increments, nothing more of the table is loaded.
    if looks.state().merged.is_none() {
        table.looked(scanned.rows + scanned.kept_out, &scanned.tally);
    }
    Ok(())
}

/// Ends a table whose sides are the same.
///
/// # Errors
/// As [`chunk::finish`].
pub(super) fn confirm(services: &Services<'_>, table: &TableWork<'_>, looks: &Looks, sink: &mut dyn Sink) -> Result<Outcome> {
    let sums = looks.sums(table.plan());
    let proven = Proven::by_content(&sums, looks.rows_compared(&[]), looks.proof(table.plan()));
    let outcome = Outcome { rows: proven.rows.unwrap_or(looks.before().rows), ..looks.before() };
    chunk::confirm(services, table, sink, &outcome, (&proven, &sums))
}

/// Reads the differing buckets again and merges them; tells what the increments had missed. None when rows cannot be told by
/// their key on this target.
///
/// # Errors
/// As [`chunk::copy_chunk`]; [`Kind::Proof`] when both sides are not the same then.
pub(super) fn mend(
    services: &Services<'_>,
    table: &TableWork<'_>,
    looks: &Looks,
    worker: &mut Worker<'_>,
) -> Result<Option<Outcome>> {
    let plan = table.plan();
    let differing = looks.differing();
    let ranges = plan.partition.ranges(&differing).unwrap_or_else(|| vec![KeyRange::everything()]);
    let before = looks.before();
    // A filter may look at the clock.
    let is_still = !plan.drains() && plan.filter.is_none();
    let again = Again {
        sums: looks.sums(plan),
        rows_compared: looks.rows_compared(&differing),
        proof: looks.proof(plan),
        expected: is_still.then(|| looks.state().source.clone()),
        buckets: differing,
        before,
        past: missed_below(table),
    };
    let slice = Slice::Past { condition: "FALSE".into(), ranges };
    let started = Instant::now();
    let merge = || chunk::merge(services, table, worker, &slice, chunk::Counting::Again(&again));
    let (merged, _, _) = usage::MEND.run(plan.shape(), merge)?;
    let Merge::Done(outcome) = merged else { return Ok(None) };
    let via = buckets(again.buckets.len(), plan);
    told::tell(table, looks, (&outcome, outcome.missed), (via, started.elapsed()));
    Ok(Some(outcome))
}

/// Without a snapshot, rows that were written after the increments were read are no miss: those at or past the safe point.
fn missed_below(table: &TableWork<'_>) -> Option<Watermark> {
    if table.plan().drains() { table.load.watermark() } else { None }
}
