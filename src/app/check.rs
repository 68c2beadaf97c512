//! `check`: both servers from the connection to the last right, told in one report. Changes nothing on either side.

use super::capacity::{self, Room};
use super::{check_source, check_warehouse};
use crate::config::{Config, Endpoint};
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Result};
use crate::report::ErrorReport;
use crate::report::check::{CheckReport, Connections, Side};
use crate::usage;

/// Looks at every configured connection; what fails is in the report.
#[must_use]
pub fn check(config: &Config, watchdog: &Watchdog) -> CheckReport {
    let _call = usage::CHECK.enter(usage::Shape::NONE);
    let workers = config.settings.parallel;
    let need = capacity::need(workers);
    let mut sides = vec![told(&config.source, |side| check_source::fill(side, &config.source, workers, need.source))];
    if let Some(replica) = &config.replica {
        sides.push(told(replica, |side| check_source::fill(side, replica, workers, need.source)));
    }
    let warehouse = |side: &mut Side| check_warehouse::fill(side, config, watchdog, need.warehouse);
    sides.push(told(&config.warehouse, warehouse));
    CheckReport::new(workers, sides, config.warnings.clone())
}

fn told(endpoint: &Endpoint, fill: impl FnOnce(&mut Side) -> Result<()>) -> Side {
    let mut side = Side { endpoint: endpoint.to_string(), ..Side::default() };
    if let Err(error) = fill(&mut side) {
        note(&mut side, &error);
    }
    side
}

fn note(side: &mut Side, error: &Error) {
    side.error = Some(ErrorReport::from(error));
    side.exit_code = error.kind().policy().exit;
}

pub(super) fn connections(room: Room, needed: u64, workers: usize) -> Connections {
    Connections { needed, free: room.free(), max: room.max, shortage: room.shortage(needed, workers) }
}
