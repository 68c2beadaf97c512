//! Where the tests get their servers from: the set that `scripts/test.sh` starts, named by the environment, a second
//! private set for the tests that stop and kill servers, and sets with options of their own for a single test.
//!
//! Nothing here starts the first set: a test without servers fails at once and says what to run.

use mysql::prelude::Queryable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for anything that has no deadline of its own.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Addresses and accounts of one MariaDB or MySQL and one PostgreSQL.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Variables as `scripts/servers.sh env` prints them.
    vars: BTreeMap<String, String>,
}

/// A source server and a warehouse server, as notes name them.
#[derive(Debug)]
pub struct Pair {
    /// `mariadb` or `mysql`.
    pub server: &'static str,
    pub name: String,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Warehouse,
}

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The servers of the environment, shared by all tests.
pub fn shared() -> Hosts {
    let wanted = ["ETL_SYNC_SOURCE_URL", "ETL_SYNC_WAREHOUSE_URL", "ETL_SYNC_ADMIN_SOURCE_URL", "ETL_SYNC_ADMIN_WAREHOUSE_URL"];
    let vars: BTreeMap<String, String> =
        wanted.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    assert!(
        vars.len() == wanted.len(),
        "these tests need a MariaDB or MySQL and a PostgreSQL server: run scripts/test.sh, or scripts/servers.sh up and \
         eval \"$(scripts/servers.sh env)\"; not set: {:?}",
        wanted.iter().filter(|name| !vars.contains_key(**name)).collect::<Vec<_>>()
    );
    Hosts { vars }
}

/// The private set, for one test at a time; both servers run when this returns.
pub fn private() -> Private {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static STARTED: OnceLock<()> = OnceLock::new();
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    STARTED.get_or_init(|| script(&private_dir(), "down", &[]).map(drop).unwrap_or_default());
    let mut private = Private { hosts: Hosts { vars: BTreeMap::new() }, _guard: guard };
    private.up();
    private
}

/// A set of their own for tests whose DDL waits for a lock: nobody else on its server gets the read lock meanwhile. They stay up
/// for each other; `scripts/test.sh` ends them.
pub fn apart() -> Hosts {
    static STARTED: OnceLock<Own> = OnceLock::new();
    let options = [
        ("ETL_SYNC_MARIADB_OPTS", "--innodb-flush-log-at-trx-commit=2 --innodb-doublewrite=0"),
        ("ETL_SYNC_PG_OPTS", "-c fsync=off"),
    ];
    STARTED.get_or_init(|| Own::start("apart", &options)).hosts.clone()
}

/// Short, or the sockets' paths do not fit; one per build, so that two working copies stay apart.
fn private_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers")
}

/// A set for one test alone, which ends with it. `scripts/test.sh` ends what a killed test leaves.
#[derive(Debug)]
pub struct Own {
    pub hosts: Hosts,
    dir: PathBuf,
    more: Vec<(String, String)>,
}

impl Own {
    /// New servers with more variables for `scripts/servers.sh`.
    pub fn start(name: &str, more: &[(&str, &str)]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // One that was left over has other options.
        script(&dir, "down", &[]).unwrap_or_else(|text| panic!("the left-over servers of {name} do not stop:\n{text}"));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut own = Self { hosts: Hosts { vars: BTreeMap::new() }, dir, more };
        own.up();
        own
    }

    /// Stops one server in order and starts it again, at the same address.
    pub fn restart(&mut self, side: Side) {
        let (file, signal) = match side {
            Side::Source => ("ETL_SYNC_MARIADB_PID_FILE", "TERM"),
            Side::Warehouse => ("ETL_SYNC_PG_PID_FILE", "INT"),
        };
        let file = self.hosts.var(file).to_owned();
        let text = std::fs::read_to_string(&file).expect("a running server has a pid file");
        kill(text.lines().next().and_then(|line| line.trim().parse().ok()).expect("the first line is the pid"), signal);
        wait_for("the server's end", || (!Path::new(&file).exists()).then_some(()));
        self.up();
    }

    fn up(&mut self) {
        let more: Vec<(&str, &str)> = self.more.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        script(&self.dir, "up", &more).unwrap_or_else(|text| panic!("the servers do not start:\n{text}"));
        self.hosts = addresses(&self.dir);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        script(&self.dir, "down", &[]).map_or_else(|text| eprintln!("{text}"), drop);
    }
}

fn addresses(dir: &Path) -> Hosts {
    let text = script(dir, "env", &[]).unwrap_or_else(|text| panic!("no addresses of the servers:\n{text}"));
    let variable = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.replace('\\', "")))
    };
    Hosts { vars: text.lines().filter_map(variable).collect() }
}

fn script(dir: &Path, command: &str, more: &[(&str, &str)]) -> Result<String, String> {
    let output = Command::new(project().join("scripts/servers.sh"))
        .arg(command)
        .env("ETL_SYNC_SERVERS_DIR", dir)
        .env("ETL_SYNC_MARIADB_BUFFER_POOL", "128M")
        .env("ETL_SYNC_PG_SHARED_BUFFERS", "64MB")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("scripts/servers.sh can be started");
    let text = String::from_utf8(output.stdout).expect("scripts/servers.sh prints UTF-8");
    if output.status.success() { Ok(text) } else { Err(String::from_utf8(output.stderr).unwrap_or_default()) }
}

/// The private servers, borrowed by one test. They stay up for the next one; `scripts/test.sh` ends
/// them, and so does `scripts/servers.sh down` with their folder in ETL_SYNC_SERVERS_DIR.
pub struct Private {
    pub hosts: Hosts,
    _guard: MutexGuard<'static, ()>,
}

impl Private {
    /// Starts what does not run and takes the addresses over, which may have changed.
    pub fn up(&mut self) {
        let dir = private_dir();
        script(&dir, "up", &[]).unwrap_or_else(|text| panic!("the private servers do not start:\n{text}"));
        self.hosts = addresses(&dir);
    }

    /// Sends a signal to a server and every process it has made.
    pub fn signal(&self, side: Side, signal: &str) {
        let file = match side {
            Side::Source => "ETL_SYNC_MARIADB_PID_FILE",
            Side::Warehouse => "ETL_SYNC_PG_PID_FILE",
        };
        let text = std::fs::read_to_string(self.hosts.var(file)).expect("a running server has a pid file");
        let main: u32 = text.lines().next().and_then(|line| line.trim().parse().ok()).expect("the first line is the pid");
        let mut pids = vec![main];
        pids.extend(children(main));
        // The parent first: it must not see its children die and call that a crash of its own.
        for pid in pids {
            kill(pid, signal);
        }
    }
}

/// Sends a signal to one process; one that has ended already is no error.
pub fn kill(pid: u32, signal: &str) {
    let done = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
    assert!(done.is_ok(), "the kill command can be started");
}

fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc can be read");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let of = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
            of == Some(parent)
        })
        .collect()
}

impl Hosts {
    fn var(&self, name: &str) -> &str {
        self.vars.get(name).unwrap_or_else(|| panic!("scripts/servers.sh env prints {name}"))
    }

    /// A URL of `scripts/servers.sh env` with another database in it.
    pub fn url(&self, name: &str, database: &str) -> String {
        let mut url = url::Url::parse(self.var(name)).expect("the environment holds a URL");
        url.set_path(database);
        url.into()
    }

    /// An administrator's connection to the source.
    pub fn source(&self, database: &str) -> mysql::Conn {
        let url = self.url("ETL_SYNC_ADMIN_SOURCE_URL", database);
        let options = mysql::OptsBuilder::from_opts(mysql::Opts::from_url(&url).expect("a MySQL URL")).prefer_socket(false);
        retried("the source", || mysql::Conn::new(options.clone()).map_err(|e| e.to_string()))
    }

    /// An administrator's connection to the warehouse.
    pub fn warehouse(&self, database: &str) -> postgres::Client {
        let url = self.url("ETL_SYNC_ADMIN_WAREHOUSE_URL", database);
        retried("the warehouse", || postgres::Client::connect(&url, postgres::NoTls).map_err(|e| e.to_string()))
    }

    /// Which servers these are.
    pub fn pair(&self) -> Pair {
        let source: Option<String> = self.source("").query_first("SELECT VERSION()").expect("the source has a version");
        let warehouse = self.warehouse("postgres").query_one("SHOW server_version", &[]).expect("the warehouse has a version");
        let number = |text: &str| text.split(['-', ' ']).next().unwrap_or_default().to_owned();
        let source = source.unwrap_or_default();
        let server = if source.contains("MariaDB") { "mariadb" } else { "mysql" };
        let title = if server == "mariadb" { "MariaDB" } else { "MySQL" };
        let warehouse = number(warehouse.get(0));
        Pair { server, name: format!("{title} {} and PostgreSQL {warehouse}", number(&source)) }
    }

    /// Runs SQL text by the `mariadb` client, the way people load a dump.
    pub fn mariadb(&self, database: &str, sql: &Path) {
        let url = url::Url::parse(self.var("ETL_SYNC_ADMIN_SOURCE_URL")).expect("the environment holds a URL");
        let file = std::fs::File::open(sql).unwrap_or_else(|e| panic!("{}: {e}", sql.display()));
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--default-character-set=utf8mb4", "--protocol=tcp"])
            .args(["--host", url.host_str().unwrap_or("127.0.0.1"), "--port", &url.port().unwrap_or(3306).to_string()])
            .args(["--user", url.username(), database])
            .env("MYSQL_PWD", url.password().unwrap_or_default())
            .stdin(file)
            .output()
            .expect("the mariadb client is installed");
        assert!(output.status.success(), "{}: {}", sql.display(), String::from_utf8_lossy(&output.stderr));
    }
}

/// Tries until it works or patience ends: a server that has just started may refuse for a moment.
fn retried<T>(what: &str, mut connect: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match connect() {
            Ok(value) => return value,
            Err(error) if Instant::now() >= until => panic!("no connection to {what}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Waits until `ready` gives something; fails with `what` when patience ends.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
