//! SIGINT and SIGTERM: the first asks the run to stop cleanly, the second ends the process at once.

use crate::cancel::Cancel;
use crate::error::{Doing, Error, Kind, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts the thread that waits for signals. It is never joined: it ends with the process. `stopping` is what a person
/// is told at the first one; `give_up` leaves the result at the second, before the process ends.
///
/// # Errors
/// [`Kind::Internal`] when signals cannot be caught or the thread cannot be started.
pub fn watch(cancel: Cancel, stopping: &'static str, give_up: impl Fn(&Error, u8) + Send + 'static) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).doing(Kind::Internal, || "catching signals")?;
    let body = move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                let error = Error::new(Kind::Stopped, "stopped at once by a second signal");
                give_up(&error, exit_code(signal));
                std::process::exit(exit_code(signal).into());
            }
            asked = true;
            log::warn!("stopping: {stopping}; once more ends at once");
            // A run that stops for another reason is stopping already; asking again would throw its work away.
            if !cancel.is_stopping() {
                cancel.ask(signal);
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(body)
        .map(drop)
        .doing(Kind::Internal, || "starting the signal thread")
}

/// 130 for SIGINT, 143 for SIGTERM.
fn exit_code(signal: i32) -> u8 {
    u8::try_from(signal).ok().and_then(|signal| signal.checked_add(128)).unwrap_or(70)
}
