//! Why rows cannot be written: errors that name columns and types, never values.

use crate::error::{Error, Kind};
use crate::value::{Cell, ColumnType, Fault};
use std::fmt;
use std::io;

/// Why a COPY has to be given up.
#[derive(Debug)]
pub enum EncodeError {
    /// The cell is of a kind that the column's type was not planned for.
    Unfit {
        /// Index of the column, from 0.
        column: usize,
        /// What the column is.
        ty: ColumnType,
        /// What kind of cell came.
        found: &'static str,
    },
    /// A value that the type cannot hold, under the policy `fail`.
    Fault {
        /// Index of the column, from 0.
        column: usize,
        /// What the column is.
        ty: ColumnType,
        /// What is wrong with the value.
        fault: Fault,
    },
    /// A policy asks for NULL in a NOT NULL column. Drop that NOT NULL and try again.
    NullInNotNull {
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
    Write(io::Error),
}

impl EncodeError {
    /// Index of the column it is about, from 0.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        match *self {
            Self::Unfit { column, .. }
            | Self::Fault { column, .. }
            | Self::NullInNotNull { column }
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
            Self::Fault { column, ty, fault } => {
                write!(f, "column {} ({ty}) holds {}, and its policy is fail", column + 1, fault.plural())
            }
            Self::NullInNotNull { column } => write!(f, "column {}: NULL by policy in a NOT NULL column", column + 1),
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

/// The kind of a cell, for errors.
pub(super) const fn kind_of(cell: Cell<'_>) -> &'static str {
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
