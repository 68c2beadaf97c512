//! A table that is loaded by its increments: merge what is past the watermark, count both sides, mend what differs. Also where both
//! sides are compared by content afterwards: what counts find is mended in the transaction of the increments, so that no reader sees
//! rows that came without those that went.
//!
//! The counts do not ask the watermark: whatever it missed, and whatever is gone from the source, shows in them. What
//! differs is read again in the same run and the same snapshot: key ranges first, the whole table once at most.

use super::Services;
use super::chunk::{self, Counting, Worker};
use super::table::{Cause, Heal, TableWork};
use crate::error::Result;
use crate::plan::census::Drift;
use crate::plan::traces::Writers;
use crate::plan::{Increments, Slice, TablePlan};
use crate::sink::{Merge, Outcome};
use crate::usage;
use std::time::{Duration, Instant};

/// Loads the table; `condition` tells its increments in the source's SQL. Gives what became of it, and how many rows were read past
/// the watermark.
///
/// # Errors
/// As [`chunk::copy_whole`].
pub fn load(services: &Services<'_>, table: &TableWork<'_>, worker: &mut Worker<'_>, condition: &str) -> Result<(Outcome, u64)> {
    let (name, mut call) = (table.plan().name(), usage::INCREMENTS.attempt(table.plan().shape()));
    let mut slice = Slice::Past { condition: condition.to_owned(), ranges: Vec::new() };
    let (mut first, mut mending): (Option<(Drift, Outcome)>, Instant) = (None, Instant::now());
    // Most nights nobody writes while a table is read: then one count of the source is enough, and dear enough.
    let mut counting = Counting::Once;
    let mut past = 0;
    while let Slice::Past { ranges, .. } = &slice {
        let mended = ranges.len();
        let (merged, census, read) = chunk::merge(services, table, worker, &slice, counting)?;
        if first.is_none() {
            past = read;
        }
        let drift = match merged {
            Merge::Done(outcome) => {
                if let Some(first) = first {
                    let via = format!("{mended} key ranges");
                    table.healed(tell(table.plan(), &first, outcome, (via, mending.elapsed())));
                }
                call.rows(past);
                return call.ends(Ok((outcome, past)));
            }
            Merge::Drift(..) if table.plan().drains() && census.is_some() && matches!(counting, Counting::Once) => {
                counting = Counting::Twice;
                continue;
            }
            Merge::Drift(drift, outcome) => (drift, outcome),
        };
        let (drift, would) = drift;
        slice = census.map_or_else(Slice::everything, |census| census.wider(&slice, &drift));
        let way = match &slice {
            Slice::Past { ranges, .. } => format!("{} key ranges", ranges.len()),
            Slice::Range(_) => "a full load".to_owned(),
        };
        announce(name, (drift.source, drift.target), read, &way);
        if first.is_none() {
            (first, mending) = (Some((drift, would)), Instant::now());
        }
    }
    let outcome = chunk::copy_whole(services, table, worker)?;
    if let Some(first) = first {
        table.healed(tell(table.plan(), &first, outcome, ("a full load".into(), mending.elapsed())));
    }
    call.rows(past);
    call.ends(Ok((outcome, past)))
}

/// Says that both sides do not have as many rows after the increments are in, and what is done about it.
pub(super) fn announce(name: &str, (source, target): (u64, u64), read: u64, way: &str) {
    let _call = usage::FALLBACK.enter(usage::Shape::NONE);
    log::info!("Replication has {source} rows vs analytics {target} rows for {name}, analytics needs updating");
    log::warn!("Incremental query returned {read} rows for {name}, but analytics needs updating. Falling back to {way}");
}

/// Says that it was done.
pub(super) fn fixed(name: &str, rows: u64, via: &str) {
    log::info!("HYBRID FIX: Successfully loaded {rows} rows for {name} via {via}");
}

fn tell(plan: &TablePlan, (drift, would): &(Drift, Outcome), outcome: Outcome, (via, elapsed): (String, Duration)) -> Heal {
    let (name, rows) = (plan.name(), outcome.changed());
    // Rows that a hand has deleted would be missed, too; and without a snapshot, rows that came later.
    let is_certain = plan.writers == Writers::Nobody && !plan.drains();
    let brought = |outcome: &Outcome| outcome.inserted + outcome.updated;
    let missed = is_certain.then(|| brought(&outcome).saturating_sub(brought(would)));
    if let Some(missed) = missed.filter(|missed| *missed > 0) {
        let columns = plan.increments.as_ref().map(Increments::names).unwrap_or_default();
        log::warn!("{columns} missed {missed} changes of {name}");
    }
    let apart = |source: u64, target: u64| source.abs_diff(target);
    let differing: u64 = drift.differing.iter().map(|one| apart(one.source, one.target)).sum();
    fixed(name, rows, &via);
    let least = differing.max(apart(drift.source, drift.target));
    let drift_rows = if plan.drains() { least } else { rows.saturating_sub(would.changed()).max(least) };
    Heal { source: drift.source, target: drift.target, rows, drift: drift_rows, via, cause: Cause::Counts, missed, elapsed }
}
