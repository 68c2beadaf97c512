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
    /// Rows between two log lines; 0 for none.
    log_every: u64,
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
            log_every: 0,
        }
    }
}

impl Progress {
    /// Counters that log a line whenever another so many rows are passed, however many come at once; 0 for none.
    #[must_use]
    pub fn logging(every: u64) -> Self {
        Self { log_every: every, ..Self::default() }
    }

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
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(passed) = passed(before, rows, self.log_every) {
            log::info!("{passed} rows, {:.1} s", self.started.elapsed().as_secs_f64());
        }
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

/// The last multiple of `every` that is passed on the way from `before` to `rows` more.
fn passed(before: u64, rows: u64, every: u64) -> Option<u64> {
    let after = before.saturating_add(rows);
    let multiple = after.checked_div(every)?;
    (multiple > before / every).then(|| multiple * every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_jumped_over_by_a_batch_and_none_is_told_twice() {
        assert_eq!(passed(0, 999, 1000), None);
        assert_eq!(passed(999, 1, 1000), Some(1000));
        assert_eq!(passed(1000, 0, 1000), None);
        assert_eq!(passed(1000, 999, 1000), None);
        assert_eq!(passed(900, 333, 1000), Some(1000));
        assert_eq!(passed(900, 5000, 1000), Some(5000));
        assert_eq!(passed(900, 5000, 0), None);
    }
}
