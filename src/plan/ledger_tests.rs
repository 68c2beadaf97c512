//! Sums and partitions, by cases and by generated values.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn sum(rows: u64, digest: u128, bytes: u64) -> Sum {
    Sum { rows, digest, bytes }
}

fn of(digests: &[u128]) -> Sum {
    digests.iter().fold(Sum::default(), |mut sum, digest| {
        sum.row(*digest, 1);
        sum
    })
}

/// With xor instead of a sum and a count, each of these pairs would be the same rows.
#[test]
fn what_xor_would_not_see_is_seen() {
    for (one, other) in [
        (&[7, 7][..], &[][..]),
        (&[7, 7], &[9, 9]),
        (&[7, 7, 7], &[7]),
        (&[1, 2, 3], &[]),
        (&[5, 6], &[3, 0]),
        // A digest of zero counts as a row.
        (&[0], &[]),
        // A sum without a count would take these for equal.
        (&[u128::MAX, 1], &[]),
    ] {
        assert!(!of(one).is_same(of(other)), "{one:?} {other:?}");
    }
    assert!(of(&[1, 2, u128::MAX]).is_same(of(&[u128::MAX, 2, 1])));
}

#[test]
fn buckets_that_differ_are_told_whatever_the_length() {
    let one = [sum(1, 5, 9), sum(2, 6, 9), sum(0, 0, 0)];
    assert_eq!(differing(&one, &[sum(1, 5, 100), sum(2, 6, 9)]), Vec::<usize>::new());
    assert_eq!(differing(&one, &[sum(1, 5, 9), sum(2, 7, 9)]), [1]);
    assert_eq!(differing(&one, &[sum(2, 5, 9)]), [0, 1]);
    assert_eq!(total(&one), sum(3, 11, 18));
}

fn bounds_of(partition: &Partition) -> Vec<i128> {
    match partition {
        Partition::Ranges(bounds) => bounds.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn a_grown_bucket_is_cut_and_sparse_ones_are_joined() {
    let mega = 1 << 20;
    let ranges = Partition::Ranges(vec![100, 200]);
    let sizes = |bytes: [u64; 3]| bytes.map(|bytes| sum(1, 0, bytes * mega));
    assert_eq!(ranges.resized(&sizes([4, 4, 16]), Some((0, 299))), None);
    let fresh = ranges.resized(&sizes([4, 4, 17]), Some((0, 299))).unwrap();
    assert_eq!(bounds_of(&fresh), [100, 200, 220, 240, 260, 280]);
    let many = Partition::Ranges((1..100).collect());
    let sparse = vec![sum(1, 0, 100); 100];
    assert_eq!(many.resized(&sparse, Some((0, 99))), Some(Partition::Ranges(Vec::new())));
    // One key can not be cut.
    assert_eq!(Partition::Ranges(vec![]).resized(&[sum(1, 0, 64 << 20)], Some((5, 5))), None);
    assert_eq!(Partition::Hashes(3).resized(&[sum(1, 0, 17 << 20)], None), Some(Partition::Hashes(4)));
    assert_eq!(Partition::Whole.resized(&[sum(1, 0, 99 << 20)], None), None);
}

proptest! {
    /// Every key is in exactly the bucket whose range holds it.
    #[test]
    fn ranges_and_buckets_agree(mut bounds in prop::collection::vec(-50_i128..50, 0..8), key in -60_i128..60) {
        bounds.sort_unstable();
        bounds.dedup();
        let partition = Partition::Ranges(bounds);
        let inside = |bucket: usize| {
            let (low, high) = partition.ends(bucket).unwrap();
            low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high)
        };
        let holding: Vec<usize> = (0..partition.len()).filter(|&bucket| inside(bucket)).collect();
        prop_assert_eq!(holding, [partition.of_integer(key)]);
    }

    /// One bit more divides every bucket in two.
    #[test]
    fn finer_hashes_divide_buckets(hash in any::<u128>(), bits in 0_u32..16) {
        let coarse = Partition::Hashes(bits);
        let fine = Partition::Hashes(bits + 1);
        prop_assert!(coarse.of_hash(hash) < coarse.len());
        prop_assert_eq!(fine.of_hash(hash) / 2, coarse.of_hash(hash));
    }

    #[test]
    fn resized_bounds_are_ascending(
        mut bounds in prop::collection::vec(0_i128..1000, 0..12),
        sizes in prop::collection::vec(0_u64..64 << 20, 13),
    ) {
        bounds.sort_unstable();
        bounds.dedup();
        let sums: Vec<Sum> = sizes.iter().take(bounds.len() + 1).map(|bytes| sum(1, 0, *bytes)).collect();
        if let Some(fresh) = Partition::Ranges(bounds).resized(&sums, Some((0, 999))) {
            let fresh = bounds_of(&fresh);
            prop_assert!(fresh.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", fresh);
        }
    }
}

#[test]
fn neighbours_are_one_range() {
    let partition = Partition::Ranges(vec![10, 20, 30]);
    let int = |key: i64| Some(vec![KeyValue::Int(key)]);
    let range = |low, high| KeyRange { low, high };
    assert_eq!(partition.ranges(&[0, 1, 3]).unwrap(), [range(None, int(20)), range(int(30), None)]);
    assert_eq!(partition.ranges(&[1]).unwrap(), [range(int(10), int(20))]);
    assert_eq!(partition.ranges(&[0, 1, 2, 3]).unwrap(), [KeyRange::everything()]);
    assert_eq!(partition.ranges(&[]).unwrap(), []);
    assert_eq!(Partition::Hashes(2).ranges(&[1]), None);
}

#[test]
fn a_ledger_is_read_as_it_was_written() {
    let one = Sum { rows: 3, digest: u128::MAX - 5, bytes: u64::MAX };
    for (partition, buckets) in [
        (Partition::Ranges(vec![i128::from(i64::MIN) + 1, 0, i128::from(u64::MAX)]), 4),
        (Partition::Hashes(1), 2),
        (Partition::Whole, 1),
    ] {
        let mut sums = vec![None; buckets];
        sums[0] = Some(one);
        let ledger = Ledger { fingerprint: "f".into(), partition: partition.clone(), sums: sums.clone() };
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger, "{text}");
        assert_eq!(ledger.sums_of("f", &partition), Some(sums.as_slice()));
        assert_eq!(ledger.sums_of("g", &partition), None, "another form of rows");
        assert_eq!(ledger.sums_of("f", &Partition::Hashes(5)), None, "other buckets");
    }
    let grown = Ledger { fingerprint: "f".into(), partition: Partition::Hashes(0), sums: vec![Some(sum(1, 2, 17 << 20))] };
    assert_eq!(
        grown.resized(None, 0, false),
        Ledger { fingerprint: "f".into(), partition: Partition::Hashes(1), sums: vec![None; 2] }
    );
}

/// A night that has compared a part of a table leaves its buckets as they are.
#[test]
fn buckets_that_nobody_knows_of_are_not_joined() {
    let bounds: Vec<i128> = (1..238).map(|bucket| bucket * 1000).collect();
    let known = |bucket: usize| (30..64).contains(&bucket).then(|| sum(1000, 1, BUCKET_BYTES));
    let sums: Vec<Option<Sum>> = (0..238).map(known).collect();
    let ledger = Ledger { fingerprint: "f".into(), partition: Partition::Ranges(bounds), sums };
    assert_eq!(ledger.clone().resized(Some((0, 238_000)), 0, false), ledger);
}

/// A plan of small chunks does not make more buckets than a table of its size has.
#[test]
fn marks_are_as_few_as_buckets() {
    let many = marks((5, 100_000), (0..50_000).map(|at| at * 3), 10);
    assert_eq!((many.len(), many.first(), many.last()), (11, Some(&5), Some(&100_001)));
    assert!(many.windows(2).all(|pair| pair[1] - pair[0] < 20_000), "{many:?}");
    assert_eq!(marks((5, 9), [7, 7, 200].into_iter(), 10), [5, 7, 10]);
    assert_eq!(marks((5, 5), std::iter::empty(), 1), [5, 6]);
}

/// A look at a table that locks reads one or two buckets: rows that came since they were added up must not all lie in one.
#[test]
fn buckets_that_grew_are_cut_before_they_are_looked_at() {
    const MB: u64 = 1 << 20;
    let bounds = vec![100, 200];
    let ledger = |last| Ledger {
        fingerprint: "f".into(),
        partition: Partition::Ranges(bounds.clone()),
        sums: vec![Some(sum(100, 1, 4 * MB)), Some(sum(100, 1, 4 * MB)), last],
    };
    let largest =
        |fresh: &Ledger| (0..fresh.partition.len()).map(|at| fresh.partition.share(at, Some((0, 9_999)), 400 * MB)).max();
    for last in [Some(sum(100, 1, 4 * MB)), None] {
        let fresh = ledger(last).resized(Some((0, 9_999)), 400 * MB, true);
        assert!(largest(&fresh) <= Some(BUCKET_BYTES_MAX), "{fresh:?}");
        assert!(fresh.sums[..2].iter().all(Option::is_some) && fresh.sums[2..].iter().all(Option::is_none), "{fresh:?}");
    }
    let same = ledger(Some(sum(100, 1, 4 * MB)));
    assert_eq!(same.clone().resized(Some((0, 299)), 12 * MB, true), same, "as large as it was");
    assert_eq!(same.clone().resized(Some((0, 9_999)), 400 * MB, false), same, "no lock, so that sums are worth more");
    let tiny = Ledger { fingerprint: "f".into(), partition: Partition::Ranges(Vec::new()), sums: vec![None] };
    assert!(largest(&tiny.resized(Some((0, 9_999)), 400 * MB, true)) <= Some(BUCKET_BYTES_MAX));
}

/// What joined buckets held is what their parts held; one part that nobody knows makes it unknown.
#[test]
fn joined_buckets_keep_their_sums() {
    let ledger = |third| Ledger {
        fingerprint: "f".into(),
        partition: Partition::Ranges((1..8).map(|at| at * 10).collect()),
        sums: (0..8).map(|at| if at == 2 { third } else { Some(sum(1, 1 << at, 1 << 19)) }).collect(),
    };
    let joined = ledger(Some(sum(1, 4, 1 << 19))).resized(Some((0, 79)), 4 << 20, false);
    assert_eq!((joined.partition, joined.sums), (Partition::Ranges(Vec::new()), vec![Some(sum(8, 255, 4 << 20))]));
    let unknown = ledger(None).resized(Some((0, 79)), 4 << 20, false);
    assert_eq!(unknown.sums.len(), unknown.partition.len());
    let known: u64 = unknown.sums.iter().map(|sum| sum.map_or(0, |sum| sum.rows)).sum();
    assert!(unknown.sums.contains(&None) && known < 8, "{unknown:?}");
}
