//! What a tracked call costs beside its work: switched off, counted, and timed; alone and on eight threads at once, which is
//! the worst there is: no two workers call anything as often as this.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use etl_sync::usage::{self, Class, Level, Shape, Strategy};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

const SHAPE: Shape = Shape { class: Class::Large, strategy: Strategy::Parallel };

fn calls(count: u64) {
    for i in 0..count {
        let call = usage::COPY_CHUNK.attempt(black_box(SHAPE));
        black_box(call.ends::<u64, ()>(Ok(black_box(i)))).ok();
    }
}

/// The time of `count` calls on each of `threads`.
fn timed(threads: usize, count: u64) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| calls(count));
        }
    });
    begin.elapsed()
}

fn tracking(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracked call");
    for (level, name) in [(Level::Off, "off"), (Level::Calls, "calls"), (Level::Times, "times")] {
        usage::set_level(level);
        group.bench_function(BenchmarkId::new(name, 1), |b| b.iter_custom(|count| timed(1, count)));
    }
    group.bench_function(BenchmarkId::new("times", 8), |b| b.iter_custom(|count| timed(8, count)));
    group.finish();
}

criterion_group!(benches, tracking);
criterion_main!(benches);
