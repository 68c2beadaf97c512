//! Read-only comparison of both sides: rows per range of the key, each table from one snapshot of either server.
//!
//! A table that differs is looked at again in fresh snapshots: a run that writes meanwhile makes differences that pass.

mod apart; // rows of buckets that differ, by their keys
pub mod ledger; // each side by itself, against what the last success left
pub mod look; // one look at one table, and what it means
mod pool; // the looks of all tables, by a pool of workers
mod quarantine; // rows that are not in the target, and not missing
pub mod rows; // a look by content: digests of both sides

use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Result, Retry};
use look::{Look, Question, Verdict, Without};
use std::time::Duration;

/// Pause before the second look, so that a finish that is under way comes to its end.
const SECOND_LOOK_AFTER: Duration = Duration::from_secs(2);

/// What every look needs.
#[derive(Debug)]
pub struct Services<'a> {
    /// The source; its deadline without a byte must be longer than a count takes.
    pub source: &'a Endpoint,
    /// The warehouse.
    pub warehouse: &'a Endpoint,
    /// The target schema, which is the job's name.
    pub job: &'a str,
    /// What is known of the quarantine.
    pub quarantine: Without,
    /// Looks at the same time, each with one connection to either side.
    pub workers: usize,
    /// Running or stopping.
    pub cancel: &'a Cancel,
    /// Deadlines of PostgreSQL waits.
    pub watchdog: &'a Watchdog,
}

/// What became of one table.
#[derive(Debug)]
pub struct Seen {
    /// What was seen, or why nothing could be; none when it was not reached.
    pub end: Option<Result<(Look, Verdict)>>,
    /// All looks together.
    pub elapsed: Duration,
}

/// A part of a table that is looked at in one snapshot of either side.
#[derive(Debug, Clone)]
struct Unit {
    /// Index of its question.
    table: usize,
    /// Rows of the table; may be an estimate.
    rows: u64,
    /// Its buckets; none for all of the table.
    buckets: Option<Vec<usize>>,
}

/// Buckets that are looked at together: about 32 MB.
const BUCKETS_PER_UNIT: usize = 8;

/// The same where a statement that reads holds the table's lock: about 8 MB.
const BUCKETS_PER_UNIT_LOCKED: usize = 2;

/// Looks at all tables. The answers are in the order of the questions; the error is what kept tables from being reached.
pub fn verify(services: &Services<'_>, questions: &[Question]) -> (Vec<Seen>, Option<Error>) {
    let mut biggest_first: Vec<usize> = (0..questions.len()).collect();
    biggest_first.sort_by_key(|index| std::cmp::Reverse(questions.get(*index).map(|q| q.table.source.bytes_estimated)));
    let all = biggest_first.iter().filter_map(|index| Some((*index, questions.get(*index)?)));
    let units: Vec<Unit> = all.flat_map(|(index, question)| units(index, question)).collect();
    let mut ends: Vec<Option<Result<(Look, Verdict)>>> = units.iter().map(|_| None).collect();
    let mut elapsed = vec![Duration::ZERO; questions.len()];
    let first = pool::look_at(services, questions, &units);
    let mut lost = first.lost;
    put(&mut ends, &mut elapsed, first.seen, None);

    let doubtful: Vec<usize> = (0..units.len()).filter(|unit| is_doubtful(ends.get(*unit))).collect();
    if lost.is_none() && !doubtful.is_empty() && services.cancel.check().is_ok() {
        let tables: std::collections::BTreeSet<usize> = doubtful.iter().filter_map(|i| Some(units.get(*i)?.table)).collect();
        log::info!("{} tables differ: looking again in {} s", tables.len(), SECOND_LOOK_AFTER.as_secs());
        if services.cancel.sleep(SECOND_LOOK_AFTER).is_ok() {
            // The count of the first look makes the second one's ranges as fine as they can be.
            let counted = |i: &usize| match ends.get(*i) {
                Some(Some(Ok((look, _)))) => look.source,
                _ => 0,
            };
            let again: Vec<Unit> =
                doubtful.iter().filter_map(|i| Some(Unit { rows: counted(i), ..units.get(*i)?.clone() })).collect();
            let second = pool::look_at(services, questions, &again);
            lost = second.lost;
            put(&mut ends, &mut elapsed, second.seen, Some(&doubtful));
        }
    }
    let mut seen: Vec<Seen> = elapsed.into_iter().map(|elapsed| Seen { end: None, elapsed }).collect();
    let mut begun = vec![false; questions.len()];
    for (unit, end) in units.iter().zip(ends) {
        let Some(place) = seen.get_mut(unit.table) else { continue };
        let is_first = begun.get_mut(unit.table).is_some_and(|begun| !std::mem::replace(begun, true));
        place.end = if is_first { end } else { together(place.end.take(), end) };
    }
    (seen, lost)
}

/// The parts of a table: several where its buckets are ranges of the key, each of which is compared by itself.
fn units(table: usize, question: &Question) -> Vec<Unit> {
    let rows = question.table.source.rows_estimated;
    let unit = |buckets| Unit { table, rows, buckets };
    let each = if question.table.drains() { BUCKETS_PER_UNIT_LOCKED } else { BUCKETS_PER_UNIT };
    match question.buckets() {
        Some(buckets) => buckets.chunks(each).map(|part| unit(Some(part.to_vec()))).collect(),
        None => vec![unit(None)],
    }
}

/// What wants a second look: what differs may be on its way, what failed may succeed.
fn is_doubtful(end: Option<&Option<Result<(Look, Verdict)>>>) -> bool {
    match end {
        Some(Some(Ok((_, verdict)))) => *verdict == Verdict::Different,
        Some(Some(Err(error))) => error.kind().policy().retry != Retry::Never,
        _ => false,
    }
}

/// Takes over what was seen; `which` are the units that were looked at, all when none. One that could not be looked at before
/// has nothing that could have been in flight.
fn put(ends: &mut [Option<Result<(Look, Verdict)>>], elapsed: &mut [Duration], seen: Vec<pool::Answer>, which: Option<&[usize]>) {
    for answer in seen {
        let unit = which.map_or(Some(answer.unit), |which| which.get(answer.unit).copied());
        let Some(place) = unit.and_then(|unit| ends.get_mut(unit)) else { continue };
        if let Some(elapsed) = elapsed.get_mut(answer.table) {
            *elapsed += answer.elapsed;
        }
        let first = place.take().and_then(Result::ok).map(|(look, _)| look);
        *place = Some(answer.look.map(|mut look| {
            if let Some(then) = first.as_ref().and_then(|first| first.content.as_ref()) {
                look.content = look.content.map(|now| now.lasting(then));
                // Nobody looks a third time.
                look.content.iter_mut().for_each(|now| now.forget());
            }
            match look.verdict() {
                Verdict::Equal if first.is_some() => (look, Verdict::InFlight),
                verdict => (look, verdict),
            }
        }));
    }
}

/// Two parts of one table: it is known when both are, and as good as the worse of both.
fn together(one: Option<Result<(Look, Verdict)>>, other: Option<Result<(Look, Verdict)>>) -> Option<Result<(Look, Verdict)>> {
    Some(match (one?, other?) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok((mut look, verdict)), Ok((more, other))) => {
            look.add(more);
            Ok((look, verdict.max(other)))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::catalog::ddl::tests::table;
    use crate::name::TableName;
    use crate::plan::TablePlan;
    use crate::plan::ledger::Partition;
    use std::sync::Arc;

    /// A statement over a MyISAM table holds its lock until it has read everything.
    #[test]
    fn tables_whose_reads_lock_them_are_looked_at_in_smaller_parts() {
        let parts = |transactional| {
            let mut source = table(&["id", "v"]);
            source.transactional = transactional;
            let bounds = rows::Bounds::default();
            let depth = rows::Depth { percent: 100, rows_told: 0, values: false, since: None, row_bytes_max: 1, bounds };
            let question = Question {
                table: TablePlan::whole(source, TableName::new("raw", "t"), None),
                exists: true,
                unlike: None,
                depth: look::Depth::Rows(depth),
                ledger: None,
                partition: Some(Arc::new(Partition::Ranges((1..17).collect()))),
                since: None,
            };
            units(0, &question).into_iter().map(|unit| unit.buckets.unwrap().len()).collect::<Vec<_>>()
        };
        assert_eq!(parts(true), [8, 8, 1]);
        assert_eq!(parts(false), [2, 2, 2, 2, 2, 2, 2, 2, 1]);
    }
}
