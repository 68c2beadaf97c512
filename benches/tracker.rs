//! What a worker pays for telling the tracker: one event into the bounded channel while a reader empties it.
//! Sending never waits, so the price is the name's allocation and the channel's own, whatever the reader does.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etl_sync::track::writer::{Event, Tracker};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

fn send(tracker: &Tracker, count: u64) {
    for _ in 0..count {
        tracker.send(Event::Started { table: black_box("procedure_log").to_owned() });
    }
}

/// The time until all `senders` together have sent `count` events each, with one thread that takes them.
fn timed(senders: usize, count: u64) -> Duration {
    let (tracker, receiver) = Tracker::channel();
    thread::scope(|scope| {
        scope.spawn(move || receiver.iter().map(black_box).count());
        let begin = Instant::now();
        thread::scope(|scope| {
            for _ in 0..senders {
                scope.spawn(|| send(&tracker, count));
            }
        });
        let elapsed = begin.elapsed();
        // The reader ends when the last sender is gone.
        drop(tracker);
        elapsed
    })
}

fn sending(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker send");
    for senders in [1, 8] {
        group.throughput(Throughput::Elements(senders as u64));
        group.bench_function(BenchmarkId::new("senders", senders), |b| b.iter_custom(|count| timed(senders, count)));
    }
    group.finish();
}

criterion_group!(benches, sending);
criterion_main!(benches);
