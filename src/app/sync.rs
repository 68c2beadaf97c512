//! The main job, from top to bottom: lock, clean, plan, move, prove, tell.

use super::audit::Wanted;
use super::capacity;
use super::definitions::Definitions;
use super::increments::{self, Since};
use super::planning::{self, Inputs};
use super::replicate;
use super::results::{self, Planned};
use super::transform::After;
use super::{memory, run_log, space, traces, tracking, unfinished};
use crate::cancel::Cancel;
use crate::catalog::{self, TargetTable};
use crate::config::{Audit, Category, Config, Endpoint, Verify};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::context::Context;
use crate::context::progress::Progress;
use crate::error::{Error, Kind, Result};
use crate::pipeline::table::TableResult;
use crate::pipeline::{self, Destination, Limits, Services};
use crate::plan::Plan;
use crate::report::{ErrorReport, RunReport, now};
use crate::retry::Retries;
use crate::sink::postgres::{PostgresSink, leftovers};
use crate::source::throttle::Throttle;
use crate::track::RunIdentity;
use crate::track::attempts::{self, Attempt};
use crate::track::lock::{Claim, Interrupted, RunLock, application_name};
use crate::track::replica::CopyState;
use crate::track::runs::EngineLog;
use crate::track::state;
use crate::track::writer::{Event, Writer};
use crate::usage;
use std::collections::BTreeMap;
use std::time::Instant;

/// Which way rows go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hops {
    /// To the warehouse; where a replica is configured, through it.
    #[default]
    All,
    /// From the source to the replica.
    Replicate,
    /// From the replica to the warehouse.
    Load,
}

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Which way rows go.
    pub hops: Hops,
    /// Tables by exact name; all when empty.
    pub tables: Vec<String>,
    /// Tables of this size class only.
    pub category: Option<Category>,
    /// Load every table, also those that an interrupted run has finished.
    pub full: bool,
    /// Tables may lose more rows than the configuration allows.
    pub accept_deletes: bool,
    /// What proves a table; as configured when none.
    pub verify: Option<Verify>,
    /// How much of each table is compared by content; as configured when none.
    pub audit: Option<Audit>,
    /// What an interrupted run has finished does not count.
    pub no_resume: bool,
    /// Compare all of every table by content, whatever watermarks and evidence say.
    pub repair: bool,
    /// What is transformed after the load.
    pub transform: After,
}

impl SyncOptions {
    /// What an interrupted run has finished stays as it is.
    #[must_use]
    pub const fn resumes(&self) -> bool {
        !self.full && !self.repair && !self.no_resume
    }
}

/// Where the rows of a run come from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    /// The server that is read.
    endpoint: &'a Endpoint,
    /// Server and database that the rows are of: the source, also where its replica is read.
    source_identity: &'a str,
    /// What a replica holds of each table.
    copies: Option<&'a BTreeMap<String, CopyState>>,
}

/// A run in the making: what the report needs whatever happens.
pub struct Run<'a> {
    pub(super) config: &'a Config,
    pub(super) options: &'a SyncOptions,
    pub(super) context: &'a Context,
    pub(super) cancel: &'a Cancel,
    pub(super) watchdog: &'a Watchdog,
    pub(super) progress: &'a Progress,
    pub(super) run_id: String,
    pub(super) log: EngineLog,
}

impl<'a> Run<'a> {
    /// A run that has not touched anything.
    #[must_use]
    pub fn new(config: &'a Config, options: &'a SyncOptions, context: &'a Context, watchdog: &'a Watchdog) -> Self {
        let Context { run_id, cancel, progress, .. } = context;
        let log = EngineLog::new(config, run_id);
        Self { config, options, context, cancel, watchdog, progress, log, run_id: run_id.clone() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.run_id
    }

    /// Syncs, and tells what happened; a failure of the whole run is in the report too.
    #[must_use]
    pub fn sync(&self) -> RunReport {
        let (started, call) = (Instant::now(), usage::SYNC.attempt(usage::Shape::NONE));
        let mut report = self.opening();
        self.context.phases.plan(&self.phases());
        let result = self.transform_ready().and_then(|()| self.hops(&mut report));
        let first = report.replicate.as_ref().map_or(0, |first| first.exit_code);
        self.close(&mut report, result, started);
        // What the first hop did not bring is missing at the end of the second, however well that went.
        if report.exit_code == 0 && first != 0 {
            report.exit_code = first;
            report.status = status(first).into();
        }
        self.transform_after(&mut report, started);
        let telling = self.context.phase("report");
        run_log::close(&self.log, &mut report, self.config.settings.run_log_days);
        telling.complete();
        let checkpoints = &self.context.checkpoints;
        match report.exit_code {
            0 | 3 => checkpoints.done(),
            1 if report.error.is_none() => checkpoints.ended(),
            _ => checkpoints.keep(),
        }
        report.tell(self.context);
        call.ended(report.error.is_none());
        report
    }

    /// Adds a hop up.
    pub(super) fn close(&self, report: &mut RunReport, result: Result<()>, started: Instant) {
        if let Err(error) = result.map_err(|error| self.cancel.stopped(error)) {
            report.error = Some(ErrorReport::from(&error));
            report.exit_code = exit_code(&error, self.cancel);
        }
        report.add_up();
        report.add_times(self.progress);
        if report.error.is_none() {
            report.exit_code = self.exit_code(report);
        }
        report.status = status(report.exit_code).into();
        report.seconds = started.elapsed().as_secs_f64();
        report.ended_at = now();
    }

    /// With a replica, what is loaded is what the replica holds: it is read from the source once, and the second hop reads
    /// only what the first one wrote.
    fn hops(&self, report: &mut RunReport) -> Result<()> {
        let Some(replica) = &self.config.replica else {
            return match self.options.hops {
                Hops::All => self.steps(report, None),
                Hops::Replicate | Hops::Load => Err(Error::new(Kind::Config, "no replica is configured")
                    .hint("give it by --replica-url, ETL_SYNC_REPLICA_URL or connections.replica in pipeline.yml")),
            };
        };
        match self.options.hops {
            Hops::Replicate => self.replicate(replica, report),
            Hops::Load => self.steps(report, Some(replica)),
            Hops::All => {
                let (mut first, started) = (self.opening_of(replica), Instant::now());
                let result = self.replicate(replica, &mut first);
                let failed = result.as_ref().err().map(|error| error.kind());
                self.close(&mut first, result, started);
                report.replicate = Some(Box::new(first));
                match failed {
                    Some(kind) => Err(Error::new(kind, "the replica did not get its rows, so nothing was loaded")),
                    None if self.cancel.is_stopping() => Ok(()),
                    None => self.steps(report, Some(replica)),
                }
            }
        }
    }

    /// Into the warehouse, from the source or from a replica of it.
    fn steps(&self, report: &mut RunReport, replica: Option<&Endpoint>) -> Result<()> {
        let config = self.config;
        let from = replica.unwrap_or(&config.source);
        let discover = self.context.phase("discover");
        let mut source = MysqlConn::connect(from)?.endable(from, self.watchdog);
        let mut catalog = catalog::mysql::read(&mut source.conn, &from.database)?;
        let (source_identity, copies) = match replica {
            None => {
                planning::configure_known(config, &mut catalog, &self.options.tables, self.watchdog)?;
                (format!("{}/{}", source.server.identity, from.database), None)
            }
            Some(_) => {
                // After a first hop of this run, what it does not hold has failed there and is told so.
                let asked: &[String] = if self.options.hops == Hops::Load { &self.options.tables } else { &[] };
                let (filled_from, copies) = replicate::handed(config, &mut source, &mut catalog, asked)?;
                (filled_from, Some(copies))
            }
        };
        // The first hop's connection would be one too many for a tight limit.
        self.log.rest();
        capacity::preflight(config, &mut source, self.watchdog)?;

        let claim = Claim {
            schema: &config.warehouse_schema,
            run_id: &self.run_id,
            source_identity: &source_identity,
            accept_new_source: config.settings.accept_new_source,
            resume_within: config.settings.resume_within,
            resume: self.options.resumes(),
        };
        let (lock, last) = RunLock::acquire(&config.warehouse, self.watchdog, &claim, self.cancel)?;
        self.log.open();
        discover.complete();
        let origin = Origin { endpoint: from, source_identity: &source_identity, copies: copies.as_ref() };
        let result = self.locked(report, &mut source, catalog, origin, &lock, last.as_ref());
        if result.is_ok() {
            self.tell_proofs(report);
        }
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
        origin: Origin<'_>,
        lock: &RunLock,
        last: Option<&Interrupted>,
    ) -> Result<()> {
        let (config, run) = (self.config, lock.identity());
        let discover = self.context.phase("discover");
        let source_identity = origin.source_identity;
        // A replica holds the wanted rows and columns and no others.
        let reduced = origin.copies.map(|_| Config { tables: config.tables.of_replica(), ..config.clone() });
        let mut warehouse = PostgresConn::connect(&config.warehouse, &application_name(&run.run_id), self.watchdog)?;
        let left = if self.options.no_resume { BTreeMap::new() } else { leftovers::left(&mut warehouse, run)? };
        let states = state::of_job(&mut warehouse, &run.job)?;
        let (now, ahead, zone) = increments::clocks(source, &mut warehouse)?;
        let targets = planning::targets_for(config, &catalog, &mut warehouse)?;
        let places = (origin.endpoint.database.as_str(), config.warehouse_schema.as_str());
        let look = if self.options.repair { None } else { traces::look(source, &mut warehouse, places, self.verify())? };
        let distrusted = attempts::distrusted(&mut warehouse, &run.job)?;
        let configured = tracking::configured(config, &catalog, &self.options.tables);
        let inputs = Inputs {
            config: reduced.as_ref().unwrap_or(config),
            catalog,
            targets: &targets,
            tables: &self.options.tables,
            category: self.options.category,
            states: &states,
            resumes: last.map(|last| last.sync_id.as_str()),
            since: Since { now, ahead, zone, source_identity, full: self.options.full },
            copies: origin.copies,
            look: look.as_ref(),
            audit: Wanted { audit: self.audit(), is_repair: self.options.repair, distrusted: &distrusted },
            left: &left,
        };
        let plan = usage::PLAN.run(usage::Shape::NONE, || planning::plan(source, inputs))?;
        report.warnings.extend(unfinished::take_over(self.context, &states, &plan));
        leftovers::drop_all(&mut warehouse, run, &plan.taken_over())?;
        space::check(&plan, config.settings.parallel, &config.warehouse, &mut warehouse)?;
        let mended = attempts::healed_in_a_row(&mut warehouse, &run.job);
        drop(warehouse);
        let definitions = self.definitions(source, &plan, run, &targets)?;
        let (tracker, writer) = Writer::start(&self.log, run, configured)?;
        self.announce(&plan, &tracker);
        let facts: BTreeMap<_, _> = plan.tables.iter().map(|t| (t.name().to_owned(), Planned::of(t, self.verify()))).collect();
        self.tell_planned(report, &plan, last);
        let services = Services {
            source: origin.endpoint,
            destination: Destination::Warehouse(&config.warehouse),
            run,
            source_identity,
            ahead,
            context: self.context,
            cancel: self.cancel,
            watchdog: self.watchdog,
            tracker: &tracker,
            progress: self.progress,
            throttle: Throttle::connect(origin.endpoint, config.settings.threads_running_max)?,
            limits: limits(config, self.options, (self.verify(), self.audit())),
        };
        discover.complete();
        let load = self.context.phase("load");
        let moved = pipeline::round::run(&services, plan, &targets);
        drop(tracker);
        report.warnings.extend(alarms(mended, &moved.results));
        report.definitions = definitions.build(config, run, self.watchdog, self.cancel);
        self.tell_moved(report, load, &facts, (moved, writer.join()))
    }

    /// What is known of tables before any is read.
    fn tell_planned(&self, report: &mut RunReport, plan: &Plan, last: Option<&Interrupted>) {
        report.warnings.extend(plan.unusable_columns().inspect(|text| log::warn!("{text}")));
        report.warnings.extend(plan.without_loaded_at());
        report.memory = memory::report(self.config, plan, self.context.memory.limit());
        report.warnings.extend(memory::shortage(&report.memory).inspect(|text| log::warn!("{text}")));
        let lost = plan.no_longer_there();
        lost.iter().for_each(|line| log::warn!("{line}"));
        report.warnings.extend(lost);
        if let Some(last) = last {
            log::info!("going on with the interrupted run {}: {} tables are done", last.run_id, plan.kept.len());
            report.resumes = Some(last.run_id.clone());
        }
        let schema = &self.config.warehouse_schema;
        report.tables.extend(plan.kept.iter().map(|(table, left)| results::kept(schema, table.name(), left)));
        report.tables.extend(plan.unmoved.iter().map(|(table, left)| results::unmoved(schema, table, left)));
        report.tables.extend(plan.refused.iter().map(|(name, error)| results::refused(schema, name, error)));
    }

    /// What tables have beside their rows.
    fn definitions(
        &self,
        source: &mut MysqlConn,
        plan: &Plan,
        run: &RunIdentity,
        targets: &BTreeMap<String, TargetTable>,
    ) -> Result<Definitions> {
        let all = plan.tables.iter().chain(plan.done());
        let tables: Vec<_> = all.map(|table| (table.source.clone(), table.target.clone())).collect();
        let mut sink = PostgresSink::new(&self.config.warehouse, &run.run_id, self.watchdog);
        Definitions::prepare(self.config, source, &tables, &mut sink, run, !targets.is_empty())
    }

    pub(super) fn announce(&self, plan: &Plan, tracker: &crate::track::writer::Tracker) {
        let bytes = plan.tables.iter().map(|t| t.source.bytes_estimated).sum();
        self.progress.plan(u64::try_from(plan.tables.len()).unwrap_or(u64::MAX), bytes);
        for (table, error) in &plan.refused {
            log::error!("table {table} is not copied: {error}");
            tracker.send(Event::Failed { table: table.clone() });
            let attempt =
                Attempt { table: table.clone(), outcome: "refused", error_kind: Some(error.kind().word()), ..Attempt::default() };
            tracker.send(Event::Attempt(Box::new(attempt)));
        }
        for table in &plan.gone {
            tracker.send(Event::Gone { table: table.clone() });
        }
        for table in &plan.tables {
            table.drift.lines().iter().for_each(|line| log::info!("table {}: {line}", table.name()));
        }
        for (table, _) in &plan.unmoved {
            log::debug!("table {}: {}", table.name(), results::why_unmoved(table));
            tracker.send(Event::Unmoved { table: table.name().to_owned() });
        }
    }

    /// Without any proof there is no audit either.
    pub(super) fn audit(&self) -> Audit {
        if self.verify() == Verify::Off { Audit::Off } else { self.options.audit.unwrap_or(self.config.settings.audit) }
    }

    pub(super) fn verify(&self) -> Verify {
        self.options.verify.unwrap_or(self.config.settings.verify)
    }

    /// The report as it is before anything is done; also what is left when the process has to end without its threads.
    #[must_use]
    pub fn opening(&self) -> RunReport {
        let report = match (&self.config.replica, self.options.hops) {
            (Some(replica), Hops::Replicate) => self.opening_of(replica),
            (Some(replica), _) => RunReport { source: replica.to_string(), ..self.direct() },
            (None, _) => self.direct(),
        };
        RunReport { warnings: self.config.warnings.clone(), ..report }
    }

    fn direct(&self) -> RunReport {
        RunReport {
            source: self.config.source.to_string(),
            warehouse: self.config.warehouse.to_string(),
            schema: self.config.warehouse_schema.clone(),
            parallel: self.config.settings.parallel,
            verify: self.verify().word().into(),
            ..RunReport::empty(self.run_id.clone())
        }
    }

    /// The report of the first hop.
    fn opening_of(&self, replica: &Endpoint) -> RunReport {
        RunReport { warehouse: replica.to_string(), schema: replica.database.clone(), ..self.direct() }
    }

    fn exit_code(&self, report: &RunReport) -> u8 {
        if self.cancel.is_stopping() {
            return stopped_code(self.cancel);
        }
        let totals = &report.totals;
        if totals.failed > 0 || totals.not_reached > 0 {
            1
        } else if totals.rejected > 0 || totals.unproved > 0 && self.verify() != Verify::Off {
            3
        } else {
            0
        }
    }
}

pub(super) fn limits(config: &Config, options: &SyncOptions, (verify, audit): (Verify, Audit)) -> Limits {
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
        verify,
        digests: audit != Audit::Off || options.repair,
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

pub(super) const fn status(exit_code: u8) -> &'static str {
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

pub(super) fn exit_code(error: &Error, cancel: &Cancel) -> u8 {
    if error.kind() == Kind::Stopped { stopped_code(cancel) } else { error.kind().policy().exit }
}

/// What the job's row says of this run: an interrupted one is gone on with.
pub(super) fn outcome(result: &Result<()>, report: &RunReport) -> &'static str {
    match result {
        Err(_) => "interrupted",
        Ok(()) if report.tables.iter().any(|t| t.status == "not_reached") => "interrupted",
        Ok(()) if report.tables.iter().any(|t| t.status == "failed" || t.status == "refused") => "failed",
        Ok(()) => "success",
    }
}
