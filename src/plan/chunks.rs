//! Where a table is cut into chunks: pure decisions, the server's answers come in through a function.
//!
//! Whatever the boundaries are, the first and the last range are open and neighbours share a boundary, so the sum of
//! the chunks is the table; estimates only decide how even the chunks are.

use crate::error::Result;
use crate::key::{KeyRange, KeyValue};

/// Questions put to the server per table while cutting an integer key. Each is one EXPLAIN of about 0.2 ms.
const PROBES_MAX: usize = 2_000;

/// How far the server's range estimate may pass the goal before a range is cut again: its error is about that large.
const TOLERANCE: u64 = 2;

/// How large chunks of one table shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkGoal {
    /// Rows the server believes the table has.
    pub rows: u64,
    /// Rows per chunk, at least 1.
    pub rows_per_chunk: u64,
}

impl ChunkGoal {
    /// Rows per chunk from the table's size: at most `bytes_max` bytes and `rows_max` rows each.
    #[must_use]
    pub fn new(rows: u64, bytes: u64, bytes_max: u64, rows_max: u64) -> Self {
        let row_bytes = bytes.checked_div(rows).unwrap_or(0).max(1);
        let rows_per_chunk = (bytes_max / row_bytes).clamp(1, rows_max.max(1));
        Self { rows, rows_per_chunk }
    }

    /// Smaller chunks, so that there are so many at least, where there are as many rows.
    #[must_use]
    pub fn at_least(self, chunks: u64) -> Self {
        let rows_per_chunk = self.rows_per_chunk.min(self.rows.div_ceil(chunks.max(1))).max(1);
        Self { rows_per_chunk, ..self }
    }

    /// Smaller chunks, so that their number is a multiple of the workers: the last round of chunks then keeps all of
    /// them busy instead of one.
    #[must_use]
    pub fn even_for(self, workers: u64) -> Self {
        let (chunks, workers) = (self.chunks(), workers.max(1));
        if chunks <= 1 {
            return self;
        }
        let rows_per_chunk = self.rows.div_ceil(chunks.div_ceil(workers) * workers).max(1);
        Self { rows_per_chunk, ..self }
    }

    /// Number of chunks the goal leads to, at least 1.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.rows.div_ceil(self.rows_per_chunk).max(1)
    }
}

/// A piece of an integer key while it is being cut: `[low, high)` and the rows the server expects in it.
#[derive(Clone, Copy)]
struct Piece {
    low: i128,
    high: i128,
    rows: u64,
}

/// Ranges of an integer key between `min` and `max` (both present in the table).
///
/// `estimate(low, high)` gives the server's estimate of rows in `[low, high)`. Equal cuts come first; pieces that hold
/// far too many rows are halved, so that keys with huge holes end up even too; small neighbours are joined.
///
/// # Errors
/// What `estimate` returns.
pub fn integer(
    goal: ChunkGoal,
    min: i128,
    max: i128,
    mut estimate: impl FnMut(i128, i128) -> Result<u64>,
) -> Result<Vec<KeyRange>> {
    let end = max.saturating_add(1);
    let mut pieces = equal_pieces(min, end, goal.chunks());
    let mut probes = 0;
    let mut done: Vec<Piece> = Vec::new();
    // A stack, lowest piece on top, so that `done` stays in key order.
    pieces.reverse();
    while let Some(mut piece) = pieces.pop() {
        if probes < PROBES_MAX && goal.chunks() > 1 {
            piece.rows = estimate(piece.low, piece.high)?;
            probes += 1;
        }
        if piece.rows > goal.rows_per_chunk.saturating_mul(TOLERANCE) && piece.high - piece.low > 1 && probes < PROBES_MAX {
            let middle = piece.low + (piece.high - piece.low) / 2;
            pieces.push(Piece { low: middle, high: piece.high, rows: 0 });
            pieces.push(Piece { low: piece.low, high: middle, rows: 0 });
        } else {
            done.push(piece);
        }
    }
    let boundaries = join_small(&done, goal.rows_per_chunk).into_iter().map(|low| vec![integer_value(low)]).collect();
    Ok(KeyRange::cut(boundaries))
}

/// `[low, end)` in at most `count` pieces of equal width, none empty.
fn equal_pieces(low: i128, end: i128, count: u64) -> Vec<Piece> {
    let width = (end - low).max(1);
    let count = i128::from(count).min(width).max(1);
    (0..count).map(|i| Piece { low: low + width * i / count, high: low + width * (i + 1) / count, rows: 0 }).collect()
}

/// The lower ends at which a chunk begins, without the first: neighbours are joined while they fit together.
fn join_small(pieces: &[Piece], rows_per_chunk: u64) -> Vec<i128> {
    let mut boundaries = Vec::new();
    let mut rows = 0_u64;
    for (i, piece) in pieces.iter().enumerate() {
        let together = rows.saturating_add(piece.rows);
        if i > 0 && together > rows_per_chunk {
            boundaries.push(piece.low);
            rows = piece.rows;
        } else {
            rows = together;
        }
    }
    boundaries
}

/// The narrowest key value that holds the number; boundaries lie between two existing keys, so one of both fits.
pub(super) fn integer_value(number: i128) -> KeyValue {
    match i64::try_from(number) {
        Ok(signed) => KeyValue::Int(signed),
        Err(_) => KeyValue::UInt(u64::try_from(number).unwrap_or(u64::MAX)),
    }
}

/// Ranges of a key that only the server can compare: it is asked for the key `rows_per_chunk` rows further on, again
/// and again, until there is none.
///
/// `next(from, rows)` gives the key that many rows after `from` (after the first key for `None`).
///
/// # Errors
/// What `next` returns.
pub fn walk(
    goal: ChunkGoal,
    mut next: impl FnMut(Option<&[KeyValue]>, u64) -> Result<Option<Vec<KeyValue>>>,
) -> Result<Vec<KeyRange>> {
    let mut boundaries: Vec<Vec<KeyValue>> = Vec::new();
    if goal.chunks() > 1 {
        while let Some(key) = next(boundaries.last().map(Vec::as_slice), goal.rows_per_chunk)? {
            // A server that compares the value with itself as unequal would lead round in circles.
            if boundaries.last() == Some(&key) {
                break;
            }
            boundaries.push(key);
        }
    }
    Ok(KeyRange::cut(boundaries))
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
