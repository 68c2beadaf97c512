//! What a run would do, without doing it: reads both catalogs, plans with the run's own code, writes nothing.

use super::planning::{self, Inputs};
use super::space;
use crate::catalog;
use crate::config::Config;
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::Result;
use crate::plan::{Action, Plan, TablePlan};
use crate::report::plan::{PlanReport, PlannedTable, RefusedTable};
use crate::report::{ErrorReport, SCHEMA_VERSION};
use crate::track::state;
use std::collections::BTreeSet;

/// What both servers together move per second, however many workers there are (measured: 3 M rows, 688 MB, 11 s).
const BYTES_PER_SECOND: u64 = 60_000_000;

/// What a table costs beside its bytes.
const TABLE_MILLISECONDS: u64 = 2;

/// The plan of a run with these tables (all when empty); `full` as in a run.
///
/// # Errors
/// [`crate::error::Kind::Config`] for names that do not exist; the classified error of a server.
pub fn preview(config: &Config, tables: &[String], full: bool, watchdog: &Watchdog) -> Result<PlanReport> {
    let mut source = MysqlConn::connect(&config.source)?;
    let identity = format!("{}/{}", source.server.identity, config.source.database);
    let catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    planning::check_names(config, &catalog, tables)?;
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/plan", watchdog)?;
    warehouse.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    let (resumes, done) = if full { (None, BTreeSet::new()) } else { finished(config, &identity, &mut warehouse)? };
    let targets = planning::targets(config, &mut warehouse)?;
    let plan = planning::plan(&mut source, Inputs { config, catalog, targets: &targets, tables, done: &done })?;
    let kept = done.iter().filter(|table| tables.is_empty() || tables.contains(table));
    let disk = space::disk(&plan, config.settings.parallel, &config.warehouse, &mut warehouse);
    let planned = plan.tables.iter().enumerate().map(|(i, table)| planned(i + 1, table));
    let report = PlanReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        status: "ok",
        exit_code: 0,
        source: config.source.to_string(),
        warehouse: config.warehouse.to_string(),
        schema: config.warehouse_schema.clone(),
        parallel: config.settings.parallel,
        resumes,
        tables: planned.chain(kept.map(|table| keep(config, table))).collect(),
        refused: refused(&plan),
        rows_estimated: plan.tables.iter().map(|t| t.source.rows_estimated).sum(),
        bytes_estimated: plan.tables.iter().map(|t| t.source.bytes_estimated).sum(),
        seconds_predicted: plan.tables.iter().map(|t| seconds(t.source.bytes_estimated)).sum(),
        disk,
        warnings: config.warnings.iter().chain(&plan.warnings).cloned().collect(),
    };
    Ok(report.judged())
}

/// Tables that an interrupted run has finished and that a run now would keep; the same rule as the run lock's.
fn finished(config: &Config, identity: &str, warehouse: &mut PostgresConn) -> Result<(Option<String>, BTreeSet<String>)> {
    let doing = "reading the last run";
    let ours = warehouse.rows("SELECT 1 WHERE to_regclass('etl_sync.job') IS NOT NULL", &[], doing)?;
    if ours.is_empty() {
        return Ok((None, BTreeSet::new()));
    }
    let within = config.settings.resume_within.as_secs_f64();
    let params: &[&(dyn postgres::types::ToSql + Sync)] = &[&config.warehouse_schema, &within, &identity];
    let rows = warehouse.rows(include_str!("interrupted.sql"), params, doing)?;
    let Some(row) = rows.first() else { return Ok((None, BTreeSet::new())) };
    let (run_id, sync_id): (String, String) = (row.get(0), row.get(1));
    let states = state::read(warehouse, &config.warehouse_schema)?;
    let done = states.into_iter().filter(|(_, state)| state.sync_id == sync_id).map(|(table, _)| table).collect();
    Ok((Some(run_id), done))
}

/// The model: bytes / 60 MB per second + 2 ms per table. The servers are the cost, so tables add up.
fn seconds(bytes: u64) -> f64 {
    let milliseconds = bytes.saturating_mul(1000) / BYTES_PER_SECOND + TABLE_MILLISECONDS;
    std::time::Duration::from_millis(milliseconds).as_secs_f64()
}

fn planned(order: usize, table: &TablePlan) -> PlannedTable {
    PlannedTable {
        order,
        table: table.name().to_owned(),
        target: table.target.to_string(),
        action: match table.action {
            Action::FirstLoad => "first_load",
            Action::Refresh => "refresh",
        },
        strategy: table.strategy.to_string(),
        reason: table.reason.clone(),
        rows_estimated: table.source.rows_estimated,
        bytes_estimated: table.source.bytes_estimated,
        chunks: table.chunks.len(),
        seconds_predicted: seconds(table.source.bytes_estimated),
    }
}

fn keep(config: &Config, table: &str) -> PlannedTable {
    PlannedTable {
        order: 0,
        table: table.to_owned(),
        target: format!("{}.{table}", config.warehouse_schema),
        action: "keep",
        strategy: String::new(),
        reason: "finished by the interrupted run".into(),
        rows_estimated: 0,
        bytes_estimated: 0,
        chunks: 0,
        seconds_predicted: 0.0,
    }
}

fn refused(plan: &Plan) -> Vec<RefusedTable> {
    plan.refused.iter().map(|(table, error)| RefusedTable { table: table.clone(), error: ErrorReport::from(error) }).collect()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn the_model_is_bytes_and_tables() {
        assert!((seconds(0) - 0.002).abs() < 1e-9);
        assert!((seconds(60_000_000) - 1.002).abs() < 1e-9);
    }
}
