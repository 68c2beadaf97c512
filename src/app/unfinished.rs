//! The context of a run, and what an unfinished run before it has left in its checkpoint.
//!
//! Which tables are done is the warehouse's word alone. The checkpoint adds what no state row says: which phases were done, and
//! which tables that run had changed, so that a later step that asks what changed forgets none of them.

use crate::config::Config;
use crate::context::Context;
use crate::context::checkpoint::{Checkpoint, Checkpoints, Found, TableMark, fingerprint};
use crate::context::phases::State;
use crate::plan::Plan;
use crate::track::state::TableState;
use std::collections::BTreeMap;

/// The file in the state directory.
const FILE: &str = "checkpoint.json";

/// The services of a run with this configuration.
#[must_use]
pub fn context(config: &Config) -> Context {
    let place = Checkpoints::at(config.state_dir.join(FILE), configuration(config), config.settings.resume_within);
    Context::unique().with_memory_limit(config.settings.memory_limit).with_checkpoints(place)
}

/// Tells configurations apart by where rows come from, where they go, and the tables' rules. How fast a run works may change.
fn configuration(config: &Config) -> String {
    let replica = config.replica.as_ref().map(ToString::to_string).unwrap_or_default();
    let places = [config.source.to_string(), replica, config.warehouse.to_string(), config.warehouse_schema.clone()];
    // Without the file, or the right to read it, there are no rules in it.
    let rules = std::fs::read(&config.tables_file).unwrap_or_default();
    fingerprint(places.iter().map(String::as_bytes).chain([rules.as_slice()]))
}

/// Takes over what an unfinished run has left, and from now on leaves checkpoints of this one: called under the run lock, when
/// the plan is made. Returns what a person should know.
pub(super) fn take_over(context: &Context, states: &BTreeMap<String, TableState>, plan: &Plan) -> Option<String> {
    let checkpoints = &context.checkpoints;
    let (mut earlier, mut warning) = (None, None);
    match checkpoints.find() {
        Found::Nothing => {}
        Found::Usable(found) => {
            let done: Vec<&str> =
                found.phases.iter().filter(|(_, state)| state.is_done()).map(|(name, _)| name.as_str()).collect();
            let how = if found.has_ended { "did not bring every table" } else { "was not finished" };
            log::info!("run {} {how}; phases done: {}", found.run_id, done.join(", "));
            earlier = Some(found);
        }
        Found::Refused(error) => {
            warning = Some(format!("{error}; which tables are done is known from the warehouse"));
            checkpoints.adopt_unknown();
        }
    }
    checkpoints.begin(&context.run_id);
    checkpoints.phase("discover", State::Running);
    if let Some(earlier) = &earlier {
        let is_done_by = |table: &str| states.get(table).is_some_and(|state| state.run_id == earlier.run_id);
        checkpoints.adopt(earlier, is_done_by);
    }
    checkpoints.plan(plan.tables.iter().map(|table| table.name()));
    for (table, _) in &plan.kept {
        checkpoints.table(table.name(), kept(earlier.as_deref(), table.name()));
    }
    warning.inspect(|text| log::warn!("{text}"))
}

/// What the unfinished run did to a table that it had finished.
fn kept(earlier: Option<&Checkpoint>, table: &str) -> TableMark {
    match earlier.and_then(|earlier| earlier.tables.get(table)) {
        Some(TableMark::Unchanged) => TableMark::Unchanged,
        _ => TableMark::Changed,
    }
}
