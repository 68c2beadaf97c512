//! PostgreSQL's binary COPY format: each cell as the type's `recv` function reads it.
//!
//! Source: PostgreSQL documentation, COPY, "Binary Format", and the send and recv functions of each type. Must give the
//! same table as [`super::csv`]; the image of a row is what digests are made of.

use super::number::{Decimal, Integer};
use super::{BUFFER_BYTES, BUFFER_BYTES_KEPT, Refusal, bytes, number, temporal, text};
use crate::value::{Cell, ColumnType, Fault};
use std::io;
use std::net::IpAddr;

/// Signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A row of -1 columns.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Object id of `real`, for arrays of it.
const FLOAT4_OID: i32 = 700;

/// Rows in a buffer; one that is taken back never leaves it.
pub(super) struct Rows<W: io::Write> {
    out: W,
    buffer: Vec<u8>,
    /// Where the row in work begins.
    row: usize,
}

impl<W: io::Write> Rows<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, buffer: Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 8), row: 0 }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        // In blocks: a row of many megabytes would be copied whole by the driver.
        for block in self.buffer.chunks(BUFFER_BYTES) {
            self.out.write_all(block)?;
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.out.flush()
    }

    /// Adds a cell whose bytes are its image and sends everything up to its end.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = i32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.flush()?;
        bytes.chunks(BUFFER_BYTES).try_for_each(|block| self.out.write_all(block))
    }

    pub(super) const fn sink(&self) -> &W {
        &self.out
    }

    /// Drops all rows that were not handed on.
    pub(super) fn forget(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
    }

    /// The row in work.
    #[inline]
    pub(super) fn tuple(&self) -> &[u8] {
        self.buffer.get(self.row..).unwrap_or_default()
    }

    /// The cell that was added last, when the buffer had so many bytes before it; none for NULL.
    pub(super) fn cell_from(&self, before: usize) -> Option<&[u8]> {
        let (length, image) = self.buffer.get(before..)?.split_first_chunk::<4>()?;
        (*length != (-1_i32).to_be_bytes()).then_some(image)
    }

    /// Bytes that were not handed on yet.
    pub(super) const fn held(&self) -> usize {
        self.buffer.len()
    }
}

/// Whether PostgreSQL takes the cell's bytes as they are.
pub(super) fn is_own_image(ty: ColumnType, cell: Cell<'_>) -> bool {
    match (ty, cell) {
        (ColumnType::Bytes, Cell::Bytes(bytes)) => i32::try_from(bytes.len()).is_ok(),
        (ColumnType::Text | ColumnType::Varchar { .. } | ColumnType::Json, Cell::Bytes(bytes)) => {
            i32::try_from(bytes.len()).is_ok() && text::check_for(ty, bytes).is_ok()
        }
        _ => false,
    }
}

impl<W: io::Write> super::Rows for Rows<W> {
    #[inline]
    fn begin(&mut self, columns: usize) -> Result<(), Refusal> {
        let columns = i16::try_from(columns).map_err(|_| Refusal::Unfit)?;
        self.row = self.buffer.len();
        self.buffer.extend_from_slice(&columns.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn cell(&mut self, ty: ColumnType, cell: Cell<'_>) -> Result<(), Refusal> {
        use ColumnType as T;
        // What most cells are, in one write each.
        let out = &mut self.buffer;
        match (ty, cell) {
            (_, Cell::Null) => put(out, [0xff; 4]),
            (T::Int64, Cell::Int(value)) => put_eight(out, value.to_be_bytes()),
            (T::Float64, Cell::Double(value)) => put_eight(out, value.to_be_bytes()),
            (T::Int32, Cell::Int(value)) => put_four(out, i32::try_from(value).map_err(out_of_range)?.to_be_bytes()),
            (T::Varchar { .. } | T::Text | T::Json, Cell::Bytes(source)) => {
                text::check_for(ty, source)?;
                put(out, i32::try_from(source.len()).map_err(out_of_range)?.to_be_bytes());
                out.extend_from_slice(source);
            }
            _ => return self.any_cell(ty, cell),
        }
        Ok(())
    }

    fn roll_back(&mut self) -> io::Result<()> {
        self.buffer.truncate(self.row);
        Ok(())
    }

    #[inline]
    fn end(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }
}

impl<W: io::Write> Rows<W> {
    /// Adds a cell behind its length, which is known when its image is.
    fn any_cell(&mut self, ty: ColumnType, cell: Cell<'_>) -> Result<(), Refusal> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let done = image(ty, cell, &mut self.buffer);
        match (done, i32::try_from(self.buffer.len() - start - 4)) {
            (Ok(()), Ok(length)) => {
                if let Some(place) = self.buffer.get_mut(start..start + 4) {
                    place.copy_from_slice(&length.to_be_bytes());
                }
                Ok(())
            }
            (done, _) => {
                self.buffer.truncate(start);
                done.and(Err(Refusal::Fault(Fault::OutOfRange)))
            }
        }
    }
}

/// Appends the image of a cell that is not NULL, without its length.
#[inline]
fn image(ty: ColumnType, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    use ColumnType as T;
    match (ty, cell) {
        (T::Int16 | T::Year, Cell::Int(value)) => put(out, i16::try_from(value).map_err(out_of_range)?.to_be_bytes()),
        (T::Int32, Cell::Int(value)) => put(out, i32::try_from(value).map_err(out_of_range)?.to_be_bytes()),
        (T::Int64, Cell::Int(value)) => put(out, value.to_be_bytes()),
        (T::Int16 | T::Year, Cell::UInt(value)) => put(out, i16::try_from(value).map_err(out_of_range)?.to_be_bytes()),
        (T::Int32, Cell::UInt(value)) => put(out, i32::try_from(value).map_err(out_of_range)?.to_be_bytes()),
        (T::Int64, Cell::UInt(value)) => put(out, i64::try_from(value).map_err(out_of_range)?.to_be_bytes()),
        (T::Float32, Cell::Float(value)) => put(out, value.to_be_bytes()),
        (T::Float64, Cell::Double(value)) => put(out, value.to_be_bytes()),
        (T::Float64, Cell::Float(value)) => put(out, f64::from(value).to_be_bytes()),
        (T::Varchar { .. } | T::Text | T::Json, Cell::Bytes(source)) => {
            text::check_for(ty, source)?;
            out.extend_from_slice(source);
        }
        (T::Jsonb, Cell::Bytes(source)) => {
            text::check_for(ty, source)?;
            // The version of the image.
            out.push(1);
            out.extend_from_slice(source);
        }
        (T::Bytes, Cell::Bytes(source)) => out.extend_from_slice(source),
        (T::Decimal { precision, scale }, Cell::Bytes(digits)) => {
            numeric(out, number::decimal(digits, precision, scale)?, scale)?;
        }
        (T::Date | T::Timestamp { .. } | T::TimestampTz { .. }, Cell::DateTime(value)) => {
            if !temporal::is_calendar_day(value) {
                return Err(Refusal::Fault(Fault::ZeroDate));
            }
            match ty {
                T::Date if temporal::is_midnight(value) => put(out, temporal::days(value).to_be_bytes()),
                T::Timestamp { digits } | T::TimestampTz { digits } => {
                    put(out, temporal::microseconds(value, digits).ok_or(OUT)?.to_be_bytes());
                }
                _ => return Err(OUT),
            }
        }
        (T::Interval { digits }, Cell::Time(value)) => {
            put(out, temporal::duration(value, digits).ok_or(OUT)?.to_be_bytes());
            // No days and no months.
            put(out, [0; 8]);
        }
        (T::TimeOfDay { digits }, Cell::Time(value)) if temporal::is_of_day(value) => {
            put(out, temporal::duration(value, digits).ok_or(OUT)?.to_be_bytes());
        }
        (T::TimeOfDay { .. }, Cell::Time(_)) => return Err(OUT),
        _ => rare(ty, cell, out)?,
    }
    Ok(())
}

/// The images of types that few tables have, and of columns whose type a rule has changed.
fn rare(ty: ColumnType, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    use ColumnType as T;
    match (ty, cell) {
        (T::Boolean, _) => out.push(u8::from(number::boolean(cell)?)),
        (T::UInt64, Cell::Int(_) | Cell::UInt(_)) => {
            let mut text = itoa::Buffer::new();
            let digits = match number::integer(ty, cell)? {
                Integer::Signed(value) => text.format(value),
                Integer::Unsigned(value) => text.format(value),
            };
            numeric(out, number::decimal(digits.as_bytes(), 20, 0)?, 0)?;
        }
        (T::Decimal { precision, scale }, _) => {
            let digits = number::as_numeric(cell, precision, scale)?;
            numeric(out, number::decimal(digits.as_bytes(), precision, scale)?, scale)?;
        }
        (T::Varchar { .. } | T::Text, _) => {
            let written = number::spelled(cell).ok_or(Refusal::Unfit)?;
            image(ty, Cell::Bytes(written.as_bytes()), out)?;
        }
        (T::Bit { bits }, Cell::Bytes(source)) => bit(out, source, bits)?,
        (T::Geometry, Cell::Bytes(source)) => {
            let (head, body) = bytes::ewkb(source).ok_or(OUT)?;
            out.extend_from_slice(&head);
            out.extend_from_slice(body);
        }
        (T::Uuid | T::UuidBytes, Cell::Bytes(source)) => out.extend_from_slice(bytes::uuid(ty, source)?.as_bytes()),
        (T::Inet, Cell::Bytes(source)) => inet(out, bytes::inet(source)?),
        (T::Vector, Cell::Bytes(source)) => vector(out, source)?,
        _ => return Err(Refusal::Unfit),
    }
    Ok(())
}

const OUT: Refusal = Refusal::Fault(Fault::OutOfRange);

fn out_of_range<E>(_: E) -> Refusal {
    OUT
}

/// An image of eight bytes behind its length.
#[inline]
fn put_eight(out: &mut Vec<u8>, image: [u8; 8]) {
    let [a, b, c, d, e, f, g, h] = image;
    put(out, [0, 0, 0, 8, a, b, c, d, e, f, g, h]);
}

/// An image of four bytes behind its length.
#[inline]
fn put_four(out: &mut Vec<u8>, image: [u8; 4]) {
    let [a, b, c, d] = image;
    put(out, [0, 0, 0, 4, a, b, c, d]);
}

#[inline]
fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

/// `numeric`: groups of four decimal digits, aligned at the point, without zero groups at either end.
///
/// Source: PostgreSQL, `src/backend/utils/adt/numeric.c`, `numeric_recv`.
fn numeric(out: &mut Vec<u8>, decimal: Decimal<'_>, scale: u16) -> Result<(), Refusal> {
    let digit = |at: usize, digits: &[u8]| digits.get(at).map_or(0, |byte| i16::from(byte - b'0'));
    let group = |from: usize, digits: &[u8]| (0..4).fold(0_i16, |sum, at| sum * 10 + digit(from + at, digits));
    let start = out.len();
    put(out, [0; 8]);
    let first = decimal.whole.len() % 4;
    if first > 0 {
        put(out, decimal.whole[..first].iter().fold(0_i16, |sum, byte| sum * 10 + i16::from(byte - b'0')).to_be_bytes());
    }
    for at in (first..decimal.whole.len()).step_by(4) {
        put(out, group(at, decimal.whole).to_be_bytes());
    }
    let mut weight = i16::try_from(decimal.whole.len().div_ceil(4)).map_err(out_of_range)? - 1;
    for at in (0..decimal.fraction.len()).step_by(4) {
        let group = group(at, decimal.fraction);
        // Zero groups right behind the point only lower the weight when nothing stands before them.
        if group == 0 && out.len() == start + 8 {
            weight -= 1;
        } else {
            put(out, group.to_be_bytes());
        }
    }
    while out.len() > start + 8 && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let groups = i16::try_from((out.len() - start - 8) / 2).map_err(out_of_range)?;
    if groups == 0 {
        weight = 0;
    }
    let sign: u16 = if decimal.negative && groups > 0 { 0x4000 } else { 0 };
    let ([a, b], [c, d], [e, f], [g, h]) = (groups.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes());
    if let Some(place) = out.get_mut(start..start + 8) {
        place.copy_from_slice(&[a, b, c, d, e, f, g, h]);
    }
    Ok(())
}

/// `bit(n)`: the source pads on the left, PostgreSQL on the right.
fn bit(out: &mut Vec<u8>, source: &[u8], bits: u8) -> Result<(), Refusal> {
    if !bytes::is_bits(source, bits) || source.len() > 8 {
        return Err(OUT);
    }
    put(out, i32::from(bits).to_be_bytes());
    let value = source.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let aligned = value << (64 - u32::from(bits));
    out.extend_from_slice(aligned.to_be_bytes().get(..source.len()).unwrap_or_default());
    Ok(())
}

/// `inet`: family, netmask bits, is_cidr, length, address.
///
/// Source: PostgreSQL, `src/include/utils/inet.h` (PGSQL_AF_INET 2, PGSQL_AF_INET6 3) and `network_recv`.
fn inet(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            put(out, [2, 32, 0, 4]);
            put(out, v4.octets());
        }
        IpAddr::V6(v6) => {
            put(out, [3, 128, 0, 16]);
            put(out, v6.octets());
        }
    }
}

/// `real[]`: dimensions, no NULLs, element type, length, lower bound 1, elements.
fn vector(out: &mut Vec<u8>, source: &[u8]) -> Result<(), Refusal> {
    let (floats, []) = source.as_chunks::<4>() else { return Err(OUT) };
    let length = i32::try_from(floats.len()).map_err(out_of_range)?;
    for word in [i32::from(length > 0), 0, FLOAT4_OID] {
        put(out, word.to_be_bytes());
    }
    if length > 0 {
        put(out, length.to_be_bytes());
        put(out, 1_i32.to_be_bytes());
    }
    for float in floats {
        put(out, 4_i32.to_be_bytes());
        put(out, f32::from_le_bytes(*float).to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::{Fate, Format, RowWriter, Target};
    use crate::value::DateTime;

    fn of(ty: ColumnType, cell: Cell<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        image(ty, cell, &mut out).ok().map(|()| out)
    }

    fn words(bytes: &[u8]) -> Vec<i16> {
        bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect()
    }

    #[test]
    fn numerics_are_groups_of_four_digits() {
        // groups, weight, sign, scale, digits
        for (text, precision, scale, expected) in [
            ("0.00", 5, 2, &[0, 0, 0, 2][..]),
            ("-0.00", 5, 2, &[0, 0, 0, 2]),
            ("1", 1, 0, &[1, 0, 0, 0, 1]),
            ("10000", 5, 0, &[1, 1, 0, 0, 1]),
            ("-12345.678", 8, 3, &[3, 1, 0x4000, 3, 1, 2345, 6780]),
            ("0.00001", 6, 5, &[1, -2, 0, 5, 1000]),
            ("1.50", 3, 2, &[2, 0, 0, 2, 1, 5000]),
            ("100000000.0000", 13, 4, &[1, 2, 0, 4, 1]),
        ] {
            let image = of(ColumnType::Decimal { precision, scale }, Cell::Bytes(text.as_bytes())).unwrap();
            assert_eq!(words(&image), expected, "{text}");
        }
        assert_eq!(words(&of(ColumnType::UInt64, Cell::UInt(u64::MAX)).unwrap())[..2], [5, 4]);
        assert_eq!(of(ColumnType::Decimal { precision: 3, scale: 2 }, Cell::Bytes(b"1.005")), None);
    }

    #[test]
    fn days_are_counted_from_2000() {
        let days = |year, month, day| temporal::days(DateTime { year, month, day, ..DateTime::default() });
        assert_eq!([days(2000, 1, 1), days(1999, 12, 31), days(2000, 3, 1), days(1970, 1, 1)], [0, -1, 60, -10_957]);
        // PostgreSQL: SELECT '0001-01-01'::date - '2000-01-01'::date, and the same for 9999-12-31.
        assert_eq!([days(1, 1, 1), days(9999, 12, 31)], [-730_119, 2_921_939]);
    }

    #[test]
    fn bits_are_aligned_left() {
        assert_eq!(of(ColumnType::Bit { bits: 10 }, Cell::Bytes(&[0b10, 1])).unwrap(), [0, 0, 0, 10, 0b1000_0000, 0b0100_0000]);
        assert_eq!(of(ColumnType::Bit { bits: 64 }, Cell::Bytes(&[0xff; 8])).unwrap()[4..], [0xff; 8]);
        assert_eq!(of(ColumnType::Bit { bits: 10 }, Cell::Bytes(&[0b100, 1])), None);
    }

    #[test]
    fn long_values_are_sent_as_they_are_and_only_in_whole_rows() {
        let long = vec![b'x'; BUFFER_BYTES_KEPT + 1];
        let columns = vec![
            Target::new(ColumnType::Text, false),
            Target::new(ColumnType::Bytes, false),
            Target::new(ColumnType::Int16, true),
        ];
        let write = |rows: &[[Cell<'_>; 3]]| {
            let mut writer = RowWriter::new(&Format::Binary, columns.clone(), Vec::new());
            let fates: Vec<Fate> = rows.iter().map(|row| writer.row(row).unwrap()).collect();
            writer.flush().unwrap();
            (writer.sink().clone(), fates)
        };
        let good = [Cell::Bytes(&long), Cell::Bytes(&long), Cell::Int(7)];
        let bad = [Cell::Bytes(&long), Cell::Bytes(&long), Cell::Int(70_000)];
        let (bytes, fates) = write(&[bad, good, bad]);
        assert_eq!(
            fates,
            [
                Fate::Rejected { column: 2, fault: Fault::OutOfRange },
                Fate::Written,
                Fate::Rejected { column: 2, fault: Fault::OutOfRange }
            ]
        );
        let length = i32::try_from(long.len()).unwrap().to_be_bytes();
        let expected = [&[0, 3][..], &length, &long, &length, &long, &[0, 0, 0, 2, 0, 7]].concat();
        assert_eq!(bytes, expected);
        let mut nul = long.clone();
        nul.push(0);
        assert_eq!(write(&[[Cell::Bytes(&nul), Cell::Null, Cell::Int(1)]]).1, [Fate::Rejected { column: 0, fault: Fault::Nul }]);
    }

    #[test]
    fn a_refused_row_leaves_nothing() {
        let columns = vec![Target::new(ColumnType::Int32, true), Target::new(ColumnType::Text, false)];
        let mut writer = RowWriter::new(&Format::Binary, columns, Vec::new());
        let good = [Cell::Int(7), Cell::Bytes(b"ab")];
        assert_eq!(writer.row(&good).unwrap(), Fate::Written);
        let bad = [Cell::Int(8), Cell::Bytes(b"a\0")];
        assert_eq!(writer.row(&bad).unwrap(), Fate::Rejected { column: 1, fault: Fault::Nul });
        assert_eq!(
            writer.row(&[Cell::Int(1 << 40), Cell::Null]).unwrap(),
            Fate::Rejected { column: 0, fault: Fault::OutOfRange }
        );
        assert_eq!(writer.row(&[Cell::Int(9), Cell::Null]).unwrap(), Fate::Written);
        writer.flush().unwrap();
        let expected: &[u8] =
            &[0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b', 0, 2, 0, 0, 0, 4, 0, 0, 0, 9, 255, 255, 255, 255];
        assert_eq!(writer.sink(), expected);
    }
}
