//! `verify` and `audit`: signals around them, their documents, their exit code.

use super::args::{Depth, Global, VerifyArgs};
use super::output::Output;
use super::{failed, signals, with_config};
use crate::app;
use crate::cancel::Cancel;
use crate::error::{Error, Kind};
use crate::report::{self, verify::VerifyReport};
use crate::verify::rows;

/// Compares both sides and returns the exit code.
pub fn verify(global: &Global, args: &VerifyArgs, output: Output) -> u8 {
    if args.depth == Depth::Ledger {
        let text = "verify --depth ledger is not built yet; --depth rows compares both sides by content";
        return failed(output, &Error::new(Kind::Config, text));
    }
    let depth = (args.depth == Depth::Rows).then_some((args.sample, args.rows, args.values));
    compare(global, &args.tables, depth, output, |report| output.document(report, || report::verify::text(report)))
}

/// The same by the audit's thresholds.
pub fn audit(global: &Global, tables: &[String], output: Output) -> u8 {
    compare(global, tables, None, output, |report| {
        let audit = report::audit::audit(report);
        output.document(&audit, || report::audit::text(&audit));
    })
}

fn compare(
    global: &Global,
    tables: &[String],
    depth: Option<(u8, usize, bool)>,
    output: Output,
    show: impl FnOnce(&VerifyReport),
) -> u8 {
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        signals::watch(cancel.clone(), "the counts at the source are ended", move |error, _| {
            failed(output, error);
        })?;
        let row_bytes_max = config.settings.row_bytes_max;
        let depth = depth.map(|(percent, rows_told, values)| rows::Depth { percent, rows_told, values, row_bytes_max });
        let report = app::verify::verify(config, app::verify::Asked { tables, depth }, &cancel, watchdog)?;
        show(&report);
        Ok(report.exit_code)
    })
}
