//! Rows of buckets that differ, told apart: read again from both sides, as pairs of key hash and digest.
//!
//! Memory is bounded by the rows of one pass. A bucket with more of them is read several times, a part of its key hashes at
//! a time; what is left after the last pass is told by its counts.

use super::quarantine::{Quarantined, Taken};
use super::rows::{Bounds, Budget, Column, Content, Depth, Difference, Differs, Pair};
use crate::encode::digest::{self, Digester, Mark};
use crate::encode::image::Fields;
use crate::encode::show;
use crate::error::Result;
use crate::plan::TablePlan;
use crate::plan::ledger::{Partition, Sum};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bytes of rows that are kept during one pass to name their columns; beyond, a row is told by its key alone.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// What is read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pass {
    buckets: Vec<usize>,
    /// Of one bucket, the rows whose key hash leaves this rest, and divided by what; none for all rows.
    part: Option<(u128, u128)>,
}

impl Pass {
    fn holds(&self, key: u128) -> bool {
        self.part.is_none_or(|(rest, by)| key % by == rest)
    }
}

/// The passes over buckets that differ, and the buckets that are not read whole in them. `rows` are the source's.
fn passes(rows: impl Fn(usize) -> u64, differing: &[usize], bounds: Bounds, is_range: bool) -> (Vec<Pass>, Vec<usize>) {
    let mut passes: Vec<Pass> = Vec::new();
    let mut left = Vec::new();
    let mut rest = differing;
    while let Some(&first) = rest.first() {
        let mut held = 0;
        let fits = rest.iter().take_while(|bucket| {
            held += rows(**bucket);
            held <= bounds.rows_at_once
        });
        let (group, later) = rest.split_at(fits.count().max(1));
        rest = later;
        // A range costs its own rows each time, another bucket the whole table.
        let room = if is_range { bounds.passes_max } else { bounds.passes_max.saturating_sub(passes.len()) };
        let parts = rows(first).div_ceil(bounds.rows_at_once.max(1)).max(1);
        let read = usize::try_from(parts).unwrap_or(usize::MAX).min(room);
        if u64::try_from(read).is_ok_and(|read| read < parts) {
            left.extend_from_slice(group);
        }
        let part = |index| (parts > 1).then_some((index, u128::from(parts)));
        passes.extend((0_u128..).take(read).map(|index| Pass { buckets: group.to_vec(), part: part(index) }));
    }
    (passes, left)
}

/// Tells the rows of differing buckets apart.
///
/// # Errors
/// The classified error of a server.
pub(super) fn tell(
    pair: &mut Pair<'_>,
    content: &mut Content,
    (there, here): (&[Sum], &[Sum]),
    (differing, mut quarantined): (&[usize], Quarantined),
    (depth, budget): (Depth, &Budget),
) -> Result<()> {
    let at = |sums: &[Sum], bucket: usize| sums.get(bucket).copied().unwrap_or_default();
    let is_range = matches!(*pair.partition, Partition::Ranges(_));
    let (passes, left) = passes(|bucket| at(there, bucket).rows, differing, depth.bounds, is_range);
    let mut told: BTreeMap<usize, (Sum, Sum)> = BTreeMap::new();
    for pass in &passes {
        let seen = one_pass(pair, content, pass, &mut quarantined, (depth, budget))?;
        if let (Some(_), [bucket]) = (pass.part, pass.buckets.as_slice()) {
            let sums = told.entry(*bucket).or_default();
            sums.0.add(seen.0);
            sums.1.add(seen.1);
        }
    }
    for bucket in left {
        let told = told.get(&bucket).copied().unwrap_or_default();
        by_counts(content, without(at(there, bucket), told.0), without(at(here, bucket), told.1));
    }
    Ok(())
}

/// What is left of a bucket; in a table without snapshots rows may have come since it was added up.
const fn without(all: Sum, told: Sum) -> Sum {
    Sum {
        rows: all.rows.saturating_sub(told.rows),
        digest: all.digest.wrapping_sub(told.digest),
        bytes: all.bytes.saturating_sub(told.bytes),
    }
}

/// Rows that nobody told apart: what the target lacks may be what the quarantine holds beside the rows that were found.
fn by_counts(content: &mut Content, there: Sum, here: Sum) {
    if there.is_same(here) {
        return;
    }
    content.is_exact = false;
    let found = content.kept_out + content.quarantined + content.unproven;
    let lacking = there.rows.saturating_sub(here.rows);
    let unproven = lacking.min(content.aside.unwrap_or(0).saturating_sub(found));
    content.unproven += unproven;
    content.missing += lacking - unproven;
    content.surplus += here.rows.saturating_sub(there.rows);
    content.changed += u64::from(there.rows == here.rows);
}

/// Reads some buckets, or a part of one, from both sides; gives what was read.
fn one_pass(
    pair: &mut Pair<'_>,
    content: &mut Content,
    pass: &Pass,
    quarantined: &mut Quarantined,
    (depth, budget): (Depth, &Budget),
) -> Result<(Sum, Sum)> {
    let inside: BTreeSet<usize> = pass.buckets.iter().copied().collect();
    let (table, group) = (pair.table, Some(pass.buckets.as_slice()));
    let mut digester = pair.digester();
    let (mut all_there, mut all_here) = (Sum::default(), Sum::default());
    // Row digest and how often it occurs, by key; without a key each row is its own.
    let mut there: HashMap<u128, (u128, u32)> = HashMap::new();
    pair.read_source(group, &mut |tuple| {
        if let Some((key, mark)) = mark(&mut digester, &inside, pass, tuple) {
            all_there.row(mark.row, mark.bytes);
            there.entry(key).or_insert((mark.row, 0)).1 += 1;
        }
        Ok(())
    })?;
    let mut found = Found::new(budget);
    pair.read_target(group, &mut |tuple| {
        let Some((key, mark)) = mark(&mut digester, &inside, pass, tuple) else { return Ok(()) };
        all_here.row(mark.row, mark.bytes);
        match there.get_mut(&key) {
            Some((row, count)) if *row == mark.row => {
                *count -= 1;
                if *count == 0 {
                    there.remove(&key);
                }
            }
            Some(_) => {
                there.remove(&key);
                found.changed(key, tuple);
            }
            None => found.surplus(table, key, tuple),
        }
        Ok(())
    })?;
    found.missing = there.into_iter().map(|(key, (_, count))| (key, u64::from(count))).collect();
    if !found.changed.is_empty() || !found.missing.is_empty() {
        pair.read_source(group, &mut |tuple| {
            if let Some((key, _)) = mark(&mut digester, &inside, pass, tuple) {
                found.explain(table, key, tuple, depth.values, quarantined);
            }
            Ok(())
        })?;
    }
    found.add_to(content);
    Ok((all_there, all_here))
}

/// Key and digest of a row of this pass.
fn mark(digester: &mut Digester, inside: &BTreeSet<usize>, pass: &Pass, tuple: &[u8]) -> Option<(u128, Mark)> {
    let mark = digester.mark(tuple);
    if !inside.contains(&mark.bucket) {
        return None;
    }
    let key = digester.key(tuple, mark);
    pass.holds(key).then_some((key, mark))
}

/// What was found in one pass.
struct Found<'a> {
    budget: &'a Budget,
    told: Vec<Difference>,
    ids: Vec<(Differs, u128)>,
    /// The target's tuple of rows that are told, where there was room for it.
    changed: HashMap<u128, Option<Vec<u8>>>,
    kept: usize,
    changes: u64,
    surplus: u64,
    /// Rows that the target has not, by key, and how many of each.
    missing: HashMap<u128, u64>,
    /// Of those, the ones that are in quarantine, those that may be, and the others.
    quarantined: u64,
    unproven: u64,
    lost: u64,
}

impl<'a> Found<'a> {
    fn new(budget: &'a Budget) -> Self {
        Self {
            budget,
            told: Vec::new(),
            ids: Vec::new(),
            changed: HashMap::new(),
            kept: 0,
            changes: 0,
            surplus: 0,
            missing: HashMap::new(),
            quarantined: 0,
            unproven: 0,
            lost: 0,
        }
    }

    fn differs(&mut self, kind: Differs, id: u128) {
        if self.budget.takes_id() {
            self.ids.push((kind, id));
        }
    }

    fn changed(&mut self, id: u128, tuple: &[u8]) {
        self.changes += 1;
        self.differs(Differs::Changed, id);
        if self.budget.takes_row() {
            let keeps = self.kept + tuple.len() <= KEPT_BYTES_MAX;
            self.kept += if keeps { tuple.len() } else { 0 };
            self.changed.insert(id, keeps.then(|| tuple.to_vec()));
        }
    }

    fn surplus(&mut self, table: &TablePlan, id: u128, tuple: &[u8]) {
        self.surplus += 1;
        self.differs(Differs::Surplus, id);
        if self.budget.takes_row() {
            let key = show::key(&table.source, tuple);
            self.told.push(Difference { kind: Differs::Surplus, key, columns: Vec::new(), id });
        }
    }

    /// A row of the source that is missing, or not the same in the target.
    fn explain(&mut self, table: &TablePlan, id: u128, tuple: &[u8], values: bool, quarantined: &mut Quarantined) {
        if let Some(theirs) = self.changed.remove(&id) {
            let columns = theirs.map_or(Vec::new(), |theirs| unlike(table, tuple, &theirs, self.budget, values));
            let key = show::key(&table.source, tuple);
            self.told.push(Difference { kind: Differs::Changed, key, columns, id });
        } else if let Some(count) = self.missing.get_mut(&id).filter(|count| **count > 0) {
            *count -= 1;
            let key = show::key(&table.source, tuple);
            match quarantined.takes(key.as_ref()) {
                Taken::Yes => self.quarantined += 1,
                Taken::Unknown => self.unproven += 1,
                Taken::No => {
                    self.lost += 1;
                    self.differs(Differs::Missing, id);
                    if self.budget.takes_row() {
                        self.told.push(Difference { kind: Differs::Missing, key, columns: Vec::new(), id });
                    }
                }
            }
        }
    }

    fn add_to(self, content: &mut Content) {
        content.missing += self.lost;
        content.quarantined += self.quarantined;
        content.unproven += self.unproven;
        content.surplus += self.surplus;
        content.changed += self.changes;
        content.differences.extend(self.told);
        content.ids.extend(self.ids);
    }
}

/// The columns whose images are not the same.
fn unlike(table: &TablePlan, source: &[u8], target: &[u8], budget: &Budget, values: bool) -> Vec<Column> {
    let pairs = Fields::of(source).zip(Fields::of(target)).zip(&table.source.columns);
    let unlike = pairs.filter(|((source, target), column)| !digest::is_same(column.ty, *source, *target));
    let length = |value: &Value| value.as_str().map_or(8, str::len);
    unlike
        .map(|((source, target), column)| {
            let shown = values.then(|| (show::value(column.ty, source), show::value(column.ty, target)));
            let values = shown.filter(|(source, target)| budget.takes_bytes(length(source) + length(target)));
            Column { name: column.name.clone(), values }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { rows_at_once: 10, passes_max: 4 };

    fn planned(rows: &[u64], is_range: bool) -> (Vec<Pass>, Vec<usize>) {
        let differing: Vec<usize> = (0..rows.len()).collect();
        passes(|bucket| rows.get(bucket).copied().unwrap_or(0), &differing, BOUNDS, is_range)
    }

    fn whole(buckets: &[usize]) -> Pass {
        Pass { buckets: buckets.to_vec(), part: None }
    }

    #[test]
    fn no_pass_holds_more_rows_than_allowed() {
        assert_eq!(planned(&[4, 6, 5, 0], false), (vec![whole(&[0, 1]), whole(&[2, 3])], Vec::new()));
        let (all, left) = planned(&[5, 25, 5], false);
        let parts: Vec<Pass> = (0..3).map(|rest| Pass { buckets: vec![1], part: Some((rest, 3)) }).collect();
        assert_eq!((all, left), ([vec![whole(&[0])], parts].concat(), vec![2]));
    }

    #[test]
    fn what_no_pass_is_left_for_is_told_by_its_counts() {
        let (all, left) = planned(&[100], false);
        assert_eq!((all.len(), left), (4, vec![0]));
        // Ranges have passes of their own.
        let (all, left) = planned(&[20, 20, 20, 50], true);
        assert_eq!((all.len(), left), (10, vec![3]));
    }

    #[test]
    fn every_row_is_in_one_part() {
        let (all, left) = planned(&[35], true);
        assert!(left.is_empty());
        for key in [0, 1, 17, u128::MAX] {
            assert_eq!(all.iter().filter(|pass| pass.holds(key)).count(), 1);
        }
    }

    #[test]
    fn rows_that_may_be_in_quarantine_are_not_called_missing() {
        let sum = |rows, digest| Sum { rows, digest, bytes: 0 };
        let mut content = Content { aside: Some(5), kept_out: 1, quarantined: 1, ..Content::default() };
        by_counts(&mut content, sum(10, 1), sum(8, 2));
        assert_eq!((content.unproven, content.missing, content.is_exact), (2, 0, false));
        by_counts(&mut content, sum(10, 1), sum(8, 2));
        assert_eq!((content.unproven, content.missing), (3, 1));
        by_counts(&mut content, sum(10, 1), sum(10, 1));
        by_counts(&mut content, sum(10, 1), sum(10, 2));
        by_counts(&mut content, sum(10, 1), sum(11, 2));
        assert_eq!((content.unproven, content.missing, content.changed, content.surplus), (3, 1, 1, 1));
    }
}
