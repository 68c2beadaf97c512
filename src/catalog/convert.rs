//! Type rules from the configuration: PostgreSQL types as people write them, and the conversions that lead there.
//!
//! A conversion never changes a value. What does not fit its target is a fault, and falls under the column's policy.

use super::cast::Declared;
use crate::value::ColumnType;

/// One row of the table of conversions.
struct Conversion {
    /// Shown by `ddl` and `plan`, stable.
    name: &'static str,
    /// The source's type words.
    from: &'static [&'static str],
    /// The targets it leads to.
    to: fn(ColumnType) -> bool,
}

const INTEGERS: &[&str] = &["tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"];
const TEXTS: &[&str] =
    &["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "uuid", "inet4", "inet6"];
const STRINGS: &[&str] = &["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];

#[rustfmt::skip]
const CONVERSIONS: &[Conversion] = &[
    Conversion { name: "zero or one", from: &["tinyint", "smallint", "int", "bit"], to: |ty| ty == ColumnType::Boolean },
    Conversion { name: "range checked", from: INTEGERS, to: is_integer },
    Conversion { name: "digits kept", from: &["decimal", "numeric"], to: |ty| matches!(ty, ColumnType::Decimal { .. }) },
    Conversion { name: "bits kept", from: &["bit"], to: |ty| matches!(ty, ColumnType::Bit { .. }) },
    Conversion { name: "widened", from: &["float", "double", "real"], to: |ty| ty == ColumnType::Float64 },
    Conversion { name: "number as text", from: &["tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "float", "double", "real"], to: is_text },
    Conversion { name: "decimal as text", from: &["decimal", "numeric"], to: is_text },
    Conversion { name: "text kept", from: TEXTS, to: is_text },
    Conversion { name: "json checked", from: &["json", "longtext", "mediumtext", "text", "varchar"], to: |ty| matches!(ty, ColumnType::Json | ColumnType::Jsonb) },
    Conversion { name: "uuid checked", from: STRINGS, to: |ty| ty == ColumnType::Uuid },
    Conversion { name: "16 bytes", from: &["binary", "varbinary", "uuid"], to: |ty| ty == ColumnType::Uuid },
    Conversion { name: "address checked", from: &["char", "varchar", "inet4", "inet6"], to: |ty| ty == ColumnType::Inet },
    Conversion { name: "midnight only", from: &["datetime", "timestamp"], to: |ty| ty == ColumnType::Date },
    Conversion { name: "date kept", from: &["date"], to: |ty| matches!(ty, ColumnType::Date | ColumnType::Timestamp { .. }) },
    Conversion { name: "zone left out", from: &["datetime", "timestamp"], to: |ty| matches!(ty, ColumnType::Timestamp { .. }) },
    Conversion { name: "taken as UTC", from: &["datetime", "timestamp"], to: |ty| matches!(ty, ColumnType::TimestampTz { .. }) },
    Conversion { name: "within a day", from: &["time"], to: |ty| matches!(ty, ColumnType::TimeOfDay { .. }) },
    Conversion { name: "duration kept", from: &["time"], to: |ty| matches!(ty, ColumnType::Interval { .. }) },
    Conversion { name: "bytes kept", from: &["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"], to: |ty| ty == ColumnType::Bytes },
];

fn is_integer(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::UInt64 | ColumnType::Decimal { .. })
}

fn is_text(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Text | ColumnType::Varchar { .. })
}

/// Name of the conversion from a declared type to a target; none when there is no such conversion.
#[must_use]
pub fn conversion(declared: &Declared, to: ColumnType) -> Option<&'static str> {
    CONVERSIONS.iter().find(|one| one.from.contains(&declared.word()) && (one.to)(to)).map(|one| one.name)
}

/// A PostgreSQL type as people write it: `numeric(10,2)`, `boolean`, `timestamptz(3)`.
#[must_use]
pub fn parse(text: &str) -> Option<ColumnType> {
    let text = text.trim().to_ascii_lowercase();
    let (word, numbers) = match text.split_once('(') {
        Some((word, rest)) => {
            let inside = rest.strip_suffix(')')?;
            let numbers: Option<Vec<u32>> = inside.split(',').map(|part| part.trim().parse().ok()).collect();
            (word.trim(), numbers?)
        }
        None => (text.as_str(), Vec::new()),
    };
    let plain = |ty: ColumnType| numbers.is_empty().then_some(ty);
    let digits = || match numbers.as_slice() {
        [] => Some(6),
        [digits @ 0..=6] => u8::try_from(*digits).ok(),
        _ => None,
    };
    match word {
        "smallint" | "int2" => plain(ColumnType::Int16),
        "integer" | "int" | "int4" => plain(ColumnType::Int32),
        "bigint" | "int8" => plain(ColumnType::Int64),
        "real" | "float4" => plain(ColumnType::Float32),
        "double precision" | "float8" => plain(ColumnType::Float64),
        "numeric" | "decimal" => match *numbers {
            [precision @ 1..=1000] => Some(ColumnType::Decimal { precision: u16::try_from(precision).ok()?, scale: 0 }),
            [precision @ 1..=1000, scale] if scale <= precision => {
                Some(ColumnType::Decimal { precision: u16::try_from(precision).ok()?, scale: u16::try_from(scale).ok()? })
            }
            _ => None,
        },
        "varchar" | "character varying" => match *numbers {
            [chars @ 1..=super::cast::VARCHAR_CHARS_MAX] => Some(ColumnType::Varchar { chars }),
            _ => None,
        },
        "text" => plain(ColumnType::Text),
        "bytea" => plain(ColumnType::Bytes),
        "boolean" | "bool" => plain(ColumnType::Boolean),
        "bit" => match *numbers {
            [bits @ 1..=64] => Some(ColumnType::Bit { bits: u8::try_from(bits).ok()? }),
            _ => None,
        },
        "date" => plain(ColumnType::Date),
        "timestamp" => digits().map(|digits| ColumnType::Timestamp { digits }),
        "timestamptz" => digits().map(|digits| ColumnType::TimestampTz { digits }),
        "time" => digits().map(|digits| ColumnType::TimeOfDay { digits }),
        "interval" => digits().map(|digits| ColumnType::Interval { digits }),
        "json" => plain(ColumnType::Json),
        "jsonb" => plain(ColumnType::Jsonb),
        "uuid" => plain(ColumnType::Uuid),
        "inet" => plain(ColumnType::Inet),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_people_write_them() {
        for (text, expected) in [
            ("Boolean", Some(ColumnType::Boolean)),
            ("numeric( 10 , 2 )", Some(ColumnType::Decimal { precision: 10, scale: 2 })),
            ("numeric(2,3)", None),
            ("numeric", None),
            ("varchar(0)", None),
            ("varchar(20)", Some(ColumnType::Varchar { chars: 20 })),
            ("time(3)", Some(ColumnType::TimeOfDay { digits: 3 })),
            ("timestamptz", Some(ColumnType::TimestampTz { digits: 6 })),
            ("timestamptz(7)", None),
            ("boolean(1)", None),
            ("money", None),
            ("json(", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_conversions_that_keep_values() {
        let of = |word: &str, to: &str| conversion(&Declared::parse(word, word, false), parse(to)?);
        assert_eq!(of("tinyint", "boolean"), Some("zero or one"));
        assert_eq!(of("bigint", "integer"), Some("range checked"));
        assert_eq!(of("binary", "uuid"), Some("16 bytes"));
        assert_eq!(of("time", "time"), Some("within a day"));
        assert_eq!(of("longtext", "json"), Some("json checked"));
        for (from, to) in
            [("double", "real"), ("varchar", "integer"), ("blob", "text"), ("datetime", "time"), ("geometry", "text")]
        {
            assert_eq!(of(from, to), None, "{from} to {to}");
        }
    }
}
