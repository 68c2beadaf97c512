//! What a digest tells apart, and that it is the same from every way of making it.

#![allow(clippy::unwrap_used)]
use super::super::{Fate, Format, RowWriter, Target};
use super::*;
use crate::plan::ledger;
use crate::value::{Cell, DateTime};
use proptest::prelude::*;

type Row<'a> = Vec<Cell<'a>>;

fn text(value: &str) -> Cell<'_> {
    Cell::Bytes(value.as_bytes())
}

/// The sums of rows on their way in.
fn sums(types: &[ColumnType], key: &[usize], partition: &Partition, rows: &[Row<'_>]) -> Vec<Sum> {
    let layout = Arc::new(Layout::new(types.to_vec(), key.to_vec()));
    let targets = types.iter().map(|ty| Target::new(*ty, false)).collect();
    let digester = Digester::new(layout, Arc::new(partition.clone()));
    let mut writer = RowWriter::new(&Format::Binary, targets, Vec::new()).digested(Some(digester));
    for row in rows {
        assert_eq!(writer.row(row).unwrap(), Fate::Written);
    }
    writer.digester().unwrap().sums().to_vec()
}

fn sum(types: &[ColumnType], rows: &[Row<'_>]) -> Sum {
    sums(types, &[], &Partition::Whole, rows)[0]
}

/// What a naive digest is blind to: texts of cells one behind the other, combined by xor.
fn naive(rows: &[Row<'_>]) -> u64 {
    let spelled = |cell: &Cell<'_>| match cell {
        Cell::Null => String::new(),
        Cell::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap().trim_end().to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => i64::from_ne_bytes(value.to_ne_bytes()).to_string(),
        Cell::Float(value) => format!("{value:.6}"),
        Cell::Double(value) => format!("{}", value + 0.0),
        other => format!("{other:?}"),
    };
    rows.iter().fold(0, |all, row| {
        let line: String = row.iter().map(spelled).collect();
        all ^ line.bytes().fold(1469598103934665603, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(1099511628211))
    })
}

/// Each pair differs, and each is equal to a digest that is made carelessly.
#[test]
fn what_a_naive_digest_does_not_see() {
    use ColumnType as T;
    let texts = [T::Text, T::Text];
    let bits = |bits: u32| Cell::Float(f32::from_bits(bits));
    let decimal = T::Decimal { precision: 9, scale: 2 };
    type Case<'a> = (&'a str, &'a [T], Vec<Row<'a>>, Vec<Row<'a>>);
    let cases: Vec<Case<'_>> = vec![
        ("NULL and empty", &texts, vec![vec![Cell::Null, text("x")]], vec![vec![text(""), text("x")]]),
        ("shifted columns", &texts, vec![vec![text("ab"), text("c")]], vec![vec![text("a"), text("bc")]]),
        ("a pair of duplicates", &[T::Text], vec![vec![text("a")], vec![text("a")]], vec![]),
        ("other duplicates", &[T::Text], vec![vec![text("a")]; 2], vec![vec![text("b")]; 2]),
        ("the last bit of a FLOAT", &[T::Float32], vec![vec![bits(0x3f80_0000)]], vec![vec![bits(0x3f80_0001)]]),
        ("-0", &[T::Float64], vec![vec![Cell::Double(0.0)]], vec![vec![Cell::Double(-0.0)]]),
        ("trailing blanks", &[T::Text], vec![vec![text("a")]], vec![vec![text("a ")]]),
        ("unsigned", &[T::Text], vec![vec![Cell::UInt(u64::MAX)]], vec![vec![Cell::Int(-1)]]),
    ];
    for (name, types, one, other) in &cases {
        assert_eq!(naive(one), naive(other), "{name}: this naive form would see it");
        assert!(!sum(types, one).is_same(sum(types, other)), "{name}");
    }
    // Columns swapped between two rows; 1.0 and 1.00 are one value in a column, and two in a document.
    let cross = |a, b| vec![vec![text("1"), text(a)], vec![text("2"), text(b)]];
    assert!(!sum(&texts, &cross("x", "y")).is_same(sum(&texts, &cross("y", "x"))));
    assert!(sum(&[decimal], &[vec![text("1.0")]]).is_same(sum(&[decimal], &[vec![text("1.00")]])));
    assert!(!sum(&[T::Jsonb], &[vec![text("1.0")]]).is_same(sum(&[T::Jsonb], &[vec![text("1.00")]])));
    assert!(!sum(&[T::Json], &[vec![text("[1]")]]).is_same(sum(&[T::Json], &[vec![text("[ 1]")]])), "json keeps its text");
    assert!(
        sum(&[T::Jsonb], &[vec![text("{\"b\":1e1,\"a\":2}")]]).is_same(sum(&[T::Jsonb], &[vec![text("{\"a\": 2, \"b\": 10}")]]))
    );
    let day = |day| Cell::DateTime(DateTime { year: 2024, month: 2, day, ..DateTime::default() });
    assert!(!sum(&[T::Date], &[vec![day(28)]]).is_same(sum(&[T::Date], &[vec![day(29)]])));
}

/// The definition is stable: whoever changes these bytes has to raise [`VERSION`].
#[test]
fn version_1_is_these_numbers() {
    use ColumnType as T;
    let row = vec![Cell::Int(1), Cell::Null, text(""), text("é"), text("{\"b\": 1.50, \"a\": []}")];
    let sum = sum(&[T::Int32, T::Text, T::Text, T::Varchar { chars: 9 }, T::Jsonb], &[row]);
    assert_eq!((VERSION, sum.rows, format!("{:032x}", sum.digest).as_str()), (1, 1, DIGEST_OF_ONE_ROW));
}

const DIGEST_OF_ONE_ROW: &str = "964d51f6a96cc0ededa3e76601dd3e70";

#[test]
fn a_long_row_has_the_digest_of_its_tuple() {
    use ColumnType as T;
    let long = "x".repeat(super::super::BUFFER_BYTES_KEPT + 1);
    let document = format!("{{\"b\": 1, \"a\": \"{long}\"}}");
    let types = [T::Text, T::Int64, T::Jsonb, T::Text];
    let partition = Partition::Ranges(vec![0, 10, 20]);
    let rows = [
        vec![text(&long), Cell::Int(15), text("1"), Cell::Null],
        vec![Cell::Null, Cell::Int(5), text(&document), text(&long)],
        vec![text("short"), Cell::Int(25), Cell::Null, text(&long)],
    ];
    let there = sums(&types, &[1], &partition, &rows);
    assert_eq!(there.iter().map(|sum| sum.rows).collect::<Vec<_>>(), [0, 1, 1, 1]);
    // As the server would send it back.
    let mut writer = RowWriter::new(&Format::Binary, types.iter().map(|ty| Target::new(*ty, false)).collect(), Vec::new());
    rows.iter().for_each(|row| assert_eq!(writer.row(row).unwrap(), Fate::Written));
    writer.flush().unwrap();
    let mut digester = Digester::new(Arc::new(Layout::new(types.to_vec(), vec![1])), Arc::new(partition));
    for tuple in super::super::image::tuples(writer.sink()).unwrap() {
        digester.row(tuple).unwrap();
    }
    assert_eq!(digester.sums(), there);
}

#[test]
fn keys_of_every_integer_type_find_their_bucket() {
    use ColumnType as T;
    let partition = Partition::Ranges(vec![-5, 0, 9_999, 10_000, 10_001, 100_000_000, i128::from(u64::MAX)]);
    let bucket = |ty, cell| {
        let all = sums(&[T::Text, ty], &[1], &partition, &[vec![Cell::Null, cell]]);
        all.iter().position(|sum| sum.rows == 1).unwrap()
    };
    for ty in [T::Int16, T::Int32, T::Int64, T::UInt64, T::Year] {
        for (key, expected) in [(-6, 0), (-5, 1), (-1, 1), (0, 2), (9_998, 2), (9_999, 3), (10_000, 4), (10_001, 5)] {
            if key >= 0 || ty != T::UInt64 {
                assert_eq!(bucket(ty, Cell::Int(key)), expected, "{ty} {key}");
            }
        }
    }
    assert_eq!(bucket(T::UInt64, Cell::UInt(99_999_999)), 5);
    assert_eq!(bucket(T::UInt64, Cell::UInt(100_000_000)), 6);
    assert_eq!(bucket(T::UInt64, Cell::UInt(u64::MAX - 1)), 6);
    assert_eq!(bucket(T::UInt64, Cell::UInt(u64::MAX)), 7);
}

#[test]
fn what_is_no_tuple_is_refused() {
    let layout = Arc::new(Layout::new(vec![ColumnType::Int32], vec![0]));
    let mut digester = Digester::new(layout, Arc::new(Partition::Whole));
    assert_eq!(digester.row(&[]), Err(NoTuple));
    assert_eq!(digester.row(&[0, 2, 255, 255, 255, 255, 255, 255, 255, 255]), Err(NoTuple));
    assert_eq!(ledger::total(digester.sums()), Sum::default());
}

proptest! {
    /// Equal rows have equal digests in any order; one changed bit does not.
    #[test]
    fn one_bit_is_enough(mut rows in prop::collection::vec((any::<i64>(), prop::option::of(any::<Vec<u8>>())), 1..20), at: prop::sample::Index, bit in 0_u32..64) {
        let types = [ColumnType::Int64, ColumnType::Bytes];
        let partition = Partition::Hashes(2);
        let of = |rows: &[(i64, Option<Vec<u8>>)]| {
            let rows: Vec<Row<'_>> = rows
                .iter()
                .map(|(number, bytes)| vec![Cell::Int(*number), bytes.as_ref().map_or(Cell::Null, |bytes| Cell::Bytes(bytes))])
                .collect();
            sums(&types, &[0], &partition, &rows)
        };
        let before = of(&rows);
        let changed = at.index(rows.len());
        rows.reverse();
        prop_assert_eq!(&of(&rows), &before);
        rows[changed].0 ^= 1 << bit;
        prop_assert!(!ledger::total(&of(&rows)).is_same(ledger::total(&before)));
        prop_assert!(!ledger::differing(&of(&rows), &before).is_empty());
    }
}
