//! Integers, bits, decimals and floats, and what they must become, made without the encoder's arithmetic.

use super::copying::{Kind, Sample};
use crate::random::Random;
use etl_sync::value::{ColumnType, Fault};
use mysql::Value;
use proptest::prelude::*;

/// Both kinds of integer cells, mostly near the edges of the types.
fn integer() -> impl Strategy<Value = (Value, i128)> {
    let edges = prop::sample::select(vec![0_i128, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63, 1 << 64]);
    let near = (edges, -3_i128..=3, any::<bool>()).prop_map(|(edge, away, below)| if below { away - edge } else { edge + away });
    let number = prop_oneof![any::<i64>().prop_map(i128::from), any::<u64>().prop_map(i128::from), near];
    (number, any::<bool>()).prop_map(|(number, unsigned)| match (i64::try_from(number), u64::try_from(number)) {
        (_, Ok(value)) if unsigned => (Value::UInt(value), number),
        (Ok(value), _) => (Value::Int(value), number),
        (_, Ok(value)) => (Value::UInt(value), number),
        _ => (Value::Int(i64::MIN), i128::from(i64::MIN)),
    })
}

pub fn integers() -> Vec<Kind> {
    let kind = |ty, low: i128, high: i128| {
        let sample = move |(value, number)| {
            let fits = (low..=high).contains(&number);
            Sample::new(value, if fits { Ok(number.to_string()) } else { Err(Fault::OutOfRange) })
        };
        Kind::new(ty, "{c}", integer().prop_map(sample)).sharing(2)
    };
    let boolean =
        (prop_oneof![integer(), (0_i64..3).prop_map(|n| (Value::Int(n), i128::from(n)))]).prop_map(|(value, number)| {
            Sample::new(
                value,
                match number {
                    0 => Ok("false".into()),
                    1 => Ok("true".into()),
                    _ => Err(Fault::OutOfRange),
                },
            )
        });
    let digits = |ty: ColumnType, most: usize| {
        let sample = move |(value, number): (Value, i128)| {
            let text = number.to_string();
            let fits = text.trim_start_matches('-').len() <= most;
            Sample::new(value, if fits { Ok(text) } else { Err(Fault::OutOfRange) })
        };
        Kind::new(ty, "trim_scale({c})", integer().prop_map(sample)).sharing(2)
    };
    vec![
        kind(ColumnType::Int16, -(1 << 15), (1 << 15) - 1),
        kind(ColumnType::Year, -(1 << 15), (1 << 15) - 1),
        kind(ColumnType::Int32, -(1 << 31), (1 << 31) - 1),
        kind(ColumnType::Int64, -(1 << 63), (1 << 63) - 1),
        kind(ColumnType::UInt64, 0, (1 << 64) - 1),
        kind(ColumnType::Text, i128::MIN, i128::MAX),
        digits(ColumnType::Decimal { precision: 10, scale: 0 }, 10),
        digits(ColumnType::Decimal { precision: 12, scale: 6 }, 6),
        Kind::new(ColumnType::Boolean, "{c}", boolean).sharing(2),
    ]
}

/// BIT of eight widths: big-endian bytes, as the source sends them, sometimes with a bit too many.
pub fn bits(random: &mut Random) -> Vec<Kind> {
    let mut widths = vec![1, 8, 9, 63, 64];
    widths.extend((0..3).map(|_| u8::try_from(1 + random.below(64)).unwrap()));
    let kind = |bits: u8| {
        let sample = move |(value, one_more): (u64, bool)| {
            let limit = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            let too_many = one_more && !bits.is_multiple_of(8);
            let value = if too_many { value & limit | (limit + 1) } else { value & limit };
            let bytes = value.to_be_bytes()[8 - usize::from(bits).div_ceil(8)..].to_vec();
            let text = format!("{value:0width$b}", width = usize::from(bits));
            Sample::new(Value::Bytes(bytes), if too_many { Err(Fault::OutOfRange) } else { Ok(text) })
        };
        let values = (prop_oneof![any::<u64>(), 0_u64..4], prop::bool::weighted(0.1)).prop_map(sample);
        Kind::new(ColumnType::Bit { bits }, "{c}", values).sharing(8)
    };
    widths.into_iter().map(kind).collect()
}

/// Decimals of thirty shapes, the extreme ones always among them.
pub fn decimals(random: &mut Random) -> Vec<Kind> {
    let mut shapes = vec![(1, 0), (1, 1), (65, 30), (65, 0), (30, 30), (38, 38), (4, 4), (10, 2)];
    while shapes.len() < 30 {
        let precision = 1 + random.below(65);
        shapes.push((precision, random.below(precision.min(30) + 1)));
    }
    let kind = |(precision, scale): (u64, u64)| {
        let (precision, scale) = (u16::try_from(precision).unwrap(), u16::try_from(scale).unwrap());
        let (most, behind) = (usize::from(precision - scale), usize::from(scale));
        let digit = || prop_oneof![3 => Just('0'), 1 => Just('9'), 4 => prop::char::range('0', '9')];
        let whole = prop::collection::vec(digit(), most.min(1)..=most + 1);
        let fraction = prop::collection::vec(digit(), 0..=behind + 1);
        let zeros = prop_oneof![9 => Just(0_usize), 1 => 1_usize..4];
        let parts = (any::<bool>(), whole, fraction, zeros, any::<bool>());
        let sample = move |(negative, whole, fraction, zeros, point): (bool, Vec<char>, Vec<char>, usize, bool)| {
            let whole = "0".repeat(zeros) + &whole.into_iter().collect::<String>();
            let whole = if whole.is_empty() { "0".to_owned() } else { whole };
            let fraction: String = fraction.into_iter().collect();
            let sign = if negative { "-" } else { "" };
            let point = if fraction.is_empty() && !point { "" } else { "." };
            let expect = rounded_nowhere(negative, &whole, &fraction, most, behind);
            Sample::new(Value::Bytes(format!("{sign}{whole}{point}{fraction}").into_bytes()), expect)
        };
        Kind::new(ColumnType::Decimal { precision, scale }, "{c}", parts.prop_map(sample)).sharing(10)
    };
    shapes.into_iter().map(kind).collect()
}

/// `numeric(p,s)` as PostgreSQL prints it.
fn rounded_nowhere(negative: bool, whole: &str, fraction: &str, most: usize, behind: usize) -> Result<String, Fault> {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > most || fraction.len() > behind {
        return Err(Fault::OutOfRange);
    }
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if behind == 0 { String::new() } else { format!(".{fraction:0<behind$}") };
    Ok(format!("{sign}{whole}{fraction}"))
}

/// Every bit pattern but NaN, which no FLOAT or DOUBLE column of a source can hold.
pub fn single() -> impl Strategy<Value = f32> {
    let special = prop::sample::select(vec![0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 16_777_217.0, 0.1]);
    let any = prop_oneof![4 => any::<u32>().prop_map(f32::from_bits), 1 => special, 1 => any::<i16>().prop_map(f32::from)];
    any.prop_filter("NaN", |value| !value.is_nan())
}

fn double() -> impl Strategy<Value = f64> {
    let special =
        prop::sample::select(vec![0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 9_007_199_254_740_993.0, 0.1]);
    let any = prop_oneof![4 => any::<u64>().prop_map(f64::from_bits), 1 => special, 1 => any::<i32>().prop_map(f64::from)];
    any.prop_filter("NaN", |value| !value.is_nan())
}

pub fn floats() -> Vec<Kind> {
    let singles = single().prop_map(|value| Sample::new(Value::Float(value), Ok(format!("{:08x}", value.to_bits()))));
    let doubles = double().prop_map(|value| Sample::new(Value::Double(value), Ok(format!("{:016x}", value.to_bits()))));
    let widened = single().prop_map(|value| Sample::new(Value::Float(value), Ok(format!("{:016x}", f64::from(value).to_bits()))));
    // A number as text must give the same number again, read by PostgreSQL.
    let spelled = double().prop_map(|value| Sample::new(Value::Double(value), Ok(format!("{:016x}", value.to_bits()))));
    let vectors = prop::collection::vec(single(), 0..40).prop_flat_map(|values| (Just(values), prop::bool::weighted(0.05)));
    let vectors = vectors.prop_map(|(values, cut)| {
        let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let cut = cut && bytes.pop().is_some();
        let text: Vec<String> = values.iter().map(|value| format!("{:08x}", value.to_bits())).collect();
        Sample::new(Value::Bytes(bytes), if cut { Err(Fault::OutOfRange) } else { Ok(text.join(",")) })
    });
    let each = "(SELECT coalesce(string_agg(encode(float4send(v), 'hex'), ',' ORDER BY i), '') FROM unnest({c}) WITH ORDINALITY AS u(v, i) WHERE {c} IS NOT NULL HAVING {c} IS NOT NULL)";
    vec![
        Kind::new(ColumnType::Float32, "encode(float4send({c}), 'hex')", singles),
        Kind::new(ColumnType::Float64, "encode(float8send({c}), 'hex')", doubles),
        Kind::new(ColumnType::Float64, "encode(float8send({c}), 'hex')", widened),
        Kind::new(ColumnType::Text, "encode(float8send({c}::double precision), 'hex')", spelled),
        Kind::new(ColumnType::Vector, each, vectors).sharing(2),
    ]
}
