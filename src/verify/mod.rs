//! Read-only comparison of both sides: rows per range of the key, each table from one snapshot of either server.
//!
//! A table that differs is looked at again in fresh snapshots: a run that writes meanwhile makes differences that pass.

pub mod ledger; // each side by itself, against what the last success left
pub mod look; // one look at one table, and what it means
mod pool; // the looks of all tables, by a pool of workers
mod quarantine; // rows that are not in the target, and not missing
pub mod rows; // a look by content: digests of both sides, then rows by their keys

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

/// Looks at all tables. The answers are in the order of the questions; the error is what kept tables from being reached.
pub fn verify(services: &Services<'_>, questions: &[Question]) -> (Vec<Seen>, Option<Error>) {
    let mut all: Vec<Seen> = questions.iter().map(|_| Seen { end: None, elapsed: Duration::ZERO }).collect();
    let mut biggest_first: Vec<usize> = (0..questions.len()).collect();
    biggest_first.sort_by_key(|index| std::cmp::Reverse(questions.get(*index).map(|q| q.table.source.bytes_estimated)));
    let wanted: Vec<_> =
        biggest_first.iter().filter_map(|i| Some((*i, questions.get(*i)?.table.source.rows_estimated))).collect();
    let first = pool::look_at(services, questions, &wanted);
    let mut lost = first.lost;
    put(&mut all, first.seen);

    let again: Vec<_> = biggest_first.into_iter().filter_map(|i| Some((i, rows_if_doubtful(all.get(i)?)?))).collect();
    if lost.is_none() && !again.is_empty() && services.cancel.check().is_ok() {
        log::info!("{} tables differ: looking again in {} s", again.len(), SECOND_LOOK_AFTER.as_secs());
        if services.cancel.sleep(SECOND_LOOK_AFTER).is_ok() {
            let second = pool::look_at(services, questions, &again);
            lost = second.lost;
            put(&mut all, second.seen);
        }
    }
    (all, lost)
}

/// Rows of a table that wants a second look: what differs may be on its way, what failed may succeed. The count of the
/// first look makes the second one's ranges as fine as they can be.
fn rows_if_doubtful(seen: &Seen) -> Option<u64> {
    match seen.end.as_ref()? {
        Ok((look, Verdict::Different)) => Some(look.source),
        Ok(_) => None,
        Err(error) => (error.kind().policy().retry != Retry::Never).then_some(0),
    }
}

/// Takes over what was seen. A table that could not be looked at before has nothing that could have been in flight.
fn put(all: &mut [Seen], seen: Vec<pool::Answer>) {
    for answer in seen {
        let Some(place) = all.get_mut(answer.table) else { continue };
        place.elapsed += answer.elapsed;
        let first = place.end.take().and_then(Result::ok).map(|(look, _)| look);
        place.end = Some(answer.look.map(|mut look| {
            if let Some(then) = first.as_ref().and_then(|first| first.content.as_ref()) {
                look.content = look.content.map(|now| now.lasting(then));
            }
            match look.verdict() {
                Verdict::Equal if first.is_some() => (look, Verdict::InFlight),
                verdict => (look, verdict),
            }
        }));
    }
}
