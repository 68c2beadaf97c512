//! Logs on standard error: levels, format, and the bridge that keeps a progress bar whole.

use super::args::{Color, Global};
use env_logger::{Builder, WriteStyle};
use indicatif::MultiProgress;
use indicatif_log_bridge::LogWrapper;
use std::io::Write;

/// What other crates may say: their debug lines can hold statements and addresses.
const OTHERS: &str = "warn";

/// Starts logging and returns what progress bars are to be drawn on. `RUST_LOG` goes before the flags.
#[must_use]
pub fn start(global: &Global) -> MultiProgress {
    let bars = MultiProgress::new();
    let ours = match (global.quiet, global.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let mut builder = Builder::new();
    builder.parse_filters(&format!("{OTHERS},etl_sync={ours}"));
    if let Some(filters) = std::env::var("RUST_LOG").ok().filter(|filters| !filters.trim().is_empty()) {
        // A bare level means us; the drivers only speak when they are named.
        let bare = filters.parse::<log::LevelFilter>().is_ok();
        builder.parse_filters(&if bare { format!("{OTHERS},etl_sync={filters}") } else { filters });
    }
    builder.write_style(match global.color {
        Color::Auto => WriteStyle::Auto,
        Color::Always => WriteStyle::Always,
        Color::Never => WriteStyle::Never,
    });
    // The journal has its own clock.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    builder.format(move |out, record| {
        let style = out.default_level_style(record.level());
        let level = record.level();
        if !journal {
            write!(out, "{} ", out.timestamp_millis())?;
        }
        write!(out, "{style}{level:<5}{style:#} ")?;
        if !record.target().starts_with("etl_sync") {
            write!(out, "{}: ", record.target())?;
        }
        writeln!(out, "{}", record.args())
    });
    let logger = builder.build();
    let level = logger.filter();
    if LogWrapper::new(bars.clone(), logger).try_init().is_ok() {
        log::set_max_level(level);
    }
    bars
}
