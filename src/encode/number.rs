//! Floats as PostgreSQL reads them: the shortest text that gives the same bits again. -0 keeps its sign.

use zmij::Buffer;

/// A `real`.
pub(super) fn float(buffer: &mut Buffer, value: f32) -> &[u8] {
    not_finite(f64::from(value)).unwrap_or_else(|| buffer.format_finite(value).as_bytes())
}

/// A `double precision`.
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
}
