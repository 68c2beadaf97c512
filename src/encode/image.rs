//! The rows of a binary COPY, each as its bytes: what the server gives can be compared with what it would be given.

use super::binary::{HEADER, TRAILER};

/// The rows behind the header and before the trailer of a COPY; none when these are not what PostgreSQL writes.
#[must_use]
pub fn inside(copy: &[u8]) -> Option<&[u8]> {
    copy.strip_prefix(HEADER)?.strip_suffix(TRAILER)
}

/// The rows, in their order; none when the bytes are no whole rows.
#[must_use]
pub fn tuples(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let Some(Next::Row(row, rest)) = next(bytes) else { return None };
        rows.push(row);
        bytes = rest;
    }
    Some(rows)
}

/// Columns of a tuple.
#[inline]
#[must_use]
pub fn column_count(tuple: &[u8]) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*tuple.first_chunk::<2>()?)))
}

/// The columns of a tuple; none for NULL. It ends early where the bytes do.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of a tuple.
    #[must_use]
    pub fn of(tuple: &'a [u8]) -> Self {
        Self { rest: tuple.get(2..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Some(None);
        };
        let (field, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(field))
    }
}

/// What stands at the begin of some bytes of a COPY.
enum Next<'a> {
    /// A whole row, and what follows it.
    Row(&'a [u8], &'a [u8]),
    /// The trailer.
    End,
}

/// None when the bytes do not reach to the end of the row.
#[inline]
fn next(bytes: &[u8]) -> Option<Next<'_>> {
    let (columns, mut rest) = bytes.split_first_chunk::<2>()?;
    if columns == TRAILER {
        return Some(Next::End);
    }
    for _ in 0..u16::from_be_bytes(*columns) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        // -1 stands for NULL.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        rest = behind.get(length..)?;
    }
    let (row, rest) = bytes.split_at_checked(bytes.len() - rest.len())?;
    Some(Next::Row(row, rest))
}

/// A COPY that comes in blocks: each row is told when its last byte has come.
#[derive(Debug, Default)]
pub struct Stream {
    /// Bytes that are no whole row yet.
    pending: Vec<u8>,
    begun: bool,
    ended: bool,
}

impl Stream {
    /// Takes a block, and gives each row that it completes to `each`; false when the bytes are none of PostgreSQL's.
    ///
    /// # Errors
    /// What `each` returned.
    pub fn block<E>(&mut self, block: &[u8], each: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<bool, E> {
        // Most blocks are whole rows, and are read where they lie.
        if self.begun && self.pending.is_empty() {
            let rest = self.rows(block, each)?;
            self.pending.extend_from_slice(rest);
            return Ok(!self.ended || rest.is_empty());
        }
        let mut held = std::mem::take(&mut self.pending);
        held.extend_from_slice(block);
        if !self.begun && !held.starts_with(HEADER) {
            let may_begin = HEADER.starts_with(&held);
            self.pending = held;
            return Ok(may_begin);
        }
        let head = if std::mem::replace(&mut self.begun, true) { 0 } else { HEADER.len() };
        let left = self.rows(held.get(head..).unwrap_or_default(), each)?.len();
        held.drain(..held.len() - left);
        self.pending = held;
        Ok(!self.ended || left == 0)
    }

    /// Gives all whole rows to `each`, and returns what is left.
    fn rows<'b, E>(&mut self, mut bytes: &'b [u8], each: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<&'b [u8], E> {
        while !self.ended {
            match next(bytes) {
                Some(Next::Row(row, rest)) => {
                    each(row)?;
                    bytes = rest;
                }
                Some(Next::End) => {
                    self.ended = true;
                    bytes = bytes.get(TRAILER.len()..).unwrap_or_default();
                }
                None => break,
            }
        }
        Ok(bytes)
    }

    /// Whether the COPY has come to its end. One that has not is no whole table.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ONE: [u8; 11] = [0, 2, 0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff];
    const TWO: [u8; 12] = [0, 2, 0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c'];

    #[test]
    fn rows_are_told_apart() {
        let copy = [HEADER, &ONE[..], &TWO[..], TRAILER].concat();
        assert_eq!(tuples(inside(&copy).unwrap()).unwrap(), [&ONE[..], &TWO[..]]);
        assert_eq!(tuples(inside(&[HEADER, TRAILER].concat()).unwrap()).unwrap(), Vec::<&[u8]>::new());
        // Cut short anywhere, it is no whole COPY.
        for length in 0..copy.len() {
            assert!(inside(&copy[..length]).is_none_or(|rows| tuples(rows).is_none_or(|rows| rows.len() < 2)), "{length}");
        }
        assert_eq!(tuples(&ONE[..ONE.len() - 1]), None);
        assert_eq!(tuples(&TWO[..5]), None);
    }

    #[test]
    fn fields_are_null_or_bytes() {
        assert_eq!(Fields::of(&ONE).collect::<Vec<_>>(), [Some(&b"a"[..]), None]);
        assert_eq!(Fields::of(&TWO).collect::<Vec<_>>(), [Some(&b""[..]), Some(b"bc")]);
        assert_eq!(column_count(&ONE), Some(2));
        assert_eq!(Fields::of(&TWO[..11]).count(), 1);
    }

    /// Wherever the blocks end, the rows are the same, and a COPY that was cut short is not whole.
    #[test]
    fn blocks_of_any_length_give_the_rows() {
        let copy = [HEADER, &ONE[..], &TWO[..], &ONE[..], TRAILER].concat();
        let rows = |blocks: &mut dyn Iterator<Item = &[u8]>| {
            let (mut stream, mut rows) = (Stream::default(), Vec::new());
            for block in blocks {
                let each = &mut |row: &[u8]| -> Result<(), ()> {
                    rows.push(row.to_vec());
                    Ok(())
                };
                assert!(stream.block(block, each).unwrap());
            }
            (rows, stream.is_whole())
        };
        let all = vec![ONE.to_vec(), TWO.to_vec(), ONE.to_vec()];
        for size in 1..=copy.len() {
            assert_eq!(rows(&mut copy.chunks(size)), (all.clone(), true), "{size}");
        }
        for length in 0..copy.len() {
            assert!(!rows(&mut std::iter::once(&copy[..length])).1, "{length}");
        }
        let none = &mut |_: &[u8]| -> Result<(), ()> { Ok(()) };
        assert!(!Stream::default().block(b"PGCOPX", none).unwrap());
        assert!(!Stream::default().block(&[&copy[..], b"more"].concat(), none).unwrap());
    }
}
