//! What PostgreSQL takes as text and as JSON, and what is left of a text without the rest.

use super::Refusal;
use crate::value::{Cell, ColumnType, Fault};

/// Whether PostgreSQL takes these bytes as text: UTF-8 without NUL.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.contains(&0) {
        return Err(Fault::Nul);
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(Fault::InvalidUtf8);
    }
    Ok(())
}

/// Whether a column of this type takes the text.
#[inline]
pub(super) fn check_for(ty: ColumnType, bytes: &[u8]) -> Result<(), Refusal> {
    check(bytes).map_err(Refusal::Fault)?;
    match ty {
        ColumnType::Varchar { chars } => check_chars(bytes, chars),
        ColumnType::Jsonb => check_jsonb(bytes),
        _ => Ok(()),
    }
    .map_err(Refusal::Fault)
}

/// Whether the text has at most so many characters. PostgreSQL would cut blanks beyond them without a word.
#[inline]
pub(super) fn check_chars(bytes: &[u8], chars: u32) -> Result<(), Fault> {
    let most = usize::try_from(chars).unwrap_or(usize::MAX);
    // A byte that does not go on with a character begins one.
    if bytes.len() <= most || bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= most {
        return Ok(());
    }
    Err(Fault::OutOfRange)
}

/// Whether jsonb takes the escapes of a JSON text: no `\u0000`, no half of a surrogate pair. Everything else that it
/// might refuse (depth, size, huge numbers) only PostgreSQL itself knows.
pub(super) fn check_jsonb(text: &[u8]) -> Result<(), Fault> {
    let mut rest = text;
    while let Some((escape, tail)) = next_escape(rest) {
        rest = tail;
        match escape {
            0 => return Err(Fault::Nul),
            0xd800..=0xdbff => match tail.strip_prefix(b"\\u").and_then(hex4) {
                Some(0xdc00..=0xdfff) => rest = tail.get(6..).unwrap_or_default(),
                _ => return Err(Fault::OutOfRange),
            },
            0xdc00..=0xdfff => return Err(Fault::OutOfRange),
            _ => {}
        }
    }
    Ok(())
}

/// The code unit of the next `\u` with its four digits, and what stands behind it.
fn next_escape(mut text: &[u8]) -> Option<(u32, &[u8])> {
    loop {
        let at = text.iter().position(|&byte| byte == b'\\')?;
        let escaped = text.get(at + 1..)?;
        match escaped.split_first()? {
            (b'u', digits) => match hex4(digits) {
                Some(unit) => return Some((unit, digits.get(4..).unwrap_or_default())),
                None => text = digits,
            },
            (_, tail) => text = tail,
        }
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    // A sign would be read as part of the number.
    let text = std::str::from_utf8(digits.get(..4).filter(|four| four.iter().all(u8::is_ascii_hexdigit))?).ok()?;
    u32::from_str_radix(text, 16).ok()
}

/// The text without what PostgreSQL cannot hold; none when leaving something out would not help.
pub(super) fn strip(ty: ColumnType, cell: Cell<'_>, fault: Fault) -> Option<Vec<u8>> {
    let Cell::Bytes(bytes) = cell else { return None };
    match fault {
        Fault::Nul if bytes.contains(&0) => Some(bytes.iter().copied().filter(|&byte| byte != 0).collect()),
        Fault::Nul if ty == ColumnType::Jsonb => Some(without_escaped_nul(bytes)),
        Fault::InvalidUtf8 => Some(bytes.utf8_chunks().flat_map(|chunk| chunk.valid().bytes()).collect()),
        _ => None,
    }
}

fn without_escaped_nul(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((unit, tail)) = next_escape(rest) {
        let escape = rest.len() - tail.len();
        let kept = if unit == 0 { escape - 6 } else { escape };
        out.extend_from_slice(rest.get(..kept).unwrap_or_default());
        rest = tail;
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_without_nul() {
        assert_eq!(check("aé😀".as_bytes()), Ok(()));
        assert_eq!(check(b"a\0"), Err(Fault::Nul));
        for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\x80", b"\xff", b"a\xc3", b"\xf4\x90\x80\x80"] {
            assert_eq!(check(bytes), Err(Fault::InvalidUtf8), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(check_chars("éé".as_bytes(), 2), Ok(()));
        assert_eq!(check_chars(b"ab ", 2), Err(Fault::OutOfRange));
        assert_eq!(check_chars("😀".as_bytes(), 1), Ok(()));
    }

    #[test]
    fn json_escapes_that_jsonb_refuses() {
        for (text, expected) in [
            (r#"{"a":"\u0041"}"#, Ok(())),
            (r#"{"a":"\\u0000"}"#, Ok(())),
            (r#"{"a":"\\\u0000"}"#, Err(Fault::Nul)),
            (r#""\ud83d\ude00""#, Ok(())),
            (r#""\ud83d""#, Err(Fault::OutOfRange)),
            (r#""\ud83dx\ude00""#, Err(Fault::OutOfRange)),
            (r#""\ude00""#, Err(Fault::OutOfRange)),
            (r#""\ud83d\ud83d\ude00""#, Err(Fault::OutOfRange)),
            (r#""\"#, Ok(())),
            (r#""\u12"#, Ok(())),
            (r#""\u+000""#, Ok(())),
        ] {
            assert_eq!(check_jsonb(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_without_the_bad_bytes() {
        let of = |ty, bytes: &'static [u8], fault| strip(ty, Cell::Bytes(bytes), fault);
        assert_eq!(of(ColumnType::Text, b"a\0b\0", Fault::Nul).as_deref(), Some(&b"ab"[..]));
        assert_eq!(of(ColumnType::Text, b"a\xff\xc3\xa9\xed\xa0\x80", Fault::InvalidUtf8).as_deref(), Some("aé".as_bytes()));
        let json = br#"["\\u0000\u0000\u0041"]"#;
        assert_eq!(of(ColumnType::Jsonb, json, Fault::Nul).as_deref(), Some(&br#"["\\u0000\u0041"]"#[..]));
        assert_eq!(of(ColumnType::Text, b"1", Fault::OutOfRange), None);
    }
}
