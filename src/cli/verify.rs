//! `verify` and `audit`: signals around them, their documents, their exit code.

use super::args::{Depth, Global, VerifyArgs};
use super::output::Output;
use super::{failed, signals, with_config};
use crate::app;
use crate::cancel::Cancel;
use crate::error::{Error, Kind};
use crate::report::{self, verify::VerifyReport};

/// Compares both sides and returns the exit code.
pub fn verify(global: &Global, args: &VerifyArgs, output: Output) -> u8 {
    if let Some(word) = args.depth.not_built() {
        let text = format!("verify --depth {word} is not built yet; --depth counts compares the rows per key range");
        return failed(output, &Error::new(Kind::Config, text));
    }
    compare(global, &args.tables, output, |report| output.document(report, || report::verify::text(report)))
}

/// The same by the audit's thresholds.
pub fn audit(global: &Global, tables: &[String], output: Output) -> u8 {
    compare(global, tables, output, |report| {
        let audit = report::audit::audit(report);
        output.document(&audit, || report::audit::text(&audit));
    })
}

fn compare(global: &Global, tables: &[String], output: Output, show: impl FnOnce(&VerifyReport)) -> u8 {
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        signals::watch(cancel.clone(), "the counts at the source are ended", move |error, _| {
            failed(output, error);
        })?;
        let report = app::verify::verify(config, tables, &cancel, watchdog)?;
        show(&report);
        Ok(report.exit_code)
    })
}

impl Depth {
    /// The word of a depth that is not there yet.
    const fn not_built(self) -> Option<&'static str> {
        match self {
            Self::Counts => None,
            Self::Ledger => Some("ledger"),
            Self::Rows => Some("rows"),
        }
    }
}
