//! The main job, from top to bottom: lock, clean, plan, move, prove, tell.

use super::capacity;
use super::definitions::Definitions;
use super::increments::{self, Since};
use super::planning::{self, Inputs};
use super::{space, tracking};
use crate::cancel::Cancel;
use crate::catalog::{self, TargetTable};
use crate::config::{Category, Config};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::context::progress::Progress;
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use crate::pipeline::table::{End, TableResult};
use crate::pipeline::{self, Limits, Services};
use crate::plan::Plan;
use crate::report::{ErrorReport, Healed, IncrementalValues, Renamed, RunReport, TableReport, ValueCount, now};
use crate::retry::Retries;
use crate::sink::postgres::{PostgresSink, leftovers};
use crate::track::RunIdentity;
use crate::track::attempts::{self, Attempt};
use crate::track::lock::{Claim, Interrupted, RunLock, application_name};
use crate::track::state;
use crate::track::writer::{Event, Writer};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Tables by exact name; all when empty.
    pub tables: Vec<String>,
    /// Tables of this size class only.
    pub category: Option<Category>,
    /// Load every table, also those that an interrupted run has finished.
    pub full: bool,
    /// Tables may lose more rows than the configuration allows.
    pub accept_deletes: bool,
}

/// A run in the making: what the report needs whatever happens.
pub struct Run<'a> {
    config: &'a Config,
    options: &'a SyncOptions,
    cancel: &'a Cancel,
    watchdog: &'a Watchdog,
    progress: &'a Progress,
    run_id: String,
}

impl<'a> Run<'a> {
    /// A run that has not touched anything.
    #[must_use]
    pub fn new(
        config: &'a Config,
        options: &'a SyncOptions,
        cancel: &'a Cancel,
        watchdog: &'a Watchdog,
        progress: &'a Progress,
    ) -> Self {
        Self { config, options, cancel, watchdog, progress, run_id: uuid::Uuid::now_v7().to_string() }
    }

    /// Syncs, and tells what happened; a failure of the whole run is in the report too.
    #[must_use]
    pub fn sync(&self) -> RunReport {
        let started = Instant::now();
        let mut report = self.opening();
        if let Err(error) = self.steps(&mut report) {
            report.error = Some(ErrorReport::from(&error));
            report.exit_code = exit_code(&error, self.cancel);
        }
        report.add_up();
        if report.error.is_none() {
            report.exit_code = self.exit_code(&report);
        }
        report.status = status(report.exit_code).into();
        report.seconds = started.elapsed().as_secs_f64();
        report.ended_at = now();
        report
    }

    fn steps(&self, report: &mut RunReport) -> Result<()> {
        let config = self.config;
        let mut source = MysqlConn::connect(&config.source)?;
        let source_identity = format!("{}/{}", source.server.identity, config.source.database);
        let mut catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
        planning::configure(config, &mut catalog, &self.options.tables)?;
        capacity::preflight(config, &mut source, self.watchdog)?;

        let claim = Claim {
            schema: &config.warehouse_schema,
            run_id: &self.run_id,
            source_identity: &source_identity,
            accept_new_source: config.settings.accept_new_source,
            resume_within: config.settings.resume_within,
            resume: !self.options.full,
        };
        let (lock, last) = RunLock::acquire(&config.warehouse, self.watchdog, &claim, self.cancel)?;
        let result = self.locked(report, &mut source, catalog, &source_identity, &lock, last.as_ref());
        let lost = lock.is_lost();
        let outcome = if self.cancel.is_stopping() || lost { "interrupted" } else { outcome(&result, report) };
        let released = lock.release(outcome);
        if lost {
            return Err(Error::new(Kind::Unreachable, "the run lock was lost: the warehouse restarted or another run took over")
                .hint("run again: tables that were done stay done"));
        }
        result.and(released)
    }

    /// Everything that happens under the run lock.
    fn locked(
        &self,
        report: &mut RunReport,
        source: &mut MysqlConn,
        catalog: catalog::SourceCatalog,
        source_identity: &str,
        lock: &RunLock,
        last: Option<&Interrupted>,
    ) -> Result<()> {
        let (config, run) = (self.config, lock.identity());
        let mut warehouse = PostgresConn::connect(&config.warehouse, &application_name(&run.run_id), self.watchdog)?;
        leftovers::drop_all(&mut warehouse, run)?;
        let states = state::of_job(&mut warehouse, &run.job)?;
        let (now, ahead) = increments::clocks(source, &mut warehouse)?;
        let targets = planning::targets(config, &mut warehouse)?;
        let configured = tracking::configured(config, &catalog, &self.options.tables);
        let inputs = Inputs {
            config,
            catalog,
            targets: &targets,
            tables: &self.options.tables,
            category: self.options.category,
            states: &states,
            resumes: last.map(|last| last.sync_id.as_str()),
            since: Since { now, ahead, source_identity, full: self.options.full },
        };
        let plan = planning::plan(source, inputs)?;
        space::check(&plan, config.settings.parallel, &config.warehouse, &mut warehouse)?;
        let mended = attempts::healed_in_a_row(&mut warehouse, &run.job);
        drop(warehouse);
        let definitions = self.definitions(source, &plan, run, &targets)?;
        report.warnings.extend(plan.unusable_columns().inspect(|text| log::warn!("{text}")));
        report.warnings.extend(plan.without_loaded_at());

        let (tracker, writer) = Writer::start(&config.warehouse, self.watchdog, run, configured)?;
        self.announce(&plan, &tracker);
        let facts: BTreeMap<String, _> =
            plan.tables.iter().map(|t| (t.name().to_owned(), (t.target.clone(), t.renamed()))).collect();
        if let Some(last) = last {
            log::info!("going on with the interrupted run {}: {} tables are done", last.run_id, plan.kept.len());
            report.resumes = Some(last.run_id.clone());
        }
        report.tables.extend(plan.kept.iter().map(|(table, rows)| kept(config, table.name(), *rows)));
        report.tables.extend(plan.refused.iter().map(|(name, error)| refused(config, name, error)));
        let services = Services {
            source: &config.source,
            warehouse: &config.warehouse,
            run,
            source_identity,
            ahead,
            cancel: self.cancel,
            watchdog: self.watchdog,
            tracker: &tracker,
            progress: self.progress,
            limits: limits(config, self.options),
        };
        let moved = pipeline::round::run(&services, plan, &targets);
        drop(tracker);
        let events = writer.join();
        (report.totals.events_written, report.totals.events_lost) = (events.written, events.lost);
        report.warnings.extend(moved.warnings);
        report.warnings.extend(alarms(mended, &moved.results));
        let told = moved.results.iter().filter_map(|result| facts.get(&result.table).map(|facts| told(facts, result)));
        report.tables.extend(told);
        report.definitions = definitions.build(config, run, self.watchdog, self.cancel);
        moved.ended_by.map_or(Ok(()), Err)
    }

    /// What tables have beside their rows.
    fn definitions(
        &self,
        source: &mut MysqlConn,
        plan: &Plan,
        run: &RunIdentity,
        targets: &BTreeMap<String, TargetTable>,
    ) -> Result<Definitions> {
        let all = plan.tables.iter().chain(plan.kept.iter().map(|(table, _)| table));
        let tables: Vec<_> = all.map(|table| (table.source.clone(), table.target.clone())).collect();
        let mut sink = PostgresSink::new(&self.config.warehouse, &run.run_id, self.watchdog);
        Definitions::prepare(self.config, source, &tables, &mut sink, run, !targets.is_empty())
    }

    fn announce(&self, plan: &Plan, tracker: &crate::track::writer::Tracker) {
        let bytes = plan.tables.iter().map(|t| t.source.bytes_estimated).sum();
        self.progress.plan(u64::try_from(plan.tables.len()).unwrap_or(u64::MAX), bytes);
        for (table, error) in &plan.refused {
            log::error!("table {table} is not copied: {error}");
            tracker.send(Event::Failed { table: table.clone() });
            let attempt =
                Attempt { table: table.clone(), outcome: "refused", error_kind: Some(error.kind().word()), ..Attempt::default() };
            tracker.send(Event::Attempt(Box::new(attempt)));
        }
    }

    /// The report as it is before anything is done; also what is left when the process has to end without its threads.
    #[must_use]
    pub fn opening(&self) -> RunReport {
        let mut warnings = self.config.warnings.clone();
        if self.config.replica.is_some() {
            warnings.push("a replica is configured, but the replica hop is not built yet: the source is read directly".into());
        }
        RunReport {
            source: self.config.source.to_string(),
            warehouse: self.config.warehouse.to_string(),
            schema: self.config.warehouse_schema.clone(),
            parallel: self.config.settings.parallel,
            warnings,
            ..RunReport::empty(self.run_id.clone())
        }
    }

    fn exit_code(&self, report: &RunReport) -> u8 {
        if self.cancel.is_stopping() {
            return stopped_code(self.cancel);
        }
        let totals = &report.totals;
        if totals.failed > 0 || totals.not_reached > 0 {
            1
        } else if totals.rejected > 0 {
            3
        } else {
            0
        }
    }
}

fn limits(config: &Config, options: &SyncOptions) -> Limits {
    let settings = &config.settings;
    Limits {
        workers: settings.parallel,
        retries: Retries { count: usize::try_from(settings.retries).unwrap_or(usize::MAX), wait: settings.retry_wait },
        snapshot_lock_wait: settings.snapshot_wait,
        server_down_wait: settings.server_down_wait,
        spool_bytes: planning::spool_bytes(config),
        copy_format: settings.copy_format,
        rejected_rows_max: settings.rejected_rows_max,
        quarantine_raw: settings.quarantine_raw,
        row_bytes_max: settings.row_bytes_max,
        transaction_wait: settings.transaction_wait,
        verify: settings.verify,
        deletes_percent_max: if options.accept_deletes { 100 } else { settings.deletes_percent_max },
    }
}

/// The warnings for tables that are mended again and again. A history that cannot be read fails no run.
fn alarms(before: Result<BTreeMap<String, u64>>, results: &[TableResult]) -> Vec<String> {
    match before {
        Ok(before) => {
            let mended = results.iter().filter(|result| result.heal.is_some());
            attempts::alarms(&before, mended.map(|result| result.table.as_str()))
        }
        Err(error) => {
            log::warn!("{error}; no alarm about tables that are mended again and again");
            Vec::new()
        }
    }
}

const fn status(exit_code: u8) -> &'static str {
    match exit_code {
        0 => "success",
        3 => "incomplete",
        4 | 130 | 143 => "stopped",
        _ => "failed",
    }
}

fn stopped_code(cancel: &Cancel) -> u8 {
    u8::try_from(cancel.signal()).ok().filter(|s| *s > 0).map_or(4, |signal| 128 + signal)
}

fn exit_code(error: &Error, cancel: &Cancel) -> u8 {
    if error.kind() == Kind::Stopped { stopped_code(cancel) } else { error.kind().policy().exit }
}

/// What the job's row says of this run: an interrupted one is gone on with.
fn outcome(result: &Result<()>, report: &RunReport) -> &'static str {
    match result {
        Err(_) => "interrupted",
        Ok(()) if report.tables.iter().any(|t| t.status == "not_reached") => "interrupted",
        Ok(()) if report.tables.iter().any(|t| t.status == "failed" || t.status == "refused") => "failed",
        Ok(()) => "success",
    }
}

fn blank(config: &Config, table: &str, status: &str) -> TableReport {
    TableReport {
        table: table.to_owned(),
        target: format!("{}.{}", config.warehouse_schema, catalog::names::table(table)),
        status: status.into(),
        strategy: String::new(),
        reason: String::new(),
        chunks: 0,
        snapshot: String::new(),
        rows: 0,
        rows_read: 0,
        inserted: 0,
        updated: 0,
        deleted: 0,
        bytes: 0,
        seconds: 0.0,
        rounds: 0,
        rejected: 0,
        healed: None,
        values: Vec::new(),
        incremental_values: Vec::new(),
        renamed: Vec::new(),
        error: None,
    }
}

fn refused(config: &Config, table: &str, error: &Error) -> TableReport {
    TableReport { error: Some(ErrorReport::from(error)), ..blank(config, table, "refused") }
}

fn kept(config: &Config, table: &str, rows: u64) -> TableReport {
    TableReport { rows, ..blank(config, table, "kept") }
}

fn told(facts: &(TableName, Vec<(String, String)>), result: &TableResult) -> TableReport {
    let (status, outcome, error) = match &result.end {
        Some(End::Loaded(outcome)) => ("loaded", *outcome, None),
        Some(End::Failed(error)) => ("failed", crate::sink::Outcome::default(), Some(ErrorReport::from(error))),
        None => ("not_reached", crate::sink::Outcome::default(), None),
    };
    TableReport {
        table: result.table.clone(),
        target: facts.0.to_string(),
        status: status.into(),
        strategy: result.strategy.to_string(),
        reason: result.reason.clone(),
        chunks: result.chunks,
        snapshot: result.snapshot.into(),
        rows: outcome.rows,
        rows_read: result.rows_read,
        inserted: outcome.inserted,
        updated: outcome.updated,
        deleted: outcome.deleted,
        bytes: result.bytes,
        seconds: seconds(result.elapsed),
        rounds: result.rounds,
        rejected: if error.is_none() { outcome.rejected } else { result.rejected },
        values: result
            .values
            .iter()
            .map(|(column, fault, done, count)| ValueCount {
                column: column.clone(),
                fault: fault.word(),
                done: done.word(),
                count: *count,
            })
            .collect(),
        incremental_values: result.oddities.iter().map(IncrementalValues::from).collect(),
        healed: result.heal.as_ref().map(|heal| Healed {
            source: heal.source,
            target: heal.target,
            rows: heal.rows,
            via: heal.via.clone(),
        }),
        renamed: facts.1.iter().cloned().map(Renamed::from).collect(),
        error,
    }
}

/// Whole milliseconds are all that is meant.
fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
