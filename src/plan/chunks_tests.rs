//! The sum of the chunks is the table: for every set of keys and every goal each key lies in exactly one range.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn number(value: &KeyValue) -> i128 {
    match value {
        KeyValue::Int(v) => i128::from(*v),
        KeyValue::UInt(v) => i128::from(*v),
        KeyValue::Bytes(_) => unreachable!(),
    }
}

fn holds(range: &KeyRange, key: i128) -> bool {
    range.low.as_ref().is_none_or(|low| number(&low[0]) <= key) && range.high.as_ref().is_none_or(|high| key < number(&high[0]))
}

fn cut(keys: &BTreeSet<i128>, rows_per_chunk: u64) -> Vec<KeyRange> {
    let goal = ChunkGoal { rows: keys.len() as u64, rows_per_chunk };
    let (min, max) = (*keys.first().unwrap(), *keys.last().unwrap());
    integer(goal, min, max, |low, high| Ok(keys.range(low..high).count() as u64)).unwrap()
}

/// Clusters far apart: dense ids, negative ids, and the ends of both 64-bit ranges.
fn keys() -> impl Strategy<Value = BTreeSet<i128>> {
    let base = prop_oneof![
        Just(i128::from(i64::MIN)),
        Just(-5),
        Just(0),
        Just(1_000_000_000_000),
        Just(i128::from(i64::MAX) - 40),
        Just(i128::from(u64::MAX) - 40)
    ];
    let cluster = (base, prop::collection::btree_set(0_i128..40, 1..30));
    prop::collection::vec(cluster, 1..4).prop_map(|clusters| {
        clusters.into_iter().flat_map(|(base, offsets)| offsets.into_iter().map(move |o| base + o)).collect()
    })
}

proptest! {
    #[test]
    fn every_key_is_in_exactly_one_chunk(keys in keys(), rows_per_chunk in 1_u64..50, outside in any::<i64>()) {
        let ranges = cut(&keys, rows_per_chunk);
        for key in keys.iter().copied().chain([i128::from(outside), i128::from(u64::MAX), i128::from(i64::MIN)]) {
            prop_assert_eq!(ranges.iter().filter(|range| holds(range, key)).count(), 1);
        }
        prop_assert!(ranges[0].low.is_none() && ranges[ranges.len() - 1].high.is_none());
    }

    #[test]
    fn chunks_stay_near_their_goal_across_huge_holes(keys in keys(), rows_per_chunk in 1_u64..50) {
        for range in cut(&keys, rows_per_chunk) {
            let rows = keys.iter().filter(|key| holds(&range, **key)).count() as u64;
            prop_assert!(rows <= rows_per_chunk * TOLERANCE);
        }
    }

    #[test]
    fn a_walk_visits_every_key_once(count in 1_usize..200, rows_per_chunk in 1_u64..50) {
        let goal = ChunkGoal { rows: count as u64, rows_per_chunk };
        let ranges = walk(goal, |from, rows| {
            let start = from.map_or(0, |key| usize::try_from(number(&key[0])).unwrap());
            let next = start + usize::try_from(rows).unwrap();
            Ok((next < count).then(|| vec![KeyValue::Int(i64::try_from(next).unwrap())]))
        }).unwrap();
        for key in 0..count {
            prop_assert_eq!(ranges.iter().filter(|range| holds(range, key as i128)).count(), 1);
        }
        prop_assert_eq!(ranges.len() as u64, goal.chunks());
    }
}

#[test]
fn estimates_that_lie_cost_evenness_not_rows() {
    let goal = ChunkGoal { rows: 1_000, rows_per_chunk: 10 };
    for lie in [0, 1, u64::MAX] {
        let ranges = integer(goal, 0, 9_999, |_, _| Ok(lie)).unwrap();
        for key in [-1, 0, 5_000, 9_999, 10_000] {
            assert_eq!(ranges.iter().filter(|range| holds(range, key)).count(), 1, "estimate {lie}");
        }
    }
}

#[test]
fn a_small_table_is_one_chunk_without_a_question() {
    let goal = ChunkGoal { rows: 10, rows_per_chunk: 10 };
    let ranges = integer(goal, 1, 10, |_, _| panic!("asked")).unwrap();
    assert_eq!(ranges, vec![KeyRange::everything()]);
}

#[test]
fn rows_per_chunk_follow_bytes_and_rows() {
    assert_eq!(ChunkGoal::new(1_000, 100_000, 1_000, 1_000_000).rows_per_chunk, 10);
    assert_eq!(ChunkGoal::new(1_000, 100_000, 1 << 30, 7).rows_per_chunk, 7);
    assert_eq!(ChunkGoal::new(0, 0, 64, 1_000).chunks(), 1);
    assert_eq!(ChunkGoal::new(5, 5 << 30, 64, 1_000).rows_per_chunk, 1);
}

#[test]
fn chunks_come_in_full_rounds_of_the_workers() {
    let goal = ChunkGoal { rows: 1_700, rows_per_chunk: 100 };
    assert_eq!(goal.even_for(8).chunks(), 24);
    assert!(goal.even_for(8).rows_per_chunk <= goal.rows_per_chunk);
    assert_eq!(goal.even_for(1), goal);
    let small = ChunkGoal { rows: 10, rows_per_chunk: 100 };
    assert_eq!(small.even_for(8), small);
}
