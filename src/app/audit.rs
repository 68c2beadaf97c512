//! Which tables both sides of are compared by content, and how much of them.
//!
//! A table that is refreshed whole is compared before anything is copied: on most nights little of it has changed. One that
//! is loaded by its increments is compared afterwards, all of it or another part in each run.

use super::increments::Since;
use super::traces;
use crate::catalog::TargetTable;
use crate::config::{Audit, Extraction, Strategy, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::encode::digest::ledger_fingerprint;
use crate::error::Result;
use crate::plan::ledger::{BUCKET_BYTES, Ledger, Partition};
use crate::plan::strategy::{Splitter, splitter};
use crate::plan::traces::Writers;
use crate::plan::{Action, Known, TablePlan};
use crate::sink::postgres::read_back;
use crate::sink::{COMPARED_BYTES_MAX, Proof};
use crate::source::counts;
use crate::track::attempts::AUDITS_WEIGHED;
use crate::track::state::TableState;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A table without transactions that is no ranges of an integer key is read by one statement, whose lock keeps its writers
/// waiting: beyond so many bytes it is copied in chunks instead.
const LOCKED_BYTES_MAX: u64 = 8 << 20;

/// One in so many loads of a table beyond that brings all of its rows.
const COPIES_ONE_IN: u32 = 7;

/// What a run compares by content.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How much of each table.
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
    plan.ends = ends;
    plan.partition = Arc::new(Partition::of(&plan.source, ends, &plan.chunks, bytes));
    let Some((existing, state)) = existing.zip(state) else { return Ok(()) };
    let before = remember(plan, (existing, state), ends);
    if since.full || !is_comparable(plan, existing, state) {
        return Ok(());
    }
    let is_repair = wanted.is_repair;
    let audit = wanted_of(wanted, rule);
    let is_part = plan.reads_increments();
    let is_tiny = usize::try_from(bytes).is_ok_and(|bytes| bytes <= COMPARED_BYTES_MAX);
    let parts = match (is_part, audit) {
        _ if is_repair => Some(1),
        (_, Audit::Off) => None,
        _ if is_locked_too_long(plan) => None,
        // Somebody wrote to the target: where, nobody knows. So it is where its storage is another one.
        _ if plan.writers == Writers::Somebody || !traces::is_as_left(state, existing) => Some(1),
        // Little tables are compared with their rows in hand.
        (false, _) if is_tiny => None,
        (_, audit) => audit.parts(bytes),
    };
    plan.has_turns |= parts.is_some();
    let buckets = parts.map(|parts| part(&plan.partition, before.as_ref(), parts, state.loads));
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
    let Some(stored) = stored.filter(|stored| fits(stored) && existing.keeps_key(&plan.source)) else { return false };
    plan.make_single(Strategy::Standard, format!("{}, the source was not: only the target is read", plan.reason));
    plan.partition = Arc::new(stored.partition);
    plan.audit = Some(crate::plan::Audit {
        buckets: 0..plan.partition.len(),
        is_whole_source: false,
        is_repair: false,
        reads_source: false,
    });
    plan.known = Some(Known { sums: stored.sums, is_in_target: false });
    if let Some(increments) = &mut plan.increments {
        increments.since = None;
    }
    true
}

/// Takes over what the buckets held at the last success, and gives how the keys were divided then.
fn remember(
    plan: &mut TablePlan,
    (existing, state): (&TargetTable, &TableState),
    ends: Option<(i128, i128)>,
) -> Option<Partition> {
    plan.writers = plan.traces.as_ref().map_or(Writers::Unknown, |now| now.writers(traces::last(state).as_ref()));
    let fingerprint = ledger_fingerprint(plan);
    let stored = state.ledger.as_deref().and_then(|text| serde_json::from_str::<Ledger>(text).ok());
    let stored = stored.filter(|stored| stored.fingerprint == fingerprint)?;
    // Buckets stay as they are for as long as they are not too large: then their sums go on.
    let before = stored.partition.clone();
    let stored = stored.resized(ends, plan.source.bytes_estimated, plan.drains());
    plan.partition = Arc::new(stored.partition.clone());
    let is_in_target = plan.writers != Writers::Somebody && traces::is_as_left(state, existing);
    plan.known = stored.sums_of(&fingerprint, &plan.partition).map(|sums| Known { sums: sums.to_vec(), is_in_target });
    Some(before)
}

/// Both sides of a table can be compared by content, bucket by bucket.
fn is_comparable(plan: &TablePlan, existing: &TargetTable, state: &TableState) -> bool {
    let fits = !plan.drift.needs_all_rows() && read_back::unlike(plan, existing).is_none() && existing.keeps_key(&plan.source);
    // Rows in quarantine are those of the last load, and every load looks for its own.
    plan.action == Action::Refresh && fits && state.rejected == 0
}

/// By one statement, whose lock keeps the writers of a table without transactions waiting for too long.
fn is_locked_too_long(plan: &TablePlan) -> bool {
    plan.drains() && splitter(&plan.source) != Splitter::Integer && plan.source.bytes_estimated > LOCKED_BYTES_MAX
}

/// What is asked for of this table.
fn wanted_of(wanted: Wanted<'_>, rule: &TableRule) -> Audit {
    if rule.extraction == Some(Extraction::Ledger) { Audit::All } else { wanted.audit }
}

/// Of a table in which nothing moved, something was never compared since it moved last.
pub fn is_owed(plan: &TablePlan, left: Option<(&TargetTable, &TableState)>, wanted: Wanted<'_>, rule: &TableRule) -> bool {
    let Some((existing, state)) = left else { return false };
    let Some(parts) = wanted_of(wanted, rule).parts(plan.source.bytes_estimated) else { return false };
    let is_proved = [Proof::CONTENT, Proof::SENT, Proof::EVIDENCE].contains(&state.proof.as_str());
    let seen = plan.traces.as_ref().map_or(0, |traces| traces.parts);
    !is_proved && seen < parts && is_comparable(plan, existing, state)
}

/// A table whose content can only be compared by a copy of all of it is copied when its turn comes, or when somebody has written to
/// the target; why. None for others.
pub fn copies_to_compare(
    plan: &mut TablePlan,
    left: Option<(&TargetTable, &TableState)>,
    wanted: Wanted<'_>,
    rule: &TableRule,
) -> Option<String> {
    let (existing, state) = left?;
    let parts = wanted_of(wanted, rule).parts(plan.source.bytes_estimated)?;
    if !plan.reads_increments() || !is_locked_too_long(plan) || !is_comparable(plan, existing, state) {
        return None;
    }
    plan.has_turns = true;
    let turns = if rule.extraction == Some(Extraction::Ledger) { 1 } else { parts.max(COPIES_ONE_IN) };
    let writers = plan.traces.as_ref().map_or(Writers::Unknown, |now| now.writers(traces::last(state).as_ref()));
    let is_due = part(&Partition::Whole, None, turns, state.loads).is_some() || writers == Writers::Somebody;
    is_due.then(|| "it is copied to be compared, because a look at both sides would keep its writers waiting".to_owned())
}

/// The buckets whose turn it is after so many loads; none when buckets are no ranges and it is not their turn. `before` is how the keys
/// were divided at the last turn: where it ended, this one begins, or keys between the two had to wait for another round of turns.
fn part(partition: &Partition, before: Option<&Partition>, parts: u32, loads: i64) -> Option<Range<usize>> {
    let (all, parts) = (partition.len(), usize::try_from(parts).unwrap_or(1).max(1));
    let turn = usize::try_from(loads.rem_euclid(i64::try_from(parts).unwrap_or(1))).unwrap_or(0);
    if parts == 1 {
        return Some(0..all);
    }
    if !matches!(partition, Partition::Ranges(_)) || all < parts {
        // All of it is read for any part of it.
        return (turn == 0).then_some(0..all);
    }
    let start = turn * all / parts;
    let end_then = before.and_then(|before| before.ends((turn * before.len() / parts).checked_sub(1)?)?.1);
    Some(end_then.map_or(start, |key| start.min(partition.of_integer(key)))..(turn + 1) * all / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_seven_loads_are_the_table() {
        for buckets in [7, 8, 20, 100] {
            let partition = Partition::Ranges((1..buckets).collect());
            let mut seen: Vec<usize> =
                (100..107).flat_map(|load| part(&partition, Some(&partition), 7, load).unwrap_or(0..0)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..partition.len()).collect::<Vec<_>>(), "{buckets}");
        }
    }

    /// A table that grows between its turns: every key that was there at the first of them is compared by the last.
    #[test]
    fn keys_of_a_growing_table_are_not_left_out() {
        for growth in [0, 1, 5, 30] {
            let partition = |load: i128| Partition::Ranges((1..20 + growth * load).map(|bound| bound * 10).collect());
            let mut seen = std::collections::BTreeSet::new();
            for load in 0..7 {
                let now = partition(load);
                let before = partition(load - 1);
                for bucket in part(&now, Some(&before), 7, i64::try_from(load).unwrap_or(0)).unwrap_or(0..0) {
                    seen.insert(bucket);
                }
            }
            assert!((0..20).all(|bucket| seen.contains(&bucket)), "{growth}: {seen:?}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_compared_once_in_so_many_loads() {
        for partition in [Partition::Whole, Partition::Hashes(3), Partition::Ranges(vec![5])] {
            let turns: Vec<_> = (0..14).filter_map(|load| part(&partition, None, 7, load)).collect();
            assert_eq!(turns, [0..partition.len(), 0..partition.len()]);
            assert_eq!(part(&partition, None, 1, 3), Some(0..partition.len()));
        }
    }
}
