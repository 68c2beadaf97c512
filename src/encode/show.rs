//! Images of cells as JSON values, for people who asked to see keys or values.

use super::image::Fields;
use crate::catalog::SourceTable;
use crate::track::quarantine::hexadecimal;
use crate::value::ColumnType;
use chrono::{DateTime, Days, NaiveDate, TimeDelta};
use serde_json::{Map, Value};

/// The key of a row as an object by source column; none for a table without a key.
#[must_use]
pub fn key(table: &SourceTable, tuple: &[u8]) -> Option<Value> {
    if table.key.is_empty() {
        return None;
    }
    let fields: Vec<_> = Fields::of(tuple).collect();
    let column = |index: &usize| {
        let column = table.columns.get(*index)?;
        Some((column.name.clone(), part(column.ty, fields.get(*index).copied().unwrap_or_default())))
    };
    Some(Value::Object(table.key.iter().filter_map(column).collect::<Map<_, _>>()))
}

/// The value of a key's column: bytes that are text are shown as text, as the quarantine does.
#[must_use]
pub fn part(ty: ColumnType, image: Option<&[u8]>) -> Value {
    let bytes = image.filter(|bytes| ty == ColumnType::Bytes && is_text(bytes));
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.map_or_else(|| value(ty, image), Into::into)
}

/// Whether bytes stand as text where they are a key.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

/// The value of a cell: numbers that JSON keeps exactly as numbers, everything else as PostgreSQL would write it, bytes as
/// hexadecimal digits.
#[must_use]
pub fn value(ty: ColumnType, image: Option<&[u8]>) -> Value {
    image.map_or(Value::Null, |image| known(ty, image).unwrap_or_else(|| format!("\\x{}", hexadecimal(image)).into()))
}

fn known(ty: ColumnType, image: &[u8]) -> Option<Value> {
    use ColumnType as T;
    Some(match ty {
        T::Int16 | T::Year => i16::from_be_bytes(image.try_into().ok()?).into(),
        T::Int32 => i32::from_be_bytes(image.try_into().ok()?).into(),
        T::Int64 => i64::from_be_bytes(image.try_into().ok()?).into(),
        T::Boolean => (image == [1]).into(),
        T::Float32 => {
            let value = f32::from_be_bytes(image.try_into().ok()?);
            float(&format!("{value:e}"), 6).into()
        }
        T::Float64 => {
            let value = f64::from_be_bytes(image.try_into().ok()?);
            float(&format!("{value:e}"), 15).into()
        }
        T::UInt64 | T::Decimal { .. } => numeric(image)?.into(),
        T::Varchar { .. } | T::Text | T::Json => std::str::from_utf8(image).ok()?.into(),
        T::Jsonb => std::str::from_utf8(image.strip_prefix(&[1])?).ok()?.into(),
        T::Date => {
            let days = i64::from(i32::from_be_bytes(image.try_into().ok()?));
            date(days)?.to_string().into()
        }
        T::Timestamp { .. } | T::TimestampTz { .. } => {
            let micros = i64::from_be_bytes(image.try_into().ok()?);
            let epoch = DateTime::from_timestamp(946_684_800, 0)?;
            let at = epoch.checked_add_signed(TimeDelta::microseconds(micros))?;
            let zone = if matches!(ty, T::TimestampTz { .. }) { "+00" } else { "" };
            let text = at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            format!("{}{zone}", text.trim_end_matches('0').trim_end_matches('.')).into()
        }
        T::Interval { .. } => interval(image)?.into(),
        T::TimeOfDay { .. } => duration(i64::from_be_bytes(image.try_into().ok()?)).into(),
        T::Uuid | T::UuidBytes => uuid::Uuid::from_slice(image).ok()?.to_string().into(),
        T::Bit { bits } => {
            let digits: String = image.get(4..)?.iter().map(|byte| format!("{byte:08b}")).collect();
            digits.get(..usize::from(bits))?.into()
        }
        T::Inet => match image {
            [2, 32, 0, 4, rest @ ..] => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(rest).ok()?).to_string().into(),
            [3, 128, 0, 16, rest @ ..] => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(rest).ok()?).to_string().into(),
            _ => return None,
        },
        T::Bytes | T::Geometry | T::Vector => return None,
    })
}

/// PostgreSQL's day 0 is the first of the year 2000.
fn date(days: i64) -> Option<NaiveDate> {
    let epoch = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let distance = Days::new(days.unsigned_abs());
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}

/// As `float8out` and `float4out` write it: plain from 0.0001 up to so many digits before the point. `shortest` is the number
/// in Rust's scientific form, of which both take the digits.
fn float(shortest: &str, digits_max: i32) -> String {
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        return shortest.replace("inf", "Infinity");
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    if !(-4..digits_max).contains(&exponent) {
        let sign_of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{sign_of_exponent}{:02}", exponent.unsigned_abs());
    }
    let Ok(before) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-1 - exponent).unwrap_or_default();
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    match digits.split_at_checked(before + 1) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits:0<width$}", width = before + 1),
    }
}

/// As `interval_out` writes it in the style `postgres`. The source's TIME has no days and months; what a hand wrote may.
fn interval(image: &[u8]) -> Option<String> {
    let (micros, rest) = image.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let (micros, days) = (i64::from_be_bytes(*micros), i32::from_be_bytes(*days));
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let mut parts: Vec<String> = Vec::new();
    let mut is_before = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            let sign = if is_before && value > 0 { "+" } else { "" };
            parts.push(format!("{sign}{value} {unit}{}", if value == 1 { "" } else { "s" }));
            is_before = value < 0;
        }
    }
    if parts.is_empty() || micros != 0 {
        let sign = if is_before && micros > 0 { "+" } else { "" };
        parts.push(format!("{sign}{}", duration(micros)));
    }
    Some(parts.join(" "))
}

fn duration(micros: i64) -> String {
    let (sign, all) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, rest) = (all / 1_000_000, all % 1_000_000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:06}").trim_end_matches('0').to_owned() };
    format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// As `numeric_out` writes it.
fn numeric(image: &[u8]) -> Option<String> {
    let word = |at: usize| Some(i16::from_be_bytes(*image.get(at..)?.first_chunk::<2>()?));
    let sign = u16::from_be_bytes(word(4)?.to_be_bytes());
    match sign {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let (groups, weight, negative, scale) = (word(0)?, word(2)?, sign == 0x4000, usize::try_from(word(6)?).ok()?);
    let group = |place: i16| match usize::try_from(place) {
        Ok(at) if place < groups => word(8 + 2 * at),
        _ => Some(0),
    };
    let mut whole = String::new();
    for place in 0..=weight {
        whole.push_str(&format!("{:04}", group(place)?));
    }
    let whole = whole.trim_start_matches('0');
    let mut text = format!("{}{}", if negative { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        // Groups before the first one that is there are zero.
        for place in weight + 1.. {
            if fraction.len() >= scale {
                break;
            }
            fraction.push_str(&format!("{:04}", group(place)?));
        }
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Imager, Target};
    use super::*;
    use crate::value::{Cell, DateTime, Time};
    use serde_json::json;

    fn shown(ty: ColumnType, cell: Cell<'_>) -> Value {
        let mut images = Imager::new(vec![Target::new(ty, false)]);
        let tuple = images.row(&[cell]).unwrap().unwrap();
        value(ty, Fields::of(tuple).next().unwrap())
    }

    #[test]
    fn values_are_shown_as_they_are_stored() {
        use ColumnType as T;
        let at = |hour, micro| Cell::DateTime(DateTime { year: 1899, month: 12, day: 31, hour, minute: 5, second: 0, micro });
        let time = |negative, hours, micros| Cell::Time(Time { negative, hours, minutes: 1, seconds: 2, micros });
        let text = |text: &'static str| Cell::Bytes(text.as_bytes());
        let decimal = |precision, scale| T::Decimal { precision, scale };
        for (ty, cell, expected) in [
            (T::Int16, Cell::Int(-7), json!(-7)),
            (T::Int64, Cell::Int(i64::MIN), json!(i64::MIN)),
            (T::UInt64, Cell::UInt(u64::MAX), json!("18446744073709551615")),
            (T::UInt64, Cell::UInt(10_000), json!("10000")),
            (T::UInt64, Cell::UInt(0), json!("0")),
            (decimal(9, 2), text("-1234567.80"), json!("-1234567.80")),
            (decimal(9, 7), text("0.0000012"), json!("0.0000012")),
            (decimal(12, 5), text("10000.00000"), json!("10000.00000")),
            (decimal(5, 0), text("12345"), json!("12345")),
            (T::Float32, Cell::Float(0.1), json!("0.1")),
            (T::Text, text("a\"é"), json!("a\"é")),
            (T::Jsonb, text("[1]"), json!("[1]")),
            (T::Bytes, text("a\0"), json!("\\x6100")),
            (T::Timestamp { digits: 6 }, at(23, 120_000), json!("1899-12-31 23:05:00.12")),
            (T::TimestampTz { digits: 0 }, at(23, 0), json!("1899-12-31 23:05:00+00")),
            (T::Interval { digits: 6 }, time(true, 838, 500_000), json!("-838:01:02.5")),
            (T::TimeOfDay { digits: 0 }, time(false, 3, 0), json!("03:01:02")),
            (T::Boolean, Cell::Int(1), json!(true)),
            (T::Uuid, text("00112233-4455-6677-8899-aabbccddeeff"), json!("00112233-4455-6677-8899-aabbccddeeff")),
            (T::Inet, text("::1"), json!("::1")),
            (T::Bit { bits: 10 }, Cell::Bytes(&[1, 2]), json!("0100000010")),
            (T::Text, Cell::Null, json!(null)),
        ] {
            assert_eq!(shown(ty, cell), expected, "{ty}");
        }
        let midnight = Cell::DateTime(DateTime { year: 1999, month: 12, day: 31, ..DateTime::default() });
        assert_eq!(shown(T::Date, midnight), json!("1999-12-31"));
    }
}
