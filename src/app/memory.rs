//! What a run is expected to hold in memory, against what it may.

use super::planning;
use crate::catalog::Column;
use crate::config::{Config, CopyFormat};
use crate::context::memory::{Limit, MIB};
use crate::plan::Plan;
use crate::report::MemoryReport;

/// The program, its plan of some hundred tables, tracker and guard.
const BASE: u64 = 16 * MIB;

/// Per worker: the source driver's buffer of 4 MiB, that of the warehouse's, a block of rows on its way.
const WORKER: u64 = 5 * MIB;

/// Tenths of the longest row that it takes while it is on its way, once for all workers: 154 MiB were measured for 60 MiB.
const ROW_TENTHS: u64 = 26;

/// The same in csv, where it is quoted and escaped.
const CSV_ROW_TENTHS: u64 = 60;

/// The most that a run of this plan is expected to hold, bytes: base + workers x (connections + buffers + what is drained) + the
/// lane of long rows, where a table may have such. A row cannot be longer than its table, which is taken at twice its estimate.
#[must_use]
pub fn predicted(config: &Config, plan: &Plan) -> u64 {
    let workers = u64::try_from(config.settings.parallel).unwrap_or(u64::MAX);
    let drains = plan.tables.iter().any(|table| !table.source.transactional);
    // Doubled while it grows.
    let spool = if drains { u64::try_from(planning::spool_bytes(config)).unwrap_or(u64::MAX).saturating_mul(2) } else { 0 };
    let long = plan.tables.iter().filter(|table| table.source.columns.iter().any(Column::may_be_long));
    let longest = long.map(|table| table.source.bytes_estimated.saturating_mul(2)).max().unwrap_or(0);
    let tenths = if config.settings.copy_format == CopyFormat::Csv { CSV_ROW_TENTHS } else { ROW_TENTHS };
    let lane = longest.min(config.settings.row_bytes_max).saturating_mul(tenths) / 10;
    BASE.saturating_add(workers.saturating_mul(WORKER.saturating_add(spool))).saturating_add(lane)
}

/// As a report shows it, before anything is done.
#[must_use]
pub fn report(config: &Config, plan: &Plan, limit: Option<Limit>) -> MemoryReport {
    let predicted_mb = Some(predicted(config, plan).div_ceil(MIB));
    MemoryReport { limit_mb: limit.map(|limit| limit.bytes / MIB), predicted_mb, high_mb: None }
}

/// What is said when more is expected than may be.
#[must_use]
pub fn shortage(report: &MemoryReport) -> Option<String> {
    let (predicted, limit) = report.predicted_mb.zip(report.limit_mb).filter(|(predicted, limit)| predicted > limit)?;
    Some(format!(
        "up to {predicted} MiB of memory are expected and the limit is {limit} MiB: workers will wait for each other; raise \
         memory_limit_mb, or lower --parallel or row_mb_max"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn more_than_may_be_is_told() {
        let of = |predicted_mb, limit_mb| MemoryReport { limit_mb, predicted_mb, high_mb: None };
        assert_eq!(shortage(&of(Some(256), Some(256))), None);
        assert_eq!(shortage(&of(Some(256), None)), None);
        assert!(shortage(&of(Some(257), Some(256))).unwrap().contains("257 MiB"));
    }
}
