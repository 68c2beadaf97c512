//! The ledger of a table: how many rows each bucket of its keys has, and what they add up to. Pure: no I/O.
//!
//! A bucket is a range of an integer key, or the keys whose hash begins with the same bits, or the whole table where there
//! is no key. What a row's digest is stands in `encode::digest`; here digests are only added, modulo 2^128, so that the
//! order of rows does not count, equal rows do not cancel each other, and the sum of two buckets is that of their union.

use super::chunks::integer_value;
use super::strategy::{Splitter, splitter};
use crate::catalog::SourceTable;
use crate::key::{KeyRange, KeyValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Bytes of the rows of a bucket, as their images: what is read again when one row of it differs.
pub const BUCKET_BYTES: u64 = 4 << 20;

/// A bucket of more bytes is cut before the next look.
pub const BUCKET_BYTES_MAX: u64 = 16 << 20;

/// Most buckets of a table: their sums are in memory once per worker and side, at 48 bytes each. A table of more than 64 GB has
/// larger buckets.
const BUCKETS_MAX: u64 = 1 << 14;

/// What a bucket of a table of so many bytes should hold.
fn bucket_bytes(table: u64) -> u64 {
    BUCKET_BYTES.max(table.div_ceil(BUCKETS_MAX / 2))
}

/// Rows, and what their digests add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    /// Their digests, modulo 2^128.
    pub digest: u128,
    /// Bytes of their images: the size of the bucket, no part of the proof.
    pub bytes: u64,
}

impl Sum {
    /// Adds one row.
    #[inline]
    pub const fn row(&mut self, digest: u128, bytes: u64) {
        self.rows += 1;
        self.digest = self.digest.wrapping_add(digest);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Adds the rows of another part of the same bucket.
    pub const fn add(&mut self, more: Self) {
        self.rows += more.rows;
        self.digest = self.digest.wrapping_add(more.digest);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }

    /// Whether both are the same rows.
    #[must_use]
    pub const fn is_same(self, other: Self) -> bool {
        self.rows == other.rows && self.digest == other.digest
    }
}

/// How the keys of a table are divided into buckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// Ranges of an integer key: the keys at which all buckets but the first begin, ascending.
    Ranges(Vec<i128>),
    /// By so many leading bits of the key's hash.
    Hashes(u32),
    /// One bucket.
    Whole,
}

impl Partition {
    /// For a table of about so many bytes. `ends` are its smallest and largest key where that is one integer, `cuts` keys at
    /// which it is known to be cut evenly.
    #[must_use]
    pub fn of(table: &SourceTable, ends: Option<(i128, i128)>, cuts: &[KeyRange], bytes: u64) -> Self {
        let wanted = bytes.div_ceil(BUCKET_BYTES).clamp(1, BUCKETS_MAX);
        match (splitter(table), ends) {
            (Splitter::Integer, Some((min, max))) => {
                let cuts = cuts.iter().filter_map(|range| integer(range.low.as_deref()?));
                let marks = marks((min, max), cuts, usize::try_from(wanted).unwrap_or(usize::MAX));
                let pieces = u64::try_from(marks.len() - 1).unwrap_or(u64::MAX).max(1);
                let each = i128::from(wanted.div_ceil(pieces));
                let mut bounds = BTreeSet::new();
                for pair in marks.windows(2) {
                    bounds.extend(cut(pair[0], pair[1], each));
                }
                bounds.remove(&min);
                Self::Ranges(bounds.into_iter().collect())
            }
            // An empty table, or one that grew since: one bucket, which is cut when it has become too large.
            (Splitter::Integer, None) => Self::Ranges(Vec::new()),
            (Splitter::Walk | Splitter::None, _) if table.key.is_empty() => Self::Whole,
            (Splitter::Walk | Splitter::None, _) => Self::Hashes(wanted.next_power_of_two().trailing_zeros()),
        }
    }

    /// Number of buckets.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Ranges(bounds) => bounds.len() + 1,
            Self::Hashes(bits) => 1 << bits,
            Self::Whole => 1,
        }
    }

    /// There is always one bucket.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The bucket of an integer key.
    #[inline]
    #[must_use]
    pub fn of_integer(&self, key: i128) -> usize {
        match self {
            Self::Ranges(bounds) => bounds.partition_point(|bound| *bound <= key),
            Self::Hashes(_) | Self::Whole => 0,
        }
    }

    /// The bucket of a key with this hash.
    #[inline]
    #[must_use]
    pub fn of_hash(&self, hash: u128) -> usize {
        match self {
            Self::Hashes(bits) if *bits > 0 => usize::try_from(hash >> (128 - bits)).unwrap_or(0),
            _ => 0,
        }
    }

    /// Keys that are in the bucket: the first, and the first beyond; open where the bucket is. None for buckets that are no
    /// ranges.
    #[must_use]
    pub fn ends(&self, bucket: usize) -> Option<(Option<i128>, Option<i128>)> {
        let Self::Ranges(bounds) = self else { return None };
        Some((bucket.checked_sub(1).and_then(|before| bounds.get(before)).copied(), bounds.get(bucket).copied()))
    }

    /// What a bucket holds of so many bytes if its keys are as close to each other as all of them; 0 for buckets that are no ranges.
    fn share(&self, bucket: usize, ends: Option<(i128, i128)>, bytes: u64) -> u64 {
        let Some(((low, high), (min, max))) = self.ends(bucket).zip(ends) else { return 0 };
        let beyond = max.saturating_add(1);
        let (low, high) = (low.unwrap_or(min).clamp(min, beyond), high.unwrap_or(beyond).clamp(min, beyond));
        let (part, all) = (high.saturating_sub(low), beyond.saturating_sub(min).max(1));
        u64::try_from(i128::from(bytes).saturating_mul(part) / all).unwrap_or(bytes)
    }

    /// The bucket as a range that a reader takes; none for buckets that are no ranges.
    #[must_use]
    pub fn range(&self, bucket: usize) -> Option<KeyRange> {
        let (low, high) = self.ends(bucket)?;
        Some(KeyRange { low: low.map(|key| vec![integer_value(key)]), high: high.map(|key| vec![integer_value(key)]) })
    }

    /// Buckets, in ascending order, as the ranges that hold them and no others; none where buckets are no ranges.
    #[must_use]
    pub fn ranges(&self, buckets: &[usize]) -> Option<Vec<KeyRange>> {
        let mut ranges: Vec<(KeyRange, usize)> = Vec::new();
        for &bucket in buckets {
            let range = self.range(bucket)?;
            match ranges.last_mut() {
                Some((last, end)) if *end + 1 == bucket => {
                    last.high = range.high;
                    *end = bucket;
                }
                _ => ranges.push((range, bucket)),
            }
        }
        Some(ranges.into_iter().map(|(range, _)| range).collect())
    }

    /// The same keys with too large buckets cut and small neighbours joined, as these sums show them; none when they are as
    /// they should be. `ends` are the smallest and the largest key.
    #[must_use]
    pub fn resized(&self, sums: &[Sum], ends: Option<(i128, i128)>) -> Option<Self> {
        match self {
            Self::Ranges(bounds) => {
                let (min, max) = ends?;
                let goal = bucket_bytes(total(sums).bytes);
                let most = goal.saturating_mul(BUCKET_BYTES_MAX / BUCKET_BYTES);
                let mut fresh = Vec::new();
                let mut held = 0_u64;
                for (bucket, sum) in sums.iter().enumerate() {
                    let low = bucket.checked_sub(1).and_then(|before| bounds.get(before)).copied();
                    // A bucket begins here unless it fits to the one before.
                    if let Some(low) = low.filter(|_| held.saturating_add(sum.bytes) > goal) {
                        fresh.push(low);
                        held = 0;
                    }
                    held = held.saturating_add(sum.bytes);
                    if sum.bytes > most {
                        let from = low.unwrap_or(min).max(min);
                        let below = bounds.get(bucket).copied().unwrap_or(max.saturating_add(1)).min(max.saturating_add(1));
                        let parts = i128::from(sum.bytes.div_ceil(goal).min(BUCKETS_MAX));
                        fresh.extend(cut(from, below, parts).filter(|bound| *bound > from));
                    }
                }
                // Joining alone is no reason: buckets that are a little small are as good.
                let grown = sums.iter().any(|sum| sum.bytes > most);
                let sparse = fresh.len() * 2 < bounds.len();
                ((grown || sparse) && fresh != *bounds).then_some(Self::Ranges(fresh))
            }
            Self::Hashes(bits) => {
                let largest = sums.iter().map(|sum| sum.bytes).max().unwrap_or(0);
                (largest > BUCKET_BYTES_MAX && 1 << (bits + 1) <= BUCKETS_MAX).then_some(Self::Hashes(bits + 1))
            }
            Self::Whole => None,
        }
    }
}

/// What a table held when it was finished last: kept beside its state, in the transaction of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Columns, types, policies and filter, and the version of the digest: sums under another one are never compared.
    pub fingerprint: String,
    /// How the keys are divided.
    pub partition: Partition,
    /// What each bucket holds; none where increments have changed it since, and nobody looked.
    #[serde(with = "sums")]
    pub sums: Vec<Option<Sum>>,
}

impl Ledger {
    /// The ledger with its large buckets cut, and small neighbours joined; the sums of those that are cut are lost. `bytes`
    /// are those of the table now; `is_locked`: rows that came since must not make one bucket so large that a look keeps writers
    /// waiting.
    #[must_use]
    pub fn resized(self, ends: Option<(i128, i128)>, bytes: u64, is_locked: bool) -> Self {
        // One that nobody knows of is as large as the others, or as its keys say.
        let known: Vec<Sum> = self.sums.iter().filter_map(|sum| *sum).collect();
        let all = total(&known).bytes;
        let mean = all.checked_div(u64::try_from(known.len()).unwrap_or(u64::MAX)).unwrap_or(0);
        let has_grown = is_locked && all < bytes / 5 * 4;
        let last = self.sums.len().saturating_sub(1);
        let size = |(bucket, sum): (usize, &Option<Sum>)| {
            let share = self.partition.share(bucket, ends, bytes);
            match sum {
                // New keys come at the end.
                Some(sum) if has_grown && bucket == last => Sum { bytes: sum.bytes.max(share), ..*sum },
                Some(sum) => *sum,
                None => Sum { bytes: mean.max(BUCKET_BYTES).max(share), ..Sum::default() },
            }
        };
        let sums: Vec<Sum> = self.sums.iter().enumerate().map(size).collect();
        match self.partition.resized(&sums, ends) {
            Some(partition) => Self { sums: self.sums_in(&partition), partition, ..self },
            None => self,
        }
    }

    /// The sums of another partition: of buckets that are made of whole ones.
    fn sums_in(&self, partition: &Partition) -> Vec<Option<Sum>> {
        let (Partition::Ranges(before), Partition::Ranges(_)) = (&self.partition, partition) else {
            return vec![None; partition.len()];
        };
        let of = |bucket| {
            let (low, high) = partition.ends(bucket)?;
            let first = low.map_or(Some(0), |key| before.binary_search(&key).ok().map(|at| at + 1))?;
            let last = high.map_or(Some(before.len()), |key| before.binary_search(&key).ok())?;
            let parts: Option<Vec<Sum>> = self.sums.get(first..=last)?.iter().copied().collect();
            parts.map(|parts| total(&parts))
        };
        (0..partition.len()).map(of).collect()
    }

    /// The sums, when they are of this partition and of rows of the same form.
    #[must_use]
    pub fn sums_of(&self, fingerprint: &str, partition: &Partition) -> Option<&[Option<Sum>]> {
        let fits = self.fingerprint == fingerprint && self.partition == *partition && self.sums.len() == partition.len();
        fits.then_some(self.sums.as_slice())
    }
}

/// A sum as rows, bytes and 32 hexadecimal digits: JSON has no number that long.
mod sums {
    use super::Sum;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(sums: &[Option<Sum>], out: S) -> Result<S::Ok, S::Error> {
        let plain = |sum: &Option<Sum>| sum.map(|sum| (sum.rows, sum.bytes, format!("{:032x}", sum.digest)));
        sums.iter().map(plain).collect::<Vec<_>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Option<Sum>>, D::Error> {
        let all = Vec::<Option<(u64, u64, String)>>::deserialize(from)?;
        let sum = |one: Option<(u64, u64, String)>| {
            let Some((rows, bytes, digest)) = one else { return Ok(None) };
            u128::from_str_radix(&digest, 16).map(|digest| Some(Sum { rows, digest, bytes })).map_err(D::Error::custom)
        };
        all.into_iter().map(sum).collect()
    }
}

/// Keys between which buckets are cut evenly: both ends, and of the given ones not more than there are to be buckets.
fn marks((min, max): (i128, i128), given: impl Iterator<Item = i128>, most: usize) -> Vec<i128> {
    let mut marks: Vec<i128> = std::iter::once(min).chain(given.filter(|key| *key > min && *key <= max)).collect();
    marks.sort_unstable();
    let every = marks.len().div_ceil(most.max(1));
    marks = marks.into_iter().step_by(every).chain([max.saturating_add(1)]).collect();
    marks.dedup();
    marks
}

/// Where `[low, high)` is cut into so many parts of equal width, the lower end included; none are empty.
fn cut(low: i128, high: i128, parts: i128) -> impl Iterator<Item = i128> {
    let width = high.saturating_sub(low).max(1);
    let parts = parts.clamp(1, width);
    (0..parts).map(move |part| low + width / parts * part + width % parts * part / parts)
}

/// The number of an integer key; none for any other.
#[must_use]
pub fn integer(key: &[KeyValue]) -> Option<i128> {
    match key {
        [KeyValue::Int(value)] => Some(i128::from(*value)),
        [KeyValue::UInt(value)] => Some(i128::from(*value)),
        _ => None,
    }
}

/// The buckets whose rows are not the same on both sides.
#[must_use]
pub fn differing(one: &[Sum], other: &[Sum]) -> Vec<usize> {
    let none = Sum::default();
    let at = |sums: &[Sum], bucket: usize| sums.get(bucket).copied().unwrap_or(none);
    (0..one.len().max(other.len())).filter(|&bucket| !at(one, bucket).is_same(at(other, bucket))).collect()
}

/// All buckets together.
#[must_use]
pub fn total(sums: &[Sum]) -> Sum {
    sums.iter().fold(Sum::default(), |mut total, sum| {
        total.add(*sum);
        total
    })
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
