//! `verify` and `audit`: signals around them, their documents, their exit code.

use super::args::{Depth, Global, Side, VerifyArgs};
use super::output::Output;
use super::{failed, signals, with_config};
use crate::app;
use crate::cancel::Cancel;
use crate::report::{self, verify::VerifyReport};
use crate::verify::ledger::Sides;
use crate::verify::rows::Bounds;
use crate::verify::{look, rows};
use std::time::Duration;

/// Rows per table that are told unless the command line says how many.
const ROWS_TOLD: u16 = 100;

/// Compares both sides and returns the exit code.
pub fn verify(global: &Global, args: &VerifyArgs, output: Output) -> u8 {
    let rows = args.rows.map(usize::from);
    compare(global, &args.tables, args, output, |report| output.document(report, || report::verify::text(report, rows)))
}

/// What `repair` would mend.
pub fn differences(global: &Global, tables: &[String], output: Output) -> u8 {
    verify(global, &VerifyArgs { depth: Depth::Rows, tables: tables.to_vec(), ..VerifyArgs::default() }, output)
}

/// The same by the audit's thresholds.
pub fn audit(global: &Global, tables: &[String], output: Output) -> u8 {
    compare(global, tables, &VerifyArgs::default(), output, |report| {
        let audit = report::audit::audit(report);
        output.document(&audit, || report::audit::text(&audit));
    })
}

fn compare(global: &Global, tables: &[String], args: &VerifyArgs, output: Output, show: impl FnOnce(&VerifyReport)) -> u8 {
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        let give_up = move |error: &_, _| {
            failed(output, error);
        };
        signals::watch((&cancel, watchdog), Duration::ZERO, "the counts at both servers are ended", give_up)?;
        let row_bytes_max = config.settings.row_bytes_max;
        let depth = match args.depth {
            Depth::Counts => look::Depth::Counts,
            Depth::Ledger => {
                let (source, warehouse) = (args.side != Some(Side::Warehouse), args.side != Some(Side::Source));
                look::Depth::Ledger(Sides { source, warehouse }, row_bytes_max)
            }
            Depth::Rows => {
                let (percent, rows_told) = (args.sample.unwrap_or(100), usize::from(args.rows.unwrap_or(ROWS_TOLD)));
                look::Depth::Rows(rows::Depth {
                    percent,
                    rows_told,
                    values: args.values,
                    since: args.since.map(|since| since.0),
                    row_bytes_max,
                    bounds: Bounds::default(),
                })
            }
        };
        let report = match app::verify::verify(config, app::verify::Asked { tables, depth }, &cancel, watchdog) {
            Err(error) if cancel.is_aborting() => {
                failed(output, &cancel.stopped(error));
                return Ok(signals::exit_code(cancel.signal()));
            }
            other => other?,
        };
        show(&report);
        Ok(report.exit_code)
    })
}
