//! What is written to and read from the run log, as statements: no state, no decisions.

use super::{Metrics, PastRun, Request};
use crate::conn::postgres::PostgresConn;
use crate::error::{Doing, Kind, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Tables of the run log.
const TABLES: i64 = 4;

/// Requests that are kept whatever their age, all runs together: some hundred megabytes at most.
pub const REQUESTS_MAX: i64 = 500_000;

/// Runs that one statement forgets.
const RUNS_FORGOTTEN: i64 = 100;

/// Bytes of a text that is kept; a longer one is cut.
const TEXT_BYTES_MAX: usize = 2_000;

/// Makes the tables that are missing.
///
/// # Errors
/// [`Kind::Refused`] when the role may not make them; the classified server error.
pub fn ensure(conn: &mut PostgresConn) -> Result<()> {
    let found = conn.rows(include_str!("schema_found.sql"), &[], "looking for the tables of the run log")?;
    if found.first().is_some_and(|row| row.get::<_, i64>(0) == TABLES) {
        return Ok(());
    }
    conn.batch(include_str!("schema.sql"), "creating the tables of the run log")
}

/// A run that begins.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Its id, a UUID.
    pub uuid: String,
    /// Target schema; none for a run of the library.
    pub job: Option<String>,
    /// Name of the session that writes.
    pub session: String,
    /// What a person should know.
    pub notes: String,
}

/// Writes the run's row, or finds the one that it has, after those of dead runs were closed. Returns its number.
///
/// # Errors
/// The classified server error.
pub fn open(conn: &mut PostgresConn, opening: &Opening) -> Result<i64> {
    let dead = conn.execute(
        include_str!("run_abandoned.sql"),
        &[&opening.job, &opening.session],
        "closing the records of runs that are dead",
    )?;
    if dead > 0 {
        log::info!("{dead} runs that never said how they ended are logged as abandoned");
    }
    let host = rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned();
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let (doing, notes) = ("logging the begin of a run", text(&opening.notes));
    let params: &[&(dyn postgres::types::ToSql + Sync)] = &[&opening.uuid, &opening.job, &host, &pid, &opening.session, &notes];
    let rows = conn.rows(include_str!("run_open.sql"), params, doing)?;
    rows.first().map(|row| row.get(0)).ok_or("no row came back").doing(Kind::Internal, || doing)
}

/// Does `work` so that a crash of the server does not undo it: requests of a run whose row is gone could not be written any more.
///
/// # Errors
/// Those of `work`; the classified server error.
pub fn durably<T>(conn: &mut PostgresConn, work: impl FnOnce(&mut PostgresConn) -> Result<T>) -> Result<T> {
    let doing = "setting up the session of telemetry";
    conn.batch("SET synchronous_commit = on", doing)?;
    let done = work(conn)?;
    conn.batch("SET synchronous_commit = off", doing)?;
    Ok(done)
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// `success` or `error`.
    pub success: bool,
    /// Goes on a new line behind the notes that are there.
    pub notes: String,
    /// Tables that it loaded or found done.
    pub tables: Option<i64>,
    /// Rows that it read.
    pub rows: Option<i64>,
}

/// Ends a run; false when there is none of this number, or it has ended.
///
/// # Errors
/// The classified server error.
pub fn close(conn: &mut PostgresConn, run: i64, ending: &Ending) -> Result<bool> {
    let status = if ending.success { "success" } else { "error" };
    let params: &[&(dyn postgres::types::ToSql + Sync)] = &[&run, &status, &text(&ending.notes), &ending.tables, &ending.rows];
    Ok(conn.execute(include_str!("run_close.sql"), params, "logging the end of a run")? > 0)
}

/// What is written of a run in one statement.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Requests with the source table, where it is known, and their age in seconds.
    pub requests: Vec<(Request, Option<String>, f64)>,
    /// Rows of source tables; the last one of a table counts.
    pub counts: BTreeMap<String, i64>,
    /// Target tables; the last one of a table counts.
    pub snapshots: BTreeMap<(String, String), Snapshot>,
}

/// A target table as a run left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its rows.
    pub row_count: i64,
    /// Smallest integer key, where the run knows it.
    pub id_min: Option<i128>,
    /// Largest integer key, where the run knows it.
    pub id_max: Option<i128>,
    /// What its rows add up to: 32 hexadecimal digits.
    pub checksum: Option<String>,
}

#[derive(Serialize)]
struct RequestRow<'a> {
    endpoint: String,
    page_offset: Option<i64>,
    page_limit: Option<i64>,
    http_status: Option<u16>,
    item_count: Option<i64>,
    duration_ms: i64,
    throttled: bool,
    error: Option<String>,
    entity: Option<&'a str>,
    age: f64,
}

#[derive(Serialize)]
struct SnapshotRow<'a> {
    schema_name: &'a str,
    table_name: &'a str,
    row_count: i64,
    id_min: Option<String>,
    id_max: Option<String>,
    checksum: Option<&'a str>,
}

/// Writes a batch.
///
/// # Errors
/// The classified server error: that of a foreign key where there is no such run.
pub fn write(conn: &mut PostgresConn, run: i64, batch: &Batch) -> Result<()> {
    let doing = "writing the run log";
    let request = |(request, entity, age): &(Request, Option<String>, f64)| -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(RequestRow {
            endpoint: text(&request.endpoint),
            page_offset: request.offset.map(number),
            page_limit: request.limit.map(number),
            http_status: request.status,
            item_count: request.item_count.map(number),
            duration_ms: number(request.duration_ms),
            throttled: request.throttled,
            error: request.error.as_deref().map(text),
            entity: entity.as_deref(),
            age: *age,
        })
    };
    let requests: serde_json::Result<Vec<serde_json::Value>> = batch.requests.iter().map(request).collect();
    let counts: Vec<serde_json::Value> =
        batch.counts.iter().map(|(entity, items)| serde_json::json!({"entity": text(entity), "items": items})).collect();
    let snapshots: Vec<SnapshotRow<'_>> = batch
        .snapshots
        .iter()
        .map(|((schema, table), snapshot)| SnapshotRow {
            schema_name: schema,
            table_name: table,
            row_count: snapshot.row_count,
            id_min: snapshot.id_min.map(|id| id.to_string()),
            id_max: snapshot.id_max.map(|id| id.to_string()),
            checksum: snapshot.checksum.as_deref(),
        })
        .collect();
    let json = |value: serde_json::Result<String>| value.doing(Kind::Internal, || doing);
    let requests = json(requests.and_then(|all| serde_json::to_string(&all)))?;
    let (counts, snapshots) = (json(serde_json::to_string(&counts))?, json(serde_json::to_string(&snapshots))?);
    conn.execute(include_str!("write.sql"), &[&run, &requests, &counts, &snapshots], doing).map(drop)
}

/// Sums over the requests of a run; none when there is no such run.
///
/// # Errors
/// The classified server error.
pub fn metrics(conn: &mut PostgresConn, run: i64) -> Result<Option<Metrics>> {
    let rows = conn.rows(include_str!("metrics.sql"), &[&run], "reading the metrics of a run")?;
    Ok(rows.first().map(|row| {
        let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
        Metrics { requests: count(0), items: count(1), duration_ms: count(2), errors: count(3), throttled: count(4) }
    }))
}

/// The last runs, newest first.
///
/// # Errors
/// The classified server error.
pub fn recent(conn: &mut PostgresConn, limit: u32) -> Result<Vec<PastRun>> {
    runs(conn, None, limit)
}

/// The run with this number or UUID; none when there is none.
///
/// # Errors
/// The classified server error.
pub fn one(conn: &mut PostgresConn, asked: &str) -> Result<Option<PastRun>> {
    Ok(runs(conn, Some(asked), 1)?.pop())
}

fn runs(conn: &mut PostgresConn, asked: Option<&str>, limit: u32) -> Result<Vec<PastRun>> {
    let rows = conn.rows(include_str!("runs.sql"), &[&asked, &i64::from(limit)], "reading the run log")?;
    let run = |row: &postgres::Row| PastRun {
        id: row.get(0),
        run_id: row.get(1),
        job: row.get(2),
        status: row.get(3),
        started_at: row.get(4),
        finished_at: row.get(5),
        seconds: row.get(6),
        tables: row.get(7),
        rows: row.get(8),
        notes: row.get(9),
        host: row.get(10),
        pid: row.get(11),
    };
    Ok(rows.iter().map(run).collect())
}

/// Forgets runs that began more than so many days ago, with all that is logged of them, and requests beyond
/// [`REQUESTS_MAX`]. Returns the number of runs.
///
/// # Errors
/// The classified server error.
pub fn prune(conn: &mut PostgresConn, days: u32) -> Result<u64> {
    let doing = "shortening the run log";
    // More than a century is all of them.
    let days = i32::try_from(days).unwrap_or(i32::MAX).min(36_500);
    let mut removed = 0;
    loop {
        let some = conn.execute(include_str!("prune.sql"), &[&days, &RUNS_FORGOTTEN], doing)?;
        removed += some;
        if some < RUNS_FORGOTTEN.unsigned_abs() {
            break;
        }
    }
    let sql = "DELETE FROM etl_meta.etl_request_log WHERE id <= (SELECT max(id) FROM etl_meta.etl_request_log) - $1";
    conn.execute(sql, &[&REQUESTS_MAX], doing)?;
    Ok(removed)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A text as PostgreSQL holds it: without NUL, and not without end.
fn text(value: &str) -> String {
    let mut value = value.replace('\0', "");
    if value.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
        value.truncate(end);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(text("a\0b"), "ab");
        let cut = text(&"€".repeat(1_000));
        assert_eq!((cut.len(), cut.chars().count()), (1_998, 666));
    }
}
