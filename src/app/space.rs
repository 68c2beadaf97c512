//! Disk space: what a plan needs on the warehouse, and what is free where the warehouse runs on this machine.

use crate::config::Endpoint;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::plan::Plan;
use crate::report::plan::Disk;

/// What the model assumes; part of the plan's output.
const HOW: &str = "1.3 x the source for new tables and 8 bytes per row for _loaded_at, 1 x for staging of refreshes in work";

/// A timestamptz in a row.
const LOADED_AT_BYTES: u64 = 8;

/// Disk that the plan needs. The source's size is its server's estimate of data without indexes.
///
/// First load: 1.3 x bytes stay (an exchange needs as much until the old table is dropped) (row headers and the primary key), and `_loaded_at` of every row. Refresh: 1 x bytes of staging while the table is in
/// work; as many of the biggest as there are workers are in work at once. Rows that a refresh rewrites are not counted.
#[must_use]
pub fn needed(plan: &Plan, workers: usize) -> (u64, u64) {
    let sizes = |is_new: bool| {
        let of = plan.tables.iter().filter(|t| t.action.is_new_table() == is_new);
        let mut sizes: Vec<u64> = of.map(|t| t.source.bytes_estimated).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    };
    let first: u64 = sizes(true).iter().sum();
    let stamped = plan.tables.iter().filter(|t| t.action.is_new_table() && t.loaded_at.is_kept());
    let stamps: u64 = stamped.map(|t| t.source.rows_estimated.saturating_mul(LOADED_AT_BYTES)).sum();
    ((first.saturating_mul(13) / 10).saturating_add(stamps), sizes(false).iter().take(workers).sum())
}

/// Needed and free space together.
#[must_use]
pub fn disk(plan: &Plan, workers: usize, endpoint: &Endpoint, warehouse: &mut PostgresConn) -> Disk {
    let (grows_by, staging) = needed(plan, workers);
    let (free, unknown) = match free(endpoint, warehouse) {
        Ok(free) => (Some(free), None),
        Err(why) => (None, Some(why)),
    };
    Disk { grows_by, staging, free, unknown, how: HOW }
}

/// What the plan of a replica needs: MySQL does not say what is free.
#[must_use]
pub fn of_replica(plan: &Plan, workers: usize) -> Disk {
    let (grows_by, staging) = needed(plan, workers);
    Disk { grows_by, staging, free: None, unknown: Some("not known of a replica".into()), how: HOW }
}

/// Refuses a plan that cannot fit, before anything is written. Unknown free space refuses nothing.
///
/// # Errors
/// [`Kind::DiskFull`] when the free space is known and too little.
pub fn check(plan: &Plan, workers: usize, endpoint: &Endpoint, warehouse: &mut PostgresConn) -> Result<()> {
    let disk = disk(plan, workers, endpoint, warehouse);
    match disk.free {
        Some(free) if disk.is_short() => Err(Error::new(
            Kind::DiskFull,
            format!("the plan needs {} bytes on the warehouse ({HOW}), {free} are free; nothing was written", disk.needed()),
        )),
        _ => Ok(()),
    }
}

/// Free bytes for ordinary users under the server's data directory.
fn free(endpoint: &Endpoint, warehouse: &mut PostgresConn) -> std::result::Result<u64, String> {
    if !endpoint.address.is_local() {
        return Err("the warehouse runs on another machine".into());
    }
    let shown = warehouse.rows("SHOW data_directory", &[], "asking for the data directory");
    let Some(directory) = shown.ok().and_then(|rows| rows.first().map(|row| row.get::<_, String>(0))) else {
        return Err("the role may not see data_directory (needs pg_read_all_settings)".into());
    };
    let stat = rustix::fs::statvfs(&directory).map_err(|_| "its data directory is not on this machine".to_owned())?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
