//! What the last runs left in the warehouse: reads our own tables in a read-only session, touches no source.

use crate::config::Config;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::Result;
use crate::name::quote_postgres;
use crate::report::SCHEMA_VERSION;
use crate::report::lock::RunLock;
use crate::report::status::{LastRun, PastAttempt, StatusReport, TableStatus};
use crate::track::schema::LOAD_STATUS;

/// Reads it; of one table, when asked for, with its last attempts.
///
/// # Errors
/// The classified error of the warehouse; a warehouse without our tables is an answer, not an error.
pub fn status(config: &Config, table: Option<&str>, watchdog: &Watchdog) -> Result<StatusReport> {
    let mut conn = PostgresConn::connect(&config.warehouse, "etl-sync/status", watchdog)?;
    // One look: what a run commits meanwhile is seen by the next.
    conn.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "beginning a look that writes nothing")?;
    let mut report = StatusReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        warehouse: config.warehouse.to_string(),
        schema: config.warehouse_schema.clone(),
        run: None,
        lock: RunLock::of(None),
        tables: Vec::new(),
        attempts: table.map(|_| Vec::new()),
    };
    if !exists(&mut conn, "etl_sync.job")? {
        return Ok(report);
    }
    report.run = last_run(&mut conn, &config.warehouse_schema)?;
    report.lock = RunLock::of(report.run.as_ref());
    if report.run.is_some() {
        report.tables = tables(&mut conn, &config.warehouse_schema)?;
    }
    if let Some(table) = table {
        report.tables.retain(|status| status.table == table);
        if exists(&mut conn, "etl_sync.table_attempt")? {
            report.attempts = Some(attempts(&mut conn, &config.warehouse_schema, table)?);
        }
    }
    Ok(report)
}

fn exists(conn: &mut PostgresConn, name: &str) -> Result<bool> {
    let rows = conn.rows("SELECT to_regclass($1) IS NOT NULL", &[&name], "looking for our own tables")?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

fn last_run(conn: &mut PostgresConn, schema: &str) -> Result<Option<LastRun>> {
    let rows = conn.rows(include_str!("status_run.sql"), &[&schema], "reading the last run")?;
    Ok(rows.first().map(|row| {
        let (outcome, lock_held): (Option<String>, bool) = (row.get(3), row.get(4));
        let state = outcome.unwrap_or_else(|| if lock_held { "running".into() } else { "died".into() });
        LastRun {
            run_id: row.get(0),
            state,
            started_at: row.get(1),
            ended_at: row.get(2),
            lock_held,
            host: row.get(5),
            pid: row.get(6),
            heartbeat_age_seconds: row.get(7),
            source: row.get(8),
        }
    }))
}

/// The state rows decide what succeeded; the status table tells what happened since.
fn tables(conn: &mut PostgresConn, schema: &str) -> Result<Vec<TableStatus>> {
    let status = format!("{}.{LOAD_STATUS}", quote_postgres(schema));
    let sql = if exists(conn, &status)? {
        include_str!("status_tables.sql").replace("{status}", &status)
    } else {
        let none = "(SELECT NULL::text AS table_name, NULL::text AS load_status, NULL::timestamp AS last_loaded, \
                    NULL::timestamp AS _loaded_at WHERE false)";
        include_str!("status_tables.sql").replace("{status}", none)
    };
    let rows = conn.rows(&sql, &[&schema], "reading the status of the tables")?;
    Ok(rows
        .iter()
        .map(|row| TableStatus {
            table: row.get(0),
            status: row.get(1),
            last_success: row.get(2),
            age_seconds: row.get(3),
            rows: row.get(4),
            rejected: row.get(5),
            strategy: row.get(6),
            as_of: row.get(7),
            lag_seconds: row.get(8),
        })
        .collect())
}

fn attempts(conn: &mut PostgresConn, schema: &str, table: &str) -> Result<Vec<PastAttempt>> {
    let rows = conn.rows(include_str!("status_attempts.sql"), &[&schema, &table], "reading the attempts of a table")?;
    let one = |row: &postgres::Row| PastAttempt {
        ended_at: row.get(0),
        run_id: row.get(1),
        outcome: row.get(2),
        error_kind: row.get(3),
        strategy: row.get(4),
        rows: row.get(5),
        rows_read: row.get(6),
        inserted: row.get(7),
        updated: row.get(8),
        deleted: row.get(9),
        seconds: row.get(10),
        healed_via: row.get(11),
        watermark_before: row.get(12),
        watermark_after: row.get(13),
        voided: row.get(14),
        checked: row.get(15),
        missed: row.get(16),
        drift: row.get(17),
    };
    Ok(rows.iter().map(one).collect())
}
