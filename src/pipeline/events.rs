//! What the run log is told of a table: each try to read the source, and what the table holds at its end.
//!
//! A request's endpoint is the table and what of it was read: the range of an integer key, otherwise which of how many chunks. Key
//! values of any other type are cell values, and are nowhere.

use super::table::TableWork;
use super::{Destination, Services};
use crate::error::{Error, Result};
use crate::key::KeyRange;
use crate::plan::ledger::integer;
use crate::plan::{Slice, TablePlan};
use crate::sink::Outcome;
use crate::track::attempts::Attempt;
use crate::track::runs::Request;
use crate::track::runs::engine::Entry;
use crate::track::writer::Event;
use std::time::Instant;

/// Status of a read that came to its end, as that of a web request.
const OK: u16 = 200;

/// What of a table is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum What<'a> {
    /// All of it.
    Whole,
    /// One of its chunks.
    Chunk(usize),
    /// What is past its watermark, or ranges that are mended.
    Part(&'a Slice),
    /// One of so many looks, at these ranges.
    Look(usize, usize, Option<&'a [KeyRange]>),
}

/// Tells of a try that ended. `rows`: those that the source gave, where it came to its end.
pub(super) fn tried(
    services: &Services<'_>,
    plan: &TablePlan,
    (what, throttled): (What<'_>, bool),
    started: Instant,
    (rows, error): (Option<u64>, Option<&Error>),
) {
    if !services.tracker.logs() {
        return;
    }
    let entity = entity(services, plan);
    let request = Request {
        endpoint: format!("{entity}{}", part(plan, what)),
        offset: None,
        limit: planned(plan, what),
        status: error.is_none().then_some(OK),
        item_count: rows,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        throttled,
        error: error.map(|error| error.kind().word().to_owned()),
    };
    services.tracker.log(Entry::Request { entity, request, at: Instant::now() });
}

/// Tells how a table ended, for its history.
pub(super) fn attempt(services: &Services<'_>, attempt: Option<Attempt>) {
    if let Some(attempt) = attempt {
        services.tracker.send(Event::Attempt(Box::new(attempt)));
    }
}

/// Tells of a table that is loaded.
pub(super) fn loaded(services: &Services<'_>, table: &TableWork<'_>, outcome: &Outcome) {
    attempt(services, table.attempt());
    if !services.tracker.logs() {
        return;
    }
    let plan = table.plan();
    let entry = Entry::Table {
        entity: entity(services, plan),
        source_rows: table.source_rows(outcome),
        target: (plan.target.schema.clone(), plan.target.table.clone()),
        rows: outcome.rows,
        ends: plan.ends,
        digest: outcome.proven.and_then(|proven| proven.digest),
    };
    services.tracker.log(entry);
}

/// The source table; those of the first hop are told apart from the same tables in the second.
fn entity(services: &Services<'_>, plan: &TablePlan) -> String {
    match services.destination {
        Destination::Warehouse(_) => plan.name().to_owned(),
        Destination::Replica(_) => format!("replicate/{}", plan.name()),
    }
}

/// What of the table, behind its name.
fn part(plan: &TablePlan, what: What<'_>) -> String {
    let chunks = plan.chunks.len();
    match what {
        What::Whole => String::new(),
        What::Chunk(chunk) => match plan.chunks.get(chunk).and_then(keys) {
            Some(keys) => keys,
            None => format!(", chunk {} of {chunks}", chunk + 1),
        },
        What::Part(Slice::Range(_)) => String::new(),
        What::Part(Slice::Past { condition, ranges }) => match (condition.as_str(), ranges.len()) {
            ("FALSE", ranges) => format!(", {ranges} key ranges again"),
            (_, 0) => ", increments".into(),
            (_, ranges) => format!(", increments and {ranges} key ranges"),
        },
        What::Look(_, _, Some([one])) if keys(one).is_some() => format!("{}, look", keys(one).unwrap_or_default()),
        What::Look(_, 1, _) => ", look".into(),
        What::Look(look, all, _) => format!(", look {} of {all}", look + 1),
    }
}

/// `[1000, 2000)`, of an integer key alone.
fn keys(range: &KeyRange) -> Option<String> {
    let end = |key: &Option<Vec<crate::key::KeyValue>>| match key {
        None => Some("..".to_owned()),
        Some(key) => integer(key).map(|key| key.to_string()),
    };
    (range.low.is_some() || range.high.is_some()).then_some(())?;
    Some(format!("[{}, {})", end(&range.low)?, end(&range.high)?))
}

/// Rows that the plan expects, as the source's server estimates them; none where nobody knows.
fn planned(plan: &TablePlan, what: What<'_>) -> Option<u64> {
    let parts = match what {
        What::Whole | What::Part(Slice::Range(_)) => 1,
        What::Chunk(_) => plan.chunks.len(),
        What::Look(_, all, _) => all,
        What::Part(Slice::Past { .. }) => return None,
    };
    Some(plan.source.rows_estimated.div_ceil(u64::try_from(parts).unwrap_or(1).max(1)))
}

/// The error of a result, for [`tried`].
pub(super) fn error<T>(result: &Result<T>) -> Option<&Error> {
    result.as_ref().err()
}
