//! Which chunks of an interrupted run are kept. Pure: no I/O.
//!
//! Staging of a dead run is taken over when it is of the same form, and its chunks keep their ranges; whether one of them is kept
//! is known when the source's rows in that range, added up in the new snapshot, are what went in.

use super::TablePlan;
use super::chunks::integer_value;
use super::ledger::{Sum, integer};
use super::strategy::{Splitter, splitter};
use crate::key::KeyRange;
use std::collections::{BTreeMap, BTreeSet};

/// First key of a range, and the first beyond it; none where it is open.
pub type Ends = (Option<i128>, Option<i128>);

/// A chunk that is in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftChunk {
    /// Its range.
    pub ends: Ends,
    /// Its rows.
    pub rows: u64,
    /// What they add up to; none when nobody may rely on them.
    pub sum: Option<Sum>,
}

/// Staging that an interrupted run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftStaging {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its name in our schema.
    pub name: String,
    /// What it and its rows look like: another text is another table.
    pub form: String,
    /// What it holds.
    pub chunks: Vec<LeftChunk>,
}

/// Staging that is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its name in our schema.
    pub name: String,
    /// All rows that are in it.
    pub rows: u64,
    /// Chunks of this plan that are in it; with what their rows add up to, where they may be kept.
    pub chunks: BTreeMap<usize, Option<Sum>>,
}

/// Takes over what fits the plan: its chunks are cut anew where nothing is left, the others keep their ranges.
/// `form` is what staging of the plan looks like.
pub fn adopt(plan: &mut TablePlan, left: &LeftStaging, form: &str) {
    let is_cut = !plan.is_single() && splitter(&plan.source) == Splitter::Integer;
    if !is_cut || left.form != form || left.chunks.iter().all(|chunk| chunk.sum.is_none()) {
        return;
    }
    let kept: Vec<Ends> = left.chunks.iter().map(|chunk| chunk.ends).collect();
    let fresh: Option<Vec<i128>> = plan.chunks.iter().skip(1).map(|range| range.low.as_deref().and_then(integer)).collect();
    let Some((ranges, places)) = fresh.and_then(|fresh| around(&kept, &fresh)) else { return };
    plan.chunks = ranges.into_iter().map(range).collect();
    plan.reuse = Some(Reuse {
        oid: left.oid,
        name: left.name.clone(),
        rows: left.chunks.iter().map(|chunk| chunk.rows).sum(),
        chunks: places.into_iter().zip(left.chunks.iter().map(|chunk| chunk.sum)).collect(),
    });
}

/// The whole key in ranges of which some are given; the rest is cut at the bounds that lie in none of them. With the places of the
/// given ones, in their order; none when they overlap or are empty.
fn around(given: &[Ends], bounds: &[i128]) -> Option<(Vec<Ends>, Vec<usize>)> {
    let is_inside = |bound: &i128| {
        given.iter().any(|(low, high)| low.is_none_or(|low| low < *bound) && high.is_none_or(|high| *bound < high))
    };
    let ends = given.iter().flat_map(|(low, high)| low.iter().chain(high));
    let all: BTreeSet<i128> = bounds.iter().filter(|bound| !is_inside(bound)).chain(ends).copied().collect();
    let lows = std::iter::once(None).chain(all.iter().copied().map(Some));
    let highs = all.iter().copied().map(Some).chain(std::iter::once(None));
    let ranges: Vec<Ends> = lows.zip(highs).collect();
    let place_of: BTreeMap<Ends, usize> = ranges.iter().copied().enumerate().map(|(place, ends)| (ends, place)).collect();
    // A range that another one cuts is not among them, and one that is there twice has one place.
    let places: Option<Vec<usize>> = given.iter().map(|ends| place_of.get(ends).copied()).collect();
    let places = places.filter(|places| places.iter().collect::<BTreeSet<_>>().len() == places.len())?;
    Some((ranges, places))
}

fn range((low, high): Ends) -> KeyRange {
    let key = |end: i128| vec![integer_value(end)];
    KeyRange { low: low.map(key), high: high.map(key) }
}

/// The ends of a range of an integer key.
#[must_use]
pub fn ends(range: &KeyRange) -> Ends {
    (range.low.as_deref().and_then(integer), range.high.as_deref().and_then(integer))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All partitions of a small key, all subsets of their ranges, all other cuts.
    #[test]
    fn the_given_ranges_stay_and_the_sum_is_the_table() {
        let sets = |bits: u32| (0..5).filter(|at| bits >> at & 1 == 1).map(i128::from).collect::<Vec<_>>();
        let mut seen = 0;
        for old in 0..32 {
            let (all, _) = around(&[], &sets(old)).unwrap_or_default();
            for chosen in 0..1_u32 << all.len() {
                let given: Vec<Ends> =
                    all.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, ends)| *ends).collect();
                for new in 0..32 {
                    let (ranges, places) = around(&given, &sets(new)).unwrap_or_default();
                    assert_eq!(places.iter().map(|place| ranges[*place]).collect::<Vec<_>>(), given);
                    assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (None, None));
                    assert!(ranges.windows(2).all(|pair| pair[0].1.is_some() && pair[0].1 == pair[1].0), "{ranges:?}");
                    assert!(ranges.iter().all(|(low, high)| low.is_none() || high.is_none() || low < high), "{ranges:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 10_000, "{seen}");
    }

    #[test]
    fn ranges_that_overlap_are_not_kept() {
        let of = |low, high| (Some(low), Some(high));
        for given in
            [vec![of(1, 5), of(3, 8)], vec![of(1, 5), of(1, 5)], vec![of(1, 8), of(3, 5)], vec![of(4, 4)], vec![of(5, 2)]]
        {
            assert_eq!(around(&given, &[2, 4]), None, "{given:?}");
        }
        assert_eq!(around(&[(None, None), of(1, 2)], &[]), None);
    }
}
