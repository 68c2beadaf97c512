//! What each worker did and when, and how the counters moved meanwhile: the data behind the report's charts.
//!
//! Both lists are bounded whatever a run does. Of spans, the short ones go first, so that the whole length of the run stays
//! visible; of samples, every second one goes and the step doubles. Recording costs a lock per job, not per row.

use super::memory::Resident;
use crate::error::Result;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Spans kept; hundreds of small tables have about three each.
pub const SPANS_MAX: usize = 2_048;

/// Samples kept: more than a chart has pixels for on a phone.
pub const SAMPLES_MAX: usize = 200;

/// Between the first samples; doubled whenever the list is full.
const STEP_FIRST: Duration = Duration::from_millis(50);

/// Workers whose rows are told apart; the command line allows no more.
const WORKERS_MAX: usize = 64;

/// One job of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Span {
    /// Which worker, from 0.
    pub worker: usize,
    /// Source table.
    pub table: String,
    /// `load`, `chunk N`, `count`, `look N`, `decide`, `mend`, `finish`.
    pub what: String,
    /// Its begin, milliseconds since the run began.
    pub at_ms: u64,
    /// Its length, milliseconds.
    pub ms: u64,
    /// Rows that were read for it, those of tries that failed included; not those that were only compared.
    pub rows: u64,
    /// Bytes that went out for it.
    pub bytes: u64,
    /// Kind of the error that ended it.
    pub error: Option<&'static str>,
}

/// One look at the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sample {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// Rows read so far.
    pub rows: u64,
    /// Bytes written so far.
    pub bytes: u64,
    /// Memory of the process, MiB; none where the kernel does not say.
    pub memory_mb: Option<u64>,
    /// Workers that have a job in hand.
    pub workers_busy: u64,
}

/// The spans of a run, for its document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recorded {
    /// In the order of their ends.
    pub spans: Vec<Span>,
    /// Spans that did not fit; the shortest ones.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Spans {
    kept: Vec<Span>,
    /// Shorter ones do not fit any more.
    ms_min: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Samples {
    kept: Vec<Sample>,
    step: Duration,
    next: Duration,
}

impl Default for Samples {
    fn default() -> Self {
        Self { kept: Vec::new(), step: STEP_FIRST, next: Duration::ZERO }
    }
}

/// The recorder; shared by the workers and whoever takes samples.
#[derive(Debug)]
pub struct Timeline {
    started: Instant,
    busy: AtomicU64,
    /// Rows and bytes of the job that each worker has in hand.
    in_hand: Vec<(AtomicU64, AtomicU64)>,
    spans: Mutex<Spans>,
    samples: Mutex<Samples>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            busy: AtomicU64::new(0),
            in_hand: (0..WORKERS_MAX).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
            spans: Mutex::default(),
            samples: Mutex::default(),
        }
    }
}

impl Timeline {
    /// Does a job and records it. Meant for the threads of a pool; others count as worker 0.
    ///
    /// # Errors
    /// That of the job.
    pub fn during<T>(&self, table: &str, what: &str, job: impl FnOnce() -> Result<T>) -> Result<T> {
        let worker = rayon::current_thread_index().unwrap_or(0);
        let at = self.started.elapsed();
        self.busy.fetch_add(1, Ordering::Relaxed);
        let result = job();
        self.busy.fetch_sub(1, Ordering::Relaxed);
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let (rows, bytes) = self.in_hand.get(worker).map_or((0, 0), |(rows, bytes)| (taken(rows), taken(bytes)));
        let error = result.as_ref().err().map(|error| error.kind().word());
        let ms = milliseconds(self.started.elapsed()).saturating_sub(milliseconds(at));
        let span = Span { worker, table: table.into(), what: what.into(), at_ms: milliseconds(at), ms, rows, bytes, error };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).add(span);
        result
    }

    /// Rows and bytes of the job that this thread has in hand.
    pub fn add(&self, rows: u64, bytes: u64) {
        if let Some((all_rows, all_bytes)) = rayon::current_thread_index().and_then(|worker| self.in_hand.get(worker)) {
            all_rows.fetch_add(rows, Ordering::Relaxed);
            all_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Takes a sample when it is time for one, or at once. `counters` are rows and bytes so far.
    pub fn sample(&self, counters: (u64, u64), at_once: bool) {
        let at = self.started.elapsed();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if at >= samples.next || at_once {
            let (rows, bytes) = counters;
            let memory_mb = Resident::of_process().map(|memory| memory.now >> 20);
            let workers_busy = self.busy.load(Ordering::Relaxed);
            samples.add(Sample { at_ms: milliseconds(at), rows, bytes, memory_mb, workers_busy });
        }
    }

    /// What was recorded since the last call: one document each.
    pub fn take(&self) -> (Recorded, Vec<Sample>) {
        let spans = std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner));
        let samples = std::mem::take(&mut self.samples.lock().unwrap_or_else(PoisonError::into_inner).kept);
        (Recorded { spans: spans.kept, dropped: spans.dropped }, samples)
    }
}

impl Spans {
    /// Makes room by leaving the shorter half out, and from then on what is not longer than those.
    fn add(&mut self, span: Span) {
        if self.kept.len() >= SPANS_MAX {
            let mut lengths: Vec<u64> = self.kept.iter().map(|span| span.ms).collect();
            lengths.sort_unstable();
            self.ms_min = lengths.get(lengths.len() / 2).copied().unwrap_or(0).saturating_add(1);
            let (before, ms_min) = (self.kept.len(), self.ms_min);
            self.kept.retain(|span| span.ms >= ms_min || span.error.is_some());
            self.dropped += u64::try_from(before - self.kept.len()).unwrap_or(0);
        }
        let is_kept = self.kept.len() < SPANS_MAX && (span.ms >= self.ms_min || span.error.is_some());
        if is_kept {
            self.kept.push(span);
        } else {
            self.dropped += 1;
        }
    }
}

impl Samples {
    fn add(&mut self, sample: Sample) {
        if self.kept.len() >= SAMPLES_MAX {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.step *= 2;
        }
        self.next = Duration::from_millis(sample.at_ms) + self.step;
        self.kept.push(sample);
    }
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::{Error, Kind};

    fn span(ms: u64, error: Option<&'static str>) -> Span {
        Span { worker: 0, table: "t".into(), what: "load".into(), at_ms: 0, ms, rows: 0, bytes: 0, error }
    }

    #[test]
    fn a_job_is_recorded_with_its_rows_on_whatever_worker_and_with_its_error() {
        let timeline = Timeline::default();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            timeline.add(9, 9);
            let given = timeline.during("before", "count", || Ok(7)).unwrap();
            assert_eq!(given, 7);
            timeline.during("patient", "load", || {
                timeline.add(3, 40);
                timeline.add(2, 2);
                timeline.sample((5, 42), true);
                Ok(())
            })
        })
        .unwrap();
        let failed: Result<()> = timeline.during("claim", "chunk 2", || Err(Error::new(Kind::Proof, "x")));
        assert!(failed.is_err());
        let (recorded, samples) = timeline.take();
        let told: Vec<_> = recorded.spans.iter().map(|s| (s.table.as_str(), s.rows, s.bytes, s.error)).collect();
        assert_eq!(told, [("before", 9, 9, None), ("patient", 5, 42, None), ("claim", 0, 0, Some("proof"))]);
        assert_eq!((samples.len(), samples[0].workers_busy, samples[0].bytes), (1, 1, 42));
        assert_eq!(timeline.take(), (Recorded::default(), Vec::new()), "each document has its own");
    }

    #[test]
    fn spans_stay_bounded_keep_the_long_ones_and_every_error_and_none_is_lost_uncounted() {
        let mut spans = Spans::default();
        let all = 5 * u64::try_from(SPANS_MAX).unwrap();
        for i in 0..all {
            spans.add(span(i % 100, (i % 500 == 0).then_some("data")));
            assert!(spans.kept.len() <= SPANS_MAX);
        }
        assert_eq!(u64::try_from(spans.kept.len()).unwrap() + spans.dropped, all);
        assert_eq!(spans.kept.iter().filter(|s| s.error.is_some()).count(), usize::try_from(all.div_ceil(500)).unwrap());
        assert!(spans.kept.iter().filter(|s| s.error.is_none()).all(|s| s.ms >= spans.ms_min) && spans.ms_min > 40);
        let mut same = Spans::default();
        (0..all).for_each(|_| same.add(span(0, None)));
        assert_eq!(u64::try_from(same.kept.len()).unwrap() + same.dropped, all);
    }

    #[test]
    fn samples_stay_bounded_and_cover_the_whole_run() {
        let mut samples = Samples::default();
        let mut at_ms = 0;
        while at_ms < 3_600_000 {
            samples.add(Sample { at_ms, rows: at_ms, bytes: 0, memory_mb: None, workers_busy: 0 });
            assert!(samples.kept.len() <= SAMPLES_MAX);
            at_ms = milliseconds(samples.next);
        }
        assert!(samples.kept.len() >= SAMPLES_MAX / 2 - 1, "{}", samples.kept.len());
        let gaps: Vec<u64> = samples.kept.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(samples.kept[0].at_ms == 0 && *least > 0 && *most <= 2 * least, "evenly: {least} to {most}");
    }
}
