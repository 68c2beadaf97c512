//! One row on its way: borrowed cells as a source gives them, and the neutral column types between both servers.
//!
//! Nothing here knows a server's protocol or its SQL dialect beyond the PostgreSQL name of a type.

use std::fmt;

/// One cell, borrowed from the source's row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A single-precision float, exact bits.
    Float(f32),
    /// A double-precision float, exact bits.
    Double(f64),
    /// Text (UTF-8 as the session asked for), decimal digits, bytes, JSON text, bits: the column type says which.
    Bytes(&'a [u8]),
    /// A date or date-time; zero and partial dates arrive as they are stored.
    DateTime(DateTime),
    /// A duration.
    Time(Time),
}

/// One row, borrowed from the source.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// One cell per column of the plan, in the plan's order.
    pub cells: &'a [Cell<'a>],
    /// Bytes of the row when it is longer than the limit: its long columns were not read then and stand as NULL.
    pub too_long: Option<u64>,
}

/// A calendar value as the source stores it, possibly zero or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateTime {
    /// 0 to 9999.
    pub year: u16,
    /// 0 to 12; 0 is a partial date.
    pub month: u8,
    /// 0 to 31; 0 is a partial date.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999.
    pub micro: u32,
}

/// A signed duration, up to 838:59:59.999999 on MySQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Below zero.
    pub negative: bool,
    /// Whole hours.
    pub hours: u32,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// 0 to 999,999.
    pub micros: u32,
}

/// Why a value cannot arrive as it is. What then happens is a policy's choice, never the encoder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A zero or partial date, or a day that no calendar has.
    ZeroDate,
    /// A text with a NUL byte, or JSON with the escape `\u0000`.
    Nul,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// Beyond what the target type holds.
    OutOfRange,
    /// A row longer than the configured limit.
    TooLong,
}

impl Fault {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [Self::ZeroDate, Self::Nul, Self::InvalidUtf8, Self::OutOfRange, Self::TooLong];

    /// Stable word for reports and the quarantine.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ZeroDate => "zero_date",
            Self::Nul => "nul_byte",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "row_too_long",
        }
    }

    /// For sentences: `3 zero dates became NULL`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ZeroDate => "zero dates",
            Self::Nul => "values with a NUL byte",
            Self::InvalidUtf8 => "values with invalid UTF-8",
            Self::OutOfRange => "values out of range",
            Self::TooLong => "rows longer than the limit",
        }
    }
}

/// What a column becomes in PostgreSQL, and so how its cells are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `smallint`
    Int16,
    /// `integer`
    Int32,
    /// `bigint`
    Int64,
    /// `numeric(20,0)`: the unsigned 64-bit range does not fit `bigint`.
    UInt64,
    /// `real`
    Float32,
    /// `double precision`
    Float64,
    /// `numeric(precision,scale)`
    Decimal {
        /// All digits, 1 to 65.
        precision: u16,
        /// Digits after the point, 0 to 38.
        scale: u16,
    },
    /// `varchar(chars)`
    Varchar {
        /// Longest value in characters.
        chars: u32,
    },
    /// `text`
    Text,
    /// `bytea`
    Bytes,
    /// `bit(bits)`
    Bit {
        /// 1 to 64.
        bits: u8,
    },
    /// `boolean`: BIT(1), or integers that a rule makes boolean.
    Boolean,
    /// `date`
    Date,
    /// `timestamp(digits)` without zone: DATETIME.
    Timestamp {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `timestamptz(digits)`: TIMESTAMP, read in UTC.
    TimestampTz {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `interval(digits)`: TIME goes beyond a day on both sides of zero.
    Interval {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `time(digits)`, on request only: hours from 0 to 24.
    TimeOfDay {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `smallint`, of YEAR.
    Year,
    /// `jsonb`
    Jsonb,
    /// `json`, on request only: keeps spelling, order and double keys.
    Json,
    /// `bytea` holding EWKB (well-known binary with the SRID).
    Geometry,
    /// `inet`
    Inet,
    /// `uuid`, of its text.
    Uuid,
    /// `uuid`, of its 16 bytes, on request only. A text of 16 characters is none.
    UuidBytes,
    /// `real[]`, of VECTOR.
    Vector,
}

impl ColumnType {
    /// Whether a stored value of this type can be a zero or partial date, which PostgreSQL cannot hold.
    #[must_use]
    pub const fn is_calendar(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp { .. } | Self::TimestampTz { .. })
    }
}

impl fmt::Display for ColumnType {
    /// The PostgreSQL name of the type, as DDL writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int16 | Self::Year => f.write_str("smallint"),
            Self::Int32 => f.write_str("integer"),
            Self::Int64 => f.write_str("bigint"),
            Self::UInt64 => f.write_str("numeric(20,0)"),
            Self::Float32 => f.write_str("real"),
            Self::Float64 => f.write_str("double precision"),
            Self::Decimal { precision, scale } => write!(f, "numeric({precision},{scale})"),
            Self::Varchar { chars } => write!(f, "varchar({chars})"),
            Self::Text => f.write_str("text"),
            Self::Bytes | Self::Geometry => f.write_str("bytea"),
            Self::Bit { bits } => write!(f, "bit({bits})"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp { digits } => write!(f, "timestamp({digits})"),
            Self::TimestampTz { digits } => write!(f, "timestamptz({digits})"),
            Self::Interval { digits } => write!(f, "interval({digits})"),
            Self::TimeOfDay { digits } => write!(f, "time({digits})"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Json => f.write_str("json"),
            Self::Inet => f.write_str("inet"),
            Self::Uuid | Self::UuidBytes => f.write_str("uuid"),
            Self::Vector => f.write_str("real[]"),
        }
    }
}
