//! How a run of etl-sync ends in the run log: success or error, and one line that sums it up.

use crate::report::{RunReport, text};
use crate::track::runs::EngineLog;

/// Closes the run's row. What the log has lost is counted in the report.
pub(super) fn close(log: &EngineLog, report: &mut RunReport, days: u32) {
    let totals = &report.totals;
    let tables = totals.loaded + totals.kept + totals.unmoved;
    // Rows in quarantine, or a proof that is incomplete, are in the line.
    let success = matches!(report.exit_code, 0 | 3);
    log.close(success, &notes(report), (tables, totals.rows_read), days);
    report.totals.events_lost += log.lost();
}

/// The last line of the summary, and the kind of the error. No text of an error: the result document has it.
fn notes(report: &RunReport) -> String {
    let first = report.replicate.as_ref().map_or_else(String::new, |first| format!("replicate {}; ", text::totals(first)));
    let error = report.error.as_ref().map_or_else(String::new, |error| format!(" ({})", error.kind));
    format!("{first}{}{error}", text::totals(report))
}
