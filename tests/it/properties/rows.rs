//! Rows of many types, with NULLs, faults and cells of all sizes between each other.

use super::copying::{Campaign, Expect, Kind, Sample, compare};
use crate::random::Random;
use crate::servers::cell;
use etl_sync::config::Policy;
use etl_sync::encode::{Format, NullToken};
use etl_sync::value::{Cell, ColumnType, Fault};
use mysql::Value;

const ROWS: usize = 300;

/// A row that has to go must leave no trace: neither in its neighbours nor in the count of mended cells.
pub fn check(campaign: &mut Campaign, mut kinds: Vec<Kind>, random: &mut Random) {
    let width = 2 + usize::try_from(random.below(14)).unwrap();
    while kinds.len() > width {
        kinds.swap_remove(usize::try_from(random.below(u64::try_from(kinds.len()).unwrap())).unwrap());
    }
    let mut columns: Vec<Vec<Option<Sample>>> = Vec::new();
    for kind in &kinds {
        let samples = campaign.samples(kind, ROWS).into_iter();
        // Many kinds have a fault in every fifth value; in wide rows that would leave nothing.
        columns.push(samples.map(|sample| keep(sample, random)).collect());
    }
    for (ty, ask) in [(ColumnType::Bytes, "encode({c}, 'hex')"), (ColumnType::Text, "encode(convert_to({c}, 'UTF8'), 'hex')")] {
        let at = usize::try_from(random.below(u64::try_from(kinds.len() + 1).unwrap())).unwrap();
        kinds.insert(at, Kind { ty, ask, ..kinds[0].clone() });
        columns.insert(at, (0..ROWS).map(|_| long(random, ty == ColumnType::Text)).collect());
    }
    campaign.add(ROWS * kinds.len());

    let rows: Vec<Vec<Cell<'_>>> = (0..ROWS)
        .map(|row| columns.iter().map(|column| column[row].as_ref().map_or(Cell::Null, |sample| cell(&sample.value))).collect())
        .collect();
    let expects: Vec<Vec<Option<&Expect>>> =
        (0..ROWS).map(|row| columns.iter().map(|column| column[row].as_ref().map(|sample| &sample.expect)).collect()).collect();
    let kinds: Vec<&Kind> = kinds.iter().collect();
    for format in [Format::Csv(NullToken::random()), Format::Binary] {
        for policy in [Policy::Reject, Policy::Null] {
            let copied = campaign.copy(&kinds, &rows, &format, policy);
            if let Err(why) = copied.and_then(|copied| compare(&expects, &copied, policy)) {
                let types: Vec<String> = kinds.iter().map(|kind| kind.ty.to_string()).collect();
                panic!("{format:?}, policy {policy}, columns {types:?}: {why}");
            }
        }
    }
}

fn keep(sample: Sample, random: &mut Random) -> Option<Sample> {
    let keep = if sample.expect.is_faulty() { random.below(10) == 0 } else { random.below(8) != 0 };
    keep.then_some(sample)
}

/// Mostly nothing, sometimes more than a block, rarely more than a buffer keeps: such values go past the buffer.
fn long(random: &mut Random, text: bool) -> Option<Sample> {
    let length = match random.below(100) {
        0 => 1024 * 1024 + random.below(200_000),
        1..4 => 100_000 + random.below(100_000),
        4..25 => random.below(5000),
        _ => return None,
    };
    let letter = |byte: u8| if text { b'a' + byte % 26 } else { byte };
    let mut bytes: Vec<u8> = (0..length).map(|_| letter(random.next().to_le_bytes()[0])).collect();
    if text && random.below(3) == 0 {
        bytes.push(0xff);
        return Some(Sample::new(Value::Bytes(bytes), Err(Fault::InvalidUtf8)));
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)]));
    let answer = digits.collect();
    Some(Sample::new(Value::Bytes(bytes), Ok(answer)))
}
