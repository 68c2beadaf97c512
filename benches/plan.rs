//! Cutting an integer key into chunks, without a server: what the decisions themselves cost, on dense and on holey keys.
//! One question to a real server is about 0.2 ms; so many are asked that the pure part must be small beside them.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use etl_sync::plan::chunks::{ChunkGoal, integer};
use std::hint::black_box;

const ROWS: u64 = 3_000_000;

/// Runs of consecutive keys: the first key and the length.
type Runs = Vec<(i128, u64)>;

fn shapes() -> [(&'static str, Runs); 3] {
    // A key that was moved on by a billion now and then, as by a restored backup or a second writing server.
    let holes = (0..300).map(|i| (i128::from(i) * 1_000_000_000, ROWS / 300)).collect();
    // Ids that carry a time in their upper bits: everything lies in a narrow end of a wide range.
    let crowded = vec![(1, 10), (i128::from(i64::MAX) - i128::from(ROWS), ROWS)];
    [("dense", vec![(1, ROWS)]), ("holes", holes), ("crowded end", crowded)]
}

/// Rows in `[low, high)`, as a server with exact estimates would say.
fn rows_between(runs: &Runs, low: i128, high: i128) -> u64 {
    let begin = runs.partition_point(|&(start, length)| start + i128::from(length) <= low);
    let within = runs.iter().skip(begin).take_while(|&&(start, _)| start < high);
    within.map(|&(start, length)| u64::try_from((start + i128::from(length)).min(high) - start.max(low)).unwrap_or(0)).sum()
}

fn integer_keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan integer key");
    for (name, runs) in shapes() {
        let ends = runs.first().zip(runs.last()).map(|(first, last)| (first.0, last.0 + i128::from(last.1) - 1));
        let Some((min, max)) = ends else { continue };
        for rows_per_chunk in [100_000, 5_000] {
            let goal = ChunkGoal { rows: ROWS, rows_per_chunk };
            group.bench_function(BenchmarkId::new(name, rows_per_chunk), |b| {
                b.iter(|| integer(black_box(goal), min, max, |low, high| Ok(rows_between(&runs, low, high))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, integer_keys);
criterion_main!(benches);
