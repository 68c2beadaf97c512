//! The state of a run as everybody may see it: running, draining, aborting.
//!
//! Draining means: finish the chunk in hand, take no new one, leave a state that the next run goes on from. Aborting means: also
//! what runs at the servers is ended, and what it would have done is left to the next run.
//! Signals only set this state; nothing here ends the process.

use crate::error::{Error, Kind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::time::{Duration, Instant};

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const ABORTING: u8 = 2;

/// How long a sleeping thread may overlook a change of state.
const SLEEP_STEP: Duration = Duration::from_millis(50);

/// Shared by all threads of a run; clones see the same state.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    state: Arc<AtomicU8>,
    signal: Arc<AtomicI32>,
}

impl Cancel {
    /// A run that nobody has asked to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop because of `signal` (0: not a signal); asking twice aborts.
    pub fn ask(&self, signal: i32) {
        if self.state.compare_exchange(RUNNING, DRAINING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            self.state.store(ABORTING, Ordering::SeqCst);
        } else {
            self.signal.store(signal, Ordering::SeqCst);
        }
    }

    /// Work in hand is not waited for any longer. Nothing changes for a run that nobody has asked to stop.
    pub fn abort(&self) {
        if self.is_stopping() {
            self.state.store(ABORTING, Ordering::SeqCst);
        }
    }

    /// What an error means here: while work in hand is thrown away, whatever comes of that is the stop and no failure.
    #[must_use]
    pub fn stopped(&self, error: Error) -> Error {
        if self.is_aborting() { error.as_kind(Kind::Stopped) } else { error }
    }

    /// No new work may be taken.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state.load(Ordering::SeqCst) != RUNNING
    }

    /// Work in hand is to be thrown away too.
    #[must_use]
    pub fn is_aborting(&self) -> bool {
        self.state.load(Ordering::SeqCst) == ABORTING
    }

    /// The signal that asked first, 0 when none did.
    #[must_use]
    pub fn signal(&self) -> i32 {
        self.signal.load(Ordering::SeqCst)
    }

    /// # Errors
    /// [`Kind::Stopped`] when the run is stopping.
    pub fn check(&self) -> Result<()> {
        if self.is_stopping() { Err(Error::new(Kind::Stopped, "the run was asked to stop")) } else { Ok(()) }
    }

    /// Sleeps, but not past a request to stop.
    ///
    /// # Errors
    /// [`Kind::Stopped`] when the run is stopping.
    pub fn sleep(&self, length: Duration) -> Result<()> {
        let until = Instant::now() + length;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLEEP_STEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_drains_the_second_aborts() {
        let cancel = Cancel::new();
        assert!(cancel.check().is_ok());
        cancel.ask(15);
        assert!(cancel.is_stopping() && !cancel.is_aborting());
        cancel.ask(2);
        assert!(cancel.is_aborting());
        assert_eq!(cancel.signal(), 15);
    }

    #[test]
    fn only_a_run_that_stops_can_abort_and_only_then_an_error_is_the_stop() {
        let (cancel, lost) = (Cancel::new(), || Error::new(Kind::SnapshotLost, "reading table t"));
        cancel.abort();
        assert!(!cancel.is_stopping());
        cancel.ask(15);
        assert_eq!(cancel.stopped(lost()).kind(), Kind::SnapshotLost);
        cancel.abort();
        assert_eq!(cancel.stopped(lost()).kind(), Kind::Stopped);
        assert_eq!(cancel.signal(), 15);
    }
}
