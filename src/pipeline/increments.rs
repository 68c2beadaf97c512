//! A table that is loaded by its increments: merge what is past the watermark, count both sides, mend what differs.
//!
//! The counts do not ask the watermark: whatever it missed, and whatever is gone from the source, shows in them. What
//! differs is read again in the same run and the same snapshot: key ranges first, the whole table once at most.

use super::Services;
use super::chunk::{self, Counting, Worker};
use super::table::{Heal, TableWork};
use crate::error::Result;
use crate::plan::Slice;
use crate::plan::census::Drift;
use crate::sink::{Merge, Outcome};
use std::time::{Duration, Instant};

/// Loads the table; `condition` tells its increments in the source's SQL.
///
/// # Errors
/// As [`chunk::copy_whole`].
pub fn load(services: &Services<'_>, table: &TableWork<'_>, worker: &mut Worker<'_>, condition: &str) -> Result<Outcome> {
    let name = table.plan().name();
    let mut slice = Slice::Past { condition: condition.to_owned(), ranges: Vec::new() };
    let (mut first, mut mending): (Option<Drift>, Instant) = (None, Instant::now());
    // Most nights nobody writes while a table is read: then one count of the source is enough, and dear enough.
    let mut counting = Counting::Once;
    while let Slice::Past { ranges, .. } = &slice {
        let mended = ranges.len();
        let (merged, census, read) = chunk::merge(services, table, worker, &slice, counting)?;
        let drift = match merged {
            Merge::Done(outcome) => {
                if let Some(drift) = first {
                    let via = format!("{mended} key ranges");
                    table.healed(tell(name, &drift, outcome, (via, mending.elapsed())));
                }
                return Ok(outcome);
            }
            Merge::Drift(_) if table.plan().drains() && census.is_some() && matches!(counting, Counting::Once) => {
                counting = Counting::Twice;
                continue;
            }
            Merge::Drift(drift) => drift,
        };
        slice = census.map_or_else(Slice::everything, |census| census.wider(&slice, &drift));
        let way = match &slice {
            Slice::Past { ranges, .. } => format!("{} key ranges", ranges.len()),
            Slice::Range(_) => "a full load".to_owned(),
        };
        log::info!(
            "Replication has {} rows vs analytics {} rows for {name}, analytics needs updating",
            drift.source,
            drift.target
        );
        log::warn!("Incremental query returned {read} rows for {name}, but analytics needs updating. Falling back to {way}");
        if first.is_none() {
            (first, mending) = (Some(drift), Instant::now());
        }
    }
    let outcome = chunk::copy_whole(services, table, worker)?;
    if let Some(drift) = first {
        table.healed(tell(name, &drift, outcome, ("a full load".into(), mending.elapsed())));
    }
    Ok(outcome)
}

fn tell(name: &str, drift: &Drift, outcome: Outcome, (via, elapsed): (String, Duration)) -> Heal {
    let rows = outcome.inserted + outcome.updated + outcome.deleted;
    log::info!("HYBRID FIX: Successfully loaded {rows} rows for {name} via {via}");
    Heal { source: drift.source, target: drift.target, rows, via, missed: None, elapsed }
}
