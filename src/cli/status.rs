//! `status`: one look, or one after the other until Ctrl-C.

use super::args::{Global, StatusArgs};
use super::output::{self, Output};
use super::{failed, with_config};
use crate::app;
use crate::config::Config;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Kind, Result};
use crate::report;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lines of a terminal that does not say how many it has.
const LINES: usize = 24;

/// How long Ctrl-C may be overlooked between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Shows what the last runs left.
pub fn status(global: &Global, args: &StatusArgs, output: Output) -> u8 {
    with_config(global, output, |config, watchdog| match args.watch {
        None => {
            let report = app::status::status(config, args.table.as_deref(), watchdog)?;
            output.document(&report, || report::status::text(&report));
            Ok(0)
        }
        Some(seconds) => watch(config, args.table.as_deref(), watchdog, output, Duration::from_secs(seconds.into())),
    })
}

/// Each look is a session of its own, so a warehouse that restarts meanwhile is seen again. Only the first one must succeed.
fn watch(config: &Config, table: Option<&str>, watchdog: &Watchdog, output: Output, every: Duration) -> Result<u8> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let doing = || "catching signals";
        // The second one ends a look that takes long.
        signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&stop)).doing(Kind::Internal, doing)?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).doing(Kind::Internal, doing)?;
    }
    let redraws = std::io::stdout().is_terminal() && !output.json;
    let mut is_first = true;
    while !stop.load(Ordering::Relaxed) {
        let next = Instant::now() + every;
        match app::status::status(config, table, watchdog) {
            Ok(report) if output.json => output::line(&report::compact(&report)),
            Ok(report) if redraws => {
                // Home, and everything below erased (ECMA-48).
                output::raw("\x1b[H\x1b[2J");
                output::raw(&report::status::screen(&report, lines()));
            }
            Ok(report) => output::raw(&format!("{}\n", report::status::text(&report))),
            Err(error) if is_first => return Err(error),
            Err(error) => drop(failed(output, &error)),
        }
        is_first = false;
        while !stop.load(Ordering::Relaxed) && Instant::now() < next {
            std::thread::sleep(STEP.min(next.saturating_duration_since(Instant::now())));
        }
    }
    Ok(0)
}

/// Lines of the terminal.
fn lines() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_row)).filter(|lines| *lines > 0).unwrap_or(LINES)
}
