//! Every key lies in the range of its bucket and in no other, whatever the width.
#![allow(clippy::unwrap_used, clippy::unreachable)]

use super::*;
use proptest::prelude::*;

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

/// Small ones of both signs, and the ends of both 64-bit ranges.
fn key() -> impl Strategy<Value = i128> {
    prop_oneof![
        -100_i128..100,
        any::<i64>().prop_map(i128::from),
        any::<u64>().prop_map(i128::from),
        (0_i128..50).prop_map(|offset| i128::from(i64::MIN) + offset),
        (-50_i128..50).prop_map(|offset| i128::from(i64::MAX) + offset),
        (0_i128..50).prop_map(|offset| i128::from(u64::MAX) - offset),
    ]
}

fn buckets() -> impl Strategy<Value = (Buckets, i128, i128)> {
    (key(), key(), any::<u64>(), 1_u64..50_000).prop_map(|(a, b, rows, per_bucket)| {
        let (min, max) = (a.min(b), a.max(b));
        (Buckets::new((min, max), rows, per_bucket), min, max)
    })
}

proptest! {
    #[test]
    fn a_key_lies_in_the_range_of_its_bucket_and_in_no_other((buckets, ..) in buckets(), key in key(), step in -3_i128..=3) {
        let bucket = buckets.of(key);
        prop_assert!(holds(&buckets.range(bucket), key));
        if step != 0 {
            prop_assert!(!holds(&buckets.range(bucket + step), key));
        }
    }

    #[test]
    fn neighbours_share_an_end((buckets, ..) in buckets(), bucket in -2_000_i128..2_000) {
        prop_assert_eq!(buckets.ends(bucket).1, buckets.ends(bucket + 1).0);
    }

    #[test]
    fn there_are_never_too_many((buckets, min, max) in buckets()) {
        prop_assert!(buckets.width() >= 1 && buckets.width() <= i128::from(i64::MAX));
        prop_assert!(buckets.of(max) - buckets.of(min) < i128::from(BUCKETS_MAX));
    }

    #[test]
    fn a_row_more_on_one_side_is_found_in_its_bucket(keys in prop::collection::btree_set(key(), 1..50), (buckets, ..) in buckets(), pick in any::<prop::sample::Index>()) {
        let count = |keys: &BTreeSet<i128>| {
            let mut counts = BTreeMap::new();
            keys.iter().for_each(|key| *counts.entry(buckets.of(*key)).or_default() += 1_u64);
            counts
        };
        let gone = *pick.get(&keys.iter().collect::<Vec<_>>());
        let mut fewer = keys.clone();
        fewer.remove(gone);
        let (all, some) = (count(&keys), count(&fewer));
        prop_assert!(differing(&all, &all).is_empty());
        let found = differing(&all, &some);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!((found[0].bucket, found[0].source), (buckets.of(*gone), found[0].target + 1));
        prop_assert_eq!(differing(&some, &all)[0].target, found[0].source);
    }
}

#[test]
fn rows_decide_how_fine_the_buckets_are() {
    let width = |ends, rows| Buckets::new(ends, rows, ROWS_PER_BUCKET).width();
    assert_eq!(width((1, 100_000), 100_000), 20_000);
    assert_eq!(width((1, 100_000), 0), 100_000);
    assert_eq!(width((5, 5), 1), 1);
    assert_eq!(width((5, 5), u64::MAX), 1);
    assert_eq!(width((0, i128::from(u64::MAX)), 1), i128::from(i64::MAX));
    // A table without rows has no ends; whoever asks gets a width all the same.
    assert_eq!(width((0, 0), 0), 1);
}

#[test]
fn the_range_around_zero_has_both_signs() {
    let buckets = Buckets { width: 10 };
    assert_eq!([buckets.of(-10), buckets.of(-9), buckets.of(9), buckets.of(10)], [-1, 0, 0, 1]);
    assert_eq!([buckets.ends(-1), buckets.ends(0), buckets.ends(1)], [(-19, -9), (-9, 10), (10, 20)]);
}

#[test]
fn rows_in_quarantine_belong_to_the_target() {
    let counts =
        |pairs: &[(i128, u64)]| Counts { rows: pairs.iter().map(|p| p.1).sum(), buckets: pairs.iter().copied().collect() };
    let mut target = counts(&[(0, 9), (1, 10)]);
    target.add(&counts(&[(0, 1), (2, 3)]));
    assert_eq!(target, counts(&[(0, 10), (1, 10), (2, 3)]));
}
