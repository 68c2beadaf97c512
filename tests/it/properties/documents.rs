//! Addresses, UUIDs, JSON documents and geometries.

use super::copying::{Expect, Kind, Sample};
use super::texts::text;
use etl_sync::value::{ColumnType, Fault};
use mysql::Value;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::net::{Ipv4Addr, Ipv6Addr};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A UUID in the ways people write one; PostgreSQL must never be left alone with one that it does not read.
fn uuids() -> impl Strategy<Value = Sample> {
    (any::<[u8; 16]>(), 0_u8..8, prop::sample::select(vec!['g', '-', ' ', '\n'])).prop_map(|(bytes, form, odd)| {
        let plain = hexadecimal(&bytes);
        let groups = [&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]].join("-");
        let expect = if form == 0 || form == 6 { Err(Fault::OutOfRange) } else { Ok(plain.clone()) };
        let written = match form {
            // As many bytes as a UUID has, but they are text.
            0 => plain.as_bytes()[..16].to_vec(),
            1 => groups.to_uppercase().into_bytes(),
            2 => plain.into_bytes(),
            3 => format!("{{{groups}}}").into_bytes(),
            4 => format!("urn:uuid:{groups}").into_bytes(),
            6 => format!("{}{odd}{}", &groups[..5], &groups[6..]).into_bytes(),
            _ => groups.into_bytes(),
        };
        Sample::new(Value::Bytes(written), expect)
    })
}

/// UUIDs of columns of bytes: 16 of them and nothing else.
fn uuid_bytes() -> impl Strategy<Value = Sample> {
    let length = prop_oneof![6 => Just(16_usize), 1 => 0_usize..40];
    length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length)).prop_map(|bytes| {
        let expect = if bytes.len() == 16 { Ok(hexadecimal(&bytes)) } else { Err(Fault::OutOfRange) };
        Sample::new(Value::Bytes(bytes), expect)
    })
}

/// Addresses as text, their runs of zeros shortened or not.
fn addresses() -> impl Strategy<Value = Sample> {
    let word = prop_oneof![2 => Just(0_u16), 1 => any::<u16>(), 1 => Just(0xffff_u16)];
    let four = any::<[u8; 4]>().prop_map(|bytes| {
        let text = Ipv4Addr::from(bytes).to_string();
        Sample::new(Value::Bytes(text.into_bytes()), Ok(format!("02200004{}", hexadecimal(&bytes))))
    });
    let six = (prop::array::uniform8(word), 0_u8..3).prop_map(|(words, form)| {
        let address = Ipv6Addr::from(words);
        let text = match form {
            0 => address.to_string(),
            1 => address.to_string().to_uppercase(),
            _ => words.map(|word| format!("{word:x}")).join(":"),
        };
        Sample::new(Value::Bytes(text.into_bytes()), Ok(format!("03800010{}", hexadecimal(&address.octets()))))
    });
    let wrong =
        prop::sample::select(vec!["", "1.2.3", "1.2.3.4/8", "256.1.1.1", "::1%lo", "1.2.3.4 ", "[::1]", "01.2.3.4", "::g"]);
    let wrong = wrong.prop_map(|text| Sample::new(Value::Bytes(text.into()), Err(Fault::OutOfRange)));
    prop_oneof![8 => four, 12 => six, 1 => wrong]
}

fn json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(|n| serde_json::Number::from_f64(n).map_or(Json::Null, Json::Number)),
    ];
    let leaf = prop_oneof![Just(Json::Null), any::<bool>().prop_map(Json::from), number, text().prop_map(Json::from)];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((text(), inner), 0..6).prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A JSON string put together of escapes, whole and broken pairs of surrogates, and what only looks like an escape.
fn escapes() -> impl Strategy<Value = String> {
    let pieces = vec![
        "\\u0000",
        "\\ud83d",
        "\\ude00",
        "\\uD83D\\uDE00",
        "\\\\",
        "\\u0041",
        "u0000",
        "\\\"",
        "\\n",
        "\\/",
        "x",
        "\\u00e9",
        "é",
        "\\udbff",
        "\\udfff",
        "\\udc00",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..7).prop_map(|pieces| format!("[\"{}\"]", pieces.concat()))
}

/// The SRID and the WKB of a source, and its EWKB put together by hand.
fn geometries() -> impl Strategy<Value = Sample> {
    let srid = prop_oneof![Just(0_u32), Just(4326), any::<u32>()];
    let body = prop::collection::vec(any::<u8>(), 0..100);
    (srid, 0_u8..3, 1_u32..8, body, prop::bool::weighted(0.05)).prop_map(|(srid, order, kind, body, cut)| {
        let word = |word: u32| if order == 1 { word.to_le_bytes() } else { word.to_be_bytes() };
        let mut stored = [&srid.to_le_bytes()[..], &[order], &word(kind), &body].concat();
        let mut made = vec![order];
        if srid == 0 {
            made.extend(word(kind));
        } else {
            made.extend(word(kind + 0x2000_0000));
            made.extend(word(srid));
        }
        made.extend(&body);
        if cut {
            stored.truncate(8);
        }
        let expect = if cut || order > 1 { Err(Fault::OutOfRange) } else { Ok(hexadecimal(&made)) };
        Sample::new(Value::Bytes(stored), expect)
    })
}

pub fn kinds() -> Vec<Kind> {
    let asked = |text: String| Sample { value: Value::Bytes(text.clone().into_bytes()), expect: Expect::Json(text) };
    let spelled = |text: String| Sample::new(Value::Bytes(text.clone().into_bytes()), Ok(text));
    let documents = || prop_oneof![json().prop_map(|json| json.to_string()), json().prop_map(|json| format!("{json:#}"))];
    vec![
        Kind::new(ColumnType::Uuid, "encode(uuid_send({c}), 'hex')", uuids()),
        Kind::new(ColumnType::UuidBytes, "encode(uuid_send({c}), 'hex')", uuid_bytes()),
        Kind::new(ColumnType::Inet, "encode(inet_send({c}), 'hex')", addresses()),
        Kind::new(ColumnType::Jsonb, "{c}", documents().prop_map(asked)),
        Kind::new(ColumnType::Jsonb, "{c}", escapes().prop_map(asked)),
        Kind::new(ColumnType::Json, "{c}", documents().prop_map(spelled)),
        Kind::new(ColumnType::Json, "{c}", escapes().prop_map(spelled)),
        Kind::new(ColumnType::Geometry, "encode({c}, 'hex')", geometries()),
    ]
}
