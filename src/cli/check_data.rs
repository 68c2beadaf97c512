//! `check --data`: signals around it, its document, its exit code.

use super::args::Global;
use super::output::Output;
use super::{failed, signals, with_config};
use crate::app;
use crate::cancel::Cancel;
use crate::report;
use std::time::Duration;

/// Looks at the data and returns the exit code.
pub fn check(global: &Global, tables: &[String], output: Output) -> u8 {
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        let give_up = move |error: &_, _| {
            failed(output, error);
        };
        signals::watch((&cancel, watchdog), Duration::ZERO, "the queries at the source are ended", give_up)?;
        let report = app::check_data::check(config, tables, &cancel)?;
        output.document(&report, || report::data::text(&report));
        Ok(report.exit_code)
    })
}
