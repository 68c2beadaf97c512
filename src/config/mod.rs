//! What a person asked for: files < environment < flags, checked as a whole and never changed afterwards.
//!
//! [`load`] reports every problem at once, with file, line and the nearest valid name. No problem, warning or `Debug`
//! here holds a password. Nothing is connected to: whether tables exist is [`TableRules::check_against`]'s question.

mod check;
pub mod edit; // tables.yml changed line by line
mod endpoint;
mod env;
mod layers; // file and variables, checked by one schema
mod mycnf;
mod outlets; // who else is told of a run
mod pgpass;
mod pipeline;
mod policy;
mod problem;
mod resolve;
mod rules;
pub mod schema;
mod secret;
mod tables;
mod tls;
mod transform;
mod url;
mod usage; // which methods are counted, and where
pub mod window; // hours in which a run may work
mod yaml;

#[cfg(test)]
mod tests;

pub use endpoint::{Address, Deadlines, Endpoint, Role, Tls, TlsMode};
pub use env::Environment;
pub use outlets::Outlets;
pub use pipeline::{Audit, CopyFormat, Indexes, RunLog, Settings, Verify};
pub use policy::{Policies, Policy, TinyInt1};
pub use problem::{Problem, Problems};
pub(crate) use rules::is_none;
pub use rules::{ColumnRule, ColumnSelection, Lookback, TableRule, TableRules};
pub use tables::{Category, Deletes, Extraction, IncrementalStrategy, Priority, Strategy, SyncProfile};
pub use transform::{Tool, Transform};
pub use usage::MethodUsage;

use crate::name;
use check::Marks;
use env::Vars;
use pipeline::{Connection, Connections, General, PipelineFile};
use problem::Findings;
use resolve::{Around, Layers};
use std::fmt;
use std::path::{Path, PathBuf};

/// File of connections and settings.
const PIPELINE: &str = "pipeline.yml";
/// File of the tables' rules.
const TABLES: &str = "tables.yml";

/// What the command line gives; it goes before environment and files.
#[derive(Clone, Default)]
pub struct Overrides {
    /// URL of the source.
    pub source_url: Option<String>,
    /// URL of the replica.
    pub replica_url: Option<String>,
    /// URL of the warehouse.
    pub warehouse_url: Option<String>,
    /// PostgreSQL schema of the tables.
    pub warehouse_schema: Option<String>,
    /// Workers, 1 to 64.
    pub parallel: Option<usize>,
    /// Directory of pipeline.yml and tables.yml.
    pub config_dir: Option<PathBuf>,
    /// Directory for files between runs.
    pub state_dir: Option<PathBuf>,
    /// Accept another source than last time.
    pub accept_new_source: Option<bool>,
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |url: &Option<String>| url.as_ref().map(|_| "[given]");
        f.debug_struct("Overrides")
            .field("source_url", &given(&self.source_url))
            .field("replica_url", &given(&self.replica_url))
            .field("warehouse_url", &given(&self.warehouse_url))
            .field("warehouse_schema", &self.warehouse_schema)
            .field("parallel", &self.parallel)
            .field("config_dir", &self.config_dir)
            .field("state_dir", &self.state_dir)
            .field("accept_new_source", &self.accept_new_source)
            .finish()
    }
}

/// Everything a run is told, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where rows come from.
    pub source: Endpoint,
    /// Our MySQL copy, when there is one.
    pub replica: Option<Endpoint>,
    /// Where rows go.
    pub warehouse: Endpoint,
    /// PostgreSQL schema of the tables.
    pub warehouse_schema: String,
    /// How a run works.
    pub settings: Settings,
    /// The step after the load.
    pub transform: Transform,
    /// Which tables, and what differs for some.
    pub tables: TableRules,
    /// Where `tables` come from; the file need not exist.
    pub tables_file: PathBuf,
    /// Directory for files between runs; it need not exist yet.
    pub state_dir: PathBuf,
    /// Which methods are counted, and where that is kept.
    pub method_usage: MethodUsage,
    /// The hours in which a run may work; all of them when none.
    pub window: Option<window::Window>,
    /// Who else is told of a run.
    pub outlets: Outlets,
    /// To be said once.
    pub warnings: Vec<String>,
}

/// Reads flags, environment and files.
///
/// # Errors
/// Every problem found, at least one.
pub fn load(overrides: &Overrides, env: &Environment) -> Result<Config, Problems> {
    let mut findings = Findings::default();
    let (vars, dir) = surroundings(overrides, env, &mut findings);
    let (file, marks) = pipeline_file(dir.as_deref(), env, &vars, &mut findings);
    let tables = table_rules(dir.as_deref(), env, &vars, &mut findings);
    let from_vars = layers::from_vars(&vars, &mut findings);
    vars.warn_of_misspelt(&layers::variables(), &mut findings);

    let tables_file = dir.clone().unwrap_or_else(|| env.cwd.join("config")).join(TABLES);
    let base = dir.unwrap_or_else(|| env.cwd.clone());
    let mut settings = settings(overrides, env, &from_vars, &file, &mut findings);
    settings.run_log = settings.run_log.allowed(vars.get("ETL_META"));
    let warehouse_schema = warehouse_schema(overrides, &from_vars, &file, &marks, &mut findings);
    let state_dir = state_dir(overrides, env, &vars, (&from_vars, &file), &base);
    let method_usage = MethodUsage::resolve(&from_vars, &file, env, &base, &state_dir);
    let transform = transform::resolve(env, &from_vars, &file, (&base, &warehouse_schema), &mut findings);
    let none = General::default();
    let layers =
        [(file.general.as_ref().unwrap_or(&none), base.as_path()), (from_vars.general.as_ref().unwrap_or(&none), &env.cwd)];
    let outlets = outlets::outlets(layers, env, &mut findings);
    let window = window(layers.map(|(layer, _)| layer), &mut findings);
    let around = Around { env, vars: &vars, marks: &marks, dir: &base };
    let flags = [overrides.source_url.as_deref(), overrides.replica_url.as_deref(), overrides.warehouse_url.as_deref()];
    let (none, none_too) = (Connections::default(), Connections::default());
    let vars_side = sides(from_vars.connections.as_ref().unwrap_or(&none));
    let file_side = sides(file.connections.as_ref().unwrap_or(&none_too));
    let empty = Connection::default();
    let [source, replica, warehouse] = [0, 1, 2].map(|i: usize| {
        let layers = Layers {
            role: Role::ALL[i],
            flag: flags[i],
            vars: vars_side[i].unwrap_or(&empty),
            file: file_side[i].unwrap_or(&empty),
        };
        resolve::endpoint(layers, &around, &mut findings)
    });
    if let (Some(source), Some(replica)) = (&source, &replica)
        && source.same_database(replica)
    {
        findings.problem(Problem::new(format!("source and replica are the same database ({source})")));
    }
    match (source, warehouse) {
        (Some(source), Some(warehouse)) if findings.problems.is_empty() => {
            let warnings = findings.warnings;
            Ok(Config {
                source,
                replica,
                warehouse,
                warehouse_schema,
                settings,
                transform,
                tables,
                tables_file,
                state_dir,
                method_usage,
                window,
                outlets,
                warnings,
            })
        }
        _ => Err(Problems::new(findings.problems)),
    }
}

/// A file's or the environment's connections in the order of [`Role::ALL`].
fn sides(connections: &Connections) -> [Option<&Connection>; 3] {
    [connections.source.as_ref(), connections.replica.as_ref(), connections.warehouse.as_ref()]
}

/// The variables in force and the directory of the configuration files.
fn surroundings(overrides: &Overrides, env: &Environment, findings: &mut Findings) -> (Vars, Option<PathBuf>) {
    let here = env.cwd.join(".env");
    let of_cwd = env::dotenv(&here, &env.shown(&here), findings);
    let mut first = Vars::new(env, findings);
    first.add_below(of_cwd.clone());
    let dir = config_dir(overrides, env, &first, findings);
    let mut vars = Vars::new(env, &mut Findings::default());
    if let Some(dir) = dir.as_ref().filter(|dir| **dir != env.cwd) {
        let beside = dir.join(".env");
        vars.add_below(env::dotenv(&beside, &env.shown(&beside), findings));
    }
    vars.add_below(of_cwd);
    (vars, dir)
}

fn config_dir(overrides: &Overrides, env: &Environment, vars: &Vars, findings: &mut Findings) -> Option<PathBuf> {
    let flag = overrides.config_dir.as_ref().map(|dir| ("--config-dir", env.cwd.join(dir)));
    let var = vars.get("ETL_SYNC_CONFIG_DIR").map(|dir| ("ETL_SYNC_CONFIG_DIR", env.path(dir, &env.cwd)));
    let holds = |dir: &Path| dir.join(PIPELINE).is_file() || dir.join(TABLES).is_file();
    let Some((place, dir)) = flag.or(var) else {
        return Some(env.cwd.join("config")).filter(|dir| holds(dir));
    };
    if !dir.is_dir() {
        findings.problem(Problem::new(format!("{place}: {} is not a directory", env.shown(&dir).display())));
        return None;
    }
    if !holds(&dir) {
        findings.warn(format!("{place}: {} holds neither {PIPELINE} nor {TABLES}", env.shown(&dir).display()));
    }
    Some(dir)
}

/// A file's tree with its variables put in; `None` when there is no file, or none that can be read (a problem).
fn tree(path: &Path, env: &Environment, vars: &Vars, findings: &mut Findings) -> Option<(yaml::Node, PathBuf)> {
    let shown = env.shown(path);
    let other = path.with_extension("yaml");
    if other.is_file() {
        findings.warn(format!("{} is not read, the file must be named {}", env.shown(&other).display(), shown.display()));
    }
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            findings.problem(Problem::new(format!("cannot be read: {error}")).at(&shown, None));
            return None;
        }
    };
    match yaml::parse(&text, &shown) {
        Ok(mut root) => {
            env::expand(&mut root, vars, &shown, findings);
            Some((root, shown))
        }
        Err(problem) => {
            findings.problem(problem);
            None
        }
    }
}

fn pipeline_file(dir: Option<&Path>, env: &Environment, vars: &Vars, findings: &mut Findings) -> (PipelineFile, Marks) {
    let Some(path) = dir.map(|dir| dir.join(PIPELINE)) else { return Default::default() };
    let before = findings.problems.len();
    let Some((root, shown)) = tree(&path, env, vars, findings) else {
        // A file that cannot be read gives no URL: saying that too would be noise.
        let marks = if findings.problems.len() > before { Marks::unreadable() } else { Marks::default() };
        return (PipelineFile::default(), marks);
    };
    let (file, marks) = layers::from_file(&root, &shown, findings);
    let plain = sides(file.connections.as_ref().unwrap_or(&Connections::default()))
        .iter()
        .any(|side| side.is_some_and(|side| side.url.as_deref().is_some_and(|url| url.contains('@') && has_password(url))));
    if plain && secret::others_may_read(&path) && !text_is_expanded(&root) {
        findings.warn(format!("{} holds a password and other users can read it: chmod 600", shown.display()));
    }
    (file, marks)
}

/// Whether a URL's login part has a password, roughly: only a warning hangs on it.
fn has_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
    login.is_some_and(|login| login.contains(':'))
}

/// Whether every URL of the file came from variables.
fn text_is_expanded(root: &yaml::Node) -> bool {
    Role::ALL.iter().all(|role| {
        let url = root.get("connections").and_then(|all| all.get(role.word())).and_then(|one| one.get("url"));
        url.is_none_or(|url| !matches!(url.kind, yaml::Kind::Text { expanded: false, .. }))
    })
}

fn table_rules(dir: Option<&Path>, env: &Environment, vars: &Vars, findings: &mut Findings) -> TableRules {
    let Some((root, shown)) = dir.and_then(|dir| tree(&dir.join(TABLES), env, vars, findings)) else {
        return TableRules::default();
    };
    let schema = schema::of::<tables::TablesFile>();
    let (value, marks) = check::check(&root, &schema, &shown, findings);
    let file = layers::typed(value, &shown, findings);
    rules::build(file, &root, marks, findings)
}

fn settings(
    overrides: &Overrides,
    env: &Environment,
    vars: &PipelineFile,
    file: &PipelineFile,
    findings: &mut Findings,
) -> Settings {
    let none = General::default();
    let layers = [file.general.as_ref(), vars.general.as_ref()].map(|layer| layer.unwrap_or(&none));
    for (layer, place) in layers.iter().zip(["general.audit", "ETL_SYNC_AUDIT"]) {
        if let Some(Err(wanted)) = layer.audit.as_deref().map(str::parse::<Audit>) {
            findings.problem(Problem::new(format!("{place}: expected {wanted}")));
        }
    }
    let mut settings = layers.iter().fold(Settings::of_cores(env.cores), |settings, layer| settings.over(layer));
    for layer in [file, vars] {
        settings.policies = layer.policies.as_ref().map_or(settings.policies, |words| settings.policies.over(words));
    }
    match overrides.parallel {
        Some(n @ 1..=64) => settings.parallel = n,
        Some(n) => findings.problem(Problem::new(format!("--parallel: {n} is not in 1 to 64"))),
        None => {}
    }
    settings.accept_new_source = overrides.accept_new_source.unwrap_or(settings.accept_new_source);
    settings
}

/// The last layer that has one counts, and what is wrong in the others is told all the same.
fn window(layers: [&General; 2], findings: &mut Findings) -> Option<window::Window> {
    let mut read = |(layer, place): (&General, &str)| match layer.window.as_deref().map(str::parse) {
        Some(Err(expected)) => {
            let expected: String = expected;
            findings.problem(Problem::new(format!("{place}: {expected}")));
            None
        }
        Some(Ok(window)) => Some(window),
        None => None,
    };
    let [file, vars] = layers;
    let (file, vars) = (read((file, "general.window")), read((vars, "ETL_SYNC_WINDOW")));
    vars.or(file)
}

fn warehouse_schema(
    overrides: &Overrides,
    vars: &PipelineFile,
    file: &PipelineFile,
    marks: &Marks,
    findings: &mut Findings,
) -> String {
    let from_file = file.warehouse_schema.as_ref();
    let (place, schema) = match (&overrides.warehouse_schema, &vars.warehouse_schema) {
        (Some(schema), _) => ("--warehouse-schema", schema.clone()),
        (None, Some(schema)) => ("ETL_SYNC_WAREHOUSE_SCHEMA", schema.clone()),
        (None, None) => ("`warehouse_schema`", from_file.cloned().unwrap_or_else(|| "raw".to_owned())),
    };
    let wrong = match name::check_postgres(&schema) {
        Err(_) => Some("expected a name of 1 to 63 bytes"),
        Ok(()) if schema.starts_with("pg_") || schema == "information_schema" => Some("this schema belongs to PostgreSQL"),
        Ok(()) if ["etl_sync", "etl_quarantine", "etl_meta"].contains(&schema.as_str()) => {
            Some("this schema holds etl-sync's own tables")
        }
        Ok(()) => None,
    };
    if let Some(why) = wrong {
        let text = format!("{place}: {why}");
        let ours = place.starts_with('`');
        findings.problem(if ours { marks.problem(&["warehouse_schema"], text) } else { Problem::new(text) });
    }
    schema
}

/// Flag, variable, file, then the places where services and users keep state.
fn state_dir(
    overrides: &Overrides,
    env: &Environment,
    vars: &Vars,
    (from_vars, file): (&PipelineFile, &PipelineFile),
    base: &Path,
) -> PathBuf {
    let written = |file: &PipelineFile| file.general.as_ref().and_then(|general| general.state_dir.clone());
    let flag = overrides.state_dir.as_ref().map(|dir| env.cwd.join(dir));
    let own = flag
        .or_else(|| written(from_vars).map(|dir| env.path(&dir, &env.cwd)))
        .or_else(|| written(file).filter(|dir| !dir.is_empty()).map(|dir| env.path(&dir, base)));
    // systemd separates several directories by colons.
    let systemd = || vars.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()).map(PathBuf::from);
    let xdg = || vars.get("XDG_STATE_HOME").map(|dir| Path::new(dir).join("etl-sync"));
    let home = || env.home.as_ref().map(|home| home.join(".local/state/etl-sync"));
    own.or_else(systemd).or_else(xdg).or_else(home).unwrap_or_else(|| env.cwd.join(".etl-sync"))
}
