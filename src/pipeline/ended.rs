//! What everybody is told when a table is done: people, the status tables, the next run.

use super::table::TableWork;
use super::{Services, events};
use crate::context::checkpoint::TableMark;
use crate::sink::Outcome;
use crate::track::writer::Event;

/// A table whose finish is committed.
pub fn loaded(services: &Services<'_>, table: &TableWork<'_>, outcome: &Outcome) {
    services.progress.table_done();
    let (plan, rows) = (table.plan(), outcome.rows);
    let watermark = table.load.watermark().map(|watermark| (watermark.columns(), watermark.value));
    services.tracker.send(Event::Loaded { table: plan.name().to_owned(), rows, watermark });
    events::loaded(services, table, outcome);
    // Without an answer to COMMIT nobody knows what it changed.
    let is_known = outcome.proven.is_some();
    let stands = is_known && outcome.changed() == 0 && !plan.action.is_new_table() && plan.drift.lines().is_empty();
    services.context.checkpoints.table(plan.name(), if stands { TableMark::Unchanged } else { TableMark::Changed });
    log::debug!("table {}: {rows} rows", plan.name());
}
