//! Buckets of an integer key: both servers count their rows per bucket, and where the counts differ is where rows do.
//!
//! The bucket of a key is the key divided by the width, **truncated toward zero**: MySQL's DIV, PostgreSQL's `/` of integers
//! and its `div()` of numerics agree on that, so both servers name the same bucket. Bucket 0 is therefore twice as wide.

use super::chunks::integer_value;
use super::strategy::{Splitter, splitter};
use crate::catalog::SourceTable;
use crate::key::{KeyRange, KeyValue};
use crate::name::{TableName, quote_mysql};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a bucket that is worth reading again as one piece.
pub const ROWS_PER_BUCKET: u64 = 20_000;

/// Most buckets of a table: the answers of both servers stay small, whatever the table.
pub const BUCKETS_MAX: u64 = 1_024;

/// Smallest and largest key that a 64-bit column of either sign can hold.
const KEY_ENDS: (i128, i128) = (i64::MIN as i128, u64::MAX as i128);

/// How an integer key is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    width: i128,
}

/// Rows of one side of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them, also those whose key became NULL by a policy.
    pub rows: u64,
    /// By bucket of their key; empty when only the total was asked for.
    pub buckets: BTreeMap<i128, u64>,
}

impl Counts {
    /// Of pairs of bucket and rows; the bucket is NULL where only a total was asked for. None when a number of rows is none.
    #[must_use]
    pub fn of(pairs: &[(Option<i128>, Option<i128>)]) -> Option<Self> {
        let mut counts = Self::default();
        for (bucket, rows) in pairs {
            let rows = rows.and_then(|rows| u64::try_from(rows).ok())?;
            counts.add(&Self { rows, buckets: bucket.map(|bucket| (bucket, rows)).into_iter().collect() });
        }
        Some(counts)
    }

    /// Adds rows that are kept elsewhere: those in quarantine belong to the target's side.
    pub fn add(&mut self, more: &Self) {
        self.rows = self.rows.saturating_add(more.rows);
        for (bucket, rows) in &more.buckets {
            let sum = self.buckets.entry(*bucket).or_default();
            *sum = sum.saturating_add(*rows);
        }
    }
}

/// The one column that buckets are made of, quoted for MySQL; none for a table that gets only a total.
fn key(table: &SourceTable) -> Option<String> {
    let column = table.key_columns().next().filter(|_| splitter(table) == Splitter::Integer)?;
    Some(quote_mysql(&column.name))
}

/// The statement that finds the smallest and the largest key on MySQL; none for a table without an integer key.
#[must_use]
pub fn ends_sql(table: &SourceTable) -> Option<String> {
    key(table).map(|key| format!("SELECT MIN({key}), MAX({key}) FROM {}", table.name.mysql()))
}

/// The statement that counts rows on MySQL under a filter, in the table itself or in another one with its columns: one row
/// of bucket and count per bucket, NULL for the only bucket of a table that gets only a total.
///
/// No index is forced: every row is counted, and the server knows which index is the smallest that holds the key.
#[must_use]
pub fn count_sql(table: &SourceTable, name: &TableName, filter: Option<&str>, buckets: Option<Buckets>) -> String {
    let condition = filter.map(|filter| format!(" WHERE ({filter})")).unwrap_or_default();
    let rest = format!("COUNT(*) FROM {}{condition}", name.mysql());
    match key(table).zip(buckets) {
        // MySQL refuses to divide the smallest BIGINT by 1 (error 1690), though the result is that number.
        Some((key, buckets)) if buckets.width() == 1 => format!("SELECT {key}, {rest} GROUP BY 1"),
        Some((key, buckets)) => format!("SELECT {key} DIV {}, {rest} GROUP BY 1", buckets.width()),
        None => format!("SELECT NULL, {rest}"),
    }
}

/// A bucket whose rows are not as many on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Which bucket.
    pub bucket: i128,
    /// Rows of the source.
    pub source: u64,
    /// Rows of the target, those in quarantine included.
    pub target: u64,
}

/// The buckets that differ, in key order. A bucket that one side does not have holds no row there.
#[must_use]
pub fn differing(source: &BTreeMap<i128, u64>, target: &BTreeMap<i128, u64>) -> Vec<Difference> {
    let all: BTreeSet<i128> = source.keys().chain(target.keys()).copied().collect();
    let rows = |side: &BTreeMap<i128, u64>, bucket| side.get(bucket).copied().unwrap_or(0);
    all.iter()
        .map(|bucket| Difference { bucket: *bucket, source: rows(source, bucket), target: rows(target, bucket) })
        .filter(|one| one.source != one.target)
        .collect()
}

impl Buckets {
    /// Buckets of about `rows_per_bucket` rows for keys between `min` and `max`, the smallest and the largest of both sides:
    /// then there are at most [`BUCKETS_MAX`] of them. `rows` may be an estimate; it decides how fine they are, nothing else.
    #[must_use]
    pub fn new((min, max): (i128, i128), rows: u64, rows_per_bucket: u64) -> Self {
        // One less than the most: the ends seldom lie on a multiple of the width.
        let wanted = i128::from(rows.div_ceil(rows_per_bucket.max(1)).clamp(1, BUCKETS_MAX - 1));
        let span = max.saturating_sub(min).saturating_add(1).max(1);
        // Beyond i64 the servers would divide as decimals, or an unsigned by a signed number.
        let width = (span / wanted + i128::from(span % wanted > 0)).clamp(1, i128::from(i64::MAX));
        Self { width }
    }

    /// The number that keys are divided by, from 1 to the largest signed 64-bit number.
    #[must_use]
    pub const fn width(self) -> i128 {
        self.width
    }

    /// The bucket of a key.
    #[must_use]
    pub const fn of(self, key: i128) -> i128 {
        key / self.width
    }

    /// First key of a bucket, and the first one beyond it.
    #[must_use]
    pub fn ends(self, bucket: i128) -> (i128, i128) {
        let low = bucket.saturating_mul(self.width);
        match bucket.signum() {
            1 => (low, low.saturating_add(self.width)),
            0 => (1 - self.width, self.width),
            _ => (low.saturating_sub(self.width).saturating_add(1), low.saturating_add(1)),
        }
    }

    /// The keys of a bucket, as a range that a reader takes; an end that no 64-bit key reaches is open.
    #[must_use]
    pub fn range(self, bucket: i128) -> KeyRange {
        let (low, high) = self.ends(bucket);
        let (least, most) = KEY_ENDS;
        let nothing = |end: KeyValue| KeyRange { low: Some(vec![end.clone()]), high: Some(vec![end]) };
        if low > most {
            return nothing(KeyValue::UInt(u64::MAX));
        }
        if high <= least {
            return nothing(KeyValue::Int(i64::MIN));
        }
        KeyRange { low: (low > least).then(|| vec![integer_value(low)]), high: (high <= most).then(|| vec![integer_value(high)]) }
    }
}

#[cfg(test)]
#[path = "buckets_tests.rs"]
mod tests;
