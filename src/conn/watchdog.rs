//! Deadlines for waits that the postgres driver cannot bound: it has no timeout of its own and shows no socket.
//!
//! A wait registers itself for its length. When one is over its deadline, the watchdog calls what it was given, once:
//! in the program that writes the result and ends the process without joining, because a thread that hangs in the
//! driver can be neither woken nor joined.
//!
//! It also knows how each statement that runs can be ended from outside: `ending` asks for that when a run has to stop.

use super::ending::End;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Says whether the server still answers somebody else.
pub type Probe = Arc<dyn Fn() -> bool + Send + Sync>;

struct Wait {
    since: Instant,
    /// None for what has no deadline here, and is only known so that it can be ended.
    until: Option<Instant>,
    length: Duration,
    /// A long statement may go on past `until` while the probe finds the server alive, but not past `last`.
    long: Option<(Instant, Probe)>,
    what: String,
    /// How what is waited for is ended from outside, where that is possible.
    end: Option<End>,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    stopped: AtomicBool,
    waits: Mutex<BTreeMap<u64, Wait>>,
}

/// The list of waits; clones share it.
#[derive(Clone, Default)]
pub struct Watchdog {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Watchdog {
    /// A watchdog whose thread is not started yet: waits are registered, nobody bites.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the thread. `give_up` gets what was waited for and how long; it is called at most once.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] when the thread cannot be started.
    pub fn start(&self, give_up: impl FnOnce(&str, Duration) + Send + 'static) -> crate::error::Result<JoinHandle<()>> {
        use crate::error::{Doing, Kind};
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                while !shared.stopped.load(Ordering::Relaxed) {
                    if let Some((what, length)) = shared.overdue() {
                        give_up(&what, length);
                        return;
                    }
                    std::thread::sleep(TICK);
                }
            })
            .doing(Kind::Internal, || "starting the watchdog thread")
    }

    /// Ends the thread at its next tick.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Registers a wait that ends when the guard is dropped.
    #[must_use]
    pub fn watch(&self, length: Duration, what: String) -> Guard {
        let now = Instant::now();
        self.register(Wait { since: now, until: Some(now + length), length, long: None, what, end: None })
    }

    /// Makes a statement or a session known that can be ended, until the guard is dropped; it has no deadline here.
    #[must_use]
    pub fn know(&self, end: End) -> Guard {
        let (since, length) = (Instant::now(), Duration::MAX);
        self.register(Wait { since, until: None, length, long: None, what: String::new(), end: Some(end) })
    }

    /// How to end what has been known for at least `age`.
    #[must_use]
    pub fn ends(&self, age: Duration) -> Vec<End> {
        let waits = self.shared.lock();
        waits.values().filter(|wait| wait.since.elapsed() >= age).filter_map(|wait| wait.end.clone()).collect()
    }

    /// The thread that gives up has been told to end, because there is nothing to wait for any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// Registers a wait for a statement that may take long: after each `length` the probe has to find the server alive,
    /// and after `longest` the wait is over in any case. `end` ends it from outside.
    #[must_use]
    pub fn watch_long(&self, (length, longest): (Duration, Duration), what: String, probe: Probe, end: Option<End>) -> Guard {
        let now = Instant::now();
        self.register(Wait { since: now, until: Some(now + length), length, long: Some((now + longest, probe)), what, end })
    }

    fn register(&self, wait: Wait) -> Guard {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.shared.lock().insert(id, wait);
        Guard { shared: Arc::clone(&self.shared), id }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first wait that is over; a long one whose server is alive gets another term.
    fn overdue(&self) -> Option<(String, Duration)> {
        let now = Instant::now();
        let (id, found, probe) =
            self.lock().iter().find(|(_, wait)| wait.until.is_some_and(|until| until <= now)).map(|(id, wait)| {
                let probe = wait.long.as_ref().filter(|(last, _)| now < *last).map(|(_, probe)| Arc::clone(probe));
                (*id, (wait.what.clone(), wait.length), probe)
            })?;
        // Probed without the lock: it takes seconds, and waits come and go meanwhile.
        if probe.is_some_and(|alive| alive()) {
            if let Some(wait) = self.lock().get_mut(&id) {
                wait.until = Some(Instant::now() + wait.length);
            }
            return None;
        }
        self.lock().contains_key(&id).then_some(found)
    }
}

/// One registered wait.
pub struct Guard {
    shared: Arc<Shared>,
    id: u64,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn only_a_wait_over_its_deadline_is_given_up() {
        let dog = Watchdog::new();
        let (sender, receiver) = mpsc::channel();
        let thread = dog.start(move |what, _| assert!(sender.send(what.to_owned()).is_ok()));
        let _alive = dog.watch(Duration::from_secs(60), "alive".into());
        drop(dog.watch(Duration::from_millis(1), "ended".into()));
        let _dead = dog.watch(Duration::from_millis(10), "dead".into());
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok("dead".to_owned()));
        assert!(thread.is_ok_and(|t| t.join().is_ok()));
    }

    #[test]
    fn what_can_be_ended_is_known_as_long_as_its_guard_lives() {
        let dog = Watchdog::new();
        let end = End::Postgres(Arc::new(|| {}));
        let _waits = dog.watch(Duration::from_secs(60), "a step".into());
        let known = dog.know(end.clone());
        let _long = dog.watch_long((Duration::ZERO, Duration::ZERO), "index".into(), Arc::new(|| true), Some(end));
        assert_eq!(dog.ends(Duration::ZERO).len(), 2);
        assert_eq!(dog.ends(Duration::from_secs(60)).len(), 0);
        drop(known);
        assert_eq!(dog.ends(Duration::ZERO).len(), 1);
    }

    #[test]
    fn a_long_wait_goes_on_while_the_server_is_alive() {
        let dog = Watchdog::new();
        let alive = Arc::new(AtomicBool::new(true));
        let (sender, receiver) = mpsc::channel();
        let thread = dog.start(move |what, _| assert!(sender.send(what.to_owned()).is_ok()));
        let seen = Arc::clone(&alive);
        let probe: Probe = Arc::new(move || seen.load(Ordering::SeqCst));
        let _long = dog.watch_long((Duration::from_millis(10), Duration::from_secs(60)), "index".into(), probe, None);
        assert!(receiver.recv_timeout(Duration::from_millis(600)).is_err());
        alive.store(false, Ordering::SeqCst);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok("index".to_owned()));
        assert!(thread.is_ok_and(|t| t.join().is_ok()));
    }
}
