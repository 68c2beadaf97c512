//! The first hop of a run through a replica, from top to bottom: lock, clean, plan, move, prove, tell. And what it hands over
//! to the second.

use super::increments::{self, Since, Stored};
use super::planning::{self, Selected};
use super::results::{self, Planned};
use super::sync::{self, Run};
use super::{memory, tracking, typing};
use crate::catalog::replica as tables;
use crate::catalog::{self, SourceCatalog, SourceTable};
use crate::config::{Category, Config, Endpoint, Priority};
use crate::conn::mysql::MysqlConn;
use crate::context::phases::Running;
use crate::error::{Doing, Error, Kind, Result};
use crate::name::TableName;
use crate::pipeline::{self, Destination, Services};
use crate::plan::strategy::{self, Facts};
use crate::plan::{Action, Plan, TablePlan};
use crate::report::RunReport;
use crate::sink::mysql::drop_leftovers;
use crate::source::clock;
use crate::source::throttle::Throttle;
use crate::track::copies::CopyStatus;
use crate::track::replica::{self, Claim, CopyState, ReplicaLock};
use crate::track::state::Left;
use crate::track::writer::Writer;
use crate::usage;
use std::collections::{BTreeMap, BTreeSet};

impl Run<'_> {
    /// Brings the replica up to date.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run writes to it; [`Kind::Config`] for a replica that is the source, or was filled from
    /// another one; the classified error of a server. A table's own error is in the report.
    pub(super) fn replicate(&self, endpoint: &Endpoint, report: &mut RunReport) -> Result<()> {
        let (config, call) = (self.config, usage::REPLICATE.attempt(usage::Shape::NONE));
        let phase = self.context.phase("replicate");
        let mut source = MysqlConn::connect(&config.source)?.endable(&config.source, self.watchdog);
        let source_identity = format!("{}/{}", source.server.identity, config.source.database);
        let catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
        check_names(config, endpoint, &catalog, &self.options.tables)?;

        let conn = writer(endpoint)?;
        if format!("{}/{}", conn.server.identity, endpoint.database) == source_identity {
            return Err(Error::new(Kind::Config, "source and replica are the same database")
                .hint("give the replica a database of its own"));
        }
        let claim = Claim {
            run_id: &self.run_id,
            source_identity: &source_identity,
            accept_new_source: config.settings.accept_new_source,
            resume: self.options.resumes(),
            resume_within: config.settings.resume_within,
        };
        let lock = ReplicaLock::acquire(conn, claim)?;
        self.log.open();
        let result = self.replicate_locked(endpoint, report, (&mut source, phase), catalog, &lock, &source_identity);
        let outcome = if self.cancel.is_stopping() { "interrupted" } else { sync::outcome(&result, report) };
        call.ends(result.and(lock.release(outcome)))
    }

    fn replicate_locked(
        &self,
        endpoint: &Endpoint,
        report: &mut RunReport,
        (source, phase): (&mut MysqlConn, Running<'_>),
        catalog: SourceCatalog,
        lock: &ReplicaLock,
        source_identity: &str,
    ) -> Result<()> {
        let (config, run) = (self.config, lock.identity());
        let mut replica = writer(endpoint)?.endable(endpoint, self.watchdog);
        drop_leftovers(&mut replica)?;
        let now = clock::now(source)?;
        let ahead = now - clock::now(&mut replica)?;
        let (zone, _) = clock::zone(source, now)?;
        let resumes = lock.resumes().map(ToOwned::to_owned);
        let copies = replica::of_all(&mut replica)?;
        let there = There { copies, columns: columns(&mut replica)?, foreign: foreign(&mut replica)?, resumes };
        let configured = tracking::configured(config, &catalog, &self.options.tables);
        let since = Since { now, ahead, zone, source_identity, full: self.options.full || self.options.repair };
        let wanted = (catalog, self.options.tables.as_slice(), self.options.category);
        let plan = plan_copies(config, source, wanted, (&endpoint.database, &there), since)?;
        drop(replica);

        report.memory = memory::report(config, &plan, self.context.memory.limit());
        report.warnings.extend(plan.unusable_columns().into_iter().chain(plan.no_longer_there()));
        let place = endpoint.clone();
        let (tracker, writer) = Writer::start_with(&self.log, move || CopyStatus::open(&place, &configured))?;
        self.announce(&plan, &tracker);
        let facts: BTreeMap<String, _> =
            plan.tables.iter().map(|t| (t.name().to_owned(), Planned::of(t, self.verify()))).collect();
        if let Some(sync) = lock.resumes() {
            log::info!("going on with the interrupted sync {sync} of the replica: {} tables are done", plan.kept.len());
            report.resumes = Some(sync.to_owned());
        }
        report.tables.extend(plan.kept.iter().map(|(table, left)| results::kept(&endpoint.database, table.name(), left)));
        report.tables.extend(plan.refused.iter().map(|(name, error)| results::refused(&endpoint.database, name, error)));
        let services = Services {
            source: &config.source,
            destination: Destination::Replica(endpoint),
            run,
            source_identity,
            ahead,
            context: self.context,
            cancel: self.cancel,
            watchdog: self.watchdog,
            tracker: &tracker,
            progress: self.progress,
            throttle: Throttle::connect(&config.source, config.settings.threads_running_max)?,
            limits: sync::limits(config, self.options, (self.verify(), self.audit())),
        };
        let moved = pipeline::round::run(&services, plan, &BTreeMap::new());
        drop(tracker);
        self.tell_moved(report, phase, &facts, (moved, writer.join()))
    }
}

/// Decides every table of the first hop: which rows, by which strategy, in which chunks and order.
fn plan_copies(
    config: &Config,
    source: &mut MysqlConn,
    (catalog, asked, category): (SourceCatalog, &[String], Option<Category>),
    (database, there): (&str, &There),
    since: Since<'_>,
) -> Result<Plan> {
    let all = asked.is_empty() && category.is_none();
    let gone = if all { planning::gone(config, &catalog, there.copies.keys()) } else { Vec::new() };
    let (wanted, refused) = planning::select_class(source, config, catalog, asked, category)?;
    let mut plan = Plan { refused, gone, ..Plan::default() };
    for table in wanted {
        let name = table.name.table.clone();
        match one(source, config, table, database, there, since) {
            Ok(Decided::Copy(table, unusable)) => {
                plan.tables.push(*table);
                plan.unusable.extend(unusable);
            }
            Ok(Decided::Keep(table, rows)) => plan.kept.push((*table, Left::counted(rows))),
            Err(error) if matches!(error.kind(), Kind::SnapshotLost | Kind::Unreachable | Kind::Timeout) => return Err(error),
            Err(error) => plan.refused.push((name, error)),
        }
    }
    plan.order();
    Ok(plan)
}

/// What the first hop would do; changes nothing.
///
/// # Errors
/// As the hop itself.
pub(super) fn preview(
    config: &Config,
    endpoint: &Endpoint,
    (asked, category): (&[String], Option<Category>),
    full: bool,
) -> Result<Plan> {
    let mut source = MysqlConn::connect(&config.source)?;
    let source_identity = format!("{}/{}", source.server.identity, config.source.database);
    let catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    check_names(config, endpoint, &catalog, asked)?;
    let mut replica = writer(endpoint)?;
    let now = clock::now(&mut source)?;
    let ahead = now - clock::now(&mut replica)?;
    let (zone, _) = clock::zone(&mut source, now)?;
    let copies = match replica::filled_from(&mut replica)? {
        Some(_) => replica::of_all(&mut replica)?,
        None => BTreeMap::new(),
    };
    let there = There { copies, columns: columns(&mut replica)?, foreign: foreign(&mut replica)?, resumes: None };
    let since = Since { now, ahead, zone, source_identity: &source_identity, full };
    plan_copies(config, &mut source, (catalog, asked, category), (&endpoint.database, &there), since)
}

/// One table that is gone from the source must not keep all others from being replicated, so one that the replica has may be
/// named. The replica is asked only when a name is missing.
fn check_names(config: &Config, endpoint: &Endpoint, catalog: &SourceCatalog, asked: &[String]) -> Result<()> {
    let Err(error) = planning::check_names(config, catalog, asked, &[]) else { return Ok(()) };
    let read = MysqlConn::connect(endpoint).and_then(|mut conn| catalog::mysql::read(&mut conn.conn, &endpoint.database));
    let Ok(mut former) = read else { return Err(error) };
    former.tables.retain(|table| tables::incarnation(&table.comment).is_some());
    let columns = |table: &SourceTable| table.columns.iter().map(|column| column.name.clone()).collect();
    let former: Vec<_> = former.tables.iter().map(|table| (table.name.table.clone(), columns(table))).collect();
    if former.is_empty() { Err(error) } else { planning::check_names(config, catalog, asked, &former) }
}

/// What the replica has when a run begins.
struct There {
    /// Tables of ours with their state.
    copies: BTreeMap<String, CopyState>,
    /// Columns of its tables.
    columns: BTreeMap<String, BTreeSet<String>>,
    /// Tables and views that somebody else made.
    foreign: BTreeSet<String>,
    /// The interrupted sync that this run goes on with.
    resumes: Option<String>,
}

fn writer(endpoint: &Endpoint) -> Result<MysqlConn> {
    let mut conn = MysqlConn::connect(endpoint)?;
    conn.make_strict()?;
    let lower = conn.text("SELECT CONCAT(@@lower_case_table_names)", "asking how the replica spells names")?;
    match lower.as_deref() {
        Some("0") => Ok(conn),
        _ => Err(Error::new(Kind::Config, format!("{endpoint}: its server changes the case of table names"))
            .hint("use a server with lower_case_table_names = 0 as the replica")),
    }
}

fn columns(conn: &mut MysqlConn) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let doing = "reading the columns of the replica";
    let sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()";
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in conn.rows(sql, doing)? {
        let (table, column): (String, String) =
            mysql::from_row_opt(row).doing(Kind::Internal, || format!("{doing}: not a name"))?;
        columns.entry(table).or_default().insert(column);
    }
    Ok(columns)
}

fn foreign(conn: &mut MysqlConn) -> Result<BTreeSet<String>> {
    let doing = "reading the tables of the replica";
    let sql = "SELECT table_name, table_type, table_comment FROM information_schema.tables WHERE table_schema = DATABASE()";
    let mut foreign = BTreeSet::new();
    for row in conn.rows(sql, doing)? {
        let (name, kind, comment): (String, String, String) =
            mysql::from_row_opt(row).doing(Kind::Internal, || format!("{doing}: not a name"))?;
        if kind != "BASE TABLE" || tables::incarnation(&comment).is_none() {
            foreign.insert(name);
        }
    }
    Ok(foreign)
}

/// What becomes of a table.
enum Decided {
    /// It is replicated; some of its incremental columns may be of no use, and why.
    Copy(Box<TablePlan>, Option<String>),
    /// An interrupted run has finished it, with so many rows.
    Keep(Box<TablePlan>, u64),
}

/// A full load fills a new table, whatever is there; increments go into the one that is there.
fn one(
    conn: &mut MysqlConn,
    config: &Config,
    table: SourceTable,
    database: &str,
    there: &There,
    since: Since<'_>,
) -> Result<Decided> {
    let (Selected { source, filter, .. }, rule) = planning::shape(config, table)?;
    let name = source.name.table.clone();
    if tables::is_reserved(&name) || source.columns.iter().any(|column| column.name == tables::NUMBER) {
        return Err(Error::new(Kind::Config, format!("table {name}: a name that a replica keeps for itself")));
    }
    if there.foreign.contains(&name) {
        return Err(Error::new(Kind::Changed, format!("table {name}: the replica has one that etl-sync did not make"))
            .hint("rename or drop it in the replica, or use a database of its own as the replica"));
    }
    let goal = planning::goal(config, &source, &rule);
    let splitter = strategy::splitter(&source);
    let facts = Facts { action: Action::FirstLoad, splitter, chunks_wanted: goal.chunks(), configured: rule.strategy };
    let (strategy, reason) = strategy::choose(facts);
    let copy = there.copies.get(&name);
    let mut plan = TablePlan {
        action: Action::FirstLoad,
        strategy,
        reason,
        priority: rule.priority.unwrap_or(Priority::Medium),
        incarnation: copy.map(|copy| copy.incarnation.clone()),
        ..TablePlan::whole(source, TableName::new(database, name), filter)
    };
    let done = copy.filter(|copy| {
        let is_its = there.resumes.as_ref() == Some(&copy.sync_id);
        is_its && copy.fingerprint == plan.replica_fingerprint()
    });
    if let Some(copy) = done {
        return Ok(Decided::Keep(Box::new(plan), copy.rows));
    }
    let own: BTreeSet<String> =
        plan.source.columns.iter().map(|column| column.name.clone()).chain([tables::NUMBER.to_owned()]).collect();
    let altered = there.columns.get(plan.name()) != Some(&own);
    let stored = copy.map(|copy| Stored::in_replica(&plan, copy, altered));
    let unusable = increments::apply(conn, &mut plan, &rule, stored, since)?;
    if plan.reads_increments() {
        plan.action = Action::Refresh;
    }
    planning::cut(conn, &mut plan, goal)?;
    Ok(Decided::Copy(Box::new(plan), unusable))
}

/// What the first hop hands over to a load: the source that the replica was filled from, and what it holds of each table.
/// Takes off of the replica's catalog what is not the source's.
///
/// # Errors
/// [`Kind::Config`] for a replica that nobody filled, tables of `asked` that it does not hold and type rules that cannot be
/// followed; the classified server error.
pub(super) fn handed(
    config: &Config,
    conn: &mut MysqlConn,
    catalog: &mut SourceCatalog,
    asked: &[String],
) -> Result<(String, BTreeMap<String, CopyState>)> {
    let filled_from = replica::filled_from(conn)?;
    let filled_from = filled_from.ok_or_else(|| {
        Error::new(Kind::Config, format!("{}: nothing was replicated into it", conn.what()))
            .hint("run `etl-sync replicate` first")
    })?;
    tables::as_source(catalog)?;
    typing::apply(config, &mut catalog.tables)?;
    let copies = replica::of_all(conn)?;
    let known: BTreeSet<&str> = copies.keys().map(String::as_str).collect();
    let unknown: Vec<String> =
        asked.iter().filter(|name| !known.contains(name.as_str())).map(|name| planning::missing(name, &known)).collect();
    if unknown.is_empty() { Ok((filled_from, copies)) } else { Err(Error::new(Kind::Config, unknown.join("; "))) }
}
