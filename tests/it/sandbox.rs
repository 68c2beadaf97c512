//! A test's own place: a source database, a warehouse database and a folder, all dropped at the end; and the program
//! run on them.
//!
//! A warehouse database of its own, not only a schema, because then everything that the program left anywhere can be
//! looked for.

use crate::hosts::{self, Hosts};
use crate::program::{Outcome, Running};
use mysql::prelude::Queryable;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Schema of the warehouse that the program fills, unless a test says otherwise.
pub const SCHEMA: &str = "raw";

/// Password of the accounts that a test makes.
pub const PASSWORD: &str = "aPwd-of-a-test";

/// Longest time a run of a test may take; a debug build on a busy machine needs some seconds.
pub const RUN_MAX: Duration = Duration::from_secs(120);

/// One test's databases and folder.
#[derive(Debug)]
pub struct Sandbox {
    pub hosts: Hosts,
    /// Name of both databases.
    pub name: String,
    /// URL of a replica, for tests that have one.
    replica: Option<String>,
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// On the shared servers.
    pub fn new(word: &str) -> Self {
        Self::on(hosts::shared(), word)
    }

    /// On given servers.
    pub fn on(hosts: Hosts, word: &str) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let name = format!("t_{word}_{}", &id[id.len() - 10..]);
        let folder = tempfile::Builder::new().prefix("etl-sync-").tempdir().expect("a temporary folder");
        for sub in ["config", "state"] {
            std::fs::create_dir(folder.path().join(sub)).expect("a folder in the temporary folder");
        }
        let sandbox = Self { hosts, name, replica: None, folder };
        let create = format!("CREATE DATABASE `{}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", sandbox.name);
        sandbox.hosts.source("").query_drop(create).expect("the source database can be made");
        let create = format!("CREATE DATABASE {} OWNER etl_sync TEMPLATE template0 ENCODING 'UTF8'", sandbox.name);
        sandbox.hosts.warehouse("postgres").batch_execute(&create).expect("the warehouse database can be made");
        sandbox
    }

    /// Adds an empty database on the source's server, and an account with the rights that README asks for: the replica.
    pub fn with_replica(mut self) -> Self {
        let name = format!("{}_r", self.name);
        self.source_sql(&[
            &format!("CREATE DATABASE `{name}`"),
            &format!("CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}'"),
            &format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, CREATE TEMPORARY TABLES ON `{name}`.* TO '{name}'@'%'"
            ),
            &format!("GRANT PROCESS, RELOAD ON *.* TO '{name}'@'%'"),
        ]);
        let mut url = url::Url::parse(&self.hosts.url("ETL_SYNC_SOURCE_URL", &name)).expect("a URL");
        url.set_username(&name).expect("a URL with a user");
        url.set_password(Some(PASSWORD)).expect("a URL with a password");
        self.replica = Some(url.into());
        self
    }

    /// An administrator's connection to the replica.
    pub fn replica(&self) -> mysql::Conn {
        self.hosts.source(&format!("{}_r", self.name))
    }

    /// An administrator's connection to the test's source database.
    pub fn source(&self) -> mysql::Conn {
        self.hosts.source(&self.name)
    }

    /// Runs statements on the source, in order.
    pub fn source_sql(&self, statements: &[&str]) {
        let mut conn = self.source();
        for sql in statements {
            conn.query_drop(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
    }

    /// An administrator's connection to the test's warehouse database, looking at the target schema.
    pub fn warehouse(&self) -> postgres::Client {
        let mut client = self.hosts.warehouse(&self.name);
        client.batch_execute(&format!("SET search_path = {SCHEMA}")).expect("search_path can be set");
        client
    }

    /// The first value of a query on the warehouse, which counts something.
    pub fn count(&self, sql: &str) -> i64 {
        let rows = self.warehouse().query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.first().map_or(0, |row| row.get(0))
    }

    /// Whether a query on the warehouse gives TRUE; false also while what it asks for does not exist yet.
    pub fn holds(&self, sql: &str) -> bool {
        match self.warehouse().query(sql, &[]) {
            Ok(rows) => rows.first().is_some_and(|row| row.get(0)),
            Err(error) if error.code() == Some(&postgres::error::SqlState::UNDEFINED_TABLE) => false,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Another account on the source, with these rights only; `{db}` stands for the test's database.
    pub fn source_account(&self, grants: &[&str]) -> String {
        let user = format!("'{}'@'%'", self.name);
        self.source_sql(&[&format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'")]);
        for grant in grants {
            self.source_sql(&[&format!("GRANT {} TO {user}", grant.replace("{db}", &format!("`{}`", self.name)))]);
        }
        self.as_account("ETL_SYNC_SOURCE_URL")
    }

    /// Another role on the warehouse; `options` as in CREATE ROLE.
    pub fn warehouse_account(&self, options: &str) -> String {
        let create = format!("CREATE ROLE {} LOGIN PASSWORD '{PASSWORD}' {options}", self.name);
        self.warehouse().batch_execute(&create).expect("the role can be made");
        self.as_account("ETL_SYNC_WAREHOUSE_URL")
    }

    fn as_account(&self, name: &str) -> String {
        let mut url = url::Url::parse(&self.hosts.url(name, &self.name)).expect("a URL");
        url.set_username(&self.name).expect("a URL with a user");
        url.set_password(Some(PASSWORD)).expect("a URL with a password");
        url.into()
    }

    /// A file of the configuration folder.
    pub fn config(&self, file: &str, text: &str) {
        std::fs::write(self.config_dir().join(file), text).expect("a configuration file can be written");
    }

    pub fn config_dir(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with the test's servers and folders, and nothing of the surrounding environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etl-sync"));
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", self.folder())
            .env("RUST_BACKTRACE", "1")
            .env("ETL_SYNC_SOURCE_URL", self.hosts.url("ETL_SYNC_SOURCE_URL", &self.name))
            .env("ETL_SYNC_WAREHOUSE_URL", self.hosts.url("ETL_SYNC_WAREHOUSE_URL", &self.name))
            .env("ETL_SYNC_WAREHOUSE_SCHEMA", SCHEMA)
            .env("ETL_SYNC_CONFIG_DIR", self.config_dir())
            .env("ETL_SYNC_STATE_DIR", self.state_dir())
            .current_dir(self.folder());
        if let Some(replica) = &self.replica {
            command.env("ETL_SYNC_REPLICA_URL", replica);
        }
        command
    }

    /// Starts `etl-sync run --json` with more arguments.
    pub fn start(&self, more: &[&str]) -> Running {
        Running::start(self.run_command(more))
    }

    /// Runs `etl-sync run --json` with one variable set differently.
    pub fn run_with(&self, variable: &str, value: &str, more: &[&str]) -> Outcome {
        let mut command = self.run_command(more);
        command.env(variable, value);
        Running::start(command).wait(RUN_MAX)
    }

    /// Runs another command than `run` with `--json` and two workers to its end.
    pub fn command_json(&self, name: &str, more: &[&str]) -> Outcome {
        let mut command = self.command();
        command.args([name, "--json", "--parallel", "2"]).args(more);
        Running::start(command).wait(RUN_MAX)
    }

    /// Two workers, unless the arguments say otherwise.
    pub fn run_command(&self, more: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["run", "--json"]).args(more);
        if !more.contains(&"--parallel") {
            command.args(["--parallel", "2"]);
        }
        command
    }

    /// Runs `etl-sync run --json` with more arguments to its end.
    pub fn run(&self, more: &[&str]) -> Outcome {
        self.start(more).wait(RUN_MAX)
    }

    /// Runs and expects a success.
    pub fn sync(&self, more: &[&str]) -> Outcome {
        let outcome = self.run(more);
        assert_eq!(outcome.code, Some(0), "a run that should succeed did not:\n{outcome}");
        outcome
    }

    /// What the judge says about this database: `Ok` when both sides are equal, else its text.
    pub fn judge(&self, more: &[&str]) -> Result<String, String> {
        let output = Command::new("/usr/bin/python3")
            .arg(hosts::project().join("scripts/judge.py"))
            .args(["--source", &self.hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", &self.name)])
            .args(["--warehouse", &self.hosts.url("ETL_SYNC_ADMIN_WAREHOUSE_URL", &self.name)])
            .args(["--schema", SCHEMA, "--jobs", "1", "--show-keys", "--show-values"])
            .args(more)
            .output()
            .expect("python3 can be started");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(text) } else { Err(format!("judge, exit {:?}:\n{text}", output.status.code())) }
    }

    /// Fails unless the judge finds both sides equal.
    pub fn assert_equal(&self, more: &[&str]) {
        self.judge(more).unwrap_or_else(|text| panic!("{text}"));
    }

    /// What a run left behind that it should have taken away; empty when all is well.
    pub fn leftovers(&self) -> Vec<String> {
        let mut client = self.warehouse();
        let mut found = Vec::new();
        let mut look = |what: &str, sql: &str| {
            // Sessions end a moment after their process.
            let mut rows = Vec::new();
            for _ in 0..100 {
                rows = match client.query(sql, &[]) {
                    Ok(rows) => rows,
                    // A run that was refused has made no table of ours.
                    Err(e) if e.code() == Some(&postgres::error::SqlState::UNDEFINED_TABLE) => Vec::new(),
                    Err(e) => panic!("{sql}: {e}"),
                };
                if rows.is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            found.extend(rows.iter().map(|row| format!("{what} {}", row.get::<_, String>(0))));
        };
        look(
            "session",
            "SELECT coalesce(state, '?') || ': ' || query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%'",
        );
        look(
            "advisory lock of pid",
            "SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        look(
            "staging table",
            "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'etl_sync' AND relkind = 'r' AND relname NOT IN ('job', 'etl_table_state', 'chunk_ledger', 'name_map', 'configured_table', 'table_attempt')",
        );
        look("ledger row of", "SELECT table_name || '/' || chunk FROM etl_sync.chunk_ledger");
        look("temporary table", "SELECT relname::text FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'");
        let sessions: Vec<String> = (0..100)
            .find_map(|_| {
                // information_schema.processlist of MySQL fails while anybody's statement holds an emoji.
                let rows: Vec<mysql::Row> = self.source().query("SHOW PROCESSLIST").expect("the process list can be read");
                let text = |row: &mysql::Row, at: &str| row.get::<Option<String>, _>(at).flatten().unwrap_or_default();
                let left = rows.iter().filter(|row| text(row, "db") == self.name && text(row, "User") != "root");
                let rows: Vec<String> = left.map(|row| text(row, "Info")).collect();
                if rows.is_empty() {
                    return Some(rows);
                }
                std::thread::sleep(Duration::from_millis(50));
                None
            })
            .unwrap_or_else(|| vec!["source session".into()]);
        found.extend(sessions);
        found
    }

    /// Fails when a run left anything behind.
    pub fn assert_clean(&self) {
        let left = self.leftovers();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A failed test keeps its databases when asked to, for a look at them.
        if std::thread::panicking() && std::env::var_os("ETL_SYNC_TEST_KEEP").is_some() {
            eprintln!("kept: database {}", self.name);
            return;
        }
        // A test that died with a server down must not die a second time here.
        let options = mysql::Opts::from_url(&self.hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", ""));
        if let Some(mut conn) = options.ok().and_then(|options| mysql::Conn::new(options).ok()) {
            for name in [self.name.clone(), format!("{}_r", self.name)] {
                for sql in [format!("DROP DATABASE IF EXISTS `{name}`"), format!("DROP USER IF EXISTS '{name}'@'%'")] {
                    conn.query_drop(sql).unwrap_or_else(|e| eprintln!("{e}"));
                }
            }
        }
        let url = self.hosts.url("ETL_SYNC_ADMIN_WAREHOUSE_URL", "postgres");
        if let Ok(mut client) = postgres::Client::connect(&url, postgres::NoTls) {
            for sql in
                [format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name), format!("DROP ROLE IF EXISTS {}", self.name)]
            {
                client.batch_execute(&sql).unwrap_or_else(|e| eprintln!("{e}"));
            }
        }
    }
}
