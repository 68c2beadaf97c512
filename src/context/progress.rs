//! Counters of a run that workers raise and anybody may read: for progress bars, log lines and tests.

use super::timeline::Timeline;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The counters; cheap enough to be raised per block, not per row.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    tables_total: AtomicU64,
    tables_done: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    bytes_estimated: AtomicU64,
    /// What each worker did and when.
    pub timeline: Timeline,
}

/// One look at the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Since the run began.
    pub elapsed: Duration,
    /// Tables of the plan.
    pub tables_total: u64,
    /// Tables that ended, well or not.
    pub tables_done: u64,
    /// Rows written into COPY so far.
    pub rows: u64,
    /// Bytes written into COPY so far.
    pub bytes: u64,
    /// Bytes of the source's tables, as its server estimates them; 0 when unknown.
    pub bytes_estimated: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            tables_total: AtomicU64::new(0),
            tables_done: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            bytes_estimated: AtomicU64::new(0),
            timeline: Timeline::default(),
        }
    }
}

impl Progress {
    /// What the run will do.
    pub fn plan(&self, tables: u64, bytes_estimated: u64) {
        self.tables_total.store(tables, Ordering::Relaxed);
        self.bytes_estimated.store(bytes_estimated, Ordering::Relaxed);
    }

    /// A table ended.
    pub fn table_done(&self) {
        self.tables_done.fetch_add(1, Ordering::Relaxed);
    }

    /// A block of rows went out.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.timeline.add(rows, bytes);
    }

    /// Notes the counters when it is time to, or `at_once`.
    pub fn sample(&self, at_once: bool) {
        let counters = (self.rows.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        self.timeline.sample(counters, at_once);
    }

    /// One look.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed: self.started.elapsed(),
            tables_total: self.tables_total.load(Ordering::Relaxed),
            tables_done: self.tables_done.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            bytes_estimated: self.bytes_estimated.load(Ordering::Relaxed),
        }
    }
}
