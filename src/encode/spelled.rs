//! Values as they are spelled, back to their images: the inverse of `show`, for keys that a person gives and for those that
//! the quarantine holds, which are spelled as the source sends them.

use super::image::Fields;
use super::{Imager, Target, show};
use crate::catalog::SourceTable;
use crate::value::{Cell, ColumnType, DateTime, Time};
use serde_json::{Map, Value};

/// The image of a value; none when the text is no value of the type, or one that a column of it cannot hold.
#[must_use]
pub fn image(ty: ColumnType, spelled: &Value) -> Option<Vec<u8>> {
    use ColumnType as T;
    let text = match spelled {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let bytes = match ty {
        T::Decimal { scale, .. } => scaled(&text, usize::from(scale)).into_bytes(),
        T::Bit { bits } => bits_of(&text, usize::from(bits))?,
        T::UuidBytes => uuid::Uuid::parse_str(&text).map_or_else(|_| bytes_of(&text), |uuid| uuid.as_bytes().to_vec()),
        T::Bytes => bytes_of(&text),
        _ => text.clone().into_bytes(),
    };
    let cell = match ty {
        T::Int16 | T::Int32 | T::Int64 | T::Year | T::UInt64 => match text.parse() {
            Ok(value) => Cell::Int(value),
            Err(_) => Cell::UInt(text.parse().ok()?),
        },
        T::Float32 => Cell::Float(text.parse().ok()?),
        T::Float64 => Cell::Double(text.parse().ok()?),
        T::Boolean => Cell::Int(match text.as_str() {
            "false" | "0" | "\\x00" => 0,
            "true" | "1" | "\u{1}" => 1,
            _ => return None,
        }),
        T::Date | T::Timestamp { .. } | T::TimestampTz { .. } => Cell::DateTime(date_time(&text)?),
        T::Interval { .. } | T::TimeOfDay { .. } => Cell::Time(time(&text)?),
        _ => Cell::Bytes(&bytes),
    };
    let mut images = Imager::new(vec![Target::new(ty, false)]);
    let tuple = images.row(&[cell]).ok()?.ok()?;
    Fields::of(tuple).next()?.map(<[u8]>::to_vec)
}

/// A key in the one spelling that `show::key` has, whoever spelled it. Columns that cannot be read stay as they are.
#[must_use]
pub fn key(table: &SourceTable, spelled: &Value) -> Value {
    let column = |column: &crate::catalog::Column| {
        let value = spelled.get(&column.name)?;
        let shown = image(column.ty, value).map(|image| show::part(column.ty, Some(&image)));
        Some((column.name.clone(), shown.unwrap_or_else(|| value.clone())))
    };
    Value::Object(table.key_columns().filter_map(column).collect::<Map<_, _>>())
}

/// Bytes that are text stand as text, so digits that make text are text themselves.
fn bytes_of(text: &str) -> Vec<u8> {
    let bytes = text.strip_prefix("\\x").and_then(hexadecimal).filter(|bytes| !show::is_text(bytes));
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hexadecimal = digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| digits.as_bytes().chunks(2).map(pair).collect())?
}

/// One digit per bit, as PostgreSQL writes it, or the bytes of the source.
fn bits_of(text: &str, bits: usize) -> Option<Vec<u8>> {
    if text.len() != bits || !text.bytes().all(|byte| matches!(byte, b'0' | b'1')) {
        return Some(bytes_of(text));
    }
    let value = u64::from_str_radix(text, 2).ok()?.to_be_bytes();
    Some(value.get(value.len() - bits.div_ceil(8)..)?.to_vec())
}

/// With all digits after the point, as the source has them.
fn scaled(text: &str, scale: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if scale == 0 {
        whole.to_owned() + if fraction.is_empty() { "" } else { "." } + fraction
    } else {
        format!("{whole}.{fraction:0<scale$}")
    }
}

fn date_time(text: &str) -> Option<DateTime> {
    let text = text.strip_suffix("+00").unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    let Time { negative: false, hours, minutes, seconds: second, micros: micro } = self::time(time)? else { return None };
    let hour = u8::try_from(hours).ok().filter(|hour| *hour < 24)?;
    // The source has no later year.
    (date.next().is_none() && year <= 9999).then_some(DateTime { year, month, day, hour, minute: minutes, second, micro })
}

fn time(text: &str) -> Option<Time> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let (hours, minutes, seconds): (u32, u8, u8) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let fits = minutes < 60 && seconds < 60 && fraction.len() <= 6 && parts.next().is_none();
    let micros = number(&format!("{fraction:0<6}"))?;
    fits.then_some(Time { negative, hours, minutes, seconds, micros })
}

/// Digits alone: `parse` takes a sign.
fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    /// Every spelling of one value, the shown one first.
    #[test]
    fn a_value_is_read_however_it_is_spelled() {
        use ColumnType as T;
        for (ty, spellings) in [
            (T::Int32, vec![json!(-7), json!("-7")]),
            (T::UInt64, vec![json!("18446744073709551615"), json!(u64::MAX)]),
            (
                T::Decimal { precision: 30, scale: 2 },
                vec![json!("-1234567890123456789012.50"), json!("-1234567890123456789012.5")],
            ),
            (T::Decimal { precision: 5, scale: 0 }, vec![json!("10000"), json!(10000)]),
            (T::Float32, vec![json!("0.1"), json!(f64::from(0.1_f32))]),
            (T::Float64, vec![json!("1e+300"), json!("1e300"), json!(1e300)]),
            (T::Boolean, vec![json!(true), json!("true"), json!(1), json!("\u{1}")]),
            (T::Boolean, vec![json!(false), json!("false"), json!(0), json!("\\x00")]),
            (T::Date, vec![json!("2024-01-02"), json!("2024-01-02 00:00:00.000000")]),
            (T::Timestamp { digits: 0 }, vec![json!("2024-01-02 03:04:10"), json!("2024-01-02 03:04:10.000000")]),
            (T::TimestampTz { digits: 6 }, vec![json!("2024-01-02 03:04:05.5+00"), json!("2024-01-02 03:04:05.500000")]),
            (T::Interval { digits: 6 }, vec![json!("-838:00:00.5"), json!("-838:00:00.500000")]),
            (T::TimeOfDay { digits: 0 }, vec![json!("03:04:05"), json!("03:04:05.000000")]),
            (T::Bit { bits: 10 }, vec![json!("0100000010"), json!("\u{1}\u{2}")]),
            (T::Bit { bits: 8 }, vec![json!("01000001"), json!("A")]),
            (T::Bit { bits: 9 }, vec![json!("000000001"), json!("\\x0001")]),
            (T::UuidBytes, vec![json!("00112233-4455-6677-8899-aabbccddeeff"), json!("\\x00112233445566778899aabbccddeeff")]),
            (T::Bytes, vec![json!("\\x6100")]),
            (T::Bytes, vec![json!("\\x41")]),
            (T::Bytes, vec![json!("a\\b")]),
            (T::Text, vec![json!("100.00")]),
            (T::Text, vec![json!("12"), json!(12)]),
        ] {
            let shown = spellings.first().unwrap().clone();
            for spelled in spellings {
                let image = image(ty, &spelled);
                assert_eq!(show::part(ty, image.as_deref()), shown, "{ty}: {spelled}");
            }
        }
    }

    #[test]
    fn what_is_no_value_of_the_type_is_refused() {
        use ColumnType as T;
        for (ty, text) in [
            (T::Int16, "five"),
            (T::Int16, "70000"),
            (T::UInt64, "-1"),
            (T::Decimal { precision: 4, scale: 1 }, "1.25"),
            (T::Decimal { precision: 4, scale: 0 }, "1.5"),
            (T::Boolean, "2"),
            (T::Date, "2024-01-02 03:00:00"),
            (T::Date, "2024-02-30"),
            (T::Date, "20240-01-02"),
            (T::Timestamp { digits: 0 }, "2024-01-02 25:00:00"),
            (T::Timestamp { digits: 0 }, "2024-01-02 03:00:00.5"),
            (T::Timestamp { digits: 0 }, "+2024-01-02"),
            (T::TimeOfDay { digits: 0 }, "03:61:00"),
            (T::Uuid, "x"),
        ] {
            assert_eq!(image(ty, &json!(text)), None, "{ty}: {text}");
        }
        assert_eq!(image(T::Text, &Value::Null), None);
    }
}
