//! Shows a run's counters: a bar on a terminal, a log line now and then elsewhere, nothing with `-q`. And notes them for the
//! report, whoever looks.

use super::output;
use crate::context::progress::{Progress, Snapshot};
use crate::error::{Doing, Kind, Result};
use crate::report::plan::{bytes, length};
use crate::report::text::number;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two drawings of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Between two log lines where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Between two looks at whether a sample is due.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The thread that shows progress and takes samples.
pub struct Shown {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Shown {
    /// Starts showing, unless `quiet`, and taking samples.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn start(progress: Arc<Progress>, bars: &MultiProgress, quiet: bool) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| bar(bars));
        let stopped = Arc::clone(&stop);
        let every = if bar.is_some() { DRAW_EVERY } else { LOG_EVERY };
        let body = move || {
            let mut next = if bar.is_some() { Instant::now() } else { Instant::now() + LOG_EVERY };
            while !stopped.load(Ordering::Relaxed) {
                if Instant::now() >= next {
                    next = Instant::now() + every;
                    match &bar {
                        Some(bar) => draw(bar, progress.snapshot()),
                        None if !quiet => log::info!("{}", line(progress.snapshot())),
                        None => {}
                    }
                }
                progress.sample(false);
                std::thread::park_timeout(LOOK_EVERY);
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        };
        let thread = std::thread::Builder::new().name("progress".into()).spawn(body);
        Ok(Self { stop, thread: thread.doing(Kind::Internal, || "starting the progress thread")? })
    }

    /// Takes the bar away.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            output::stderr("the progress thread panicked\n");
        }
    }
}

fn bar(bars: &MultiProgress) -> ProgressBar {
    let bar = bars.add(ProgressBar::new(0));
    match ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}") {
        Ok(style) => bar.set_style(style.progress_chars("=> ")),
        Err(error) => log::debug!("the progress bar keeps its default form: {error}"),
    }
    bar
}

fn draw(bar: &ProgressBar, now: Snapshot) {
    // Without an estimate of bytes the tables are the measure.
    let (done, total) = measure(now);
    bar.set_length(total.max(1));
    bar.set_position(done);
    bar.set_message(line(now));
}

/// What is done of how much: bytes where the source could estimate them, else tables. Never more than all.
fn measure(now: Snapshot) -> (u64, u64) {
    let (done, total) =
        if now.bytes_estimated > 0 { (now.bytes, now.bytes_estimated) } else { (now.tables_done, now.tables_total) };
    // An estimate that was too small must not show 100 % while tables are open.
    let limit = if now.tables_done < now.tables_total { total.saturating_mul(99) / 100 } else { total };
    (done.min(limit), total)
}

fn line(now: Snapshot) -> String {
    if now.tables_total == 0 {
        return "reading the catalogs".into();
    }
    let per_second = |count: u64| {
        let milliseconds = u64::try_from(now.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        count.saturating_mul(1000) / milliseconds
    };
    let mut out = format!(
        "{}/{} tables, {} rows, {} rows/s, {}/s",
        now.tables_done,
        now.tables_total,
        number(now.rows),
        number(per_second(now.rows)),
        bytes(per_second(now.bytes))
    );
    if let Some(left) = left(now) {
        out.push_str(&format!(", about {} left", length(left.as_secs_f64())));
    }
    out
}

/// Time left by bytes; none before a fiftieth is done, when it would be a guess.
fn left(now: Snapshot) -> Option<Duration> {
    let (done, total) = measure(now);
    if now.bytes_estimated == 0 || done < total / 50 || done == 0 {
        return None;
    }
    let milliseconds = now.elapsed.as_millis() * u128::from(total - done) / u128::from(done);
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs(10),
            tables_total: 4,
            tables_done: 1,
            rows: 5_000_000,
            bytes: 250 << 20,
            bytes_estimated: 1000 << 20,
        }
    }

    #[test]
    fn rates_and_time_left() {
        assert_eq!(line(snapshot()), "1/4 tables, 5,000,000 rows, 500,000 rows/s, 25.0 MiB/s, about 30.0 s left");
        assert_eq!(line(Snapshot { tables_total: 0, ..snapshot() }), "reading the catalogs");
        assert_eq!(left(Snapshot { bytes: 1, ..snapshot() }), None);
        assert_eq!(left(Snapshot { bytes_estimated: 0, ..snapshot() }), None);
    }

    #[test]
    fn open_tables_are_never_a_hundred_percent() {
        assert_eq!(measure(Snapshot { bytes: 3000 << 20, ..snapshot() }), (990 << 20, 1000 << 20));
        assert_eq!(measure(Snapshot { bytes_estimated: 0, ..snapshot() }), (1, 4));
        assert_eq!(measure(Snapshot { bytes: 3000 << 20, tables_done: 4, ..snapshot() }), (1000 << 20, 1000 << 20));
    }
}
