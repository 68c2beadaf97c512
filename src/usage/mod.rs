//! Which methods a process calls: counters that cost nanoseconds, one per registered method.
//!
//! All methods stand in one list (`methods.rs`), so that one that was never called shows with zero. A function marks itself with
//! one line. Counters belong to the process; those of a run are what came between two [`Snapshot`]s. Telemetry: nothing here fails.

mod document; // what is kept between runs
mod methods; // the list of all methods
mod snapshot; // counters as numbers

pub use document::{Document, KEPT_RUN_IDS, KEPT_RUNS, Record, Run, SCHEMA_VERSION, ShapeRecord, Unreadable};
pub use methods::*;
pub use snapshot::{Counts, Snapshot, Spent};

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Size class of the table that a call is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Of no table.
    #[default]
    None,
    /// Below 10,000 rows.
    Tiny,
    /// From 10,000 rows.
    Small,
    /// From 100,000 rows.
    Medium,
    /// From 1,000,000 rows.
    Large,
}

/// Strategy of the table that a call is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// Of no table.
    #[default]
    None,
    /// One transaction.
    Standard,
    /// One stream.
    Streaming,
    /// Chunk after chunk.
    Chunked,
    /// Chunks into a new table.
    CopyCsv,
    /// Chunks, merged.
    Parallel,
}

/// What a call was about, in place of its arguments: never a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Size class.
    pub class: Class,
    /// Strategy.
    pub strategy: Strategy,
}

impl Class {
    const ALL: [Self; 5] = [Self::None, Self::Tiny, Self::Small, Self::Medium, Self::Large];

    /// Stable word; empty for [`Class::None`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        ["", "tiny", "small", "medium", "large"][self as usize]
    }
}

impl Strategy {
    const ALL: [Self; 6] = [Self::None, Self::Standard, Self::Streaming, Self::Chunked, Self::CopyCsv, Self::Parallel];

    /// Stable word; empty for [`Strategy::None`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        ["", "standard", "streaming", "chunked", "copy_csv", "parallel"][self as usize]
    }
}

impl Shape {
    /// Of no table.
    pub const NONE: Self = Self { class: Class::None, strategy: Strategy::None };

    const COUNT: usize = Class::ALL.len() * Strategy::ALL.len();

    const fn index(self) -> usize {
        self.class as usize * Strategy::ALL.len() + self.strategy as usize
    }

    fn all() -> impl Iterator<Item = Self> {
        Class::ALL.into_iter().flat_map(|class| Strategy::ALL.into_iter().map(move |strategy| Self { class, strategy }))
    }
}

/// What is counted of each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// Calls, failures, threads, first and last seen.
    Calls,
    /// Their time, too.
    Times,
}

static LEVEL: AtomicU8 = AtomicU8::new(2);

/// Sets what this process counts; without it, everything.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Relaxed);
}

/// Counters of one shape of calls.
#[derive(Debug)]
struct Cells {
    calls: AtomicU64,
    failures: AtomicU64,
    nanos: AtomicU64,
    nanos_max: AtomicU64,
    rows: AtomicU64,
}

impl Cells {
    const fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            nanos_max: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }
}

/// A registered method and its counters.
#[derive(Debug)]
pub struct Method {
    /// `Type.method`, where a free function's type is its module.
    pub id: &'static str,
    /// What it does, in a line.
    pub purpose: &'static str,
    /// Microseconds since 1970; 0 when not called.
    first: AtomicU64,
    last: AtomicU64,
    /// A bit per thread, in the order in which threads call anything; those from the 64th on share a bit.
    threads: AtomicU64,
    cells: [Cells; Shape::COUNT],
}

impl Method {
    const fn new(id: &'static str, purpose: &'static str) -> Self {
        Self {
            id,
            purpose,
            first: AtomicU64::new(0),
            last: AtomicU64::new(0),
            threads: AtomicU64::new(0),
            cells: [const { Cells::new() }; Shape::COUNT],
        }
    }

    /// A call of a method that cannot fail but by a panic. Ends when the guard is dropped.
    #[must_use = "the call ends when this is dropped"]
    pub fn enter(&'static self, shape: Shape) -> Call {
        self.call(shape, true)
    }

    /// A call of a method that can fail: it has, unless [`Call::ends`] or [`Call::ended`] was told otherwise before the drop.
    #[must_use = "the call ends when this is dropped"]
    pub fn attempt(&'static self, shape: Shape) -> Call {
        self.call(shape, false)
    }

    /// Runs `work` as a call of this method.
    pub fn run<T, E>(&'static self, shape: Shape, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let call = self.attempt(shape);
        call.ends(work())
    }

    /// Something that has no single call: work of several threads that has ended just now, after `elapsed`.
    pub fn record(&'static self, shape: Shape, is_ok: bool, rows: u64, elapsed: Duration) {
        let begun = now_micros().saturating_sub(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        if LEVEL.load(Relaxed) != Level::Off as u8 && self.first.load(Relaxed) == 0 {
            self.first.store(begun, Relaxed);
        }
        let mut call = self.call(shape, is_ok);
        call.rows = rows;
        call.started = call.started.and_then(|now| now.checked_sub(elapsed));
    }

    #[inline]
    fn call(&'static self, shape: Shape, is_ok: bool) -> Call {
        let level = LEVEL.load(Relaxed);
        if level == Level::Off as u8 {
            return Call { method: None, shape, started: None, is_ok, rows: 0 };
        }
        self.seen();
        let bit = thread_bit();
        if self.threads.load(Relaxed) & bit == 0 {
            self.threads.fetch_or(bit, Relaxed);
        }
        if let Some(cells) = self.cells.get(shape.index()) {
            cells.calls.fetch_add(1, Relaxed);
        }
        let started = (level == Level::Times as u8).then(Instant::now);
        Call { method: Some(self), shape, started, is_ok, rows: 0 }
    }

    fn seen(&self) {
        let now = coarse_now();
        // Two threads at once may leave the earlier of two moments that are some milliseconds apart.
        if self.last.load(Relaxed) < now {
            self.last.store(now, Relaxed);
        }
        if self.first.load(Relaxed) == 0 {
            self.seen_first();
        }
    }

    #[cold]
    fn seen_first(&self) {
        let now = now_micros();
        if self.first.compare_exchange(0, now, Relaxed, Relaxed).is_ok() {
            // The coarse clock is some milliseconds behind.
            self.last.fetch_max(now, Relaxed);
        }
    }
}

/// A call that has not ended.
#[derive(Debug)]
pub struct Call {
    method: Option<&'static Method>,
    shape: Shape,
    started: Option<Instant>,
    is_ok: bool,
    rows: u64,
}

impl Call {
    /// Ends the call as the result says, and gives the result back.
    #[inline]
    pub fn ends<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        self.is_ok = result.is_ok();
        result
    }

    /// Ends the call.
    pub fn ended(mut self, is_ok: bool) {
        self.is_ok = is_ok;
    }

    /// How many rows it was about.
    pub const fn rows(&mut self, rows: u64) {
        self.rows = rows;
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        let Some(method) = self.method else { return };
        let Some(cells) = method.cells.get(self.shape.index()) else { return };
        let elapsed = self.started.map(|started| u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if let Some(nanos) = elapsed {
            cells.nanos.fetch_add(nanos, Relaxed);
            if cells.nanos_max.load(Relaxed) < nanos {
                cells.nanos_max.fetch_max(nanos, Relaxed);
            }
        }
        if self.rows > 0 {
            cells.rows.fetch_add(self.rows, Relaxed);
        }
        let is_ok = self.is_ok && !std::thread::panicking();
        if !is_ok {
            cells.failures.fetch_add(1, Relaxed);
        }
        if log::log_enabled!(log::Level::Debug) {
            tell(method, self.shape, is_ok, elapsed);
        }
    }
}

#[cold]
fn tell(method: &Method, Shape { class, strategy }: Shape, is_ok: bool, nanos: Option<u64>) {
    let outcome = if is_ok { "ok" } else { "failed" };
    let time = nanos.map(|nanos| format!(" {}.{:03} ms", nanos / 1_000_000, nanos / 1_000 % 1_000)).unwrap_or_default();
    let words = [class.word(), strategy.word()].map(|word| if word.is_empty() { String::new() } else { format!(" {word}") });
    log::debug!("[METHOD_TRACK] {} {outcome}{time}{}", method.id, words.concat());
}

static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static BIT: Cell<u64> = const { Cell::new(0) };
}

/// This thread's bit; that of the 64th when it cannot be kept any more, at the thread's end.
#[inline]
fn thread_bit() -> u64 {
    let own = BIT.try_with(|bit| {
        if bit.get() == 0 {
            bit.set(1_u64.checked_shl(THREADS.fetch_add(1, Relaxed)).filter(|bit| *bit > 0).unwrap_or(1 << 63));
        }
        bit.get()
    });
    own.unwrap_or(1 << 63)
}

/// Microseconds since 1970, up to some milliseconds late: a clock that is read in a few nanoseconds.
#[inline]
fn coarse_now() -> u64 {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
