//! The reference COPY format: csv, with a random token for NULL.
//!
//! csv cannot tell NULL from text by itself, so NULL is a token that no cell of the attempt equals: every text is compared
//! with it, and a hit is an error that asks for another token. A table of one column quotes everything, because there a
//! bare `\.` line would end the COPY and an empty line would be no row.

use super::{EncodeError, Encoder, Field, field, kind_of};
use crate::name::quote_postgres;
use crate::value::Cell;
use std::io;

/// Bytes collected before they go to the sink.
const BUFFER_BYTES: usize = 128 * 1024;

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

/// Options of the COPY that reads what a [`writer`] for the same columns writes.
#[must_use]
pub fn copy_options(columns: &[&str], token: &NullToken) -> String {
    let force = match columns {
        // Everything is quoted there, so the quoted token has to count as NULL too.
        [only] => format!(", FORCE_NULL ({})", quote_postgres(only)),
        _ => String::new(),
    };
    format!("WITH (FORMAT csv, NULL '{}', ENCODING 'UTF8'{force})", token.as_str())
}

/// A csv writer for a table of `columns` columns. Flush it before the COPY is finished.
pub fn writer<W: io::Write>(columns: usize, out: W) -> ::csv::Writer<W> {
    let quotes = if columns == 1 { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
    ::csv::WriterBuilder::new()
        .has_headers(false)
        .flexible(false)
        .terminator(::csv::Terminator::Any(b'\n'))
        .quote_style(quotes)
        .buffer_capacity(BUFFER_BYTES)
        .from_writer(out)
}

impl Encoder {
    /// Writes one row through a [`writer`] made for as many columns.
    ///
    /// # Errors
    /// [`EncodeError`]; the COPY must then be given up, because part of the row may have been written.
    pub fn write_row<W: io::Write>(&mut self, cells: &[Cell<'_>], out: &mut ::csv::Writer<W>) -> Result<(), EncodeError> {
        if cells.len() != self.columns.len() {
            return Err(EncodeError::Width { expected: self.columns.len(), found: cells.len() });
        }
        let Self { columns, token, zero_dates, scratch } = self;
        let token = token.as_str().as_bytes();
        for (column, (target, &cell)) in columns.iter().zip(cells).enumerate() {
            let Some(field) = field(target.ty, cell, scratch) else {
                return Err(EncodeError::Unfit { column, ty: target.ty, found: kind_of(cell) });
            };
            let bytes = match field {
                Field::Plain(bytes) => bytes,
                Field::Source(bytes) if bytes == token => return Err(EncodeError::NullToken { column }),
                Field::Source(bytes) => bytes,
                Field::Nul => return Err(EncodeError::Nul { column }),
                Field::Null => token,
                Field::ZeroDate if target.not_null => return Err(EncodeError::ZeroDateInNotNull { column }),
                Field::ZeroDate => {
                    zero_dates.hit(column, 1);
                    token
                }
            };
            out.write_field(bytes).map_err(write_failed)?;
        }
        out.write_record(None::<&[u8]>).map_err(write_failed)?;
        self.trim();
        Ok(())
    }
}

fn write_failed(error: ::csv::Error) -> EncodeError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => EncodeError::Write(error),
        // Field counts are checked before the first field, so nothing else is left.
        _ => EncodeError::Write(io::Error::other("the csv writer refused the row")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ZeroDates;
    use super::*;
    use crate::error::{Error, Kind};
    use crate::value::{ColumnType, DateTime};

    fn lines(columns: &[(ColumnType, bool)], rows: &[&[Cell<'_>]]) -> Result<(String, ZeroDates), EncodeError> {
        let mut encoder = Encoder::new(columns, NullToken::random());
        let mut out = writer(columns.len(), Vec::new());
        for row in rows {
            encoder.write_row(row, &mut out)?;
        }
        let text = String::from_utf8(out.into_inner().unwrap()).unwrap();
        Ok((text.replace(encoder.token().as_str(), "NULL"), encoder.zero_dates().clone()))
    }

    const TEXT: (ColumnType, bool) = (ColumnType::Text, false);

    #[test]
    fn null_and_empty_are_two_things() {
        let rows: [&[Cell<'_>]; 2] = [&[Cell::Null, Cell::Bytes(b"")], &[Cell::Bytes(b"a,\"b\"\n\\."), Cell::Bytes(b"\\N")]];
        assert_eq!(lines(&[TEXT, TEXT], &rows).unwrap().0, "NULL,\n\"a,\"\"b\"\"\n\\.\",\\N\n");
    }

    #[test]
    fn one_column_is_always_quoted() {
        let rows: [&[Cell<'_>]; 3] = [&[Cell::Bytes(b"\\.")], &[Cell::Bytes(b"")], &[Cell::Null]];
        assert_eq!(lines(&[TEXT], &rows).unwrap().0, "\"\\.\"\n\"\"\n\"NULL\"\n");
        let token = NullToken::random();
        let options = copy_options(&["a\"b"], &token);
        assert_eq!(options, format!("WITH (FORMAT csv, NULL '{}', ENCODING 'UTF8', FORCE_NULL (\"a\"\"b\"))", token.as_str()));
        assert!(!copy_options(&["a", "b"], &token).contains("FORCE_NULL"));
    }

    #[test]
    fn a_text_equal_to_the_token_asks_for_another() {
        let mut encoder = Encoder::new(&[TEXT, TEXT], NullToken::random());
        let token = encoder.token().clone();
        let mut out = writer(2, Vec::new());
        let row = [Cell::Null, Cell::Bytes(token.as_str().as_bytes())];
        assert!(matches!(encoder.write_row(&row, &mut out), Err(EncodeError::NullToken { column: 1 })));
        encoder.begin(NullToken::random());
        assert_ne!(encoder.token(), &token);
        assert!(encoder.write_row(&row, &mut writer(2, Vec::new())).is_ok());
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
    fn zero_dates_become_null_and_are_counted() {
        let zero = Cell::DateTime(DateTime::default());
        let partial = Cell::DateTime(DateTime { year: 2000, month: 1, ..DateTime::default() });
        let columns = [(ColumnType::Date, false), (ColumnType::Timestamp { digits: 0 }, false)];
        let (text, counts) = lines(&columns, &[&[zero, partial], &[partial, Cell::Null]]).unwrap();
        assert_eq!(text, "NULL,NULL\nNULL,NULL\n");
        assert_eq!((counts.total(), counts.iter().collect::<Vec<_>>()), (3, vec![(0, 2), (1, 1)]));
        let mut sum = ZeroDates::default();
        sum.add(&counts);
        sum.add(&counts);
        assert_eq!(sum.total(), 6);
        let error = lines(&[(ColumnType::Date, true)], &[&[zero]]).unwrap_err();
        assert!(matches!(error, EncodeError::ZeroDateInNotNull { column: 0 }));
    }

    #[test]
    fn what_does_not_fit_is_refused_without_its_value() {
        let row: [Cell<'_>; 2] = [Cell::Int(1), Cell::Bytes(b"secret")];
        let error = lines(&[(ColumnType::Int16, true), (ColumnType::Int32, true)], &[&row]).unwrap_err();
        assert_eq!(error.column(), Some(1));
        let error = Error::from(error);
        assert_eq!(error.kind(), Kind::Data);
        assert_eq!(error.to_string(), "column 2: a text or binary value does not fit type integer");
        let error = lines(&[TEXT], &[&row]).unwrap_err();
        assert!(matches!(error, EncodeError::Width { expected: 1, found: 2 }));
        let row: [Cell<'_>; 1] = [Cell::Bytes("１".as_bytes())];
        assert!(lines(&[(ColumnType::Decimal { precision: 1, scale: 0 }, true)], &[&row]).is_err());
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
        let mut encoder = Encoder::new(&[TEXT, TEXT], NullToken::random());
        for length in [16, BUFFER_BYTES] {
            let big = vec![b'x'; length];
            let row = [Cell::Bytes(&big), Cell::Bytes(&big)];
            let mut out = writer(2, Broken);
            let error = (0..BUFFER_BYTES).find_map(|_| encoder.write_row(&row, &mut out).err()).unwrap();
            assert!(matches!(&error, EncodeError::Write(cause) if cause.to_string() == "gone"));
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
        let (text, _) = lines(&[TEXT, TEXT], &slices).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
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
