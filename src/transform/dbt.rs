//! dbt as a process: its command line, its environment, its log, and its results afterwards.

use super::lineage::Lineage;
use super::process::{self, Ended};
use super::shown::Shown;
use super::{Outcome, Scope, Verdict, generate, results};
use crate::cancel::Cancel;
use crate::config::{Address, Endpoint, TlsMode, Transform};
use crate::error::{Error, Kind, Result};
use secrecy::ExposeSecret;
use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Selected tables that the report shows of a command.
const SELECTED_SHOWN: usize = 10;

/// Last lines of dbt's log that an error tells when there are no results.
const LAST_WORDS: usize = 6;

/// A run of dbt.
#[derive(Debug)]
pub struct Job<'a> {
    /// How it is configured.
    pub config: &'a Transform,
    /// Directory of the project.
    pub project: &'a Path,
    /// Its warehouse.
    pub warehouse: &'a Endpoint,
    /// Variables that tell of the run.
    pub variables: Vec<(&'static str, String)>,
    /// What is built.
    pub scope: &'a Scope,
}

/// Whether dbt could begin.
///
/// # Errors
/// [`Kind::Config`] with what is missing.
pub fn check(config: &Transform, project: &Path) -> Result<()> {
    super::directory(project, "project_dir")?;
    if !project.join("dbt_project.yml").is_file() {
        let text = format!("transform.project_dir: {} holds no dbt_project.yml", project.display());
        return Err(Error::new(Kind::Config, text).hint("name the directory of the dbt project itself"));
    }
    if let Some(dir) = &config.profiles_dir {
        super::directory(dir, "profiles_dir")?;
    }
    if is_there(&config.command) {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("{} was not found, or may not be run", config.command)).hint(
        "install dbt-core and dbt-postgres, or name the program by transform.command or ETL_SYNC_TRANSFORM_COMMAND \
         (of a virtual environment: …/bin/dbt)",
    ))
}

/// Whether a name is a program in PATH, or a path one.
fn is_there(command: &str) -> bool {
    let runs = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    if command.contains('/') {
        return runs(Path::new(command));
    }
    std::env::var_os("PATH").is_some_and(|dirs| std::env::split_paths(&dirs).any(|dir| runs(&dir.join(command))))
}

impl Job<'_> {
    /// Runs it. What failed is in the outcome.
    #[must_use]
    pub fn run(&self, cancel: &Cancel) -> Outcome {
        let since = chrono::Utc::now().timestamp_micros();
        let password = self.warehouse.password.as_ref().map(|password| password.expose_secret().to_owned());
        let mut shown = Shown::without(password.into_iter().collect());
        let mut last = VecDeque::new();
        let ended = process::run(&mut self.command(), self.config.timeout, cancel, |line| {
            let Some(line) = shown.line(line) else { return };
            log::info!("dbt: {line}");
            if last.len() == LAST_WORDS {
                last.pop_front();
            }
            last.push_back(line);
        });
        let mut outcome = Outcome { command: self.shown(), ..Outcome::default() };
        let target = self.target_dir();
        let found = results::read(&target.join("run_results.json"), since);
        let is_there = matches!(found, Ok(Some(_)));
        match found {
            Ok(nodes) => outcome.nodes = nodes.unwrap_or_default(),
            Err(error) => outcome.error = Some(error),
        }
        let failed = outcome.count(Verdict::Failed) > 0;
        match ended {
            Ok(ended) => outcome.error = self.judged(ended, (is_there, failed), &last).or(outcome.error),
            Err(error) => outcome.error = Some(error),
        }
        if is_there {
            self.look_at_lineage(&target, &mut outcome);
        }
        if !is_there && outcome.error.is_none() {
            outcome
                .warnings
                .push("dbt ended well and left no run_results.json of this run, so it is not known what it did".into());
        }
        outcome
    }

    /// Why dbt failed as a whole; none when it did not, or its results say what failed.
    fn judged(&self, ended: Ended, (is_there, failed): (bool, bool), last: &VecDeque<String>) -> Option<Error> {
        let error = |text: String, hint: &str| Some(Error::new(Kind::Transform, text).hint(hint));
        match ended {
            Ended::Code(0) => None,
            Ended::Code(_) if failed => None,
            Ended::Code(code) => {
                let what = if is_there { "although no model and no test failed" } else { "before it had results" };
                let words: Vec<&str> = last.iter().map(String::as_str).collect();
                let said = if words.is_empty() { String::new() } else { format!("; it said: {}", words.join(" / ")) };
                let hint = match code {
                    126 | 127 => "see whether transform.command is dbt and runs by hand",
                    _ => {
                        "run the command by hand in the project's directory, or `dbt debug`: profile, connection, dbt_project.yml"
                    }
                };
                error(format!("dbt ended with exit code {code} {what}{said}"), hint)
            }
            Ended::Signal(signal) => {
                error(format!("dbt was ended by signal {signal}"), "see who ended it: an administrator, or the kernel for memory")
            }
            Ended::Late => error(
                format!("dbt had not ended after {} s; it and its children were ended", self.config.timeout.as_secs()),
                "look at what it waited for (a lock, a slow model: dbt's log), or raise transform.timeout_s",
            ),
            Ended::Stopped => Some(
                Error::new(Kind::Stopped, "the run was asked to stop while dbt worked; dbt was ended")
                    .hint("the next `run --transform` or `transform --changed` does what is left"),
            ),
        }
    }

    /// What is downstream of what, and the changed tables that the project does not know.
    fn look_at_lineage(&self, target: &Path, outcome: &mut Outcome) {
        let lineage = match Lineage::read(&target.join("manifest.json")) {
            Ok(lineage) => lineage,
            Err(error) => {
                outcome.warnings.push(format!("{error}: it is not known which models are made of which tables"));
                return;
            }
        };
        if let Scope::Changed(tables) = self.scope {
            let source = &self.config.source_name;
            let unknown: Vec<&str> =
                tables.iter().filter(|table| !lineage.has(source, &generate::dbt_name(table))).map(String::as_str).collect();
            if unknown.len() == tables.len() {
                outcome.warnings.push(format!(
                    "the dbt project has no source {source} with any of the changed tables: see transform.source_name and \
                     `etl-sync dbt sources`"
                ));
            } else if !unknown.is_empty() {
                log::info!("dbt has no source for {} changed tables: {}", unknown.len(), unknown.join(", "));
            }
        }
        outcome.lineage = Some(lineage);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.config.command);
        command.args(self.arguments(usize::MAX)).current_dir(self.project);
        for (name, _) in std::env::vars_os() {
            // Of our own connections it needs none but the warehouse's, which it gets below.
            let is_ours = name.to_str().is_some_and(|name| name.starts_with("ETL_SYNC_") && is_secret(name));
            if is_ours {
                command.env_remove(&name);
            }
        }
        for (name, value) in [("DBT_SEND_ANONYMOUS_USAGE_STATS", "false"), ("DBT_USE_COLORS", "false"), ("PYTHONUNBUFFERED", "1")]
        {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command.envs(connection(self.warehouse)).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The command line for people; there is no secret in it.
    fn shown(&self) -> String {
        let mut words = vec![self.config.command.clone()];
        words.extend(self.arguments(SELECTED_SHOWN));
        words.join(" ")
    }

    fn arguments(&self, selected_max: usize) -> Vec<String> {
        let config = self.config;
        let mut out = config.args.clone();
        let mut add = |flag: &str, value: String| out.extend([flag.to_owned(), value]);
        add("--project-dir", self.project.display().to_string());
        if let Some(dir) = &config.profiles_dir {
            add("--profiles-dir", dir.display().to_string());
        }
        if let Some(target) = &config.target {
            add("--target", target.clone());
        }
        let selected = self.selected();
        if !selected.is_empty() {
            let hidden = selected.len().saturating_sub(selected_max);
            out.push("--select".into());
            out.extend(selected.into_iter().take(selected_max));
            if hidden > 0 {
                out.push(format!("… and {hidden} more"));
            }
        }
        out
    }

    /// What is downstream of the tables, narrowed to what is configured: in dbt's words blanks join, commas narrow.
    fn selected(&self) -> Vec<String> {
        let narrowed = &self.config.select;
        let Scope::Changed(tables) = self.scope else { return narrowed.clone() };
        let mut out = Vec::new();
        for table in tables {
            let one = format!("source:{}.{}+", self.config.source_name, generate::dbt_name(table));
            if narrowed.is_empty() {
                out.push(one);
            } else {
                out.extend(narrowed.iter().map(|more| format!("{one},{more}")));
            }
        }
        out
    }

    /// Where dbt leaves its documents: as its flag, its variable or its project says.
    fn target_dir(&self) -> PathBuf {
        let args = &self.config.args;
        let joined = args.iter().find_map(|arg| arg.strip_prefix("--target-path="));
        let apart = args.iter().position(|arg| arg == "--target-path").and_then(|at| args.get(at + 1));
        let flag = joined.map(str::to_owned).or_else(|| apart.cloned());
        let written = || {
            let text = std::fs::read_to_string(self.project.join("dbt_project.yml")).ok()?;
            let project: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
            project.get("target-path")?.as_str().map(str::to_owned)
        };
        let dir = flag.or_else(|| std::env::var("DBT_TARGET_PATH").ok()).or_else(written);
        self.project.join(dir.unwrap_or_else(|| "target".to_owned()))
    }
}

/// Variables of ours that tell how to log in somewhere.
fn is_secret(name: &str) -> bool {
    name.ends_with("_URL") || name.ends_with("_PASSWORD") || name.ends_with("_PASSWORD_FILE")
}

/// The warehouse in libpq's variables. dbt blots a value out of its own log when its name begins with DBT_ENV_SECRET.
fn connection(warehouse: &Endpoint) -> Vec<(&'static str, String)> {
    let (host, port) = match &warehouse.address {
        Address::Tcp { host, port } => (host.clone(), *port),
        Address::Socket(dir) => (dir.display().to_string(), warehouse.socket_port),
    };
    let mode = match warehouse.tls.mode {
        TlsMode::Disable | TlsMode::DisableInsecure => "disable",
        TlsMode::Require => "require",
        TlsMode::VerifyFull => "verify-full",
    };
    let mut out = vec![
        ("PGHOST", host),
        ("PGPORT", port.to_string()),
        ("PGUSER", warehouse.user.clone()),
        ("PGDATABASE", warehouse.database.clone()),
        ("PGSSLMODE", mode.to_owned()),
    ];
    match &warehouse.tls.ca_file {
        Some(file) => out.push(("PGSSLROOTCERT", file.display().to_string())),
        // libpq's word for the system's authorities, from version 16 on.
        None if warehouse.tls.mode == TlsMode::VerifyFull => out.push(("PGSSLROOTCERT", "system".to_owned())),
        None => {}
    }
    if let Some(password) = &warehouse.password {
        out.push(("PGPASSWORD", password.expose_secret().to_owned()));
        out.push(("DBT_ENV_SECRET_PGPASSWORD", password.expose_secret().to_owned()));
    }
    out
}
