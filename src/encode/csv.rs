//! The reference COPY format: csv, with a random token for NULL.
//!
//! csv cannot tell NULL from text by itself, so NULL is a token that no cell of the attempt equals: every text is compared
//! with it, and a hit is an error that asks for another token. A table of one column quotes everything, because there a
//! bare `\.` line would end the COPY and an empty line would be no row.

use super::{BUFFER_BYTES, BUFFER_BYTES_KEPT, Refusal, bytes, number, temporal, text};
use crate::name::quote_postgres;
use crate::value::{Cell, ColumnType, Fault, Time};
use std::cell::Cell as Flag;
use std::io;

/// The text that stands for NULL in one chunk attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullToken(String);

impl NullToken {
    /// A new token: a control character that text hardly ever holds, then three random letters or digits.
    ///
    /// Short, because a wide row has many NULLs and PostgreSQL reads every byte; a text that equals it costs another try.
    #[must_use]
    pub fn random() -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let random = uuid::Uuid::now_v7();
        let tail = random.as_bytes().iter().rev().take(3).filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
        Self(std::iter::once('\u{1}').chain(tail.map(|letter| char::from(*letter))).collect())
    }

    /// The token's text: nothing that a SQL literal or a csv field has to escape.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Options of the COPY that reads what [`Rows`] for the same columns write.
pub(super) fn options(columns: &[&str], token: &NullToken) -> String {
    let force = match columns {
        // Everything is quoted there, so the quoted token has to count as NULL too.
        [only] => format!(", FORCE_NULL ({})", quote_postgres(only)),
        _ => String::new(),
    };
    format!("WITH (FORMAT csv, NULL '{}', ENCODING 'UTF8'{force})", token.as_str())
}

/// Rows through the csv crate's writer.
pub(super) struct Rows<W: io::Write> {
    writer: ::csv::Writer<Whole<W>>,
    token: NullToken,
    scratch: Scratch,
}

/// Holds rows until they are whole, so that one can be taken back. The writer's flush is the end of a row.
struct Whole<W> {
    out: W,
    pending: Vec<u8>,
    /// Bytes of `pending` that are whole rows.
    rows: usize,
    next: Flag<Next>,
}

/// What the next flush does with the bytes since the last one.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    /// They are a row.
    #[default]
    Keep,
    /// They are taken back.
    Discard,
    /// They are a row, and everything is passed on.
    PassOn,
}

impl<W: io::Write> io::Write for Whole<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let next = self.next.take();
        if next == Next::Discard {
            self.pending.truncate(self.rows);
        }
        self.rows = self.pending.len();
        if self.rows < BUFFER_BYTES && next != Next::PassOn {
            return Ok(());
        }
        self.pending.chunks(BUFFER_BYTES).try_for_each(|block| self.out.write_all(block))?;
        self.pending.clear();
        self.pending.shrink_to(BUFFER_BYTES_KEPT);
        self.rows = 0;
        Ok(())
    }
}

/// Room for the text of one cell; numbers are read from the buffer they were formatted in, without a copy.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    int: itoa::Buffer,
    float: zmij::Buffer,
}

impl<W: io::Write> Rows<W> {
    pub(super) fn new(columns: usize, token: NullToken, out: W) -> Self {
        let quotes = if columns == 1 { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let writer = ::csv::WriterBuilder::new()
            .has_headers(false)
            // A row that is taken back ends early; the caller has counted the cells of the others.
            .flexible(true)
            .terminator(::csv::Terminator::Any(b'\n'))
            .quote_style(quotes)
            .from_writer(Whole { out, pending: Vec::with_capacity(BUFFER_BYTES), rows: 0, next: Flag::default() });
        Self { writer, token, scratch: Scratch::default() }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.get_ref().next.set(Next::PassOn);
        self.writer.flush()
    }

    pub(super) fn sink(&self) -> &W {
        &self.writer.get_ref().out
    }
}

impl<W: io::Write> super::Rows for Rows<W> {
    #[inline]
    fn begin(&mut self, _: usize) -> Result<(), Refusal> {
        Ok(())
    }

    #[inline]
    fn cell(&mut self, ty: ColumnType, cell: Cell<'_>) -> Result<(), Refusal> {
        let token = self.token.0.as_bytes();
        let bytes = match cell {
            Cell::Null => token,
            _ => match field(ty, cell, &mut self.scratch)? {
                Field::Source(bytes) if bytes == token => return Err(Refusal::NullToken),
                Field::Source(bytes) | Field::Plain(bytes) => bytes,
            },
        };
        // The one place that writes, so that the compiler puts the writer into the loop over the cells.
        self.writer.write_field(bytes).map_err(write_failed)
    }

    fn roll_back(&mut self) -> io::Result<()> {
        self.writer.get_ref().next.set(Next::Discard);
        self.end()
    }

    #[inline]
    fn end(&mut self) -> io::Result<()> {
        self.writer.write_record(None::<&[u8]>)?;
        self.scratch.bytes.shrink_to(BUFFER_BYTES_KEPT);
        self.writer.flush()
    }
}

fn write_failed(error: ::csv::Error) -> Refusal {
    Refusal::Write(error.into())
}

/// The text of a cell.
enum Field<'a> {
    /// Digits and punctuation made here: never equal to a NULL token.
    Plain(&'a [u8]),
    /// Bytes of the source: may be equal to anything.
    Source(&'a [u8]),
}

/// The text of one cell, in `scratch` where it is not the source's own.
#[inline]
fn field<'a>(ty: ColumnType, cell: Cell<'a>, scratch: &'a mut Scratch) -> Result<Field<'a>, Refusal> {
    use ColumnType as T;
    let plain: &[u8] = match (ty, cell) {
        (T::Int16 | T::Int32 | T::Int64 | T::UInt64 | T::Year, Cell::Int(_) | Cell::UInt(_)) => {
            match number::integer(ty, cell)? {
                number::Integer::Signed(value) => scratch.int.format(value).as_bytes(),
                number::Integer::Unsigned(value) => scratch.int.format(value).as_bytes(),
            }
        }
        (T::Float32, Cell::Float(value)) => number::float(&mut scratch.float, value),
        (T::Float64, Cell::Double(value)) => number::double(&mut scratch.float, value),
        (T::Float64, Cell::Float(value)) => number::double(&mut scratch.float, f64::from(value)),
        (T::Varchar { .. } | T::Text | T::Jsonb | T::Json, Cell::Bytes(source)) => {
            text::check_for(ty, source)?;
            return Ok(Field::Source(source));
        }
        (T::Decimal { precision, scale }, Cell::Bytes(digits)) => {
            number::decimal(digits, precision, scale)?;
            return Ok(Field::Source(digits));
        }
        // Of the spellings only this one means the same to PostgreSQL for sure; others are written anew.
        (T::Uuid, Cell::Bytes(source)) if source.len() == 36 => {
            bytes::uuid(ty, source)?;
            return Ok(Field::Source(source));
        }
        (T::Inet, Cell::Bytes(source)) => {
            bytes::inet(source)?;
            return Ok(Field::Source(source));
        }
        _ => {
            scratch.bytes.clear();
            long_field(ty, cell, &mut scratch.bytes)?;
            return Ok(Field::Plain(&scratch.bytes));
        }
    };
    Ok(Field::Plain(plain))
}

/// Puts the text of a cell together in `out`.
#[inline]
fn long_field(ty: ColumnType, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    use ColumnType as T;
    let fits = match (ty, cell) {
        (T::Date | T::Timestamp { .. } | T::TimestampTz { .. }, Cell::DateTime(value)) if !temporal::is_calendar_day(value) => {
            return Err(Refusal::Fault(Fault::ZeroDate));
        }
        (T::Date, Cell::DateTime(value)) => temporal::is_midnight(value) && temporal::date(out, value),
        (T::Timestamp { digits }, Cell::DateTime(value)) => temporal::timestamp(out, value, digits),
        (T::TimestampTz { digits }, Cell::DateTime(value)) => temporal::timestamp_utc(out, value, digits),
        (T::Interval { digits }, Cell::Time(value)) => temporal::interval(out, value, digits),
        (T::TimeOfDay { digits }, Cell::Time(value)) => {
            // PostgreSQL's `time` takes no sign, not even that of zero.
            temporal::is_of_day(value) && temporal::interval(out, Time { negative: false, ..value }, digits)
        }
        (T::Boolean, _) => {
            out.push(if number::boolean(cell)? { b't' } else { b'f' });
            true
        }
        (T::Decimal { precision, scale }, _) => {
            out.extend_from_slice(number::as_numeric(cell, precision, scale)?.as_bytes());
            true
        }
        (T::Varchar { .. } | T::Text, _) => {
            let written = number::spelled(cell).ok_or(Refusal::Unfit)?;
            text::check_for(ty, written.as_bytes())?;
            out.extend_from_slice(written.as_bytes());
            true
        }
        (T::Bit { bits }, Cell::Bytes(source)) => bytes::bits(out, source, bits),
        (T::Bytes, Cell::Bytes(source)) => bytes::bytea(out, source),
        (T::Geometry, Cell::Bytes(source)) => bytes::geometry(out, source),
        (T::Vector, Cell::Bytes(source)) => bytes::vector(out, source),
        (T::Uuid | T::UuidBytes, Cell::Bytes(source)) => {
            out.extend_from_slice(bytes::uuid(ty, source)?.to_string().as_bytes());
            true
        }
        _ => return Err(Refusal::Unfit),
    };
    if fits { Ok(()) } else { Err(Refusal::Fault(Fault::OutOfRange)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{Policies, Policy};
    use crate::encode::{Done, EncodeError, Format, RowWriter, Tally, Target};
    use crate::error::{Error, Kind};
    use crate::value::DateTime;

    fn lines(columns: &[Target], rows: &[&[Cell<'_>]]) -> Result<(String, Tally), EncodeError> {
        let token = NullToken::random();
        let mut writer = RowWriter::new(&Format::Csv(token.clone()), columns.to_vec(), Vec::new());
        for row in rows {
            writer.row(row)?;
        }
        writer.flush()?;
        let text = String::from_utf8(writer.sink().clone()).unwrap();
        Ok((text.replace(token.as_str(), "NULL"), writer.tally().clone()))
    }

    fn text() -> Target {
        Target::new(ColumnType::Text, false)
    }

    fn under(ty: ColumnType, policy: Policy) -> Target {
        let policies =
            Policies { zero_dates: policy, nul_bytes: policy, invalid_utf8: policy, out_of_range: policy, ..Policies::default() };
        Target { policies, ..Target::new(ty, false) }
    }

    #[test]
    fn null_and_empty_are_two_things() {
        let rows: [&[Cell<'_>]; 2] = [&[Cell::Null, Cell::Bytes(b"")], &[Cell::Bytes(b"a,\"b\"\n\\."), Cell::Bytes(b"\\N")]];
        assert_eq!(lines(&[text(), text()], &rows).unwrap().0, "NULL,\n\"a,\"\"b\"\"\n\\.\",\\N\n");
    }

    #[test]
    fn what_postgresql_would_not_read_is_spelled_anew() {
        fn spelled(ty: ColumnType, cell: Cell<'_>) -> String {
            lines(&[Target::new(ty, true)], &[&[cell]]).unwrap().0
        }
        let plain = "6ccd780c-baba-1026-9564-5b8c656024db";
        for text in [format!("urn:uuid:{plain}"), format!("{{{plain}}}"), plain.replace('-', ""), plain.to_owned()] {
            assert_eq!(spelled(ColumnType::Uuid, Cell::Bytes(text.as_bytes())), format!("\"{plain}\"\n"));
        }
        let zero = Cell::Time(Time { negative: true, ..Time::default() });
        assert_eq!(spelled(ColumnType::TimeOfDay { digits: 0 }, zero), "\"00:00:00\"\n");
    }

    #[test]
    fn one_column_is_always_quoted() {
        let rows: [&[Cell<'_>]; 3] = [&[Cell::Bytes(b"\\.")], &[Cell::Bytes(b"")], &[Cell::Null]];
        assert_eq!(lines(&[text()], &rows).unwrap().0, "\"\\.\"\n\"\"\n\"NULL\"\n");
        let token = NullToken::random();
        let wanted = format!("WITH (FORMAT csv, NULL '{}', ENCODING 'UTF8', FORCE_NULL (\"a\"\"b\"))", token.as_str());
        assert_eq!(options(&["a\"b"], &token), wanted);
        assert!(!options(&["a", "b"], &token).contains("FORCE_NULL"));
    }

    #[test]
    fn a_text_equal_to_the_token_asks_for_another() {
        let token = NullToken::random();
        let row = [Cell::Null, Cell::Bytes(token.as_str().as_bytes())];
        let mut writer = RowWriter::new(&Format::Csv(token.clone()), vec![text(), text()], Vec::new());
        assert!(matches!(writer.row(&row), Err(EncodeError::NullToken { column: 1 })));
        assert_ne!(NullToken::random(), token);
    }

    #[test]
    fn tokens_are_no_numbers_and_hardly_ever_repeat() {
        let tokens: std::collections::BTreeSet<String> = (0..100).map(|_| NullToken::random().0).collect();
        assert!(tokens.len() > 90, "{} different of 100", tokens.len());
        for token in tokens {
            let (first, tail) = token.split_at(1);
            assert!(first == "\u{1}" && tail.len() == 3 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn every_policy_does_what_it_says() {
        let zero = Cell::DateTime(DateTime::default());
        let (nul, bad) = (Cell::Bytes(b"a\0b"), Cell::Bytes(b"a\xff\0"));
        let of = |ty, policy, cell| lines(&[under(ty, policy), text()], &[&[cell, Cell::Bytes(b"x")]]);
        let (date, text) = (ColumnType::Date, ColumnType::Text);
        for (ty, policy, cell, expected) in [
            (date, Policy::Null, zero, "NULL,x\n"),
            (date, Policy::Reject, zero, ""),
            (text, Policy::Null, nul, "NULL,x\n"),
            (text, Policy::Strip, nul, "ab,x\n"),
            (text, Policy::Reject, nul, ""),
            (text, Policy::Strip, bad, "a,x\n"),
            (ColumnType::Int16, Policy::Null, Cell::Int(40_000), "NULL,x\n"),
            (ColumnType::Int16, Policy::Reject, Cell::Int(40_000), ""),
            (ColumnType::Jsonb, Policy::Strip, Cell::Bytes(br#"["\u0000"]"#), "\"[\"\"\"\"]\",x\n"),
        ] {
            assert_eq!(of(ty, policy, cell).unwrap().0, expected, "{ty} {policy}");
        }
        assert!(matches!(of(date, Policy::Fail, zero), Err(EncodeError::Fault { column: 0, fault: Fault::ZeroDate, .. })));
        let counted = of(text, Policy::Strip, bad).unwrap().1;
        assert_eq!(
            counted.iter().collect::<Vec<_>>(),
            [(0, Fault::Nul, Done::Stripped, 1), (0, Fault::InvalidUtf8, Done::Stripped, 1)]
        );
    }

    #[test]
    fn null_by_policy_needs_a_column_that_takes_it() {
        let zero = Cell::DateTime(DateTime::default());
        let date = Target::new(ColumnType::Date, true);
        assert!(matches!(lines(&[date], &[&[zero]]), Err(EncodeError::NullInNotNull { column: 0 })));
    }

    #[test]
    fn what_was_not_planned_is_an_error_without_its_value() {
        let number = Target::new(ColumnType::Int32, true);
        let error = Error::from(lines(&[text(), number], &[&[Cell::Null, Cell::Bytes(b"secret")]]).unwrap_err());
        assert_eq!(error.kind(), Kind::Data);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("column 2") && shown.contains("integer") && !shown.contains("secret"), "{shown}");
        assert!(matches!(lines(&[text()], &[&[]]), Err(EncodeError::Width { expected: 1, found: 0 })));
    }

    #[test]
    fn a_failed_write_keeps_the_sinks_error() {
        struct Broken;
        impl io::Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in [Format::Csv(NullToken::random()), Format::Binary] {
            for length in [16, BUFFER_BYTES] {
                let big = vec![b'x'; length];
                let row = [Cell::Bytes(&big), Cell::Bytes(&big)];
                let mut out = RowWriter::new(&format, vec![text(), text()], Broken);
                let error = (0..BUFFER_BYTES).find_map(|_| out.row(&row).err()).unwrap();
                assert!(matches!(&error, EncodeError::Write(cause) if cause.to_string() == "gone"));
            }
        }
    }

    #[test]
    fn rows_longer_than_the_buffer_stay_whole() {
        let long = "\"x,\n".repeat(BUFFER_BYTES);
        let mut rows: Vec<[Cell<'_>; 2]> = Vec::new();
        for length in [0, 1, 2, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, long.len()] {
            rows.push([Cell::Bytes(&long.as_bytes()[..length]), Cell::Null]);
            rows.push([Cell::Null, Cell::Bytes(&long.as_bytes()[..length])]);
        }
        let slices: Vec<&[Cell<'_>]> = rows.iter().map(|row| &row[..]).collect();
        let (written, _) = lines(&[text(), text()], &slices).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
        let mut read = 0;
        for (record, row) in reader.byte_records().zip(&rows) {
            for (field, cell) in record.unwrap().iter().zip(row) {
                assert_eq!(field, if let Cell::Bytes(bytes) = cell { bytes } else { &b"NULL"[..] });
                read += 1;
            }
        }
        assert_eq!(read, 2 * rows.len());
    }
}
