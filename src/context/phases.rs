//! The phases of a run: what each is doing or did, how long, how much, and the memory it took.

use super::Context;
use super::memory::{HighMark, MIB, Resident};
use super::progress::Snapshot;
use chrono::{SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a phase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not begun.
    Pending,
    /// Begun, not ended.
    Running,
    /// Ended well.
    Completed,
    /// Ended, and somebody should look at it.
    Warning,
    /// Ended by an error or a panic, or left without an end.
    Failed,
}

impl State {
    /// Whether what the phase was for has been done.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Completed | Self::Warning)
    }
}

/// A phase as documents show it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Phase {
    /// `discover`, `replicate`, `load`, `transform`, `verify`, `report`; or a name of somebody's own.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// RFC 3339, UTC; none for one that has not begun.
    pub started_at: Option<String>,
    /// Length, up to now where it is running.
    pub seconds: f64,
    /// Rows it dealt with.
    pub rows: u64,
    /// Bytes it dealt with, where it counts them.
    pub bytes: u64,
    /// Rows per second; 0 for none.
    pub rows_per_second: f64,
    /// The most memory that the process had meanwhile, MiB rounded up; none where the kernel does not tell.
    pub memory_high_mb: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    state: State,
    started_at: Option<String>,
    /// Of a phase that is running; others have their length in `took`.
    since: Option<Instant>,
    took: Duration,
    rows: u64,
    bytes: u64,
    mark: HighMark,
    /// Ends as a warning when nothing worse comes.
    is_warned: bool,
}

impl Entry {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: State::Pending,
            started_at: None,
            since: None,
            took: Duration::ZERO,
            rows: 0,
            bytes: 0,
            mark: HighMark::default(),
            is_warned: false,
        }
    }

    fn told(&self) -> Phase {
        let took = self.took + self.since.map_or(Duration::ZERO, |since| since.elapsed());
        // Whole milliseconds are all that is meant.
        let milliseconds = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let seconds = f64::from(milliseconds) / 1000.0;
        let rows = self.rows.saturating_mul(1000);
        let per_second = rows.checked_div(u64::from(milliseconds.max(1))).and_then(|rate| u32::try_from(rate).ok());
        Phase {
            name: self.name.clone(),
            state: self.state,
            started_at: self.started_at.clone(),
            seconds,
            rows: self.rows,
            bytes: self.bytes,
            rows_per_second: f64::from(per_second.unwrap_or(u32::MAX)),
            memory_high_mb: self.mark.bytes().map(|bytes| bytes.div_ceil(MIB)),
        }
    }
}

/// All phases of a run, in the order they were planned or begun.
#[derive(Debug, Default)]
pub struct Phases {
    all: Mutex<Vec<Entry>>,
}

impl Phases {
    /// What the run will do: phases that are not begun are told as `pending`.
    pub fn plan(&self, names: &[&str]) {
        let mut all = self.all();
        for name in names {
            if !all.iter().any(|entry| entry.name == *name) {
                all.push(Entry::new(name));
            }
        }
    }

    /// As documents show them.
    #[must_use]
    pub fn told(&self) -> Vec<Phase> {
        self.all().iter().map(Entry::told).collect()
    }

    /// Where a phase stands; none for one that nobody has named.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<State> {
        self.all().iter().find(|entry| entry.name == name).map(|entry| entry.state)
    }

    /// A look at the memory, for the phases that are running.
    pub(super) fn saw(&self, resident: Resident) {
        self.all().iter_mut().filter(|entry| entry.state == State::Running).for_each(|entry| entry.mark.saw(resident));
    }

    /// Begins a phase, or goes on with one that had ended.
    fn begin(&self, name: &str) {
        self.plan(&[name]);
        let resident = Resident::of_process().unwrap_or_default();
        self.with(name, |entry| {
            entry.state = State::Running;
            entry.since = Some(Instant::now());
            if entry.started_at.is_none() {
                entry.started_at = Some(moment());
                entry.mark = HighMark::since(resident);
            }
        });
    }

    fn end(&self, name: &str, state: State) {
        let resident = Resident::of_process().unwrap_or_default();
        self.with(name, |entry| {
            entry.state = if state == State::Completed && entry.is_warned { State::Warning } else { state };
            entry.took += entry.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            entry.mark.saw(resident);
        });
    }

    fn with(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.all().iter_mut().find(|entry| entry.name == name) {
            change(entry);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A phase that is running. One that is dropped without an end (an early return, a panic) has failed.
#[derive(Debug)]
pub struct Running<'a> {
    context: &'a Context,
    name: String,
    before: Snapshot,
    is_open: bool,
}

impl<'a> Running<'a> {
    pub(super) fn begin(context: &'a Context, name: &str) -> Self {
        context.phases.begin(name);
        context.checkpoints.phase(name, State::Running);
        log::debug!("phase {name} begins");
        Self { context, name: name.to_owned(), before: context.progress.snapshot(), is_open: true }
    }

    /// Rows and bytes that it dealt with.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.context.phases.with(&self.name, |entry| {
            entry.rows += rows;
            entry.bytes += bytes;
        });
    }

    /// Takes what the run's counters counted since the phase began for its own.
    pub fn add_progress(&self) {
        let now = self.context.progress.snapshot();
        self.add(now.rows.saturating_sub(self.before.rows), now.bytes.saturating_sub(self.before.bytes));
    }

    /// Somebody should look at it; it ends as `warning`.
    pub fn warn(&self) {
        self.context.phases.with(&self.name, |entry| entry.is_warned = true);
    }

    /// It is done.
    pub fn complete(self) {
        self.end(State::Completed);
    }

    /// It failed; its error is told by whoever has it.
    pub fn fail(self) {
        self.end(State::Failed);
    }

    fn end(mut self, state: State) {
        self.is_open = false;
        self.close(state);
    }

    fn close(&self, state: State) {
        self.context.phases.end(&self.name, state);
        let state = self.context.phases.state(&self.name).unwrap_or(state);
        self.context.checkpoints.phase(&self.name, state);
        log::debug!("phase {} ends: {state:?}", self.name);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.close(State::Failed);
        }
    }
}

/// Now, as documents show it: RFC 3339, UTC, milliseconds.
pub(super) fn moment() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn phases_are_told_in_their_order_with_what_they_did() {
        let context = Context::new("r");
        context.phases.plan(&["extract", "load"]);
        assert_eq!(context.phases.state("load"), Some(State::Pending));
        let extract = context.phase("extract");
        let other = context.phase("look");
        extract.add(10, 100);
        extract.add(5, 0);
        other.warn();
        assert_eq!(context.phases.state("extract"), Some(State::Running));
        extract.complete();
        other.complete();
        let told = context.phases.told();
        let states: Vec<_> = told.iter().map(|phase| (phase.name.as_str(), phase.state)).collect();
        assert_eq!(states, [("extract", State::Completed), ("load", State::Pending), ("look", State::Warning)]);
        assert_eq!((told[0].rows, told[0].bytes), (15, 100));
        assert!(told[0].memory_high_mb.unwrap() > 1 && told[1].memory_high_mb.is_none());
        assert!(told[0].started_at.is_some() && told[1].started_at.is_none());
    }

    #[test]
    fn a_phase_that_is_left_by_a_panic_or_an_early_return_has_failed() {
        let context = Context::new("r");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _phase = context.phase("load");
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(context.phases.state("load"), Some(State::Failed));
        // Once more, and its time goes on.
        context.phase("load").complete();
        assert_eq!(context.phases.state("load"), Some(State::Completed));
    }

    #[test]
    fn the_counters_of_the_run_become_those_of_the_phase() {
        let context = Context::new("r");
        context.progress.add(7, 70);
        let phase = context.phase("load");
        context.progress.add(3, 30);
        phase.add_progress();
        phase.complete();
        let told = &context.phases.told()[0];
        assert_eq!((told.rows, told.bytes), (3, 30));
    }
}
