//! Encoding per type, 10,000 rows a time, and one wide row shaped like a practice's procedure log.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etl_sync::encode::{Fate, Format, NullToken, RowWriter, Target};
use etl_sync::value::{Cell, ColumnType, DateTime, Time};
use std::hint::black_box;
use std::io;

const ROWS: usize = 10_000;

const DAY: DateTime = DateTime { year: 2024, month: 5, day: 17, hour: 14, minute: 3, second: 59, micro: 120_000 };

fn samples() -> Vec<(&'static str, ColumnType, Cell<'static>)> {
    let time = Time { negative: false, hours: 8, minutes: 30, seconds: 0, micros: 0 };
    let srid_point: &[u8] = b"\xe6\x10\0\0\x01\x01\0\0\0\0\0\0\0\0\0\x14@\0\0\0\0\0\0\x18@";
    vec![
        ("null", ColumnType::Text, Cell::Null),
        ("int", ColumnType::Int64, Cell::Int(123_456_789)),
        ("real", ColumnType::Float32, Cell::Float(1.234_567)),
        ("double", ColumnType::Float64, Cell::Double(149.95)),
        ("decimal", ColumnType::Decimal { precision: 10, scale: 2 }, Cell::Bytes(b"12345678.90")),
        ("varchar", ColumnType::Varchar { chars: 255 }, Cell::Bytes(b"periodic exam")),
        ("text quoted", ColumnType::Text, Cell::Bytes(b"said \"no\", then left\nat once")),
        ("bytea", ColumnType::Bytes, Cell::Bytes(&[0xab; 64])),
        ("boolean", ColumnType::Boolean, Cell::Bytes(&[1])),
        ("bit(20)", ColumnType::Bit { bits: 20 }, Cell::Bytes(&[0x0e, 0x38, 0xe3])),
        ("date", ColumnType::Date, Cell::DateTime(DAY)),
        ("timestamp", ColumnType::Timestamp { digits: 0 }, Cell::DateTime(DateTime { micro: 0, ..DAY })),
        ("timestamptz(6)", ColumnType::TimestampTz { digits: 6 }, Cell::DateTime(DAY)),
        ("interval", ColumnType::Interval { digits: 0 }, Cell::Time(time)),
        ("geometry", ColumnType::Geometry, Cell::Bytes(srid_point)),
        ("vector(4)", ColumnType::Vector, Cell::Bytes(b"\0\0\xc0?\0\0\0\xc0\x17\xb7\xd18\0\0\x80?")),
    ]
}

fn formats() -> [(&'static str, Format); 2] {
    [("csv", Format::Csv(NullToken::random())), ("binary", Format::Binary)]
}

fn run(format: &Format, columns: &[Target], row: &[Cell<'_>]) {
    let mut out = RowWriter::new(format, columns.to_vec(), io::sink());
    for _ in 0..ROWS {
        assert!(matches!(out.row(black_box(row)), Ok(Fate::Written)));
    }
}

fn per_type(c: &mut Criterion) {
    for (word, format) in formats() {
        let mut group = c.benchmark_group(format!("encode {word}"));
        for (name, ty, cell) in samples() {
            // Eight columns of one type, so that the cost of a row's end is spread.
            let columns = [Target::new(ty, false); 8];
            group.throughput(Throughput::Elements(8 * ROWS as u64));
            group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| run(&format, &columns, &[cell; 8])));
        }
        group.finish();
    }
}

fn wide_row(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode row");
    let shape = [
        ("int", 20),
        ("varchar", 8),
        ("date", 5),
        ("double", 5),
        ("interval", 2),
        ("timestamp", 2),
        ("text quoted", 1),
        ("null", 1),
    ];
    let mut columns = Vec::new();
    let mut row = Vec::new();
    for (name, count) in shape {
        for (_, ty, cell) in samples().into_iter().filter(|sample| sample.0 == name) {
            columns.extend(std::iter::repeat_n(Target::new(ty, false), count));
            row.extend(std::iter::repeat_n(cell, count));
        }
    }
    group.throughput(Throughput::Elements(ROWS as u64));
    for (word, format) in formats() {
        group.bench_function(format!("44 columns, {word}"), |b| b.iter(|| run(&format, &columns, &row)));
    }
    group.finish();
}

criterion_group!(benches, per_type, wide_row);
criterion_main!(benches);
