//! Compares what both sides counted, and decides what is read again when they differ. Pure: no I/O.

use super::Slice;
use super::buckets::{Buckets, Counts, Difference, differing};
use crate::key::KeyRange;

/// Share of the source's rows that stand in differing buckets, in percent, from which the whole table is read again.
const WHOLE_FROM_PERCENT: u64 = 25;

/// Differing buckets from which the whole table is read again: each becomes a condition of the statement.
const RANGES_MAX: usize = 128;

/// What the source counted before and after a read. In a snapshot both are one; without one, rows may have come and gone
/// in between, and every number between both counts is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// By what the rows are counted; none for a table that gets a total only.
    pub buckets: Option<Buckets>,
    /// Before the read.
    pub before: Counts,
    /// After it.
    pub after: Counts,
}

/// Rows that the target should not have, or does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Rows of the source.
    pub source: u64,
    /// Rows of the target, those in quarantine included.
    pub target: u64,
    /// Where they differ; empty when only the totals do.
    pub differing: Vec<Difference>,
}

impl Census {
    /// Where the target differs from what the source counted; none when it does not.
    #[must_use]
    pub fn drift(&self, target: &Counts) -> Option<Drift> {
        let between = |target: u64, a: u64, b: u64| a.min(b) <= target && target <= a.max(b);
        let at = |bucket: i128| self.before.buckets.get(&bucket).copied().unwrap_or(0);
        let differs = |one: &Difference| !between(one.target, at(one.bucket), one.source);
        let found: Vec<Difference> = differing(&self.after.buckets, &target.buckets).into_iter().filter(differs).collect();
        // In flight inside some bucket, the totals may be off by as much.
        let total = self.buckets.is_some() || between(target.rows, self.before.rows, self.after.rows);
        let rows: u64 = target.buckets.values().sum();
        // Rows whose key became NULL by a policy are in no bucket.
        let outside = self.buckets.is_some() && rows != target.rows;
        (!found.is_empty() || !total || outside).then(|| Drift {
            source: self.after.rows,
            target: target.rows,
            differing: if outside { Vec::new() } else { found },
        })
    }

    /// What is read next after `slice` has led to this drift: the differing ranges, too, or the whole table.
    #[must_use]
    pub fn wider(&self, slice: &Slice, drift: &Drift) -> Slice {
        let (Slice::Past { condition, ranges }, Some(buckets)) = (slice, self.buckets) else { return Slice::everything() };
        let rows: u64 = drift.differing.iter().map(|one| one.source.max(one.target)).sum();
        let all = self.after.rows.max(drift.target);
        let share_is_large = rows.saturating_mul(100) >= all.saturating_mul(WHOLE_FROM_PERCENT);
        let few = !drift.differing.is_empty() && drift.differing.len() <= RANGES_MAX;
        // Ranges were read again already and still differ: what is wrong with them is not a matter of which rows are read.
        if !few || share_is_large || !ranges.is_empty() {
            return Slice::everything();
        }
        let ranges: Vec<KeyRange> = drift.differing.iter().map(|one| buckets.range(one.bucket)).collect();
        Slice::Past { condition: condition.clone(), ranges }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn counts(rows: &[(i128, u64)]) -> Counts {
        Counts { rows: rows.iter().map(|one| one.1).sum(), buckets: rows.iter().copied().collect() }
    }

    fn census(before: &[(i128, u64)], after: &[(i128, u64)]) -> Census {
        Census { buckets: Some(Buckets::new((0, 9999), 10_000, 1000)), before: counts(before), after: counts(after) }
    }

    #[test]
    fn counts_that_agree_are_no_drift() {
        let seen = [(0, 10), (1, 20)];
        assert_eq!(census(&seen, &seen).drift(&counts(&seen)), None);
        assert_eq!(census(&[], &[]).drift(&counts(&[])), None);
    }

    /// The total is the same, the rows are not.
    #[test]
    fn one_row_more_here_and_one_less_there_is_drift() {
        let seen = [(0, 10), (1, 20), (2, 500)];
        let drift = census(&seen, &seen).drift(&counts(&[(0, 11), (1, 19), (2, 500)])).unwrap();
        assert_eq!(drift.differing.iter().map(|one| one.bucket).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn rows_in_flight_are_no_drift() {
        let census = census(&[(0, 10), (1, 20)], &[(0, 10), (1, 25), (2, 3)]);
        assert_eq!(census.drift(&counts(&[(0, 10), (1, 22)])), None);
        assert_eq!(census.drift(&counts(&[(0, 10), (1, 25), (2, 3)])), None);
        assert!(census.drift(&counts(&[(0, 9), (1, 25), (2, 3)])).is_some());
        assert!(census.drift(&counts(&[(0, 10), (1, 26), (2, 3)])).is_some());
    }

    #[test]
    fn a_row_in_no_bucket_leads_to_the_whole_table() {
        let seen = [(0, 10)];
        let target = Counts { rows: 11, ..counts(&seen) };
        let drift = census(&seen, &seen).drift(&target).unwrap();
        let past = Slice::Past { condition: "x".into(), ranges: vec![] };
        assert_eq!(census(&seen, &seen).wider(&past, &drift), Slice::everything());
    }

    #[test]
    fn few_ranges_are_read_again_once_then_everything() {
        let seen: Vec<(i128, u64)> = (0..10).map(|bucket| (bucket, 1000)).collect();
        let mut less = seen.clone();
        less[3].1 = 999;
        let census = census(&seen, &seen);
        let drift = census.drift(&counts(&less)).unwrap();
        let past = Slice::Past { condition: "x".into(), ranges: vec![] };
        let wider = census.wider(&past, &drift);
        let Slice::Past { ranges, .. } = &wider else { panic!("{wider:?}") };
        assert_eq!(ranges.len(), 1);
        assert_eq!(census.wider(&wider, &drift), Slice::everything());
        let far = census.drift(&counts(&seen[..5])).unwrap();
        assert_eq!(census.wider(&past, &far), Slice::everything());
        let five = Counts { rows: 5, ..Counts::default() };
        let total_only = Census { buckets: None, before: five.clone(), after: five };
        let drift = total_only.drift(&counts(&[])).unwrap();
        assert_eq!(total_only.wider(&past, &drift), Slice::everything());
    }
}
