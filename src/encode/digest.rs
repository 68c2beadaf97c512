//! The digest of a row: one definition, the same for a row on its way in and for one read back.
//!
//! **Version 1.** The row's tuple in PostgreSQL's binary COPY format (number of columns in two bytes, then per column its
//! length in four bytes, big-endian, -1 for NULL, and its image), after the policies, of the columns in the plan's order;
//! in it, each image of a `jsonb` that is JSON stands as the byte 2 and its canonical form (`canonical.rs`). Of these
//! bytes, XXH3 with 128 bits and seed 0. Digests of rows are added modulo 2^128, beside a count (`plan::ledger`).
//!
//! Lengths keep NULL from empty and `'ab','c'` from `'a','bc'`; images keep -0 from 0, every bit of a float, and 1.0 from
//! 1.00; a sum with a count keeps duplicates from nothing. XXH3 resists accidents, not somebody who builds rows for it.
//!
//! Source: XXH3, <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use super::canonical;
use super::image::{Fields, column_count};
use crate::error::{self, Error, Kind};
use crate::plan::TablePlan;
use crate::plan::ledger::{Partition, Sum};
use crate::value::ColumnType;
use std::sync::Arc;
use twox_hash::XxHash3_128;

/// Version of the definition; digests of different ones are never compared.
pub const VERSION: u32 = 1;

/// What version of `jsonb` image PostgreSQL sends.
const JSONB_IMAGE: u8 = 1;

/// Takes the place of [`JSONB_IMAGE`] before a canonical form.
const CANONICAL: u8 = 2;

/// What has to be known of a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    columns: Vec<ColumnType>,
    has_jsonb: bool,
    /// Indices of the key columns, in key order.
    key: Vec<usize>,
}

/// What tells a row from the others, and from itself as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Bucket of the key.
    pub bucket: usize,
    /// Hash of the key; of the whole row where there is none.
    pub key: u128,
    /// Digest of the row.
    pub row: u128,
    /// Bytes of the tuple.
    pub bytes: u64,
}

/// Adds the rows of a table up, by bucket. Tuples are of either side.
#[derive(Debug, Clone)]
pub struct Digester {
    layout: Arc<Layout>,
    partition: Arc<Partition>,
    sums: Vec<Sum>,
    scratch: Vec<u8>,
}

/// A row in the making, whose long values are not copied.
pub struct LongRow {
    hash: XxHash3_128,
    /// The tuple with NULL in place of long values: what its key is read from.
    rest: Vec<u8>,
    bytes: u64,
}

/// Bytes that are no tuple of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTuple;

/// What a ledger of the table is made of: one under another text is about other rows.
#[must_use]
pub fn ledger_fingerprint(plan: &TablePlan) -> String {
    format!("{};{}", Layout::of(plan).fingerprint(), plan.fingerprint())
}

impl Layout {
    /// Of a table as it is planned.
    #[must_use]
    pub fn of(plan: &TablePlan) -> Self {
        Self::new(plan.source.columns.iter().map(|column| column.ty).collect(), plan.source.key.clone())
    }

    /// Of columns in the plan's order.
    #[must_use]
    pub fn new(columns: Vec<ColumnType>, key: Vec<usize>) -> Self {
        Self { has_jsonb: columns.contains(&ColumnType::Jsonb), columns, key }
    }

    /// What the digest is made of, as a text: digests of tables with other texts are not compared.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let types: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        format!("digest {VERSION};{};key {:?}", types.join(","), self.key)
    }

    /// An integer key's value; none for another key, or one that a policy made NULL.
    fn integer_key(&self, tuple: &[u8]) -> Option<i128> {
        let [index] = self.key.as_slice() else { return None };
        let field = Fields::of(tuple).nth(*index)??;
        match (self.columns.get(*index)?, field) {
            (ColumnType::Int16 | ColumnType::Year, &[a, b]) => Some(i16::from_be_bytes([a, b]).into()),
            (ColumnType::Int32, field) => Some(i32::from_be_bytes(field.try_into().ok()?).into()),
            (ColumnType::Int64, field) => Some(i64::from_be_bytes(field.try_into().ok()?).into()),
            (ColumnType::UInt64, field) => unsigned(field),
            _ => None,
        }
    }

    fn key_hash(&self, tuple: &[u8], scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        for index in &self.key {
            let field = Fields::of(tuple).nth(*index).unwrap_or_default();
            put(field, scratch);
        }
        XxHash3_128::oneshot(scratch)
    }

    /// The digest of a row.
    #[inline]
    fn digest(&self, tuple: &[u8], scratch: &mut Vec<u8>) -> u128 {
        if !self.has_jsonb {
            return XxHash3_128::oneshot(tuple);
        }
        scratch.clear();
        scratch.extend_from_slice(tuple.get(..2).unwrap_or_default());
        for (ty, field) in self.columns.iter().zip(Fields::of(tuple)) {
            match (ty, field) {
                (ColumnType::Jsonb, field) => put_jsonb(field, scratch),
                _ => put(field, scratch),
            }
        }
        XxHash3_128::oneshot(scratch)
    }
}

/// Whether two images of a column are one value to the digest.
#[must_use]
pub fn is_same(ty: ColumnType, one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    if one == other || ty != ColumnType::Jsonb {
        return one == other;
    }
    let form = |image| {
        let mut form = Vec::new();
        put_jsonb(image, &mut form);
        form
    };
    form(one) == form(other)
}

fn put(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap_or(i32::MAX));
    out.extend(length.to_be_bytes());
    out.extend_from_slice(field.unwrap_or_default());
}

fn put_jsonb(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let place = out.len();
    out.extend([0, 0, 0, 0, CANONICAL]);
    let is_canonical = matches!(field, Some([JSONB_IMAGE, text @ ..]) if canonical::json(text, out));
    let length = u32::try_from(out.len() - place - 4).unwrap_or(u32::MAX).to_be_bytes();
    match out.get_mut(place..place + 4) {
        Some(head) if is_canonical => head.copy_from_slice(&length),
        _ => {
            out.truncate(place);
            put(field, out);
        }
    }
}

/// A whole number of `numeric`: groups of four digits, the first of weight `weight`.
fn unsigned(image: &[u8]) -> Option<i128> {
    let word = |at: usize| Some(i16::from_be_bytes(*image.get(at..)?.first_chunk::<2>()?));
    let (groups, weight) = (word(0)?, word(2)?);
    let mut value = 0_i128;
    for place in 0..=weight {
        let digits = if place < groups { word(8 + 2 * usize::try_from(place).ok()?)? } else { 0 };
        value = value.checked_mul(10_000)?.checked_add(i128::from(digits))?;
    }
    Some(value)
}

impl Digester {
    /// Sums at zero.
    #[must_use]
    pub fn new(layout: Arc<Layout>, partition: Arc<Partition>) -> Self {
        Self { sums: vec![Sum::default(); partition.len()], layout, partition, scratch: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`NoTuple`] when the bytes are not a whole tuple of as many columns as the table has.
    #[inline]
    pub fn row(&mut self, tuple: &[u8]) -> Result<Mark, NoTuple> {
        if column_count(tuple) != Some(self.layout.columns.len()) {
            return Err(NoTuple);
        }
        let mark = self.mark(tuple);
        self.add(mark);
        Ok(mark)
    }

    /// Adds a row that one of both sides sent.
    ///
    /// # Errors
    /// [`Kind::Internal`] for [`NoTuple`].
    pub fn add_tuple(&mut self, tuple: &[u8]) -> error::Result<()> {
        let wrong = |_| Error::new(Kind::Internal, "a row has another number of columns than its table");
        self.row(tuple).map(drop).map_err(wrong)
    }

    /// What a row is, without adding it.
    #[inline]
    pub fn mark(&mut self, tuple: &[u8]) -> Mark {
        let layout = &self.layout;
        let row = layout.digest(tuple, &mut self.scratch);
        let bytes = u64::try_from(tuple.len()).unwrap_or(u64::MAX);
        match &*self.partition {
            Partition::Ranges(bounds) if bounds.is_empty() => Mark { bucket: 0, key: 0, row, bytes },
            Partition::Ranges(_) => {
                let key = layout.integer_key(tuple).unwrap_or(i128::MIN);
                Mark { bucket: self.partition.of_integer(key), key: 0, row, bytes }
            }
            Partition::Hashes(_) => {
                let key = layout.key_hash(tuple, &mut self.scratch);
                Mark { bucket: self.partition.of_hash(key), key, row, bytes }
            }
            Partition::Whole => Mark { bucket: 0, key: row, row, bytes },
        }
    }

    /// A row that is nowhere as one piece: its columns are told one by one.
    #[must_use]
    pub fn long_row(&self) -> LongRow {
        let mut hash = XxHash3_128::new();
        let count = u16::try_from(self.layout.columns.len()).unwrap_or(u16::MAX).to_be_bytes();
        hash.write(&count);
        LongRow { hash, rest: count.to_vec(), bytes: 2 }
    }

    /// Adds a column of it: its image, none for NULL. `is_key_free`: it is too long to be a part of a key.
    pub fn long_field(&mut self, row: &mut LongRow, index: usize, field: Option<&[u8]>, is_key_free: bool) {
        put(if is_key_free { None } else { field }, &mut row.rest);
        self.scratch.clear();
        match (self.layout.columns.get(index), field) {
            (Some(ColumnType::Jsonb), field) => put_jsonb(field, &mut self.scratch),
            (_, Some(field)) => {
                let length = i32::try_from(field.len()).unwrap_or(i32::MAX);
                row.hash.write(&length.to_be_bytes());
                row.hash.write(field);
            }
            (_, None) => put(None, &mut self.scratch),
        }
        row.hash.write(&self.scratch);
        row.bytes = row.bytes.saturating_add(4).saturating_add(u64::try_from(field.map_or(0, <[u8]>::len)).unwrap_or(u64::MAX));
    }

    /// Adds the row.
    pub fn end_long_row(&mut self, row: &LongRow) {
        let mark = self.mark(&row.rest);
        let digest = row.hash.finish_128();
        self.add(Mark { row: digest, bytes: row.bytes, ..mark });
    }

    /// What tells the row from the others of its table: the hash of its key, or of the row where there is no key.
    pub fn key(&mut self, tuple: &[u8], mark: Mark) -> u128 {
        if self.layout.key.is_empty() { mark.row } else { self.layout.key_hash(tuple, &mut self.scratch) }
    }

    fn add(&mut self, mark: Mark) {
        if let Some(sum) = self.sums.get_mut(mark.bucket) {
            sum.row(mark.row, mark.bytes);
        }
    }

    /// The sums, by bucket.
    #[must_use]
    pub fn sums(&self) -> &[Sum] {
        &self.sums
    }

    /// Gives the sums away.
    #[must_use]
    pub fn into_sums(self) -> Vec<Sum> {
        self.sums
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
