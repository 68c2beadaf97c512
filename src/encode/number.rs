//! Integers and floats as PostgreSQL reads them. Floats are the shortest text that gives the same bits again.
//!
//! Every function appends to the scratch buffer and says whether the value fits.

/// Decimal digits of any integer.
pub(super) fn int(out: &mut Vec<u8>, value: impl itoa::Integer) -> bool {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    true
}

/// A `real`; -0 keeps its sign.
pub(super) fn float(out: &mut Vec<u8>, value: f32) -> bool {
    match not_finite(f64::from(value)) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
    true
}

/// A `double precision`; -0 keeps its sign.
pub(super) fn double(out: &mut Vec<u8>, value: f64) -> bool {
    match not_finite(value) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
    true
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

    fn text(write: impl FnOnce(&mut Vec<u8>) -> bool) -> String {
        let mut out = Vec::new();
        assert!(write(&mut out));
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn integers_at_their_limits() {
        assert_eq!(text(|out| int(out, i64::MIN)), "-9223372036854775808");
        assert_eq!(text(|out| int(out, u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn floats_are_shortest_and_exact() {
        assert_eq!(text(|out| float(out, 0.1)), "0.1");
        assert_eq!(text(|out| float(out, -0.0)), "-0.0");
        assert_eq!(text(|out| double(out, 0.300_000_000_000_000_04)), "0.30000000000000004");
        for value in [5e-324, f64::MAX, f64::MIN_POSITIVE, 1e16, 1.0 / 3.0] {
            assert_eq!(text(|out| double(out, value)).parse(), Ok(value));
        }
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e-45, 16_777_216.0, 1.234_567] {
            assert_eq!(text(|out| float(out, value)).parse(), Ok(value));
        }
        assert_eq!(text(|out| float(out, f32::NEG_INFINITY)), "-Infinity");
        assert_eq!(text(|out| double(out, f64::NAN)), "NaN");
    }
}
