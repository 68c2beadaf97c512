//! A table by the digests of both sides: every bucket is looked at, those that differ are read again and merged, and the
//! merge counts only when both sides are the same then.
//!
//! A table that is refreshed is loaded this way when it is more than a little one: of most nights nothing is left to write.
//! One that is loaded by its increments is looked at afterwards, whole or a part of it: what its watermark missed, and what
//! somebody did to the warehouse, moves no count.

use super::Services;
use super::chunk::{self, Worker};
use super::table::{Heal, TableWork};
use crate::encode::digest::{Digester, Layout};
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::plan::ledger::{self, Sum};
use crate::plan::{Audit, Slice, TablePlan};
use crate::sink::{Again, Merge, Outcome, Proven, Sink};
use crate::source::scan;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buckets that one job looks at: about 32 MB. Of a table without transactions 8 MB, because its lock is held meanwhile.
const BUCKETS_PER_LOOK: usize = 8;
const BUCKETS_PER_LOOK_LOCKED: usize = 2;

/// Rows of differing buckets from which the table is read whole instead, by all workers.
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
    groups: Vec<Vec<usize>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    source: Vec<Sum>,
    target: Vec<Sum>,
    kept_out: u64,
    /// What the increments did, where there were any.
    merged: Option<Outcome>,
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

/// What the columns of a table are to a digest.
#[must_use]
pub(super) fn layout(plan: &TablePlan) -> Layout {
    Layout::new(plan.source.columns.iter().map(|column| column.ty).collect(), plan.source.key.clone())
}

impl Looks {
    /// For a table that is to be looked at; none for others.
    pub fn of(plan: &TablePlan) -> Option<Self> {
        let Audit { buckets } = plan.audit.as_ref()?;
        let each = if plan.drains() { BUCKETS_PER_LOOK_LOCKED } else { BUCKETS_PER_LOOK };
        let all: Vec<usize> = buckets.clone().collect();
        let groups = match plan.partition.ranges(&all) {
            Some(_) => all.chunks(each).map(<[usize]>::to_vec).collect(),
            None => vec![all],
        };
        let is_part = plan.increments.as_ref().is_some_and(|increments| increments.since.is_some());
        let sums = vec![Sum::default(); plan.partition.len()];
        let state = State {
            stage: if is_part { Stage::Merge } else { Stage::Look },
            source: sums.clone(),
            target: sums,
            kept_out: 0,
            merged: None,
        };
        Some(Self { layout: Arc::new(layout(plan)), groups, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stage(&self) -> Stage {
        self.state().stage
    }

    pub fn enter(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// Takes over what one look has seen. Each bucket is looked at once, or all of them are.
    fn add(&self, source: &[Sum], target: &[Sum], kept_out: u64) {
        let mut state = self.state();
        let into = |all: &mut Vec<Sum>, more: &[Sum]| all.iter_mut().zip(more).for_each(|(sum, more)| sum.add(*more));
        into(&mut state.source, source);
        into(&mut state.target, target);
        state.kept_out += kept_out;
    }

    /// What is proved when both sides are as the source was.
    fn proven(&self, plan: &TablePlan) -> Proven {
        let total = ledger::total(&self.state().source);
        Proven::by_content(total, self.is_whole(plan))
    }

    /// Every bucket is looked at.
    fn is_whole(&self, plan: &TablePlan) -> bool {
        plan.audit.as_ref().is_none_or(|audit| audit.buckets.len() == plan.partition.len())
    }

    /// What the source has in the buckets that do not differ.
    fn rest(&self, differing: &[usize]) -> Sum {
        let mut sums = self.state().source.clone();
        sums.iter_mut().enumerate().filter(|(bucket, _)| differing.contains(bucket)).for_each(|(_, sum)| *sum = Sum::default());
        ledger::total(&sums)
    }

    /// Number of jobs that look.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The increments are in.
    pub fn merged(&self, outcome: Outcome) {
        self.state().merged = Some(outcome);
    }

    /// What was done to the target before the looks.
    fn before(&self) -> Outcome {
        self.state().merged.unwrap_or_default()
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
        let many = differing.iter().map(rows).sum::<u64>() > ROWS_MENDED_MAX;
        let ranges = plan.partition.ranges(&differing).map_or(1, |ranges| ranges.len());
        if plan.source.key.is_empty() || many || ranges > RANGES_MAX { Decision::Load } else { Decision::Mend }
    }
}

/// Looks at some buckets of both sides.
///
/// # Errors
/// The classified error of a server; [`Kind::SnapshotLost`] when the worker has to leave its group.
pub(super) fn look(table: &TableWork<'_>, looks: &Looks, group: usize, worker: &mut Worker<'_>) -> Result<()> {
    let plan = table.plan();
    let gone = || Error::new(Kind::Internal, "a look that is not in the plan");
    let ranges = plan.partition.ranges(looks.groups.get(group).ok_or_else(gone)?);
    let slice = match ranges.as_deref() {
        Some([one]) => Slice::Range(one.clone()),
        Some(several) => Slice::Past { condition: "FALSE".into(), ranges: several.to_vec() },
        None => Slice::everything(),
    };
    let digester = || Digester::new(Arc::clone(&looks.layout), Arc::clone(&plan.partition));
    let (mut there, mut here) = (digester(), digester());
    let scanned = scan::tuples(worker.source, plan, &slice, &mut |tuple| add(&mut there, tuple))?;
    table.stood_still()?;
    worker.sink.read_back(&table.load, ranges.as_deref(), &mut |tuple| add(&mut here, tuple))?;
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
    let proven = looks.proven(table.plan());
    let outcome = Outcome { rows: proven.rows.unwrap_or(looks.before().rows), ..looks.before() };
    chunk::confirm(services, table, sink, &outcome, &proven)
}

/// Reads the differing buckets again and merges them; tells what the increments had missed.
///
/// # Errors
/// As [`chunk::copy_chunk`]; [`Kind::Proof`] when both sides are not the same then.
pub(super) fn mend(services: &Services<'_>, table: &TableWork<'_>, looks: &Looks, worker: &mut Worker<'_>) -> Result<Outcome> {
    let plan = table.plan();
    let buckets = looks.differing();
    let ranges = plan.partition.ranges(&buckets).unwrap_or_else(|| vec![KeyRange::everything()]);
    let before = looks.before();
    let again = Again {
        rest: looks.rest(&buckets),
        is_whole: looks.is_whole(plan),
        expected: (!plan.drains()).then(|| looks.state().source.clone()),
        buckets,
        before,
        past: missed_below(table),
    };
    let slice = Slice::Past { condition: "FALSE".into(), ranges };
    let (merged, _, _) = chunk::merge(services, table, worker, &slice, chunk::Counting::Again(&again))?;
    let Merge::Done(outcome) = merged else { return chunk::copy_whole(services, table, worker) };
    tell(table, looks, outcome.missed, format!("{} of {} buckets", again.buckets.len(), plan.partition.len()));
    Ok(outcome)
}

/// The table is read whole because too much of it differs, or what differs cannot be told by key.
pub(super) fn loaded(table: &TableWork<'_>, looks: &Looks, outcome: &Outcome) {
    let changed = outcome.inserted + outcome.updated + outcome.deleted;
    // Without a snapshot nobody knows which of these came after the increments.
    let missed = if table.plan().drains() { 0 } else { changed };
    tell(table, looks, missed, "a full load".into());
}

/// Of a table that is refreshed, everything that differs is what this run had to do.
fn tell(table: &TableWork<'_>, looks: &Looks, missed: u64, via: String) {
    let Some(increments) = table.plan().increments.as_ref().filter(|_| looks.state().merged.is_some() && missed > 0) else {
        return;
    };
    let columns = increments.columns.iter().map(|column| column.column.as_str()).collect::<Vec<_>>().join(", ");
    let name = table.plan().name();
    log::warn!("{columns} missed {missed} changes of {name}, or the warehouse was changed by hand: mended via {via}");
    let state = looks.state();
    let (source, target) = (ledger::total(&state.source).rows, ledger::total(&state.target).rows);
    drop(state);
    table.healed(Heal { source, target, rows: missed, via, missed: Some(missed) });
}

/// Without a snapshot, rows that were written after the increments were read are no miss: those at or past the safe point.
fn missed_below(table: &TableWork<'_>) -> Option<crate::plan::watermark::Watermark> {
    if table.plan().drains() { table.load.watermark() } else { None }
}

fn add(digester: &mut Digester, tuple: &[u8]) -> Result<()> {
    digester.row(tuple).map(drop).map_err(|_| Error::new(Kind::Internal, "a row has another number of columns than its table"))
}
