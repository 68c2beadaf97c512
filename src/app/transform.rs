//! The step after the load: whether it is due, for which tables, under its own lock, and what the report says of it.
//!
//! It begins when the run lock is free again. dbt may work for an hour, and loads need not wait for it; a lock of its own keeps
//! a second transformation out. A run whose transformation is killed has ended as a load, so the next one begins a load of its
//! own. What changed and was not transformed is remembered in the state directory until a transformation of it went well.

use super::sync::{self, Run};
use crate::cancel::Cancel;
use crate::config::{Config, Tool};
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crate::report::transform::{TransformDocument, TransformReport, WrittenReport};
use crate::report::{RunReport, TableReport, now};
use crate::transform::pending::Pending;
use crate::transform::tables::{self, Loaded};
use crate::transform::{self, Outcome, Scope, dbt, generate, sql, status};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Longest text that a variable can hold: Linux takes 128 KiB with its name.
const VARIABLE_BYTES_MAX: usize = 100_000;

/// Which models a run builds after its load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    /// None.
    #[default]
    Nothing,
    /// Those downstream of tables that changed.
    Changed,
    /// All.
    All,
}

/// What `etl-sync transform` is to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything.
    All,
    /// What is downstream of the tables that changed in the last run, or were left by runs before.
    LastRun,
    /// What is downstream of these tables, by their names at the source or in the warehouse.
    Tables(Vec<String>),
}

/// What a run tells the tool.
#[derive(Debug, Default)]
struct Told {
    run_id: String,
    /// Status word of the load.
    status: Option<String>,
    /// The document of the run.
    result: Option<PathBuf>,
}

impl Told {
    fn variables(&self, scope: &Scope) -> Vec<(&'static str, String)> {
        let mut out = vec![("ETL_SYNC_RUN_ID", self.run_id.clone())];
        out.extend(self.status.as_ref().map(|word| ("ETL_SYNC_STATUS", word.clone())));
        out.extend(self.result.as_ref().map(|path| ("ETL_SYNC_RESULT", path.display().to_string())));
        if let Scope::Changed(tables) = scope {
            let lines = tables.iter().cloned().collect::<Vec<_>>().join("\n");
            if lines.len() <= VARIABLE_BYTES_MAX {
                out.push(("ETL_SYNC_CHANGED_TABLES", lines));
            }
        }
        out
    }
}

impl Run<'_> {
    /// Whether the step could begin, where it is asked for: told before a load begins.
    pub(super) fn transform_ready(&self) -> Result<()> {
        if self.options.transform == After::Nothing { Ok(()) } else { transform::check(&self.config.transform) }
    }

    /// The step after the load of a run.
    pub(super) fn transform_after(&self, report: &mut RunReport, started: Instant) {
        let pending = Pending::of(&self.config.state_dir, &self.config.warehouse.to_string(), &self.config.warehouse_schema);
        let changed: BTreeSet<String> =
            report.tables.iter().filter(|table| self.has_changed(table)).map(|t| in_warehouse(report, t)).collect();
        if self.options.transform == After::Changed && matches!(pending.read(), Ok(None)) {
            report.warnings.push(
                "no transformation of this schema is known here: what is made of tables that this run did not change, or of none, is not \
                 built; --transform-all builds everything"
                    .into(),
            );
        }
        let (left, remembered) = remember(&pending, &changed, self.options.transform != After::Nothing);
        report.warnings.extend(remembered);
        if self.options.transform == After::Nothing {
            return;
        }
        let tool = self.config.transform.tool.word();
        let not_run = |reason: &str| Some(TransformReport::not_run(tool, reason));
        if report.error.is_some() {
            report.transform = not_run("the load failed as a whole");
            return;
        }
        if self.cancel.is_stopping() {
            report.transform = not_run("the run was asked to stop");
            return;
        }
        let scope = if self.options.transform == After::All { Scope::All } else { Scope::Changed(left) };
        if scope == Scope::Changed(BTreeSet::new()) {
            report.transform = not_run("nothing had changed");
            return;
        }
        let document = document_of(&self.config.state_dir, report);
        report
            .warnings
            .extend(document.as_ref().err().map(|error| format!("{error}; the transformation gets no ETL_SYNC_RESULT")));
        let result = document.as_ref().ok().map(|file| file.path().to_path_buf());
        let told = Told { run_id: self.run_id.clone(), status: Some(report.status.clone()), result };
        let step = Step { config: self.config, cancel: self.cancel, watchdog: self.watchdog };
        let phase = self.context.phase("transform");
        let done = step.run(&scope, &told, &pending);
        phase.add(done.report.models.iter().filter_map(|node| node.rows).sum(), 0);
        match done.exit_code {
            0 if done.report.warned > 0 => {
                phase.warn();
                phase.complete();
            }
            0 => phase.complete(),
            _ => phase.fail(),
        }
        report.totals.events_written += done.events.0;
        report.totals.events_lost += done.events.1;
        report.warnings.extend(done.warnings);
        report.transform = Some(done.report);
        if matches!(report.exit_code, 0 | 3) && done.exit_code != 0 {
            report.exit_code = done.exit_code;
            report.status = sync::status(done.exit_code).into();
        }
        report.seconds = started.elapsed().as_secs_f64();
        report.ended_at = now();
    }

    /// Rows or columns of the table are other ones than before the run. A table that an interrupted run had finished may have
    /// changed there, and that run did not come to its transformation: its checkpoint knows.
    fn has_changed(&self, table: &TableReport) -> bool {
        match table.status.as_str() {
            "loaded" => table.inserted + table.updated + table.deleted > 0 || table.healed.is_some() || !table.drift.is_empty(),
            "kept" => self.context.checkpoints.changed().is_none_or(|changed| changed.contains(&table.table)),
            _ => false,
        }
    }
}

/// The table's own name in the warehouse.
fn in_warehouse(report: &RunReport, table: &TableReport) -> String {
    let name = table.target.strip_prefix(&report.schema).and_then(|rest| rest.strip_prefix('.'));
    name.unwrap_or(&table.target).to_owned()
}

/// Adds what changed to what was left, where transformations are wanted or were before. A file that cannot be read or written
/// is a warning: what this run changed is known without it.
fn remember(pending: &Pending, changed: &BTreeSet<String>, wanted: bool) -> (BTreeSet<String>, Option<String>) {
    let known = match pending.read() {
        Ok(Some(left)) => Ok(left),
        Ok(None) if wanted => Ok(BTreeSet::new()),
        Ok(None) => return (BTreeSet::new(), None),
        Err(error) => Err(error),
    };
    let told = |error: Error| Some(format!("{error}; what was not transformed is not remembered: {}", error.what_to_do()));
    match known {
        Ok(left) if changed.is_subset(&left) => (left, None),
        Ok(left) => {
            let all: BTreeSet<String> = left.union(changed).cloned().collect();
            let written = pending.write(all.clone());
            (all, written.err().and_then(told))
        }
        Err(error) => (changed.clone(), told(error)),
    }
}

/// The run's document so far, in a file that goes when it is dropped.
fn document_of(state_dir: &Path, report: &RunReport) -> Result<tempfile::NamedTempFile> {
    let doing = || format!("writing the result of the run for the transformation to {}", state_dir.display());
    std::fs::create_dir_all(state_dir).doing(Kind::File, doing)?;
    let file = tempfile::Builder::new().prefix("transform-").suffix(".json").tempfile_in(state_dir);
    let mut file = file.doing(Kind::File, doing)?;
    file.write_all(report.json().as_bytes()).doing(Kind::File, doing)?;
    Ok(file)
}

/// One transformation.
struct Step<'a> {
    config: &'a Config,
    cancel: &'a Cancel,
    watchdog: &'a Watchdog,
}

/// What it came to.
struct Done {
    report: TransformReport,
    exit_code: u8,
    warnings: Vec<String>,
    /// Status rows that were written and lost.
    events: (u64, u64),
}

impl Step<'_> {
    fn run(&self, scope: &Scope, told: &Told, pending: &Pending) -> Done {
        let started = Instant::now();
        let tool = self.config.transform.tool.word();
        let mut events = (0, 0);
        let mut outcome = match self.locked(scope, told, &mut events) {
            Ok(outcome) => outcome,
            Err(error) => Outcome { error: Some(error), ..Outcome::default() },
        };
        if outcome.is_well()
            && let Err(error) = forget(pending, scope)
        {
            outcome.warnings.push(format!("{error}; the next transformation does more than it has to"));
        }
        let exit_code = match &outcome.error {
            Some(error) => sync::exit_code(error, self.cancel),
            None => u8::from(!outcome.is_well()),
        };
        let tables = if let Scope::Changed(tables) = scope { Some(tables.clone()) } else { None };
        let mut warnings = std::mem::take(&mut outcome.warnings);
        let report = TransformReport::of(tool, &mut outcome, tables, started.elapsed().as_secs_f64());
        warnings.extend(report.warnings());
        Done { report, exit_code, warnings, events }
    }

    /// Under the lock of transformations.
    fn locked(&self, scope: &Scope, told: &Told, events: &mut (u64, u64)) -> Result<Outcome> {
        let (config, schema) = (self.config, self.config.warehouse_schema.as_str());
        transform::check(&config.transform)?;
        let mut lock = status::hold(&config.warehouse, self.watchdog, schema, self.cancel)?;
        let loaded = tables::loaded(&mut lock, schema)?;
        let tool = config.transform.tool.word();
        let mut tell = |records: &BTreeMap<String, status::Record>| {
            let (written, lost) = status::write(&config.warehouse, self.watchdog, schema, records);
            (events.0, events.1) = (events.0 + written, events.1 + lost);
        };
        tell(&[(status::run_row(tool), status::Record::of("running"))].into());
        match scope {
            Scope::All => log::info!("transforming everything by {tool}"),
            Scope::Changed(tables) => log::info!("transforming what is made of {} changed tables by {tool}", tables.len()),
        }
        let outcome = self.tool(scope, told);
        tell(&status::records(&outcome, tool, schema, &loaded));
        drop(lock);
        Ok(outcome)
    }

    fn tool(&self, scope: &Scope, told: &Told) -> Outcome {
        let (config, variables) = (&self.config.transform, told.variables(scope));
        match &config.tool {
            Tool::Dbt(project) => {
                dbt::Job { config, project, warehouse: &self.config.warehouse, variables, scope }.run(self.cancel)
            }
            Tool::Sql(dir) => {
                // All of them are set, because asking for one that is not is an error.
                let value = |name: &str| {
                    let found = variables.iter().find(|(variable, _)| variable.strip_prefix("ETL_SYNC_") == Some(name));
                    found.map_or_else(String::new, |(_, value)| value.clone())
                };
                let names =
                    [("run_id", "RUN_ID"), ("status", "STATUS"), ("result", "RESULT"), ("changed_tables", "CHANGED_TABLES")];
                let settings = names.map(|(setting, variable)| (setting, value(variable)));
                let files = sql::Files {
                    dir,
                    warehouse: &self.config.warehouse,
                    schema: &self.config.warehouse_schema,
                    settings: &settings,
                    timeout: config.timeout,
                };
                sql::run(files, self.cancel, self.watchdog, "etl-sync/transform")
            }
            // Refused before.
            Tool::None => Outcome::default(),
        }
    }
}

/// Takes what was transformed off the list.
fn forget(pending: &Pending, scope: &Scope) -> Result<()> {
    let left = match (pending.read()?, scope) {
        (Some(left), Scope::Changed(tables)) => left.difference(tables).cloned().collect(),
        (None, Scope::Changed(_)) | (_, Scope::All) => BTreeSet::new(),
    };
    pending.write(left)
}

/// `etl-sync transform`.
///
/// # Errors
/// [`Kind::Config`] when nothing is configured or a table is not known, and what is said of the last run's document; all that
/// the transformation itself says is in the document.
pub fn transform(config: &Config, asked: &Asked, cancel: &Cancel, watchdog: &Watchdog) -> Result<TransformDocument> {
    transform::check(&config.transform)?;
    let run_id = uuid::Uuid::now_v7().to_string();
    let schema = &config.warehouse_schema;
    let mut document = TransformDocument::opening(run_id.clone(), config.warehouse.to_string(), schema.clone());
    document.warnings.clone_from(&config.warnings);
    let pending = Pending::of(&config.state_dir, &document.warehouse, schema);
    let last = LastRun::read(&config.state_dir)?.filter(|last| last.is_of(&document));
    let scope = match asked {
        Asked::All => Scope::All,
        Asked::Tables(names) => Scope::Changed(known(names, &tables::read(&config.warehouse, schema, watchdog)?)?),
        Asked::LastRun => Scope::Changed(match (pending.read()?, &last) {
            // What the last run changed is in it, and was taken off when it was transformed.
            (Some(left), _) => left,
            (None, Some(last)) => last.changed(),
            (None, None) => {
                let text = format!("no run of schema {schema} has left its result in {}", config.state_dir.display());
                return Err(
                    Error::new(Kind::Config, text).hint("name the tables behind --changed, or leave it out for all models")
                );
            }
        }),
    };
    if scope == Scope::Changed(BTreeSet::new()) {
        document.transform = TransformReport::not_run(config.transform.tool.word(), "nothing had changed");
        document.exit_code = 0;
    } else {
        let result = last.is_some().then(|| LastRun::path(&config.state_dir));
        let told = Told { run_id, status: last.map(|last| last.status), result };
        let done = Step { config, cancel, watchdog }.run(&scope, &told, &pending);
        document.warnings.extend(done.warnings);
        (document.transform, document.exit_code) = (done.report, done.exit_code);
    }
    document.status.clone_from(&document.transform.status);
    document.ended_at = now();
    Ok(document)
}

/// The tables by their names in the warehouse.
fn known(names: &[String], loaded: &[Loaded]) -> Result<BTreeSet<String>> {
    let find = |name: &String| {
        let table = loaded.iter().find(|table| table.source == *name).or_else(|| loaded.iter().find(|table| table.name == *name));
        table.map(|table| table.name.clone()).ok_or_else(|| {
            Error::new(Kind::Config, format!("no table {name} has been loaded")).hint("`etl-sync status` lists what has")
        })
    };
    names.iter().map(find).collect()
}

/// What is read of the last run's document.
#[derive(Deserialize)]
struct LastRun {
    status: String,
    warehouse: String,
    schema: String,
    #[serde(default)]
    tables: Vec<LastTable>,
}

#[derive(Deserialize)]
struct LastTable {
    target: String,
    status: String,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

impl LastRun {
    fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("last_run.json")
    }

    fn read(state_dir: &Path) -> Result<Option<Self>> {
        let path = Self::path(state_dir);
        let doing = || format!("reading {}", path.display());
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).doing(Kind::File, doing).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing(Kind::File, doing),
        }
    }

    fn is_of(&self, document: &TransformDocument) -> bool {
        (&self.warehouse, &self.schema) == (&document.warehouse, &document.schema)
    }

    fn changed(&self) -> BTreeSet<String> {
        let changed = self.tables.iter().filter(|t| t.status == "kept" || t.inserted + t.updated + t.deleted > 0);
        changed.map(|t| t.target.strip_prefix(&format!("{}.", self.schema)).unwrap_or(&t.target).to_owned()).collect()
    }
}

/// `etl-sync dbt sources`: the file, or its text where no file is asked for.
///
/// # Errors
/// [`Kind::Config`] when nothing has been loaded, or somebody else's file is there; the classified error of the warehouse.
pub fn sources(config: &Config, out: Option<&Path>, watchdog: &Watchdog) -> Result<WrittenReport> {
    let loaded = tables::read(&config.warehouse, &config.warehouse_schema, watchdog)?;
    if loaded.is_empty() {
        let text = format!("no table has been loaded into schema {}", config.warehouse_schema);
        return Err(Error::new(Kind::Config, text).hint("run `etl-sync run` first: the sources are what it has loaded"));
    }
    let text = generate::sources(&config.transform, &config.warehouse_schema, &loaded);
    let Some(path) = out else { return Ok(WrittenReport::new(Vec::new(), Some(text))) };
    generate::save(path, &text)?;
    Ok(WrittenReport::new(vec![path.display().to_string()], None))
}

/// `etl-sync dbt models`.
///
/// # Errors
/// [`Kind::Config`] when a file of somebody else is there, [`Kind::File`] when one cannot be written.
pub fn models(config: &Config, out: &Path) -> Result<WrittenReport> {
    let files = generate::save_models(&config.transform, out)?;
    Ok(WrittenReport::new(files.iter().map(|path| path.display().to_string()).collect(), None))
}
