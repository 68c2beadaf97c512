//! From two catalogs and the configuration to a plan. Reads the source's catalog and key boundaries, writes nothing.

use super::audit;
use super::increments::{self, Since, Stored};
use super::traces::{self, Look, Stands};
use super::typing;
use crate::catalog::drift;
use crate::catalog::loaded_at::LoadedAt;
use crate::catalog::{self, KeyKind, SourceCatalog, SourceTable, TargetTable};
use crate::config::{Category, ColumnSelection, Config, Deletes, Priority, Problems, Strategy, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use crate::plan::chunks::ChunkGoal;
use crate::plan::reuse::{self, LeftStaging};
use crate::plan::strategy::{self, Facts};
use crate::plan::{Action, Plan, TablePlan};
use crate::sink::postgres::leftovers;
use crate::source::boundaries;
use crate::track::replica::CopyState;
use crate::track::schema::{LOAD_STATUS, TRANSFORM_STATUS};
use crate::track::state::{self, Left, TableState};
use std::collections::{BTreeMap, BTreeSet};

/// Drained chunks of all workers together; each still gets at most the configured size.
const DRAINED_BYTES_TOTAL: u64 = 16 << 20;

/// What the plan is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Everything the source has.
    pub catalog: SourceCatalog,
    /// Everything the target schema has, by name.
    pub targets: &'a BTreeMap<String, TargetTable>,
    /// Tables asked for on the command line; all when empty.
    pub tables: &'a [String],
    /// Tables of this size class only.
    pub category: Option<Category>,
    /// What the last success of each table left.
    pub states: &'a BTreeMap<String, TableState>,
    /// The sync that is gone on with, when the last run was interrupted.
    pub resumes: Option<&'a str>,
    /// What a watermark has to fit.
    pub since: Since<'a>,
    /// When the source is a replica: what it holds of each table.
    pub copies: Option<&'a BTreeMap<String, CopyState>>,
    /// What both sides showed before anything was read; none where evidence is not wanted.
    pub look: Option<&'a Look>,
    /// How much of tables is compared by content.
    pub audit: audit::Wanted<'a>,
    /// What interrupted runs left in staging, by table.
    pub left: &'a BTreeMap<String, LeftStaging>,
}

/// What the target schema has, by name; with what rests on the tables whose columns are to change.
///
/// # Errors
/// The classified server error.
pub fn targets_for(
    config: &Config,
    catalog: &SourceCatalog,
    warehouse: &mut PostgresConn,
) -> Result<BTreeMap<String, TargetTable>> {
    let mut all = targets(config, warehouse)?;
    let sources: BTreeMap<String, &SourceTable> =
        catalog.tables.iter().map(|table| (catalog::names::table(&table.name.table), table)).collect();
    // A view's columns are read later, when it is asked for.
    let views: BTreeSet<String> = catalog.views.iter().map(|view| catalog::names::table(&view.table)).collect();
    let changes = |name: &String, target: &TargetTable| {
        views.contains(name) || sources.get(name).is_some_and(|source| drift::asks_for_dependants(source, target))
    };
    let mut changed: Vec<&mut TargetTable> =
        all.iter_mut().filter_map(|(name, target)| changes(name, target).then_some(target)).collect();
    if !changed.is_empty() {
        let (client, _guard) = warehouse.watched("reading what rests on the target tables");
        catalog::postgres::read_dependants(client, &mut changed)?;
    }
    Ok(all)
}

/// What the target schema has, by name.
///
/// # Errors
/// The classified server error.
pub fn targets(config: &Config, warehouse: &mut PostgresConn) -> Result<BTreeMap<String, TargetTable>> {
    let (client, _guard) = warehouse.watched("reading the target tables");
    catalog::postgres::read(client, &config.warehouse_schema)
}

/// Applies the configuration's types and policies to the catalog, before anything is touched.
///
/// # Errors
/// [`Kind::Config`] with every name of the configuration and the command line that does not exist and the nearest one
/// that does, or with every type rule that cannot be followed.
pub fn configure(config: &Config, catalog: &mut SourceCatalog, asked: &[String]) -> Result<()> {
    check_names(config, catalog, asked, &[])?;
    typing::apply(config, &mut catalog.tables)
}

/// As [`configure`], but a table that was loaded before may be named although the source does not have it any more: one table
/// that is gone must not keep all others from being loaded. The warehouse is asked only when a name is missing.
///
/// # Errors
/// As [`configure`].
pub fn configure_known(config: &Config, catalog: &mut SourceCatalog, asked: &[String], watchdog: &Watchdog) -> Result<()> {
    if let Err(error) = check_names(config, catalog, asked, &[]) {
        let known = former(config, watchdog).unwrap_or_else(|why| {
            log::debug!("{why}");
            Vec::new()
        });
        if known.is_empty() {
            return Err(error);
        }
        check_names(config, catalog, asked, &known)?;
    }
    typing::apply(config, &mut catalog.tables)
}

/// Tables that this job has loaded, with the columns of their targets.
fn former(config: &Config, watchdog: &Watchdog) -> Result<Vec<(String, Vec<String>)>> {
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/names", watchdog)?;
    let ours = "SELECT 1 WHERE to_regclass('etl_sync.etl_table_state') IS NOT NULL";
    if warehouse.rows(ours, &[], "looking for an earlier run")?.is_empty() {
        return Ok(Vec::new());
    }
    let states = state::of_job(&mut warehouse, &config.warehouse_schema)?;
    let targets = targets(config, &mut warehouse)?;
    let columns = |name: &String| {
        let target = targets.get(&catalog::names::table(name));
        target.map(|target| target.columns.iter().map(|column| column.name.clone()).collect()).unwrap_or_default()
    };
    Ok(states.keys().map(|name| (name.clone(), columns(name))).collect())
}

pub(super) fn check_names(
    config: &Config,
    catalog: &SourceCatalog,
    asked: &[String],
    former: &[(String, Vec<String>)],
) -> Result<()> {
    let columns = |table: &SourceTable| table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let copied: Vec<(String, Vec<String>)> = catalog.tables.iter().map(|t| (t.name.table.clone(), columns(t))).collect();
    // What the source has comes last: of two entries with one name it counts.
    let by_name =
        former.iter().chain(&copied).map(|(table, columns)| (table.as_str(), columns.iter().map(String::as_str).collect()));
    let problems = config.tables.check_against(by_name);
    if !problems.is_empty() {
        return Err(Problems::new(problems).into());
    }
    let tables = catalog.tables.iter().map(|t| &t.name).chain(catalog.refused.iter().map(|r| &r.name));
    let known: BTreeSet<&str> = tables.chain(&catalog.views).map(|name| name.table.as_str()).collect();
    let unknown: Vec<String> =
        asked.iter().filter(|name| !known.contains(name.as_str())).map(|name| missing(name, &known)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Error::new(Kind::Config, unknown.join("; "))) }
}

/// A table as a run copies it: its wanted columns with their types, policies and names.
#[derive(Debug)]
pub struct Selected {
    /// The source table.
    pub source: SourceTable,
    /// Where it goes.
    pub target: TableName,
    /// Row filter on the source, from the configuration.
    pub filter: Option<String>,
}

/// The tables that a run would copy, and those that it cannot with the reason.
pub type Chosen = (Vec<Selected>, Vec<(String, Error)>);

/// The tables that a run would copy, and those that it cannot, without a look at the warehouse.
///
/// # Errors
/// As [`configure`]; [`Kind::Config`] for names that collide; the classified error of the source.
pub fn selected(conn: &mut MysqlConn, config: &Config, asked: &[String]) -> Result<Chosen> {
    let mut catalog = catalog::mysql::read(&mut conn.conn, &config.source.database)?;
    configure(config, &mut catalog, asked)?;
    let (wanted, mut refused) = select(conn, config, catalog, asked)?;
    catalog::names::check_tables(wanted.iter().map(|t| t.name.table.as_str()))?;
    let mut tables = Vec::with_capacity(wanted.len());
    for table in wanted {
        let name = table.name.table.clone();
        match shape(config, table) {
            Ok((table, _)) => tables.push(table),
            Err(error) => refused.push((name, error)),
        }
    }
    Ok((tables, refused))
}

/// Decides every table: what, how, in which chunks and order.
///
/// # Errors
/// [`Kind::Config`] for names that collide; the classified error of a server.
pub fn plan(conn: &mut MysqlConn, inputs: Inputs<'_>) -> Result<Plan> {
    let Inputs { config, catalog, targets, tables: asked, category, states, resumes, since, copies, look, audit, left } = inputs;
    let mut plan = Plan::default();
    if asked.is_empty() && category.is_none() {
        plan.gone = gone(config, &catalog, states.keys());
    }
    let (wanted, refused) = select_class(conn, config, catalog, asked, category)?;
    plan.refused = refused;
    catalog::names::check_tables(wanted.iter().map(|t| t.name.table.as_str()))?;
    for table in wanted {
        let name = table.name.table.clone();
        let copy = copies.and_then(|copies| copies.get(&name));
        if copies.is_some() && copy.is_none() {
            plan.refused.push((name.clone(), no_copy(&name)));
            continue;
        }
        let last = Last { state: states.get(&name), resumes, since, copy, look, audit, left: left.get(&name) };
        match one(conn, config, table, targets, last) {
            Ok(Decided::Copy(table, unusable)) => {
                plan.tables.push(*table);
                plan.unusable.extend(unusable);
            }
            Ok(Decided::Keep(table, left)) => plan.kept.push((*table, left)),
            Ok(Decided::LeaveOut(table, left)) => plan.unmoved.push((*table, left)),
            Err(error) if matches!(error.kind(), Kind::SnapshotLost | Kind::Unreachable | Kind::Timeout) => return Err(error),
            Err(error) => plan.refused.push((name, error)),
        }
    }
    plan.order();
    Ok(plan)
}

/// A table of the replica that no run of ours has finished.
fn no_copy(name: &str) -> Error {
    Error::new(Kind::Changed, format!("table {name}: the replica holds no complete copy of it"))
        .hint("run `etl-sync replicate` first")
}

/// Tables that were loaded and that the source does not have any more. One that the configuration leaves out is no loss.
pub(super) fn gone<'a>(config: &Config, catalog: &SourceCatalog, loaded: impl Iterator<Item = &'a String>) -> Vec<String> {
    let tables = catalog.tables.iter().map(|t| &t.name).chain(catalog.refused.iter().map(|r| &r.name));
    let there: BTreeSet<&str> = tables.chain(&catalog.views).map(|name| name.table.as_str()).collect();
    let lost = loaded.filter(|name| !there.contains(name.as_str()) && config.tables.selects(name));
    lost.cloned().collect()
}

/// The tables that are wanted, and those that are wanted but cannot be copied.
type Selection = (Vec<SourceTable>, Vec<(String, Error)>);

/// As [`select`], of one size class when it is asked for.
pub(super) fn select_class(
    conn: &mut MysqlConn,
    config: &Config,
    catalog: SourceCatalog,
    asked: &[String],
    category: Option<Category>,
) -> Result<Selection> {
    let (mut wanted, refused) = select(conn, config, catalog, asked)?;
    let class =
        |table: &SourceTable| config.tables.rule(&table.name.table).category.unwrap_or(Category::of(table.rows_estimated));
    wanted.retain(|table| category.is_none_or(|category| class(table) == category));
    // A table that cannot be described has no size.
    Ok((wanted, if category.is_none() { refused } else { Vec::new() }))
}

fn select(conn: &mut MysqlConn, config: &Config, catalog: SourceCatalog, asked: &[String]) -> Result<Selection> {
    let is_wanted = |name: &str| if asked.is_empty() { config.tables.selects(name) } else { asked.iter().any(|a| a == name) };
    let mut wanted: Vec<SourceTable> = catalog.tables.into_iter().filter(|t| is_wanted(&t.name.table)).collect();
    for view in catalog.views.iter().filter(|v| asked.contains(&v.table)) {
        let mut table = catalog::mysql::read_view(&mut conn.conn, view)?;
        typing::apply(config, [&mut table])?;
        wanted.push(table);
    }
    let refused = catalog.refused.into_iter().filter(|r| is_wanted(&r.name.table)).map(|r| (r.name.table, r.why)).collect();
    Ok((wanted, refused))
}

/// What is said of a name that the source does not have.
pub(super) fn missing(name: &str, known: &BTreeSet<&str>) -> String {
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match nearest {
        Some(nearest) => format!("the source has no table or view {name:?}; nearest: {nearest:?}"),
        None => format!("the source has no table or view {name:?}"),
    }
}

/// What is known of a table's earlier runs.
#[derive(Clone, Copy)]
struct Last<'a> {
    state: Option<&'a TableState>,
    resumes: Option<&'a str>,
    since: Since<'a>,
    copy: Option<&'a CopyState>,
    look: Option<&'a Look>,
    audit: audit::Wanted<'a>,
    left: Option<&'a LeftStaging>,
}

impl Last<'_> {
    /// Takes over what an interrupted run has left in staging.
    fn adopt_chunks(&self, plan: &mut TablePlan) {
        if let Some(left) = self.left.filter(|_| !self.since.full) {
            let form = leftovers::form(plan, self.since.source_identity);
            reuse::adopt(plan, left, &form);
        }
    }
}

/// What becomes of a table.
enum Decided {
    /// It is copied; some of its incremental columns may be of no use, and why.
    Copy(Box<TablePlan>, Option<String>),
    /// It is done, with so many rows.
    Keep(Box<TablePlan>, Left),
    /// Nothing moved since it was counted, with so many rows.
    LeaveOut(Box<TablePlan>, Left),
}

fn one(
    conn: &mut MysqlConn,
    config: &Config,
    table: SourceTable,
    targets: &BTreeMap<String, TargetTable>,
    last: Last<'_>,
) -> Result<Decided> {
    let (Selected { source: table, target, filter }, rule) = shape(config, table)?;
    let existing = targets.get(&target.table);
    let is_ours = |existing: &TargetTable| last.state.is_some_and(|state| state.target_oid == i64::from(existing.oid));
    let mut drift = existing.map(|existing| drift::decide(&table, existing, is_ours(existing))).transpose()?.unwrap_or_default();
    if rule.deletes == Deletes::Mark {
        drift::mark_deletes(&table, existing, &mut drift)?;
    }
    let action = match existing {
        None => Action::FirstLoad,
        Some(_) if drift.exchanges() => Action::Exchange,
        Some(_) => Action::Refresh,
    };
    let goal = goal(config, &table, &rule);
    let facts = Facts { action, splitter: strategy::splitter(&table), chunks_wanted: goal.chunks(), configured: rule.strategy };
    let (strategy, reason) = strategy::choose(facts);
    let loaded_at = LoadedAt::decide(config.settings.loaded_at, &table, existing);
    let mut plan = TablePlan {
        action,
        strategy,
        reason,
        loaded_at,
        deletes: rule.deletes,
        drift,
        priority: rule.priority.unwrap_or(Priority::Medium),
        ..TablePlan::whole(table, target, filter)
    };
    let done = last.state.filter(|state| last.resumes == Some(state.sync_id.as_str()));
    if let Some(state) = done.filter(|state| is_same(&plan, existing, state)) {
        return Ok(Decided::Keep(Box::new(plan), state.left()));
    }
    let stored = existing.zip(last.state).map(|(existing, state)| Stored::in_warehouse(&plan, existing, state));
    let unusable = match last.copy {
        Some(copy) => {
            increments::of_replica(&mut plan, stored, copy, last.since);
            None
        }
        None => increments::apply(conn, &mut plan, &rule, stored, last.since)?,
    };
    let stands = last.look.map_or(Stands::Nothing, |look| look.stands(&mut plan, existing, last.state, last.since));
    let before = existing.zip(last.state);
    // What was never compared may be other than what the ledger says.
    let is_owed = audit::is_owed(&plan, before, last.audit, &rule);
    if let Some((_, state)) = before.filter(|_| stands == Stands::Both) {
        if !is_owed {
            return Ok(Decided::LeaveOut(Box::new(plan), state.left()));
        }
        plan.reason.push_str("; counted: not all of it was compared by content since it moved");
    }
    let whole = last.audit.forgoes_watermark(&plan).or_else(|| audit::copies_to_compare(&mut plan, before, last.audit, &rule));
    if let Some(why) = whole {
        plan.reason = format!("{}; all rows: {why}", plan.reason);
        if let Some(increments) = &mut plan.increments {
            (increments.since, increments.voided) = (None, Some(why));
        }
    }
    if stands != Stands::Source || is_owed || !audit::by_target(&mut plan, before, last.audit) {
        cut(conn, &mut plan, goal)?;
        audit::decide(conn, &mut plan, (existing, last.state), (last.audit, &rule), last.since)?;
    }
    last.adopt_chunks(&mut plan);
    Ok(Decided::Copy(Box::new(plan), unusable))
}

/// Done counts only for the same columns in the same table with the same storage.
fn is_same(plan: &TablePlan, existing: Option<&TargetTable>, state: &TableState) -> bool {
    state.fingerprint == plan.fingerprint()
        && !plan.drift.needs_all_rows()
        && existing.is_some_and(|target| traces::is_as_left(state, target))
}

/// Cuts a table into the chunks of its strategy; increments are one.
///
/// # Errors
/// The classified error of the source.
pub(super) fn cut(conn: &mut MysqlConn, plan: &mut TablePlan, goal: ChunkGoal) -> Result<()> {
    if plan.reads_increments() {
        plan.strategy = Strategy::Standard;
    } else if strategy::traits(plan.strategy).is_split() {
        plan.chunks = boundaries::ranges(conn, plan, goal)?;
        if plan.chunks.len() == 1 {
            let reason = format!("{}; its keys make one chunk", plan.reason);
            plan.make_single(Strategy::Standard, reason);
        }
    }
    Ok(())
}

/// Name on the target, columns and key as the configuration wants them.
///
/// # Errors
/// [`Kind::Config`] for a key that is none, or a name that cannot be kept.
pub(super) fn shape(config: &Config, mut source: SourceTable) -> Result<(Selected, TableRule)> {
    let rule = config.tables.rule(&source.name.table);
    let target = TableName::new(config.warehouse_schema.clone(), catalog::names::table(&source.name.table));
    if [LOAD_STATUS, TRANSFORM_STATUS].contains(&target.table.as_str()) {
        return Err(Error::new(Kind::Config, format!("table {}: the name is taken by our own status table", target.table)));
    }
    apply_columns(&mut source, &rule)?;
    catalog::names::check_columns(&source)?;
    Ok((Selected { source, target, filter: rule.filter.clone() }, rule))
}

pub(super) fn goal(config: &Config, table: &SourceTable, rule: &TableRule) -> ChunkGoal {
    let settings = &config.settings;
    let mut bytes = rule.chunk_bytes.unwrap_or(settings.chunk_bytes);
    if !table.transactional {
        bytes = bytes.min(drained_bytes(config));
    }
    let rows = rule.chunk_rows.unwrap_or(settings.chunk_rows_max);
    let goal = ChunkGoal::new(table.rows_estimated, table.bytes_estimated, bytes, rows);
    let is_sized = rule.chunk_rows.is_some() || rule.chunk_bytes.is_some();
    strategy::goal(goal, table.bytes_estimated, u64::try_from(settings.parallel).unwrap_or(u64::MAX), is_sized)
}

/// Bytes of a chunk that is drained before it is written, so that all workers together stay in bounds.
fn drained_bytes(config: &Config) -> u64 {
    let workers = u64::try_from(config.settings.parallel).unwrap_or(u64::MAX).max(1);
    config.settings.chunk_bytes_without_transactions.min(DRAINED_BYTES_TOTAL / workers).max(1 << 20)
}

/// What a drained chunk may keep in memory before it goes to a temporary file: a quarter of it, because memory is doubled as it grows
/// and copied meanwhile.
#[must_use]
pub fn spool_bytes(config: &Config) -> usize {
    usize::try_from(drained_bytes(config) / 4).unwrap_or(usize::MAX)
}

/// Reduces the columns to those wanted; a key that loses a column is no key any more.
fn apply_columns(table: &mut SourceTable, rule: &TableRule) -> Result<()> {
    let keep: Box<dyn Fn(&str) -> bool> = match &rule.columns {
        ColumnSelection::All => return apply_key(table, rule),
        ColumnSelection::Only(names) => Box::new(move |name| names.iter().any(|n| n == name)),
        ColumnSelection::Except(names) => Box::new(move |name| !names.iter().any(|n| n == name)),
    };
    let key: Vec<String> = table.key_columns().map(|c| c.name.clone()).collect();
    table.columns.retain(|c| keep(&c.name));
    set_key(table, &key);
    apply_key(table, rule)
}

fn set_key(table: &mut SourceTable, key: &[String]) {
    let places: Option<Vec<usize>> = key.iter().map(|name| table.column(name)).collect();
    match places {
        Some(places) => table.key = places,
        None => {
            table.key = Vec::new();
            table.key_kind = KeyKind::None;
            table.key_index = None;
        }
    }
}

/// A key from the configuration, for tables and views that declare none; the catalog's own key wins.
fn apply_key(table: &mut SourceTable, rule: &TableRule) -> Result<()> {
    let Some(key) = &rule.key else { return Ok(()) };
    if table.key_kind != KeyKind::None {
        return Ok(());
    }
    let unfit: Vec<&String> =
        key.iter().filter(|name| table.column(name).and_then(|i| table.columns.get(i)).is_none_or(|c| c.nullable)).collect();
    if !unfit.is_empty() {
        return Err(Error::new(Kind::Config, format!("table {}: key columns {unfit:?} do not exist or allow NULL", table.name)));
    }
    set_key(table, key);
    table.key_kind = KeyKind::Unique;
    Ok(())
}
