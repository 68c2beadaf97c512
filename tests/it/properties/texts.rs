//! Texts and bytes: what a csv field may stumble over, and everything else that Unicode and octets have.

use super::copying::{Kind, Sample};
use etl_sync::value::{ColumnType, Fault};
use mysql::Value;
use proptest::prelude::*;

const HEX: &str = "encode({c}, 'hex')";
const TEXT: &str = "encode(convert_to({c}, 'UTF8'), 'hex')";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A character that csv, COPY or a C string treats in a way of its own.
const ODD: [char; 17] = [
    '"',
    '\'',
    ',',
    '\n',
    '\r',
    '\\',
    '.',
    ' ',
    '\t',
    'N',
    '\u{1}',
    '\u{1a}',
    '\u{feff}',
    '\u{85}',
    '\u{2028}',
    '\u{10ffff}',
    '\u{d7ff}',
];

/// Text without NUL, mostly short: in short ones the odd characters meet.
pub fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![4 => prop::sample::select(ODD.to_vec()), 1 => any::<char>(), 1 => prop::char::range('a', 'd')];
    let char = char.prop_map(|c| if c == '\0' { '\u{1}' } else { c });
    let length = prop_oneof![8 => 0_usize..6, 2 => 6_usize..60, 1 => 200_usize..400];
    length.prop_flat_map(move |length| prop::collection::vec(char.clone(), length)).prop_map(String::from_iter)
}

/// Any octets, and text with some put in.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let bad: Vec<&[u8]> = vec![b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\xe2\x82", b"\x80"];
    let mixed = (text(), prop::sample::select(bad), any::<prop::sample::Index>()).prop_map(|(text, bad, at)| {
        let mut bytes = text.into_bytes();
        bytes.splice(at.index(bytes.len() + 1).., bad.iter().copied());
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..80), mixed, text().prop_map(String::into_bytes)]
}

/// UTF-8 as the standard's table of well-formed sequences has it, read by hand.
fn is_utf8(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let (more, second) = match first {
            0..=0x7f => (0, 0..=0),
            0xc2..=0xdf => (1, 0x80..=0xbf),
            0xe0 => (2, 0xa0..=0xbf),
            0xed => (2, 0x80..=0x9f),
            0xe1..=0xef => (2, 0x80..=0xbf),
            0xf0 => (3, 0x90..=0xbf),
            0xf1..=0xf3 => (3, 0x80..=0xbf),
            0xf4 => (3, 0x80..=0x8f),
            _ => return false,
        };
        let Some(following) = tail.get(..more) else { return false };
        let whole = following.iter().enumerate().all(|(at, b)| if at == 0 { second.contains(b) } else { b & 0xc0 == 0x80 });
        if !whole {
            return false;
        }
        rest = &tail[more..];
    }
    true
}

pub fn kinds() -> Vec<Kind> {
    let octets = bytes().prop_map(|bytes| {
        let answer = hexadecimal(&bytes);
        Sample::new(Value::Bytes(bytes), Ok(answer))
    });
    let texts = text().prop_map(|text| Sample::new(Value::Bytes(text.clone().into_bytes()), Ok(hexadecimal(text.as_bytes()))));
    let faulty = bytes().prop_map(|bytes| {
        let expect = match &bytes {
            bytes if bytes.contains(&0) => Err(Fault::Nul),
            bytes if !is_utf8(bytes) => Err(Fault::InvalidUtf8),
            bytes => Ok(hexadecimal(bytes)),
        };
        Sample::new(Value::Bytes(bytes), expect)
    });
    let limited = |chars: u32| {
        let samples = text().prop_map(move |text| {
            let fits = text.chars().count() <= usize::try_from(chars).unwrap();
            let expect = if fits { Ok(hexadecimal(text.as_bytes())) } else { Err(Fault::OutOfRange) };
            Sample::new(Value::Bytes(text.into_bytes()), expect)
        });
        Kind::new(ColumnType::Varchar { chars }, TEXT, samples)
    };
    vec![
        Kind::new(ColumnType::Bytes, HEX, octets),
        Kind::new(ColumnType::Text, TEXT, texts),
        Kind::new(ColumnType::Text, TEXT, faulty),
        limited(1),
        limited(4),
        limited(250),
    ]
}
