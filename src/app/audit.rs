//! Which tables both sides of are compared by content, and how much of them.
//!
//! A table that is refreshed whole is compared before anything is copied: on most nights little of it has changed. One that
//! is loaded by its increments is compared afterwards, all of it or another part in each run.

use super::increments::{self, Since};
use super::traces;
use crate::catalog::TargetTable;
use crate::config::{Audit, Extraction, Strategy, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::encode::digest::ledger_fingerprint;
use crate::error::Result;
use crate::plan::ledger::{BUCKET_BYTES, Ledger, Partition};
use crate::plan::strategy::{Splitter, splitter};
use crate::plan::traces::Traces;
use crate::plan::{Action, TablePlan};
use crate::sink::COMPARED_BYTES_MAX;
use crate::sink::postgres::read_back;
use crate::source::counts;
use crate::track::attempts::AUDITS_WEIGHED;
use crate::track::state::TableState;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A table without transactions that is no ranges of an integer key is read by one statement, whose lock keeps its writers
/// waiting: beyond so many bytes it is copied in chunks instead.
const LOCKED_BYTES_MAX: u64 = 8 << 20;

/// What a run compares by content.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How much of tables that are loaded by their increments.
    pub audit: Audit,
    /// All of every table, whatever its watermark says.
    pub is_repair: bool,
    /// Incremental columns of tables that have missed changes in so many of the last audited loads.
    pub distrusted: &'a BTreeMap<(String, String), i64>,
}

impl Wanted<'_> {
    /// Why all of a table is compared instead of reading past its watermark; none when it is read from.
    pub fn forgoes_watermark(self, plan: &TablePlan) -> Option<String> {
        let increments = plan.increments.as_ref().filter(|_| plan.reads_increments())?;
        if self.is_repair {
            return Some("both sides are compared whole".into());
        }
        let columns = increments.names();
        let misses = self.distrusted.get(&(plan.name().to_owned(), columns.clone()))?;
        Some(format!(
            "{columns} missed changes in {misses} of the last {AUDITS_WEIGHED} audited loads and is not trusted any more"
        ))
    }
}

/// Divides the table's keys, and decides what of them is compared.
///
/// # Errors
/// The classified error of the source.
pub fn decide(
    conn: &mut MysqlConn,
    plan: &mut TablePlan,
    (existing, state): (Option<&TargetTable>, Option<&TableState>),
    (wanted, rule): (Wanted<'_>, &TableRule),
    since: Since<'_>,
) -> Result<()> {
    let bytes = plan.source.bytes_estimated;
    let is_large = bytes > BUCKET_BYTES && splitter(&plan.source) == Splitter::Integer;
    let ends = if is_large { counts::ends(conn, &plan.source)? } else { None };
    plan.partition = Arc::new(Partition::of(&plan.source, ends, &plan.chunks, bytes));
    let Some((existing, state)) = existing.zip(state) else { return Ok(()) };
    let is_untouched = is_untouched(plan, state);
    remember(plan, (existing, state), is_untouched, ends);
    let fits =
        !plan.drift.needs_all_rows() && read_back::unlike(plan, existing).is_none() && increments::is_keyed(plan, existing);
    // Rows in quarantine are those of the last load, and every load looks for its own.
    if plan.action != Action::Refresh || since.full || !fits || state.rejected > 0 {
        return Ok(());
    }
    let Wanted { audit, is_repair, .. } = wanted;
    let audit = if rule.extraction == Some(Extraction::Ledger) { Audit::All } else { audit };
    let is_part = plan.reads_increments();
    let is_tiny = usize::try_from(bytes).is_ok_and(|bytes| bytes <= COMPARED_BYTES_MAX);
    let parts = match (is_part, audit) {
        _ if is_repair => Some(1),
        (_, Audit::Off) => None,
        _ if plan.drains() && !matches!(*plan.partition, Partition::Ranges(_)) && bytes > LOCKED_BYTES_MAX => None,
        // Somebody wrote to the target: where, nobody knows.
        _ if !is_untouched => Some(1),
        // Little tables are compared with their rows in hand.
        (false, _) if is_tiny => None,
        (_, audit) => audit.parts(bytes),
    };
    let buckets = parts.map(|parts| part(&plan.partition, parts, state.loads));
    // Of a table without increments, the source is looked at in every run.
    let buckets = if is_part { buckets.and_then(|buckets| buckets) } else { buckets.map(|buckets| buckets.unwrap_or(0..0)) };
    plan.audit = buckets.map(|buckets| crate::plan::Audit { buckets, is_whole_source: !is_part, is_repair, reads_source: true });
    Ok(())
}

/// Of a table whose source stands, only the target is looked at, when the ledger knows every bucket of it; otherwise false.
pub fn by_target(plan: &mut TablePlan, left: Option<(&TargetTable, &TableState)>, wanted: Wanted<'_>) -> bool {
    let Some((existing, state)) = left.filter(|_| wanted.audit != Audit::Off) else { return false };
    let fingerprint = ledger_fingerprint(plan);
    let stored = state.ledger.as_deref().and_then(|text| serde_json::from_str::<Ledger>(text).ok());
    let fits = |stored: &Ledger| {
        let known = stored.sums_of(&fingerprint, &stored.partition);
        known.is_some_and(|sums| sums.iter().all(Option::is_some)) && read_back::unlike(plan, existing).is_none()
    };
    let Some(stored) = stored.filter(|stored| fits(stored) && increments::is_keyed(plan, existing)) else { return false };
    plan.make_single(Strategy::Standard, format!("{}, the source was not: only the target is read", plan.reason));
    plan.partition = Arc::new(stored.partition);
    plan.audit = Some(crate::plan::Audit {
        buckets: 0..plan.partition.len(),
        is_whole_source: false,
        is_repair: false,
        reads_source: false,
    });
    plan.known = Some(stored.sums);
    if let Some(increments) = &mut plan.increments {
        increments.since = None;
    }
    true
}

/// Nobody but the last run has written to the target since, as far as PostgreSQL has counted that; true where nobody counts.
fn is_untouched(plan: &TablePlan, state: &TableState) -> bool {
    let is_as_left = |now: &Traces| traces::last(state).is_some_and(|then| then.warehouse == now.warehouse);
    plan.traces.as_ref().is_none_or(is_as_left)
}

/// Takes over what the buckets held at the last success, where the target is the table that was left then.
fn remember(
    plan: &mut TablePlan,
    (existing, state): (&TargetTable, &TableState),
    is_untouched: bool,
    ends: Option<(i128, i128)>,
) {
    let fingerprint = ledger_fingerprint(plan);
    let is_as_left = is_untouched && traces::is_as_left(state, existing);
    let stored = state.ledger.as_deref().and_then(|text| serde_json::from_str::<Ledger>(text).ok());
    let Some(stored) = stored.filter(|stored| stored.fingerprint == fingerprint) else { return };
    // Buckets stay as they are for as long as they are not too large: then their sums go on.
    let stored = stored.resized(ends);
    plan.partition = Arc::new(stored.partition.clone());
    plan.known = stored.sums_of(&fingerprint, &plan.partition).filter(|_| is_as_left).map(<[_]>::to_vec);
}

/// The buckets whose turn it is after so many loads; none when buckets are no ranges and it is not their turn.
fn part(partition: &Partition, parts: u32, loads: i64) -> Option<Range<usize>> {
    let (all, parts) = (partition.len(), usize::try_from(parts).unwrap_or(1).max(1));
    let turn = usize::try_from(loads.rem_euclid(i64::try_from(parts).unwrap_or(1))).unwrap_or(0);
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
    fn the_parts_of_seven_loads_are_the_table() {
        for buckets in [7, 8, 20, 100] {
            let partition = Partition::Ranges((1..buckets).collect());
            let mut seen: Vec<usize> = (100..107).flat_map(|load| part(&partition, 7, load).unwrap_or(0..0)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..partition.len()).collect::<Vec<_>>(), "{buckets}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_compared_once_in_so_many_loads() {
        for partition in [Partition::Whole, Partition::Hashes(3), Partition::Ranges(vec![5])] {
            let turns: Vec<_> = (0..14).filter_map(|load| part(&partition, 7, load)).collect();
            assert_eq!(turns, [0..partition.len(), 0..partition.len()]);
            assert_eq!(part(&partition, 1, 3), Some(0..partition.len()));
        }
    }
}
