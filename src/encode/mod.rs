//! Rows to COPY bytes: which text each cell becomes, and what is refused.
//!
//! The types choose the spelling here (`number`, `binary`, `temporal`), [`csv`] writes the fields. No value is invented:
//! a zero or partial date becomes NULL and is counted, anything else that does not fit is an error. Errors name columns
//! and types, never values.

mod binary;
pub mod csv;
mod number;
mod temporal;

pub use self::csv::{NullToken, copy_options, writer};

use crate::error::{Error, Kind};
use crate::value::{Cell, ColumnType};
use std::fmt;

/// A scratch buffer above this size is given back after the row that needed it.
const SCRATCH_BYTES_KEPT: usize = 1024 * 1024;

/// Turns rows of one table into COPY data. Compiled once per table and worker, started anew for every chunk attempt.
pub struct Encoder {
    columns: Vec<Target>,
    token: NullToken,
    zero_dates: ZeroDates,
    scratch: Scratch,
}

/// Room for the text of one cell; numbers are read from the buffer they were formatted in, without a copy.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    int: itoa::Buffer,
    float: zmij::Buffer,
}

/// What a cell has to become.
#[derive(Debug, Clone, Copy)]
struct Target {
    ty: ColumnType,
    not_null: bool,
}

impl Encoder {
    /// An encoder for columns in COPY order: the type, and whether the target column is NOT NULL.
    #[must_use]
    pub fn new(columns: &[(ColumnType, bool)], token: NullToken) -> Self {
        Self {
            columns: columns.iter().map(|&(ty, not_null)| Target { ty, not_null }).collect(),
            token,
            zero_dates: ZeroDates::new(columns.len()),
            scratch: Scratch::default(),
        }
    }

    /// Begins a chunk attempt: another NULL token, counters at zero.
    pub fn begin(&mut self, token: NullToken) {
        self.token = token;
        self.zero_dates = ZeroDates::new(self.columns.len());
    }

    /// The NULL token of this attempt, for [`copy_options`].
    #[must_use]
    pub const fn token(&self) -> &NullToken {
        &self.token
    }

    /// Zero and partial dates that became NULL since [`Encoder::begin`]. They count when the chunk has committed.
    #[must_use]
    pub const fn zero_dates(&self) -> &ZeroDates {
        &self.zero_dates
    }

    /// Gives memory back after an unusually big cell.
    fn trim(&mut self) {
        if self.scratch.bytes.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch.bytes = Vec::new();
        }
    }
}

/// How often a zero or partial date became NULL, by column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZeroDates {
    counts: Vec<u64>,
}

impl ZeroDates {
    /// Counters at zero for a table of `columns` columns.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self { counts: vec![0; columns] }
    }

    /// All columns together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Column indexes with their count, those above zero.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|&(_, count)| count > 0)
    }

    /// Adds another chunk's counters of the same table.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (index, count) in other.iter() {
            self.hit(index, count);
        }
    }

    fn hit(&mut self, column: usize, count: u64) {
        if let Some(counter) = self.counts.get_mut(column) {
            *counter += count;
        }
    }
}

/// Why a row was not written. The COPY it belongs to must be given up: half a row may be in the buffer.
#[derive(Debug)]
pub enum EncodeError {
    /// The cell is of a kind, size or range that the column's type cannot hold.
    Unfit {
        /// Index of the column, from 0.
        column: usize,
        /// What the column is.
        ty: ColumnType,
        /// What kind of cell came.
        found: &'static str,
    },
    /// A zero or partial date for a NOT NULL column. Drop that NOT NULL and try again.
    ZeroDateInNotNull {
        /// Index of the column, from 0.
        column: usize,
    },
    /// A text holds a NUL byte, which PostgreSQL cannot hold; its own error would not name the column.
    Nul {
        /// Index of the column, from 0.
        column: usize,
    },
    /// A text equals the NULL token. Try the chunk again with another token.
    NullToken {
        /// Index of the column, from 0.
        column: usize,
    },
    /// The row has another number of cells than the table has columns.
    Width {
        /// Columns of the table.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// The other end does not take the bytes; the cause is the sink's error, not a fault of the row.
    Write(std::io::Error),
}

impl EncodeError {
    /// Index of the column it is about, from 0.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        match *self {
            Self::Unfit { column, .. }
            | Self::ZeroDateInNotNull { column }
            | Self::Nul { column }
            | Self::NullToken { column } => Some(column),
            Self::Width { .. } | Self::Write(_) => None,
        }
    }
}

impl fmt::Display for EncodeError {
    /// Columns are counted from 1 here, as people do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit { column, ty, found } => write!(f, "column {}: {found} does not fit type {ty}", column + 1),
            Self::ZeroDateInNotNull { column } => write!(f, "column {}: zero date in a NOT NULL column", column + 1),
            Self::Nul { column } => write!(f, "column {}: a text holds a NUL byte, which PostgreSQL cannot hold", column + 1),
            Self::NullToken { column } => write!(f, "column {}: a text equals the NULL token of this attempt", column + 1),
            Self::Width { expected, found } => write!(f, "a row has {found} cells, the table has {expected} columns"),
            Self::Write(_) => f.write_str("writing COPY data"),
        }
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<EncodeError> for Error {
    /// [`Kind::Data`]; a failed write is [`Kind::Unreachable`] with the sink's error as its cause.
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Write(cause) => Self::with(Kind::Unreachable, "writing COPY data", cause),
            other => Self::new(Kind::Data, other.to_string()),
        }
    }
}

/// What a cell becomes, before it is written.
enum Field<'a> {
    Null,
    /// A date that PostgreSQL cannot hold.
    ZeroDate,
    /// Digits and punctuation made here: never equal to a NULL token.
    Plain(&'a [u8]),
    /// Bytes of the source: may be equal to anything.
    Source(&'a [u8]),
    /// A text with a NUL byte.
    Nul,
}

/// The text of one cell, in `scratch` where it is not the source's own. None when the cell does not fit the type.
#[inline]
fn field<'a>(ty: ColumnType, cell: Cell<'a>, scratch: &'a mut Scratch) -> Option<Field<'a>> {
    use ColumnType as T;
    let text: &[u8] = match (ty, cell) {
        (_, Cell::Null) => return Some(Field::Null),
        (T::Int16 | T::Int32 | T::Int64 | T::UInt64 | T::Year, Cell::Int(value)) => scratch.int.format(value).as_bytes(),
        (T::Int16 | T::Int32 | T::Int64 | T::UInt64 | T::Year, Cell::UInt(value)) => scratch.int.format(value).as_bytes(),
        (T::Float32, Cell::Float(value)) => number::float(&mut scratch.float, value),
        (T::Float64, Cell::Double(value)) => number::double(&mut scratch.float, value),
        (T::Varchar { .. } | T::Text | T::Jsonb, Cell::Bytes(text)) => {
            return Some(if text.contains(&0) { Field::Nul } else { Field::Source(text) });
        }
        (T::Decimal { .. } | T::Inet | T::Uuid, Cell::Bytes(text)) => {
            return text.is_ascii().then_some(Field::Source(text));
        }
        (_, Cell::DateTime(value)) if ty.is_calendar() && !temporal::is_calendar_day(value) => return Some(Field::ZeroDate),
        _ => {
            scratch.bytes.clear();
            return long_field(ty, cell, &mut scratch.bytes).then_some(Field::Plain(&scratch.bytes));
        }
    };
    Some(Field::Plain(text))
}

/// Puts the text of a cell together in `out`; false when the cell does not fit the type.
#[inline]
fn long_field(ty: ColumnType, cell: Cell<'_>, out: &mut Vec<u8>) -> bool {
    use ColumnType as T;
    match (ty, cell) {
        (T::Date, Cell::DateTime(value)) => temporal::date(out, value),
        (T::Timestamp { digits }, Cell::DateTime(value)) => temporal::timestamp(out, value, digits),
        (T::TimestampTz { digits }, Cell::DateTime(value)) => temporal::timestamp_utc(out, value, digits),
        (T::Interval { digits }, Cell::Time(value)) => temporal::interval(out, value, digits),
        (T::Boolean, Cell::Bytes(bytes)) => binary::boolean(out, bytes),
        (T::Bit { bits }, Cell::Bytes(bytes)) => binary::bits(out, bytes, bits),
        (T::Bytes, Cell::Bytes(bytes)) => binary::bytea(out, bytes),
        (T::Geometry, Cell::Bytes(bytes)) => binary::geometry(out, bytes),
        (T::Vector, Cell::Bytes(bytes)) => binary::vector(out, bytes),
        _ => false,
    }
}

/// The kind of a cell, for errors.
const fn kind_of(cell: Cell<'_>) -> &'static str {
    match cell {
        Cell::Null => "NULL",
        Cell::Int(_) | Cell::UInt(_) => "an integer",
        Cell::Float(_) => "a single-precision float",
        Cell::Double(_) => "a double-precision float",
        Cell::Bytes(_) => "a text or binary value",
        Cell::DateTime(_) => "a date or time stamp",
        Cell::Time(_) => "a duration",
    }
}
