//! Which tables both sides of are compared by content, and how much of them.
//!
//! A table that is refreshed whole is compared before anything is copied: on most nights little of it has changed. One that
//! is loaded by its increments is compared afterwards, all of it or another part each day.

use super::increments::Since;
use crate::catalog::TargetTable;
use crate::config::Audit;
use crate::conn::mysql::MysqlConn;
use crate::error::Result;
use crate::plan::ledger::{BUCKET_BYTES, Partition};
use crate::plan::strategy::{Splitter, splitter};
use crate::plan::{Action, TablePlan};
use crate::sink::COMPARED_BYTES_MAX;
use crate::sink::postgres::read_back;
use crate::source::counts;
use crate::track::state::TableState;
use std::ops::Range;
use std::sync::Arc;

/// Microseconds of a day: each compares another part of a large table.
const DAY: i64 = 24 * 3600 * 1_000_000;

/// Divides the table's keys, and decides what of them is compared.
///
/// # Errors
/// The classified error of the source.
pub fn decide(
    conn: &mut MysqlConn,
    plan: &mut TablePlan,
    (existing, state): (Option<&TargetTable>, Option<&TableState>),
    audit: Audit,
    since: Since<'_>,
) -> Result<()> {
    let table = &plan.source;
    let is_large = table.bytes_estimated > BUCKET_BYTES && splitter(table) == Splitter::Integer;
    let ends = if is_large { counts::ends(conn, table)? } else { None };
    plan.partition = Arc::new(Partition::of(table, ends, &plan.chunks, table.bytes_estimated));
    let Some((existing, state)) = existing.zip(state) else { return Ok(()) };
    let fits = !plan.drift.needs_all_rows() && read_back::unlike(plan, existing).is_none();
    // Rows in quarantine are those of the last load, and every load looks for its own.
    if plan.action != Action::Refresh || since.full || !fits || state.rejected > 0 {
        return Ok(());
    }
    let is_part = plan.increments.as_ref().is_some_and(|increments| increments.since.is_some());
    let is_tiny = usize::try_from(table.bytes_estimated).is_ok_and(|bytes| bytes <= COMPARED_BYTES_MAX);
    let parts = match (is_part, audit) {
        (_, Audit::Off) => None,
        (true, audit) => audit.parts(table.bytes_estimated),
        // Little tables are compared with their rows in hand.
        (false, _) => (!is_tiny).then_some(1),
    };
    plan.audit =
        parts.and_then(|parts| part(&plan.partition, parts, since.now / DAY)).map(|buckets| crate::plan::Audit { buckets });
    Ok(())
}

/// The buckets of this day; none when buckets are no ranges and it is not their day.
fn part(partition: &Partition, parts: u32, day: i64) -> Option<Range<usize>> {
    let (all, parts) = (partition.len(), usize::try_from(parts).unwrap_or(1).max(1));
    let turn = usize::try_from(day.rem_euclid(i64::try_from(parts).unwrap_or(1))).unwrap_or(0);
    if parts == 1 {
        return Some(0..all);
    }
    if !matches!(partition, Partition::Ranges(_)) || all < parts {
        // All of it is read for any part of it.
        return (turn == 0).then_some(0..all);
    }
    Some(turn * all / parts..(turn + 1) * all / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_week_are_the_table() {
        for buckets in [7, 8, 20, 100] {
            let partition = Partition::Ranges((1..buckets).collect());
            let mut seen: Vec<usize> = (100..107).flat_map(|day| part(&partition, 7, day).unwrap_or(0..0)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..partition.len()).collect::<Vec<_>>(), "{buckets}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_compared_once_in_so_many_days() {
        for partition in [Partition::Whole, Partition::Hashes(3), Partition::Ranges(vec![5])] {
            let days: Vec<_> = (0..14).filter_map(|day| part(&partition, 7, day)).collect();
            assert_eq!(days, [0..partition.len(), 0..partition.len()]);
            assert_eq!(part(&partition, 1, 3), Some(0..partition.len()));
        }
    }
}
