//! What is told of a table that was not as its source: how many rows, by what it showed, and whose doing it was.

use super::super::increments;
use super::super::table::{Cause, Heal, TableWork};
use super::Looks;
use crate::plan::Action;
use crate::plan::ledger::{self, Sum};
use crate::sink::Outcome;
use std::time::Duration;

/// What became of a table whose rows were all copied. One that was looked at is read whole because too much of it differs, or
/// because what differs cannot be told by key.
pub fn after(table: &TableWork<'_>, outcome: Outcome) -> Outcome {
    let Some(looks) = &table.looks else {
        tell_of_hands(table, &outcome);
        return outcome;
    };
    let outcome = outcome.after(&looks.before());
    loaded(table, looks, &outcome);
    outcome
}

fn loaded(table: &TableWork<'_>, looks: &Looks, outcome: &Outcome) {
    // Without a snapshot nobody knows which of these came after the increments.
    let before = looks.before();
    let brought = |outcome: &Outcome| outcome.inserted + outcome.updated;
    let missed = if table.plan().drains() { 0 } else { brought(outcome).saturating_sub(brought(&before)) };
    tell(table, looks, (outcome, missed), ("a full load".into(), looks.since_decision()));
}

/// Says so when a table that was copied without a look had been changed in the warehouse: its source holds what it held at the last
/// success, and still rows had to be written.
fn tell_of_hands(table: &TableWork<'_>, outcome: &Outcome) {
    let plan = table.plan();
    let (Some(known), Some(proven)) = (&plan.known, &outcome.proven) else { return };
    let sums: Option<Vec<Sum>> = known.sums.iter().copied().collect();
    let is_as_then = sums
        .map(|sums| ledger::total(&sums))
        .is_some_and(|then| (proven.digest, proven.rows) == (Some(then.digest), Some(then.rows)));
    let drift = outcome.changed();
    if plan.action != Action::Refresh || drift == 0 || !is_as_then {
        return;
    }
    let (name, via) = (plan.name(), "a full load".to_owned());
    log::warn!("{drift} rows of {name} were changed in the warehouse, not at the source: mended via {via}");
    let (source, target) = (outcome.rows, (outcome.rows + outcome.deleted).saturating_sub(outcome.inserted));
    let (missed, elapsed) = (Some(0), Duration::ZERO);
    table.healed(Heal { source, target, rows: drift, drift, via, cause: Cause::Warehouse, missed, elapsed });
}

/// Says what was mended, and why. `outcome` is that of the increments, too; `missed` of its rows should have come with them. Of a
/// table that is refreshed, what differs is what this run had to do, unless the source had not changed.
pub fn tell(table: &TableWork<'_>, looks: &Looks, (outcome, missed): (&Outcome, u64), (via, elapsed): (String, Duration)) {
    let plan = table.plan();
    let is_repair = plan.audit.as_ref().is_some_and(|audit| audit.is_repair);
    let (cause, is_certain) = looks.cause(plan);
    let drift = match plan.drains() && looks.are_after_increments() && cause == Cause::Source {
        // Without a snapshot, rows may have come since the increments were read: only a miss and a delete are more than that.
        true => missed + outcome.deleted.saturating_sub(looks.before().deleted),
        false => outcome.changed().saturating_sub(looks.before().changed()),
    };
    if drift == 0 || !looks.are_after_increments() && !is_repair && cause != Cause::Warehouse {
        return;
    }
    let (name, (source, target)) = (plan.name(), looks.rows());
    let missed = if cause == Cause::Warehouse { 0 } else { missed };
    let missed = Some(missed).filter(|_| is_certain);
    match plan.increments.as_ref().filter(|_| looks.are_after_increments()) {
        _ if cause == Cause::Warehouse => {
            log::warn!("{drift} rows of {name} were changed in the warehouse, not at the source: mended via {via}");
        }
        Some(increments) if missed.is_some_and(|missed| missed > 0) => {
            let (columns, missed) = (increments.names(), missed.unwrap_or(0));
            log::warn!("{columns} missed {missed} changes of {name}: mended via {via}");
        }
        Some(increments) if missed.is_none() => {
            let columns = increments.names();
            log::warn!(
                "{drift} rows of {name} were not as at the source, missed by {columns} or changed by hand: mended via {via}"
            );
        }
        _ => log::info!("{drift} rows of {name} were not as at the source: mended via {via}"),
    }
    if looks.are_after_increments() && source != target {
        increments::fixed(name, outcome.changed(), &via);
    }
    table.healed(Heal { source, target, rows: outcome.changed(), drift, via, cause, missed, elapsed });
}
