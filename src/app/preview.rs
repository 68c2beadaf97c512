//! What a run would do, without doing it: reads both catalogs, plans with the run's own code, writes nothing.

use super::audit::Wanted;
use super::increments::{self, Since};
use super::planning::{self, Inputs};
use super::sync::SyncOptions;
use super::{memory, methods, replicate, results, space, telling, traces};
use crate::catalog;
use crate::config::{Audit, Config, Verify};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::context::memory::Limit;
use crate::error::Result;
use crate::plan::{Plan, TablePlan};
use crate::report::plan::{Disk, PlanReport, PlannedTable};
use crate::report::{MemoryReport, Renamed, SCHEMA_VERSION};
use crate::track::attempts;
use crate::track::lock::{self, Interrupted};
use crate::track::state::{self, Left, TableState};
use std::collections::BTreeMap;

/// What both servers together move per second, however many workers there are (measured: 3 M rows, 688 MB, 11 s).
const BYTES_PER_SECOND: u64 = 60_000_000;

/// What a table costs beside its bytes.
const TABLE_MILLISECONDS: u64 = 2;

/// The plan of a run with these options.
///
/// # Errors
/// [`crate::error::Kind::Config`] for names that do not exist; the classified error of a server.
pub fn preview(config: &Config, options: &SyncOptions, watchdog: &Watchdog) -> Result<PlanReport> {
    let SyncOptions { tables, category, full, verify, audit, .. } = options;
    let (category, full) = (*category, *full);
    let limit = Limit::of_process(config.settings.memory_limit);
    if let Some(replica) = &config.replica {
        let plan = replicate::preview(config, replica, (tables, category), full)?;
        let disk = space::of_replica(&plan, config.settings.parallel);
        let mut report = report(config, &plan, None, disk);
        report.memory = memory::report(config, &plan, limit);
        (report.warehouse, report.schema) = (replica.to_string(), replica.database.clone());
        report.warnings.push("this is the first hop; a run then loads into the warehouse what the replica got".into());
        return Ok(report.judged());
    }
    let mut source = MysqlConn::connect(&config.source)?;
    let identity = format!("{}/{}", source.server.identity, config.source.database);
    let mut catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    planning::configure_known(config, &mut catalog, tables, watchdog)?;
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/plan", watchdog)?;
    warehouse.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    let Before { interrupted, states, distrusted } = before(config, &identity, &mut warehouse)?;
    let last = interrupted.filter(|_| options.resumes());
    let (now, ahead, zone) = increments::clocks(&mut source, &mut warehouse)?;
    let targets = planning::targets_for(config, &catalog, &mut warehouse)?;
    let verify = verify.unwrap_or(config.settings.verify);
    let places = (config.source.database.as_str(), config.warehouse_schema.as_str());
    let look = traces::look(&mut source, &mut warehouse, places, verify)?;
    let inputs = Inputs {
        config,
        catalog,
        targets: &targets,
        tables,
        category,
        states: &states,
        resumes: last.as_ref().map(|last| last.sync_id.as_str()),
        since: Since { now, ahead, zone, source_identity: &identity, full },
        copies: None,
        look: look.as_ref(),
        audit: Wanted {
            audit: if verify == Verify::Off { Audit::Off } else { audit.unwrap_or(config.settings.audit) },
            is_repair: false,
            distrusted: &distrusted,
        },
        // Which chunks are kept shows when they are read.
        left: &BTreeMap::new(),
    };
    let plan = planning::plan(&mut source, inputs)?;
    let disk = space::disk(&plan, config.settings.parallel, &config.warehouse, &mut warehouse);
    let mut report = report(config, &plan, last, disk);
    report.memory = memory::report(config, &plan, limit);
    report.warnings.extend(memory::shortage(&report.memory));
    Ok(report.judged())
}

fn report(config: &Config, plan: &Plan, last: Option<Interrupted>, disk: Disk) -> PlanReport {
    let planned = plan.tables.iter().enumerate().map(|(i, table)| planned(i + 1, table));
    let keep = |(table, _): &(TablePlan, Left), action, reason: &str| done(config, table.name(), (action, reason));
    let kept = plan.kept.iter().map(|table| keep(table, "keep", "finished by the interrupted run"));
    let unmoved = plan.unmoved.iter().map(|table| keep(table, "skip", &results::why_unmoved(&table.0)));
    PlanReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        status: "ok",
        exit_code: 0,
        source: config.source.to_string(),
        warehouse: config.warehouse.to_string(),
        schema: config.warehouse_schema.clone(),
        parallel: config.settings.parallel,
        resumes: last.map(|last| last.run_id),
        tables: planned.chain(kept).chain(unmoved).collect(),
        refused: telling::refused(&plan.refused),
        rows_estimated: plan.tables.iter().map(|t| t.source.rows_estimated).sum(),
        bytes_estimated: plan.tables.iter().map(|t| t.source.bytes_estimated).sum(),
        // The sum of nothing would be -0.0.
        seconds_predicted: plan.tables.iter().map(|t| seconds(t.source.bytes_estimated)).fold(0.0, std::ops::Add::add),
        disk,
        method_usage: methods::tracked(config),
        memory: MemoryReport::default(),
        warnings: [config.warnings.clone(), plan.unusable_columns().into_iter().collect()]
            .concat()
            .into_iter()
            .chain(plan.without_loaded_at())
            .chain(plan.no_longer_there())
            .collect(),
    }
}

/// What earlier runs left.
#[derive(Default)]
struct Before {
    /// Run id and sync id of the interrupted run.
    interrupted: Option<Interrupted>,
    states: BTreeMap<String, TableState>,
    /// Tables whose incremental columns are not trusted any more.
    distrusted: BTreeMap<(String, String), i64>,
}

fn before(config: &Config, identity: &str, warehouse: &mut PostgresConn) -> Result<Before> {
    let ours = warehouse.rows("SELECT 1 WHERE to_regclass('etl_sync.job') IS NOT NULL", &[], "looking for an earlier run")?;
    if ours.is_empty() {
        return Ok(Before::default());
    }
    let schema = &config.warehouse_schema;
    let interrupted = lock::interrupted(warehouse, schema, identity, config.settings.resume_within)?;
    let states = state::of_job(warehouse, schema)?;
    let distrusted = attempts::distrusted(warehouse, schema)?;
    Ok(Before { interrupted, states, distrusted })
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
        action: table.action.word(),
        strategy: table.strategy.to_string(),
        reason: table.reason.clone(),
        rows_estimated: table.source.rows_estimated,
        bytes_estimated: table.source.bytes_estimated,
        chunks: table.chunks.len(),
        compared: table.audit.as_ref().map(|audit| if audit.buckets.len() == table.partition.len() { "all" } else { "part" }),
        seconds_predicted: seconds(table.source.bytes_estimated),
        columns: telling::special(&table.source),
        renamed: table.renamed().into_iter().map(Renamed::from).collect(),
        drift: table.drift.lines(),
    }
}

fn done(config: &Config, table: &str, (action, reason): (&'static str, &str)) -> PlannedTable {
    PlannedTable {
        order: 0,
        table: table.to_owned(),
        target: format!("{}.{}", config.warehouse_schema, catalog::names::table(table)),
        action,
        strategy: String::new(),
        reason: reason.into(),
        rows_estimated: 0,
        bytes_estimated: 0,
        chunks: 0,
        compared: None,
        seconds_predicted: 0.0,
        columns: Vec::new(),
        renamed: Vec::new(),
        drift: Vec::new(),
    }
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
