//! Numbers beyond what their target holds.

use super::{Probe, Source};
use crate::value::{ColumnType, Fault};

/// Longest text of a number that is no decimal: `-2.2250738585072014e-308`.
const SPELLED_CHARS_MAX: u32 = 24;

/// Values beyond a number type's range; none when the source's type has no such value.
pub(super) fn probe(source: &Source<'_>) -> Option<Probe> {
    let sql = match source.column.ty {
        ColumnType::Boolean => not_a_truth_value(source)?,
        ColumnType::Bit { bits } => too_many_bits(source, bits)?,
        ColumnType::Decimal { precision, scale } => match integers(source) {
            Some(range) => outside(&source.name, range, whole(precision - scale.min(precision)))?,
            None => decimal(source, precision, scale)?,
        },
        ColumnType::Int16 => outside(&source.name, integers(source)?, (-0x8000, 0x7fff))?,
        ColumnType::Int32 => outside(&source.name, integers(source)?, (i128::from(i32::MIN), i128::from(i32::MAX)))?,
        ColumnType::Int64 => outside(&source.name, integers(source)?, (i128::from(i64::MIN), i128::from(i64::MAX)))?,
        ColumnType::UInt64 => outside(&source.name, integers(source)?, (0, i128::from(u64::MAX)))?,
        _ => return None,
    };
    Some(source.probe(Fault::OutOfRange, sql))
}

/// Numbers whose text is longer than the target.
pub(super) fn length(source: &Source<'_>) -> Option<Probe> {
    let ColumnType::Varchar { chars } = source.column.ty else { return None };
    let name = &source.name;
    let (sql, exact, longest) = match source.declared.word() {
        // Sign and point beside the digits, and a zero before the point.
        "decimal" | "numeric" => (format!("CAST({name} AS CHAR)"), true, source.declared.number(0).unwrap_or(10) + 3),
        // The server spells floats otherwise than the encoder.
        "float" | "double" | "real" => (format!("CAST({name} AS CHAR)"), false, SPELLED_CHARS_MAX),
        // Added to, because ZEROFILL and YEAR would be padded.
        _ => (format!("CAST({name} + 0 AS CHAR)"), true, longest_integer(source)),
    };
    let probe = source.probe(Fault::OutOfRange, format!("CHAR_LENGTH({sql}) > {chars}"));
    (longest > chars).then_some(Probe { exact, ..probe })
}

fn longest_integer(source: &Source<'_>) -> u32 {
    let length = |value: i128| u32::try_from(value.to_string().len()).unwrap_or(u32::MAX);
    integers(source).map_or(u32::MAX, |(low, high)| length(low).max(length(high)))
}

/// The range of an integer type.
fn integers(source: &Source<'_>) -> Option<(i128, i128)> {
    let bits = match source.declared.word() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        "bigint" => 64,
        "year" => return Some((0, 2155)),
        _ => return None,
    };
    let half = 1_i128 << (bits - 1);
    Some(if source.declared.is_unsigned() { (0, 2 * half - 1) } else { (-half, half - 1) })
}

/// The range of numbers with so many digits.
fn whole(digits: u16) -> (i128, i128) {
    // No integer has more than 20.
    let most = 10_i128.checked_pow(u32::from(digits.min(30))).unwrap_or(i128::MAX) - 1;
    (-most, most)
}

/// Only the sides that the source's range goes beyond are asked about.
fn outside(name: &str, source: (i128, i128), target: (i128, i128)) -> Option<String> {
    let low = (source.0 < target.0).then(|| format!("{name} < {}", target.0));
    let high = (source.1 > target.1).then(|| format!("{name} > {}", target.1));
    let sides: Vec<String> = low.into_iter().chain(high).collect();
    (!sides.is_empty()).then(|| format!("({})", sides.join(" OR ")))
}

/// A decimal with more digits on either side of the point.
fn decimal(source: &Source<'_>, precision: u16, scale: u16) -> Option<String> {
    let name = &source.name;
    let all = source.declared.number(0).unwrap_or(10);
    let behind = source.declared.number(1).unwrap_or(0);
    let before = u32::from(precision - scale.min(precision));
    let cut = (behind > u32::from(scale)).then(|| format!("{name} <> TRUNCATE({name}, {scale})"));
    let large = (all.saturating_sub(behind) > before)
        .then(|| format!("ABS({name}) >= 1{}", "0".repeat(usize::try_from(before).unwrap_or(0))));
    let sides: Vec<String> = cut.into_iter().chain(large).collect();
    (!sides.is_empty()).then(|| format!("({})", sides.join(" OR ")))
}

fn not_a_truth_value(source: &Source<'_>) -> Option<String> {
    let name = &source.name;
    if source.declared.word() != "bit" {
        return Some(format!("{name} NOT IN (0, 1)"));
    }
    match source.declared.number(0).unwrap_or(1) {
        1 => None,
        2..=8 => Some(format!("{name} + 0 > 1")),
        // The encoder takes one byte for a truth value.
        _ => Some(format!("{name} IS NOT NULL")),
    }
}

/// The encoder takes as many bytes as the target has; in the first of them the spare bits are zero.
fn too_many_bits(source: &Source<'_>, bits: u8) -> Option<String> {
    let (name, declared) = (&source.name, source.declared.number(0).unwrap_or(1));
    if declared.div_ceil(8) != u32::from(bits).div_ceil(8) {
        return Some(format!("{name} IS NOT NULL"));
    }
    (declared > u32::from(bits)).then(|| format!("{name} + 0 >= {}", 1_u128 << bits))
}
