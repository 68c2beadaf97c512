//! One connection out of all its layers: flag, variables, URL, file keys, then the database's own client defaults.
//!
//! A value is taken from the first that gives it. The URL comes whole from one layer; its parts stand above the file's
//! keys and, unless it came from a flag, below `ETL_SYNC_<ROLE>_*` variables.

use super::check::Marks;
use super::endpoint::{Address, Deadlines, Endpoint, Role, Tls, TlsMode};
use super::env::{Environment, PREFIX, Vars};
use super::mycnf::{self, MyCnf};
use super::pgpass;
use super::pipeline::Connection;
use super::problem::{Findings, Problem};
use super::secret::password_file;
use super::tls;
use super::url::{self, Parts};
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What all connections share.
pub(super) struct Around<'a> {
    pub env: &'a Environment,
    pub vars: &'a Vars,
    /// Places in pipeline.yml.
    pub marks: &'a Marks,
    /// Directory of pipeline.yml, where its relative paths start.
    pub dir: &'a Path,
}

/// The layers of one connection.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    pub role: Role,
    pub flag: Option<&'a str>,
    pub vars: &'a Connection,
    pub file: &'a Connection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Flag,
    Vars,
    File,
}

impl Layers<'_> {
    fn place(&self, from: From, key: &str) -> String {
        let role = self.role.word();
        match from {
            From::Flag => format!("--{role}-{key}"),
            From::Vars => format!("{PREFIX}{}_{}", role.to_uppercase(), key.to_uppercase()),
            From::File => format!("`connections.{role}.{key}`"),
        }
    }

    /// The URL that counts.
    fn url(&self) -> Option<(From, &str)> {
        let given = |from, text: Option<&'_ str>| text.filter(|text| !text.trim().is_empty()).map(|_| from);
        let from = given(From::Flag, self.flag)
            .or_else(|| given(From::Vars, self.vars.url.as_deref()))
            .or_else(|| given(From::File, self.file.url.as_deref()))?;
        let text = match from {
            From::Flag => self.flag,
            From::Vars => self.vars.url.as_deref(),
            From::File => self.file.url.as_deref(),
        };
        text.map(|text| (from, text))
    }
}

/// A connection being put together.
struct Builder<'a> {
    layers: Layers<'a>,
    around: &'a Around<'a>,
    url_from: From,
    parts: Parts,
    findings: &'a mut Findings,
}

/// The checked endpoint; `None` when the role is not configured or has problems (they are reported).
pub(super) fn endpoint(layers: Layers<'_>, around: &Around<'_>, findings: &mut Findings) -> Option<Endpoint> {
    let Some((from, text)) = layers.url() else {
        missing_url(layers, around, findings);
        return None;
    };
    let parts = match url::parse(text, layers.role, &layers.place(from, "url")) {
        Ok(parts) => parts,
        Err(problems) => {
            for problem in problems {
                findings.problem(located(problem, from, layers.role, "url", around));
            }
            return None;
        }
    };
    findings.warnings.extend(parts.warnings.iter().cloned());
    Builder { layers, around, url_from: from, parts, findings }.build()
}

fn missing_url(layers: Layers<'_>, around: &Around<'_>, findings: &mut Findings) {
    let role = layers.role;
    if around.marks.is_bad(&["connections", role.word(), "url"]) {
        return;
    }
    if role == Role::Replica {
        let c = layers.file;
        if c.password_file.is_some() || c.tls.is_some() || c.ca_file.is_some() {
            let problem = around.marks.problem(&["connections", "replica"], "`connections.replica` has settings but no url");
            findings.problem(problem);
        }
        return;
    }
    let text = format!(
        "no {role}: give {}, {} or {} in pipeline.yml",
        layers.place(From::Flag, "url"),
        layers.place(From::Vars, "url"),
        layers.place(From::File, "url"),
    );
    findings.problem(Problem::new(text));
}

/// Adds file and line to a problem of a value that came from pipeline.yml.
fn located(problem: Problem, from: From, role: Role, key: &str, around: &Around<'_>) -> Problem {
    if from != From::File {
        return problem;
    }
    problem.at(around.marks.file(), around.marks.line(&["connections", role.word(), key]))
}

impl Builder<'_> {
    fn build(mut self) -> Option<Endpoint> {
        let role = self.layers.role;
        let before = self.findings.problems.len();
        let cnf = self.my_cnf();
        let socket_port = self.port(&cnf);
        let address = self.address(&cnf, socket_port);
        let user = self.user(&cnf);
        let database = self.database();
        let tls = self.tls(&address);
        let deadlines = self.deadlines();
        let (user, database, tls) = (user?, database?, tls?);
        let password = self.password(cnf, &address, socket_port, &user, &database);
        if self.findings.problems.len() > before {
            return None;
        }
        let endpoint = Endpoint { role, address, socket_port, user, password, database, tls, deadlines };
        if sends_password_in_the_open(&endpoint) {
            self.findings.problem(Problem::new(in_the_open(&endpoint)));
            return None;
        }
        self.warn(&endpoint);
        Some(endpoint)
    }

    fn var(&self, name: &str) -> Option<String> {
        self.around.vars.get(name).map(str::to_owned)
    }

    /// The variable of libpq, for PostgreSQL only.
    fn pg(&self, name: &str) -> Option<String> {
        if self.layers.role.is_postgres() { self.var(name) } else { None }
    }

    /// Flag's URL, then the variable, then the URL, then the file's key.
    fn pick<T>(&self, url: Option<T>, vars: Option<T>, file: Option<T>) -> Option<T> {
        match self.url_from {
            From::Flag => url.or(vars).or(file),
            From::Vars | From::File => vars.or(url).or(file),
        }
    }

    fn my_cnf(&mut self) -> MyCnf {
        let complete =
            self.parts.user.is_some() && self.parts.password.is_some() && self.has_place() && self.parts.port.is_some();
        match &self.around.env.home {
            Some(home) if !self.layers.role.is_postgres() && !complete => mycnf::read(&home.join(".my.cnf"), self.findings),
            _ => MyCnf::default(),
        }
    }

    fn has_place(&self) -> bool {
        self.parts.host.is_some() || self.parts.socket.is_some()
    }

    fn port(&mut self, cnf: &MyCnf) -> u16 {
        let default = self.layers.role.default_port();
        if let Some(port) = self.parts.port.or(cnf.port) {
            return port;
        }
        match self.pg("PGPORT").map(|text| text.trim().parse::<u16>()) {
            None => default,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => {
                self.findings.problem(Problem::new("PGPORT: expected a port from 1 to 65535"));
                default
            }
        }
    }

    fn address(&self, cnf: &MyCnf, port: u16) -> Address {
        let tcp = |host: String| Address::Tcp { host, port };
        if let Some(path) = &self.parts.socket {
            return Address::Socket(path.clone());
        }
        if let Some(host) = &self.parts.host {
            return tcp(host.clone());
        }
        if let Some(host) = self.pg("PGHOST") {
            return if host.starts_with('/') { Address::Socket(PathBuf::from(host)) } else { tcp(host) };
        }
        // As MySQL's clients: `localhost` means the socket when one is known, unless a port was asked for.
        let far = cnf.host.as_ref().filter(|host| !host.eq_ignore_ascii_case("localhost"));
        match (far, &cnf.socket) {
            (Some(host), _) => tcp(host.clone()),
            (None, Some(socket)) if self.parts.port.is_none() => Address::Socket(PathBuf::from(socket)),
            _ => tcp("localhost".to_owned()),
        }
    }

    fn user(&mut self, cnf: &MyCnf) -> Option<String> {
        let own = self.parts.user.clone().or_else(|| cnf.user.clone()).or_else(|| self.pg("PGUSER"));
        let user = own.or_else(|| self.var("USER")).or_else(|| self.var("LOGNAME"));
        if user.is_none() {
            self.url_problem("the URL names no user");
        }
        user
    }

    fn database(&mut self) -> Option<String> {
        let database = self.parts.database.clone().or_else(|| self.pg("PGDATABASE"));
        if database.is_none() {
            self.url_problem("the URL names no database (`.../database` at its end)");
        }
        database
    }

    fn url_problem(&mut self, text: &str) {
        let problem = Problem::new(format!("{}: {text}", self.layers.place(self.url_from, "url")));
        self.findings.problem(located(problem, self.url_from, self.layers.role, "url", self.around));
    }

    fn tls(&mut self, address: &Address) -> Option<Tls> {
        let role = self.layers.role;
        let word = |word: Option<&String>, from| word.map(|word| tls::mode(word, &self.layers.place(from, "tls")));
        let vars = word(self.layers.vars.tls.as_ref(), From::Vars).transpose();
        let file = word(self.layers.file.tls.as_ref(), From::File).transpose();
        let file = file.map_err(|problem| located(problem, From::File, role, "tls", self.around));
        // A wrong word of ours is told even where a higher layer would win; libpq's only counts when nothing else does.
        let (Ok(vars), Ok(file)) = (&vars, &file) else {
            self.findings.problems.extend([vars.err(), file.err()].into_iter().flat_map(Option::into_iter));
            return None;
        };
        let asked = self.pick(self.parts.tls, *vars, *file);
        let libpq = self.pg("PGSSLMODE").filter(|_| asked.is_none()).map(|word| tls::mode(&word, "PGSSLMODE")).transpose();
        let libpq = libpq.map_err(|problem| self.findings.problem(problem)).ok()?;
        let default = if address.is_local() { TlsMode::Disable } else { TlsMode::VerifyFull };
        let mode = asked.or(libpq).unwrap_or(default);
        let ca_file = self.ca_file();
        if matches!(address, Address::Socket(_)) {
            if asked.is_some() && !mode.is_plain() {
                self.findings.warn(format!("{role}: a unix socket is not encrypted, tls {mode} is not used"));
            }
            return Some(Tls { mode: TlsMode::Disable, ca_file: None });
        }
        if let Some(path) = ca_file.as_ref().filter(|_| mode == TlsMode::VerifyFull)
            && let Err(error) = std::fs::File::open(path)
        {
            let path = self.around.env.shown(path);
            self.findings.problem(Problem::new(format!("{role}: CA file {} cannot be read: {error}", path.display())));
        }
        Some(Tls { mode, ca_file })
    }

    fn ca_file(&mut self) -> Option<PathBuf> {
        let env = self.around.env;
        let here = |text: &String| env.path(text, &env.cwd);
        let url = self.parts.ca_file.as_ref().map(here);
        let vars = self.layers.vars.ca_file.as_ref().map(here);
        let file = self.layers.file.ca_file.as_ref().map(|text| env.path(text, self.around.dir));
        let asked = self.pick(url, vars, file).or_else(|| self.pg("PGSSLROOTCERT").as_ref().map(here));
        // libpq's word for the system's trust store.
        asked.filter(|path| path.file_name().is_none_or(|name| name != "system"))
    }

    fn deadlines(&mut self) -> Deadlines {
        let (vars, file) = (self.layers.vars, self.layers.file);
        let connect = self.pick(self.parts.connect_timeout, vars.connect_timeout_s, file.connect_timeout_s);
        let connect = connect.or_else(|| self.pg_connect_timeout()).unwrap_or(10);
        let stall = vars.stall_timeout_s.or(file.stall_timeout_s).unwrap_or(300);
        let statement = vars.statement_timeout_s.or(file.statement_timeout_s).unwrap_or(7200);
        let seconds = Duration::from_secs;
        Deadlines { connect: seconds(connect), stall: seconds(stall), statement: seconds(statement) }
    }

    /// libpq's 0 means no limit, which does not exist here: the default stays.
    fn pg_connect_timeout(&mut self) -> Option<u64> {
        match self.pg("PGCONNECT_TIMEOUT")?.trim().parse::<u64>() {
            Ok(0) => None,
            Ok(seconds) if seconds <= 600 => Some(seconds),
            _ => {
                self.findings.problem(Problem::new("PGCONNECT_TIMEOUT: expected seconds from 0 to 600"));
                None
            }
        }
    }

    fn password(&mut self, cnf: MyCnf, address: &Address, port: u16, user: &str, database: &str) -> Option<SecretString> {
        let role = self.layers.role;
        let url = self.parts.password.take();
        let (flag, vars_url, file_url) = match self.url_from {
            From::Flag => (url, None, None),
            From::Vars => (None, url, None),
            From::File => (None, None, url),
        };
        let name = self.layers.place(From::Vars, "password");
        let own = flag.or_else(|| self.var(&name).map(SecretString::from)).or(vars_url);
        let own = own.or_else(|| self.password_from(From::Vars)).or(file_url).or_else(|| self.password_from(From::File));
        if own.is_some() {
            return own;
        }
        if !role.is_postgres() {
            // A password of the option file belongs to the user of that file.
            return cnf.password.filter(|_| cnf.user.as_deref().is_none_or(|of| of == user));
        }
        if let Some(password) = self.var("PGPASSWORD") {
            return Some(SecretString::from(password));
        }
        let env = self.around.env;
        let file = self.var("PGPASSFILE").map(|text| env.path(&text, &env.cwd));
        let file = file.or_else(|| env.home.as_ref().map(|home| home.join(".pgpass")))?;
        let socket = |path: &Path| path.to_str().unwrap_or("localhost").to_owned();
        let host = match address {
            Address::Tcp { host, .. } => host.clone(),
            Address::Socket(path) => socket(path),
        };
        pgpass::find(&file, &pgpass::Wanted { host: &host, port, database, user }, self.findings)
    }

    fn password_from(&mut self, from: From) -> Option<SecretString> {
        let env = self.around.env;
        let path = match from {
            From::File => env.path(self.layers.file.password_file.as_ref()?, self.around.dir),
            From::Flag | From::Vars => env.path(self.layers.vars.password_file.as_ref()?, &env.cwd),
        };
        match password_file(&path) {
            Ok(password) => Some(password),
            Err(why) => {
                let problem = Problem::new(format!("{}: {why}", self.layers.place(from, "password_file")));
                self.findings.problem(located(problem, from, self.layers.role, "password_file", self.around));
                None
            }
        }
    }

    fn warn(&mut self, endpoint: &Endpoint) {
        let role = endpoint.role;
        match endpoint.tls.mode {
            TlsMode::Require => self.findings.warn(format!(
                "{role}: tls require encrypts but does not verify the server: somebody in between can read along; use verify-full"
            )),
            mode if mode.is_plain() && !endpoint.address.is_local() => {
                let what = if endpoint.password.is_some() { "password and rows" } else { "rows" };
                self.findings.warn(format!("{role}: tls {mode}: {what} cross the network unencrypted"));
            }
            TlsMode::Disable | TlsMode::DisableInsecure | TlsMode::VerifyFull => {}
        }
        if endpoint.tls.ca_file.is_some() && endpoint.tls.mode != TlsMode::VerifyFull {
            self.findings.warn(format!("{role}: the CA file is only used with tls verify-full"));
        }
    }
}

/// A scramble is no protection either: for `caching_sha2_password` the driver asks whoever answers for a key to encrypt
/// the password with, and PostgreSQL's driver gives it in clear text to a server that asks for that.
fn sends_password_in_the_open(endpoint: &Endpoint) -> bool {
    endpoint.tls.mode == TlsMode::Disable && endpoint.password.is_some() && !endpoint.address.is_local()
}

fn in_the_open(endpoint: &Endpoint) -> String {
    let host = match &endpoint.address {
        Address::Tcp { host, .. } => host.as_str(),
        Address::Socket(_) => "the socket",
    };
    format!(
        "{}: tls disable would send the password to {host} over plain TCP, where anybody in between can take it; use tls \
         verify-full (with ca_file for an authority of your own), a unix socket or a tunnel; for a network that you trust \
         write tls disable-insecure",
        endpoint.role
    )
}
