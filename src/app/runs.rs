//! The run log for people: the last runs, one of them in detail, and its shortening.

use crate::config::Config;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::report::runs::{Pruned, RequestLine, RunDetail, RunList, SnapshotLine, SourceCount, TableRequests};
use crate::track::runs::{PastRun, store};

/// Slowest requests that are told.
const SLOWEST: i64 = 10;

/// The last runs, newest first.
///
/// # Errors
/// The classified error of the warehouse; one without a run log is an answer, not an error.
pub fn list(config: &Config, limit: u32, watchdog: &Watchdog) -> Result<RunList> {
    let mut conn = read_only(config, watchdog)?;
    let runs = if exists(&mut conn)? { store::recent(&mut conn, limit)? } else { Vec::new() };
    Ok(RunList::new(config.warehouse.to_string(), runs))
}

/// One run: its number, or its UUID (`run_id` in the report of a run).
///
/// # Errors
/// [`Kind::Config`] when there is no such run; the classified error of the warehouse.
pub fn show(config: &Config, asked: &str, watchdog: &Watchdog) -> Result<RunDetail> {
    let mut conn = read_only(config, watchdog)?;
    let none = || {
        Error::new(Kind::Config, format!("no run {asked} is logged in {}", config.warehouse))
            .hint("`etl-sync runs` lists those that are")
    };
    if !exists(&mut conn)? {
        return Err(none());
    }
    let run = store::one(&mut conn, asked)?.ok_or_else(none)?;
    let metrics = store::metrics(&mut conn, run.id)?.unwrap_or_default();
    Ok(RunDetail {
        metrics,
        requests: by_table(&mut conn, &run)?,
        slowest: slowest(&mut conn, &run)?,
        source_counts: counts(&mut conn, &run)?,
        snapshots: snapshots(&mut conn, &run)?,
        ..RunDetail::new(config.warehouse.to_string(), run)
    })
}

/// Forgets runs that began more than so many days ago.
///
/// # Errors
/// The classified error of the warehouse.
pub fn prune(config: &Config, days: u32, watchdog: &Watchdog) -> Result<Pruned> {
    let mut conn = PostgresConn::connect(&config.warehouse, "etl-sync/runs", watchdog)?;
    let removed = if exists(&mut conn)? { store::prune(&mut conn, days)? } else { 0 };
    Ok(Pruned::new(config.warehouse.to_string(), days, removed))
}

fn read_only(config: &Config, watchdog: &Watchdog) -> Result<PostgresConn> {
    let mut conn = PostgresConn::connect(&config.warehouse, "etl-sync/runs", watchdog)?;
    conn.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    Ok(conn)
}

fn exists(conn: &mut PostgresConn) -> Result<bool> {
    let rows = conn.rows("SELECT to_regclass('etl_meta.etl_run_log') IS NOT NULL", &[], "looking for the run log")?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

fn by_table(conn: &mut PostgresConn, run: &PastRun) -> Result<Vec<TableRequests>> {
    let rows = conn.rows(include_str!("runs_tables.sql"), &[&run.id], "reading the requests of a run")?;
    let line = |row: &postgres::Row| TableRequests {
        table: row.get(0),
        requests: row.get(1),
        items: row.get(2),
        duration_ms: row.get(3),
        errors: row.get(4),
        throttled: row.get(5),
    };
    Ok(rows.iter().map(line).collect())
}

fn slowest(conn: &mut PostgresConn, run: &PastRun) -> Result<Vec<RequestLine>> {
    let rows = conn.rows(include_str!("runs_slowest.sql"), &[&run.id, &SLOWEST], "reading the slowest requests of a run")?;
    let line = |row: &postgres::Row| RequestLine {
        endpoint: row.get(0),
        limit: row.get(1),
        status: row.get(2),
        items: row.get(3),
        duration_ms: row.get(4),
        throttled: row.get(5),
        error: row.get(6),
        at: row.get(7),
    };
    Ok(rows.iter().map(line).collect())
}

fn counts(conn: &mut PostgresConn, run: &PastRun) -> Result<Vec<SourceCount>> {
    let sql = "SELECT entity, items_retrieved FROM etl_meta.source_counts WHERE run_id = $1 ORDER BY 2 DESC, 1";
    let rows = conn.rows(sql, &[&run.id], "reading the source counts of a run")?;
    Ok(rows.iter().map(|row| SourceCount { table: row.get(0), items: row.get(1) }).collect())
}

fn snapshots(conn: &mut PostgresConn, run: &PastRun) -> Result<Vec<SnapshotLine>> {
    let rows = conn.rows(include_str!("runs_snapshots.sql"), &[&run.id], "reading the snapshots of a run")?;
    let line = |row: &postgres::Row| SnapshotLine {
        table: row.get(0),
        rows: row.get(1),
        id_min: row.get(2),
        id_max: row.get(3),
        checksum: row.get(4),
        before: row.get(5),
    };
    Ok(rows.iter().map(line).collect())
}
