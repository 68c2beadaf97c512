//! `discover`: signals around it, its document, its exit code.

use super::args::{DiscoverArgs, Global};
use super::output::Output;
use super::{failed, signals, with_config};
use crate::app;
use crate::app::discover::Options;
use crate::cancel::Cancel;
use crate::report;
use std::time::Duration;

/// Looks at the source, shows or writes the change, and returns the exit code.
pub fn discover(global: &Global, args: DiscoverArgs, output: Output) -> u8 {
    let DiscoverArgs { tables, write, backup, refresh, accept_shrink, scan_rows } = args;
    let options = Options { tables, write, backup, refresh, accept_shrink, scan_rows };
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        let give_up = move |error: &_, _| {
            failed(output, error);
        };
        signals::watch((&cancel, watchdog), Duration::ZERO, "the queries at the source are ended", give_up)?;
        let report = app::discover::discover(config, &options, &cancel)?;
        output.document(&report, || report::discover::text(&report));
        Ok(report.exit_code)
    })
}
