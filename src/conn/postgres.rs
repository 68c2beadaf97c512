//! Connections to PostgreSQL: options, the pinned session, deadlines through the watchdog.

use super::classify;
use super::ending::End;
use super::watchdog::{Guard, Probe, Watchdog};
use crate::config::{Address, Endpoint};
use crate::error::{Error, Kind, Result};
use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Session settings that decide how values are read and printed, what is visible and what is durable.
pub const PINNED: &[(&str, &str)] = &[
    ("search_path", "pg_catalog"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("standard_conforming_strings", "on"),
    ("row_security", "off"),
    ("synchronous_commit", "on"),
    // A comparison behind a LOCK has to see what was committed before it was granted.
    ("default_transaction_isolation", "read committed"),
    ("idle_in_transaction_session_timeout", "0"),
    ("client_min_messages", "warning"),
    // A dead client must not keep its locks until the keepalive of the operating system finds out.
    ("client_connection_check_interval", "10s"),
];

/// How long a statement waits for somebody else's lock before it fails and is tried again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// A pinned connection.
pub struct PostgresConn {
    client: Client,
    watchdog: Watchdog,
    stall: Duration,
    statement: Duration,
    probe: Probe,
    end: End,
    what: String,
}

impl std::fmt::Debug for PostgresConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresConn").field("what", &self.what).finish_non_exhaustive()
    }
}

impl PostgresConn {
    /// Connects with every pinned setting and reads them back. `application` shows up in `pg_stat_activity`.
    ///
    /// # Errors
    /// [`Kind::Unreachable`], [`Kind::Refused`] or [`Kind::Connections`]; [`Kind::Config`] when the database is not
    /// UTF-8; [`Kind::Internal`] when the server does not keep a pinned setting.
    pub fn connect(endpoint: &Endpoint, application: &str, watchdog: &Watchdog) -> Result<Self> {
        let what = endpoint.to_string();
        let client = {
            let _guard = watchdog.watch(endpoint.deadlines.connect * 2, format!("connecting to {what}"));
            open(endpoint, application)?
        };
        let end = ender(endpoint, &client);
        let mut conn = Self {
            client,
            end,
            watchdog: watchdog.clone(),
            stall: endpoint.deadlines.stall,
            statement: endpoint.deadlines.statement,
            probe: probe(endpoint),
            what,
        };
        conn.read_back()?;
        Ok(conn)
    }

    /// The driver's client together with a guard that bounds the wait for it: use the client only while it lives.
    ///
    /// The statement itself may take its whole deadline (an index, a merge); a server that answers nobody is given up
    /// after the stall deadline.
    pub fn watched(&mut self, doing: &str) -> (&mut Client, Guard) {
        let what = format!("{doing} on {}", self.what);
        let lengths = (self.stall, self.statement + self.stall);
        let guard = self.watchdog.watch_long(lengths, what, Probe::clone(&self.probe), Some(self.end.clone()));
        (&mut self.client, guard)
    }

    /// The client for a stream, and what bounds each of its steps: the pauses between them are the source's.
    pub fn streaming(&mut self, doing: &str) -> (&mut Client, Steps) {
        let what = format!("{doing} on {}", self.what);
        let _known = self.watchdog.know(self.end.clone());
        (&mut self.client, Steps { watchdog: self.watchdog.clone(), stall: self.stall, what, _known })
    }

    /// Runs statements whose result does not matter, in one round trip.
    ///
    /// # Errors
    /// The classified server error.
    pub fn batch(&mut self, sql: &str, doing: &str) -> Result<()> {
        let (client, _guard) = self.watched(doing);
        client.batch_execute(sql).map_err(|e| classify::postgres(&e, doing))
    }

    /// Runs one statement with parameters; returns the number of rows it touched.
    ///
    /// # Errors
    /// The classified server error.
    pub fn execute(&mut self, sql: &str, params: &[&(dyn postgres::types::ToSql + Sync)], doing: &str) -> Result<u64> {
        let (client, _guard) = self.watched(doing);
        client.execute(sql, params).map_err(|e| classify::postgres(&e, doing))
    }

    /// The rows of a query, all in memory: for catalogs and state only.
    ///
    /// # Errors
    /// The classified server error.
    pub fn rows(
        &mut self,
        sql: &str,
        params: &[&(dyn postgres::types::ToSql + Sync)],
        doing: &str,
    ) -> Result<Vec<postgres::Row>> {
        let (client, _guard) = self.watched(doing);
        client.query(sql, params).map_err(|e| classify::postgres(&e, doing))
    }

    /// How messages name this connection; holds no password.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    fn read_back(&mut self) -> Result<()> {
        let names: Vec<&str> = PINNED.iter().map(|(name, _)| *name).chain(["server_encoding", "client_encoding"]).collect();
        let sql = "SELECT name, current_setting(name) FROM unnest($1::text[]) AS name";
        let doing = format!("reading the session settings of {}", self.what);
        for row in self.rows(sql, &[&names], &doing)? {
            let (name, seen): (String, String) = (row.get(0), row.get(1));
            let wanted = PINNED.iter().find(|(n, _)| *n == name).map_or("UTF8", |(_, value)| *value);
            if name == "server_encoding" && seen != wanted {
                return Err(Error::new(Kind::Config, format!("{} has encoding {seen}; it must be UTF8", self.what)));
            }
            if seen != wanted {
                return Err(Error::new(Kind::Internal, format!("{} does not keep {name}: {seen}, not {wanted}", self.what))
                    .hint("connect without a pooler in transaction mode"));
            }
        }
        Ok(())
    }
}

/// Whether the server lets anybody in: asked when a statement takes long. A thread of its own asks, because a stopped
/// server accepts the connection and then says nothing.
fn probe(endpoint: &Endpoint) -> Probe {
    let endpoint = endpoint.clone();
    Arc::new(move || {
        let (sender, receiver) = crossbeam::channel::bounded(1);
        let limit = endpoint.deadlines.connect * 2;
        let asked = endpoint.clone();
        let asking = std::thread::Builder::new().name("probe".into()).spawn(move || {
            let alive = open(&asked, "etl-sync/probe").map_or_else(|error| error.kind() != Kind::Unreachable, |_| true);
            if sender.send(alive).is_err() {
                log::debug!("{asked} answered after its time");
            }
        });
        asking.is_ok() && receiver.recv_timeout(limit).unwrap_or(false)
    })
}

/// Asks the server to end what the client runs. A thread of its own calls it, because it connects.
fn ender(endpoint: &Endpoint, client: &Client) -> End {
    let (endpoint, token) = (endpoint.clone(), client.cancel_token());
    End::Postgres(Arc::new(move || {
        let asked = if endpoint.tls.mode.is_plain() {
            token.cancel_query(NoTls).map_err(|e| classify::postgres(&e, "ending a statement"))
        } else {
            let tls = super::tls::client_config(&endpoint.tls, &endpoint.to_string()).map(MakeRustlsConnect::new);
            tls.and_then(|tls| token.cancel_query(tls).map_err(|e| classify::postgres(&e, "ending a statement")))
        };
        if let Err(error) = asked {
            log::debug!("{endpoint}: {error}");
        }
    }))
}

/// Bounds the steps of a stream.
#[derive(Debug)]
pub struct Steps {
    watchdog: Watchdog,
    stall: Duration,
    what: String,
    /// The stream as a whole can be ended, also between two steps.
    _known: Guard,
}

impl Steps {
    /// Bounds one step; it ends when the guard is dropped.
    #[must_use]
    pub fn step(&self) -> Guard {
        self.watchdog.watch(self.stall, self.what.clone())
    }
}

fn open(endpoint: &Endpoint, application: &str) -> Result<Client> {
    let doing = || format!("connecting to {endpoint}");
    let config = config(endpoint, application);
    let client = if endpoint.tls.mode.is_plain() {
        config.connect(NoTls)
    } else {
        config.connect(MakeRustlsConnect::new(super::tls::client_config(&endpoint.tls, &endpoint.to_string())?))
    };
    client.map_err(|e| super::tls::refusal(classify::postgres(&e, doing())))
}

fn config(endpoint: &Endpoint, application: &str) -> Config {
    let mut config = Config::new();
    config
        .user(&endpoint.user)
        .dbname(&endpoint.database)
        .application_name(application)
        .connect_timeout(endpoint.deadlines.connect)
        .tcp_user_timeout(endpoint.deadlines.stall)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .ssl_mode(if endpoint.tls.mode.is_plain() { SslMode::Disable } else { SslMode::Require })
        .options(&startup_options(endpoint.deadlines.statement))
        .notice_callback(|notice| log::debug!("notice {} of the warehouse", notice.code().code()));
    if let Some(password) = &endpoint.password {
        config.password(password.expose_secret());
    }
    match &endpoint.address {
        Address::Tcp { host, port } => config.host(host).port(*port),
        Address::Socket(path) => config.host_path(path).port(endpoint.socket_port),
    };
    config
}

/// Settings sent with the connection request, so that pinning costs no round trip.
fn startup_options(statement: Duration) -> String {
    let pinned = PINNED.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let limits =
        [("statement_timeout", statement.as_millis().to_string()), ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string())];
    let words: Vec<String> = pinned
        .chain(limits)
        .map(|(name, value)| format!("-c {name}={}", value.replace('\\', "\\\\").replace(' ', "\\ ")))
        .collect();
    words.join(" ")
}
