//! Rows as MySQL writes them in `INSERT … VALUES`: for a replica, which holds every value that its source holds.
//!
//! Nothing is judged here and no policy applies: the replica's columns have the source's types, and its session is strict.
//! Each tuple stands behind its length in bytes (four, big-endian), so that statements can be made of whole tuples.
//! The text is UTF-8 whatever the values are: bytes are hexadecimal.

use super::{BUFFER_BYTES, BUFFER_BYTES_KEPT, Refusal};
use crate::value::{Cell, ColumnType, DateTime};
use std::io::{self, Write};

/// Bytes of the length in front of each tuple.
pub const LENGTH_BYTES: usize = 4;

/// Tuples in a buffer; one that is taken back never leaves it.
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
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.out.flush()
    }

    pub(super) const fn sink(&self) -> &W {
        &self.out
    }

    fn comma(&mut self) {
        if self.buffer.len() > self.row + LENGTH_BYTES + 1 {
            self.buffer.push(b',');
        }
    }
}

impl<W: io::Write> super::Rows for Rows<W> {
    fn begin(&mut self, _columns: usize) -> Result<(), Refusal> {
        self.row = self.buffer.len();
        self.buffer.extend_from_slice(&[0; LENGTH_BYTES]);
        self.buffer.push(b'(');
        Ok(())
    }

    fn cell(&mut self, ty: ColumnType, cell: Cell<'_>) -> Result<(), Refusal> {
        self.comma();
        if matches!(cell, Cell::Null) {
            self.buffer.extend_from_slice(b"NULL");
            return Ok(());
        }
        literal(ty, cell, &mut self.buffer).map_err(Refusal::Write)
    }

    fn roll_back(&mut self) -> io::Result<()> {
        self.buffer.truncate(self.row);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.buffer.push(b')');
        let length = u32::try_from(self.buffer.len() - self.row - LENGTH_BYTES).map_err(io::Error::other)?;
        if let Some(place) = self.buffer.get_mut(self.row..self.row + LENGTH_BYTES) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }
}

/// Appends a literal. Floats are quoted: as a number, the sign of -0 would be taken off.
fn literal(ty: ColumnType, cell: Cell<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match cell {
        Cell::Null => write!(out, "NULL"),
        Cell::Int(value) => write!(out, "{value}"),
        Cell::UInt(value) => write!(out, "{value}"),
        // As a double it is exact, so the server's rounding to a float gives the same float.
        Cell::Float(value) => write!(out, "'{:e}'", f64::from(value)),
        Cell::Double(value) => write!(out, "'{value:e}'"),
        Cell::Bytes(bytes) if is_binary(ty) || std::str::from_utf8(bytes).is_err() => hexadecimal(bytes, out),
        Cell::Bytes(text) => {
            quoted(text, out);
            Ok(())
        }
        Cell::DateTime(DateTime { year, month, day, hour, minute, second, micro }) => {
            write!(out, "'{year:04}-{month:02}-{day:02}")?;
            // A DATE takes no time, and every other type takes a date for its midnight.
            if (hour, minute, second, micro) != (0, 0, 0, 0) {
                write!(out, " {hour:02}:{minute:02}:{second:02}.{micro:06}")?;
            }
            write!(out, "'")
        }
        Cell::Time(time) => {
            let sign = if time.negative { "-" } else { "" };
            write!(out, "'{sign}{:02}:{:02}:{:02}.{:06}'", time.hours, time.minutes, time.seconds, time.micros)
        }
    }
}

/// Columns whose bytes are no text.
const fn is_binary(ty: ColumnType) -> bool {
    use ColumnType as T;
    matches!(ty, T::Bytes | T::Bit { .. } | T::Boolean | T::Geometry | T::UuidBytes | T::Vector)
}

fn hexadecimal(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() {
        // x'' is a number's literal to some servers.
        out.extend_from_slice(b"''");
        return Ok(());
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2 + 3);
    out.extend_from_slice(b"x'");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'\'');
    Ok(())
}

/// A string literal of a session without `NO_BACKSLASH_ESCAPES`.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'\'');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\'' | b'\\' | 0)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        out.push(b'\\');
        out.push(if special[0] == 0 { b'0' } else { special[0] });
        rest = &special[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Fate, Format, RowWriter, Target};
    use super::*;
    use crate::value::Time;

    fn tuple(columns: &[(ColumnType, Cell<'_>)]) -> String {
        let targets = columns.iter().map(|(ty, _)| Target::new(*ty, false)).collect();
        let cells: Vec<Cell<'_>> = columns.iter().map(|(_, cell)| *cell).collect();
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&Format::Tuples, targets, &mut out);
        assert_eq!(writer.row(&cells).unwrap(), Fate::Written);
        writer.flush().unwrap();
        drop(writer);
        let (length, text) = out.split_at(LENGTH_BYTES);
        assert_eq!(usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap(), text.len());
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn every_kind_of_cell_has_its_literal() {
        use ColumnType as T;
        let date = |hour| Cell::DateTime(DateTime { year: 2024, month: 0, day: 31, hour, ..DateTime::default() });
        let time = Cell::Time(Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 7 });
        let cells = [
            (T::Int64, Cell::Int(i64::MIN)),
            (T::UInt64, Cell::UInt(u64::MAX)),
            (T::Float64, Cell::Double(-0.0)),
            (T::Float32, Cell::Float(0.1)),
            (T::Text, Cell::Bytes(b"it's \\ \0 \xf0\x9f\x98\x80".as_slice())),
            (T::Text, Cell::Bytes(b"\xff".as_slice())),
            (T::Bytes, Cell::Bytes(b"a\0".as_slice())),
            (T::Bytes, Cell::Bytes(b"".as_slice())),
            (T::Date, date(0)),
            (T::Timestamp { digits: 0 }, date(5)),
            (T::Interval { digits: 6 }, time),
            (T::Int16, Cell::Null),
        ];
        let wanted = "(-9223372036854775808,18446744073709551615,'-0e0','1.0000000149011612e-1','it\\'s \\\\ \\0 \u{1f600}',\
                      x'ff',x'6100','','2024-00-31','2024-00-31 05:00:00.000000','-838:59:59.000007',NULL)";
        assert_eq!(tuple(&cells), wanted);
        assert_eq!(tuple(&[(T::Text, Cell::Null), (T::Text, Cell::Bytes(b"".as_slice()))]), "(NULL,'')");
    }
}
