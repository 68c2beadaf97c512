//! SIGINT and SIGTERM: the first asks the run to stop cleanly, the second ends the process at once. Who sends one waits for
//! 10 s at most: after a grace the statements at the servers are ended, and what hangs even then ends with the process.

use crate::cancel::Cancel;
use crate::conn::ending;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::time::{Duration, Instant};

/// How long work in hand goes on after a request to stop: a chunk takes seconds. What reads only has nothing to bring to an end.
pub const GRACE: Duration = Duration::from_secs(6);

/// After so long the process ends around whatever still hangs. Schedulers send SIGKILL 10 s after SIGTERM (containers) or later.
const LAST: Duration = Duration::from_secs(9);

/// How often it is looked for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts the threads that wait for signals, and that end what goes on for longer than `grace` after a request to stop,
/// whoever asked. They are never joined: they end with the process. `stopping` is what a person is told at the first signal;
/// `give_up` leaves the result at the second, or when a clean stop takes too long, before the process ends.
///
/// # Errors
/// [`Kind::Internal`] when signals cannot be caught or a thread cannot be started.
pub fn watch(
    (cancel, watchdog): (&Cancel, &Watchdog),
    grace: Duration,
    stopping: &'static str,
    give_up: impl Fn(&Error, u8) + Send + 'static,
) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).doing(Kind::Internal, || "catching signals")?;
    ending::after(grace, cancel, watchdog)?;
    let cancel = cancel.clone();
    let mut asked: Option<(Instant, i32)> = None;
    let body = move || {
        let end = |why: &str, signal: i32| {
            give_up(&Error::new(Kind::Stopped, why), exit_code(signal));
            std::process::exit(exit_code(signal).into());
        };
        loop {
            for signal in signals.pending() {
                if asked.is_some() {
                    end("stopped at once by a second signal", signal);
                }
                asked = Some((Instant::now(), signal));
                log::warn!("stopping: {stopping}; once more ends at once");
                // A run that stops for another reason is stopping already; asking again would throw its work away.
                if !cancel.is_stopping() {
                    cancel.ask(signal);
                }
            }
            if let Some((_, signal)) = asked.filter(|(at, _)| at.elapsed() >= LAST) {
                end("stopped around a server that does not answer", signal);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(body)
        .map(drop)
        .doing(Kind::Internal, || "starting the signal thread")
}

/// 130 for SIGINT, 143 for SIGTERM.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(signal).ok().and_then(|signal| signal.checked_add(128)).unwrap_or(70)
}
