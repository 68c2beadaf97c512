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
        let (columns, mut rest) = bytes.split_first_chunk::<2>()?;
        for _ in 0..u16::from_be_bytes(*columns) {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            // -1 stands for NULL.
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            rest = behind.get(length..)?;
        }
        let (row, next) = bytes.split_at(bytes.len() - rest.len());
        rows.push(row);
        bytes = next;
    }
    Some(rows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart() {
        let one = [0, 2, 0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff];
        let two = [0, 2, 0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c'];
        let copy = [HEADER, &one[..], &two[..], TRAILER].concat();
        assert_eq!(tuples(inside(&copy).unwrap()).unwrap(), [&one[..], &two[..]]);
        assert_eq!(tuples(inside(&[HEADER, TRAILER].concat()).unwrap()).unwrap(), Vec::<&[u8]>::new());
        // Cut short anywhere, it is no whole COPY.
        for length in 0..copy.len() {
            assert!(inside(&copy[..length]).is_none_or(|rows| tuples(rows).is_none_or(|rows| rows.len() < 2)), "{length}");
        }
        assert_eq!(tuples(&one[..one.len() - 1]), None);
        assert_eq!(tuples(&two[..5]), None);
    }
}
