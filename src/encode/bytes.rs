//! Bytes, bits, geometries, vectors, addresses and UUIDs as PostgreSQL reads them in text.
//!
//! Functions that append say whether the bytes have the shape their type promises.

use super::{Refusal, number};
use crate::value::{ColumnType, Fault};
use std::net::IpAddr;
use uuid::Uuid;

/// Marks an SRID in the type word of EWKB.
const EWKB_SRID: u32 = 0x2000_0000;

/// A UUID of its text, or of its 16 bytes where the column holds bytes.
#[inline]
pub(super) fn uuid(ty: ColumnType, source: &[u8]) -> Result<Uuid, Refusal> {
    let uuid = if ty == ColumnType::UuidBytes { Uuid::from_slice(source) } else { Uuid::try_parse_ascii(source) };
    uuid.map_err(|_| Refusal::Fault(Fault::OutOfRange))
}

/// An address of its text.
#[inline]
pub(super) fn inet(source: &[u8]) -> Result<IpAddr, Refusal> {
    let text = std::str::from_utf8(source).map_err(|_| Refusal::Fault(Fault::InvalidUtf8))?;
    text.parse().map_err(|_| Refusal::Fault(Fault::OutOfRange))
}

/// Whether bytes are a big-endian value of so many bits, left-padded to whole bytes.
#[inline]
pub(super) fn is_bits(bytes: &[u8], bits: u8) -> bool {
    let spare = usize::from(bits).next_multiple_of(8) - usize::from(bits);
    bytes.len() == usize::from(bits).div_ceil(8)
        && bytes.first().is_none_or(|first| first.leading_zeros() >= u32::try_from(spare).unwrap_or(8))
}

/// BIT(n), big-endian and left-padded to whole bytes, as n digits.
pub(super) fn bits(out: &mut Vec<u8>, bytes: &[u8], bits: u8) -> bool {
    if !is_bits(bytes, bits) || bytes.len() > 8 {
        return false;
    }
    let value = bytes.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    out.extend((0..bits).rev().map(|bit| if value >> bit & 1 == 1 { b'1' } else { b'0' }));
    true
}

/// `\x` and two digits a byte.
pub(super) fn bytea(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    out.extend_from_slice(b"\\x");
    hex(out, bytes);
    true
}

/// The source's SRID (4 bytes, little-endian) and WKB, as EWKB in hexadecimal.
pub(super) fn geometry(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let Some((head, body)) = ewkb(bytes) else { return false };
    out.extend_from_slice(b"\\x");
    hex(out, &head);
    hex(out, body);
    true
}

/// The source's SRID and WKB as EWKB, in two parts: WKB alone for SRID 0, else with the SRID behind the type.
pub(super) fn ewkb(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (srid, wkb) = bytes.split_first_chunk::<4>()?;
    let (head, body) = wkb.split_first_chunk::<5>()?;
    let &[order @ (0 | 1), a, b, c, d] = head else { return None };
    let srid = u32::from_le_bytes(*srid);
    if srid == 0 {
        return Some((head.to_vec(), body));
    }
    let little = order == 1;
    let kind = if little { u32::from_le_bytes([a, b, c, d]) } else { u32::from_be_bytes([a, b, c, d]) } | EWKB_SRID;
    let mut head = vec![order];
    for word in [kind, srid] {
        head.extend_from_slice(&if little { word.to_le_bytes() } else { word.to_be_bytes() });
    }
    Some((head, body))
}

/// Packed little-endian floats as `{1.5,-2.0}`.
pub(super) fn vector(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let (floats, []) = bytes.as_chunks::<4>() else { return false };
    let mut buffer = zmij::Buffer::new();
    out.push(b'{');
    for (index, float) in floats.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(number::float(&mut buffer, f32::from_le_bytes(*float)));
    }
    out.push(b'}');
    true
}

/// Two lower-case hexadecimal digits of every byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    let (pairs, _) = out[start..].as_chunks_mut::<2>();
    for (pair, &byte) in pairs.iter_mut().zip(bytes) {
        *pair = HEX[usize::from(byte)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out).then(|| String::from_utf8(out).unwrap_or_default())
    }

    #[test]
    fn bits_keep_leading_zeros_and_the_64th_bit() {
        assert_eq!(text(|out| bits(out, &[0, 5], 10)).as_deref(), Some("0000000101"));
        assert_eq!(text(|out| bits(out, &[0xff; 8], 64)), Some("1".repeat(64)));
        assert_eq!(text(|out| bits(out, &[2], 2)).as_deref(), Some("10"));
        assert_eq!(text(|out| bits(out, &[4], 2)), None);
        assert_eq!(text(|out| bits(out, &[0, 2], 2)), None);
        assert_eq!(text(|out| bits(out, &[1], 1)).as_deref(), Some("1"));
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(text(|out| bytea(out, &[0, 0x5c, 0xff])).as_deref(), Some("\\x005cff"));
        assert_eq!(text(|out| bytea(out, &[])).as_deref(), Some("\\x"));
    }

    #[test]
    fn the_srid_goes_behind_the_type() {
        let point = [1, 1, 0, 0, 0, 0xaa];
        let with = |srid: u32, wkb: &[u8]| [&srid.to_le_bytes(), wkb].concat();
        assert_eq!(text(|out| geometry(out, &with(0, &point))).as_deref(), Some("\\x0101000000aa"));
        assert_eq!(text(|out| geometry(out, &with(4326, &point))).as_deref(), Some("\\x0101000020e6100000aa"));
        let big = [0, 0, 0, 0, 1, 0xaa];
        assert_eq!(text(|out| geometry(out, &with(4326, &big))).as_deref(), Some("\\x0020000001000010e6aa"));
        assert_eq!(text(|out| geometry(out, &[0; 8])), None);
        assert_eq!(text(|out| geometry(out, &with(0, &[9, 1, 0, 0, 0]))), None);
    }

    #[test]
    fn vectors_are_arrays() {
        let bytes = [1.5_f32, -2.0, 0.0003].map(f32::to_le_bytes).concat();
        assert_eq!(text(|out| vector(out, &bytes)).as_deref(), Some("{1.5,-2.0,0.0003}"));
        assert_eq!(text(|out| vector(out, &[])).as_deref(), Some("{}"));
        assert_eq!(text(|out| vector(out, &[0; 5])), None);
    }
}
