//! Numbers: which values a type holds, and the text that PostgreSQL reads without changing them.

use super::Refusal;
use crate::value::{Cell, ColumnType, Fault};
use zmij::Buffer;

/// An integer that fits its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Signed(i64),
    Unsigned(u64),
}

/// An integer cell in the range of an integer type.
#[inline]
pub(super) fn integer(ty: ColumnType, cell: Cell<'_>) -> Result<Integer, Refusal> {
    let value = match cell {
        Cell::Int(value) => value,
        Cell::UInt(value) => match i64::try_from(value) {
            Ok(value) => value,
            Err(_) if ty == ColumnType::UInt64 => return Ok(Integer::Unsigned(value)),
            Err(_) => return Err(OUT),
        },
        _ => return Err(Refusal::Unfit),
    };
    let fits = match ty {
        ColumnType::Int16 | ColumnType::Year => i16::try_from(value).is_ok(),
        ColumnType::Int32 => i32::try_from(value).is_ok(),
        ColumnType::UInt64 => value >= 0,
        _ => true,
    };
    if fits { Ok(Integer::Signed(value)) } else { Err(OUT) }
}

const OUT: Refusal = Refusal::Fault(Fault::OutOfRange);

/// A truth value: 0 or 1, of an integer or of BIT(1). Anything else is out of range.
#[inline]
pub(super) fn boolean(cell: Cell<'_>) -> Result<bool, Refusal> {
    match cell {
        Cell::Int(0) | Cell::UInt(0) | Cell::Bytes([0]) => Ok(false),
        Cell::Int(1) | Cell::UInt(1) | Cell::Bytes([1]) => Ok(true),
        Cell::Int(_) | Cell::UInt(_) | Cell::Bytes(_) => Err(OUT),
        _ => Err(Refusal::Unfit),
    }
}

/// The digits of an integer in a column that a rule makes `numeric`.
#[cold]
pub(super) fn as_numeric(cell: Cell<'_>, precision: u16, scale: u16) -> Result<String, Refusal> {
    let text = match cell {
        Cell::Int(_) | Cell::UInt(_) => spelled(cell).ok_or(Refusal::Unfit)?,
        _ => return Err(Refusal::Unfit),
    };
    decimal(text.as_bytes(), precision, scale)?;
    Ok(text)
}

/// A number as text, for a column that a rule makes text; none for what has no one spelling.
pub(super) fn spelled(cell: Cell<'_>) -> Option<String> {
    Some(match cell {
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Float(value) => String::from_utf8(float(&mut Buffer::new(), value).to_vec()).ok()?,
        Cell::Double(value) => String::from_utf8(double(&mut Buffer::new(), value).to_vec()).ok()?,
        _ => return None,
    })
}

/// A decimal taken apart: digits without leading zeros before the point, all digits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    pub negative: bool,
    pub whole: &'a [u8],
    pub fraction: &'a [u8],
}

/// Reads `[-]digits[.digits]` and proves that `numeric(precision,scale)` holds it without rounding.
#[inline]
pub(super) fn decimal(text: &[u8], precision: u16, scale: u16) -> Result<Decimal<'_>, Refusal> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if (whole.is_empty() && fraction.is_empty()) || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(Refusal::Unfit);
    }
    let zeros = whole.iter().take_while(|&&byte| byte == b'0').count();
    let whole = &whole[zeros..];
    let beyond = fraction.get(usize::from(scale)..).unwrap_or_default();
    if whole.len() > usize::from(precision - scale.min(precision)) || beyond.iter().any(|&byte| byte != b'0') {
        return Err(OUT);
    }
    Ok(Decimal { negative, whole, fraction: &fraction[..fraction.len() - beyond.len()] })
}

/// A `real`: the shortest text that gives the same bits again. -0 keeps its sign.
#[inline]
pub(super) fn float(buffer: &mut Buffer, value: f32) -> &[u8] {
    not_finite(f64::from(value)).unwrap_or_else(|| buffer.format_finite(value).as_bytes())
}

/// A `double precision`, as [`float`].
#[inline]
pub(super) fn double(buffer: &mut Buffer, value: f64) -> &[u8] {
    not_finite(value).unwrap_or_else(|| buffer.format_finite(value).as_bytes())
}

/// PostgreSQL's words. No FLOAT or DOUBLE column holds them, but a VECTOR may.
fn not_finite(value: f64) -> Option<&'static [u8]> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some(b"NaN")
    } else if value > 0.0 {
        Some(b"Infinity")
    } else {
        Some(b"-Infinity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_float(value: f32) -> String {
        String::from_utf8(float(&mut Buffer::new(), value).to_vec()).unwrap_or_default()
    }

    fn of_double(value: f64) -> String {
        String::from_utf8(double(&mut Buffer::new(), value).to_vec()).unwrap_or_default()
    }

    #[test]
    fn floats_are_shortest_and_exact() {
        assert_eq!(of_float(0.1), "0.1");
        assert_eq!(of_float(-0.0), "-0.0");
        assert_eq!(of_double(0.300_000_000_000_000_04), "0.30000000000000004");
        for value in [5e-324, f64::MAX, f64::MIN_POSITIVE, 1e16, 1.0 / 3.0] {
            assert_eq!(of_double(value).parse(), Ok(value));
        }
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e-45, 16_777_216.0, 1.234_567] {
            assert_eq!(of_float(value).parse(), Ok(value));
        }
        assert_eq!(of_float(f32::NEG_INFINITY), "-Infinity");
        assert_eq!(of_double(f64::NAN), "NaN");
    }

    #[test]
    fn integers_have_the_range_of_their_column() {
        let fits = |ty, cell| integer(ty, cell).is_ok();
        assert!(fits(ColumnType::Int16, Cell::Int(-32_768)) && !fits(ColumnType::Int16, Cell::Int(32_768)));
        assert!(fits(ColumnType::Int32, Cell::UInt(1 << 30)) && !fits(ColumnType::Int32, Cell::UInt(1 << 31)));
        assert!(fits(ColumnType::UInt64, Cell::UInt(u64::MAX)) && !fits(ColumnType::UInt64, Cell::Int(-1)));
        assert!(fits(ColumnType::Int64, Cell::Int(i64::MIN)) && !fits(ColumnType::Int64, Cell::UInt(u64::MAX)));
        assert!(matches!(boolean(Cell::Int(3)), Err(Refusal::Fault(Fault::OutOfRange))));
        assert!(matches!(boolean(Cell::Bytes(&[1])), Ok(true)));
    }

    #[test]
    fn decimals_are_never_rounded() {
        let fits = |text: &str, precision, scale| match decimal(text.as_bytes(), precision, scale) {
            Ok(_) => Some(true),
            Err(Refusal::Fault(_)) => Some(false),
            Err(_) => None,
        };
        for (text, precision, scale, expected) in [
            ("1.005", 4, 3, Some(true)),
            ("1.005", 3, 2, Some(false)),
            ("1.000", 3, 2, Some(true)),
            ("-0012.5", 3, 1, Some(true)),
            ("123", 2, 0, Some(false)),
            (".5", 1, 1, Some(true)),
            ("", 1, 0, None),
            ("-", 1, 0, None),
            ("1e5", 9, 0, None),
            ("１", 1, 0, None),
        ] {
            assert_eq!(fits(text, precision, scale), expected, "{text} numeric({precision},{scale})");
        }
    }
}
