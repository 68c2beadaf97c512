//! Connections to MySQL and MariaDB: options, the pinned session, and what kind of server it is.

use super::classify;
use super::ending::End;
use super::login::log_in;
use super::watchdog::{Guard, Watchdog};
use crate::config::{Address, Endpoint, TlsMode};
use crate::error::{Error, Kind, Result};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Params, SslOpts, Value};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// Longest packet we take from a server: one row, or one statement. Bounds what a single row can cost in memory.
const PACKET_BYTES_MAX: usize = 1 << 28;

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// `SELECT VERSION()`; the handshake's version is wrong on MariaDB.
    pub version: String,
    /// MariaDB, not MySQL.
    pub mariadb: bool,
    /// Identity of this server that survives a restart: server_uuid, server_uid, or server_id@hostname:port.
    pub identity: String,
}

/// A pinned connection.
pub struct MysqlConn {
    /// The driver's connection.
    pub conn: Conn,
    /// What the server said about itself.
    pub server: ServerInfo,
    /// A result was left half-read: the connection may only be dropped.
    pub abandoned: bool,
    what: String,
    known: Option<Guard>,
}

impl std::fmt::Debug for MysqlConn {
    /// The driver's own Debug prints the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MysqlConn").field("what", &self.what).finish_non_exhaustive()
    }
}

impl MysqlConn {
    /// Connects, pins every session setting that can change data or cut results, and reads them back.
    ///
    /// # Errors
    /// [`Kind::Unreachable`], [`Kind::Refused`] or [`Kind::Connections`]; [`Kind::Internal`] when the server does not
    /// keep a pinned setting.
    pub fn connect(endpoint: &Endpoint) -> Result<Self> {
        super::tls::install_provider();
        let what = endpoint.to_string();
        let doing = || format!("connecting to {what}");
        let mut conn = log_in(endpoint, &options(endpoint)?)?;
        let server = server_info(&mut conn).map_err(|e| classify::mysql(&e, doing()))?;
        pin(&mut conn, &server, endpoint.deadlines.statement).map_err(|e| classify::mysql(&e, doing()))?;
        let mut pinned = Self { conn, server, abandoned: false, what, known: None };
        pinned.read_back()?;
        Ok(pinned)
    }

    /// The same connection, whose statements are ended when the run has to stop and does not come to its end by itself.
    #[must_use]
    pub fn endable(mut self, endpoint: &Endpoint, watchdog: &Watchdog) -> Self {
        self.known = Some(watchdog.know(End::Mysql(Arc::new(endpoint.clone()), u64::from(self.conn.connection_id()))));
        self
    }

    /// Runs statements whose result does not matter.
    ///
    /// # Errors
    /// The classified server error.
    pub fn execute(&mut self, sql: &str, doing: &str) -> Result<()> {
        self.conn.query_drop(sql).map_err(|e| classify::mysql(&e, format!("{doing} on {}", self.what)))
    }

    /// The rows of a query without parameters, all in memory: for catalogs and single values only.
    ///
    /// # Errors
    /// The classified server error.
    pub fn rows(&mut self, sql: &str, doing: &str) -> Result<Vec<mysql::Row>> {
        self.conn.query(sql).map_err(|e| classify::mysql(&e, format!("{doing} on {}", self.what)))
    }

    /// Pairs of integers or NULL, of a query with two columns.
    ///
    /// # Errors
    /// The classified server error; [`Kind::Internal`] when something else comes.
    pub fn integers(&mut self, sql: &str, doing: &str) -> Result<Vec<(Option<i128>, Option<i128>)>> {
        let number = |row: &mysql::Row, at| match row.as_ref(at) {
            Some(Value::NULL) => Ok(None),
            value => value.and_then(integer).map(Some).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no integer"))),
        };
        self.rows(sql, doing)?.iter().map(|row| Ok((number(row, 0)?, number(row, 1)?))).collect()
    }

    /// The first column of the first row, as text; `None` for no row or NULL.
    ///
    /// # Errors
    /// The classified server error.
    pub fn text(&mut self, sql: &str, doing: &str) -> Result<Option<String>> {
        let row: Option<Option<String>> =
            self.conn.query_first(sql).map_err(|e| classify::mysql(&e, format!("{doing} on {}", self.what)))?;
        Ok(row.and_then(|value| value))
    }

    /// Runs a prepared statement that writes; returns the number of rows it touched.
    ///
    /// # Errors
    /// The classified server error.
    pub fn write(&mut self, sql: &str, values: Vec<Value>, doing: &str) -> Result<u64> {
        let done = self.conn.exec_drop(sql, Params::Positional(values));
        done.map_err(|e| classify::mysql(&e, format!("{doing} on {}", self.what)))?;
        Ok(self.conn.affected_rows())
    }

    /// As [`MysqlConn::rows`], with parameters.
    ///
    /// # Errors
    /// The classified server error.
    pub fn ask(&mut self, sql: &str, values: Vec<Value>, doing: &str) -> Result<Vec<mysql::Row>> {
        let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
        self.conn.exec(sql, params).map_err(|e| classify::mysql(&e, format!("{doing} on {}", self.what)))
    }

    /// Makes the session one that writes into a replica: what does not fit is an error, and every date that the source
    /// holds does fit; 0 stays 0 in a column that counts by itself.
    ///
    /// # Errors
    /// The classified server error; [`Kind::Internal`] when the server does not keep a setting.
    pub fn make_strict(&mut self) -> Result<()> {
        const MODES: &str = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO";
        let doing = "setting up a session that writes";
        self.execute(&format!("SET SESSION sql_mode = '{MODES}'"), doing)?;
        let seen = self.text("SELECT @@session.sql_mode", doing)?.unwrap_or_default();
        if MODES.split(',').all(|mode| seen.split(',').any(|seen| seen == mode)) {
            return Ok(());
        }
        Err(Error::new(Kind::Internal, format!("{} does not keep its session settings: sql_mode is {seen}", self.what)))
    }

    /// How messages name this connection; holds no password.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    fn read_back(&mut self) -> Result<()> {
        let sql = "SELECT CONCAT_WS('|', @@session.time_zone, @@session.sql_mode, @@session.character_set_results, \
                   @@session.character_set_client, @@session.sql_select_limit > 18446744073709551614, @@session.autocommit + 0)";
        let seen = self.text(sql, "reading the session settings back")?.unwrap_or_default();
        let wanted = "+00:00||utf8mb4|utf8mb4|1|1";
        if seen != wanted {
            return Err(Error::new(
                Kind::Internal,
                format!("{} does not keep its session settings: {seen}, not {wanted}", self.what),
            )
            .hint("look for init_connect or a proxy that changes sessions"));
        }
        Ok(())
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(v) => Some(i128::from(*v)),
        Value::UInt(v) => Some(i128::from(*v)),
        Value::Bytes(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

fn options(endpoint: &Endpoint) -> Result<OptsBuilder> {
    let deadlines = endpoint.deadlines;
    let mut options = OptsBuilder::new()
        .user(Some(endpoint.user.clone()))
        .pass(endpoint.password.as_ref().map(|p| p.expose_secret().to_owned()))
        .db_name(Some(endpoint.database.clone()))
        // The driver would otherwise reconnect over the server's socket and drop TLS on the way.
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .tcp_connect_timeout(Some(deadlines.connect))
        .read_timeout(Some(deadlines.stall))
        .write_timeout(Some(deadlines.stall))
        .tcp_keepalive_time_ms(Some(30_000))
        .tcp_keepalive_probe_interval_secs(Some(10))
        .tcp_keepalive_probe_count(Some(3))
        .stmt_cache_size(Some(8));
    match &endpoint.address {
        Address::Tcp { host, port } => options = options.ip_or_hostname(Some(host.clone())).tcp_port(*port),
        Address::Socket(path) => {
            let text =
                path.to_str().ok_or_else(|| Error::new(Kind::Config, format!("{endpoint}: the socket's path is not UTF-8")))?;
            options = options.socket(Some(text));
        }
    }
    Ok(options.ssl_opts(match endpoint.tls.mode {
        TlsMode::Disable | TlsMode::DisableInsecure => None,
        TlsMode::Require => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
        TlsMode::VerifyFull => Some(SslOpts::default().with_root_cert_path(endpoint.tls.ca_file.clone())),
    }))
}

fn server_info(conn: &mut Conn) -> mysql::Result<ServerInfo> {
    let version: String = conn.query_first("SELECT VERSION()")?.unwrap_or_default();
    let mariadb = version.to_ascii_lowercase().contains("mariadb");
    // Both variables exist only on newer servers; the name of a missing one is an error, so ask by LIKE.
    let unique: Option<(String, String)> =
        conn.query_first("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid') AND Value <> ''")?;
    let identity = match unique {
        Some((_, value)) => value,
        None => conn.query_first("SELECT CONCAT(@@server_id, '@', @@hostname, ':', @@port)")?.unwrap_or_default(),
    };
    Ok(ServerInfo { version, mariadb, identity })
}

/// Everything that can change a value, cut a result or end a long read, set to one known value.
fn pin(conn: &mut Conn, server: &ServerInfo, statement: Duration) -> mysql::Result<()> {
    let limit = if server.mariadb {
        format!("max_statement_time = {}", statement.as_secs())
    } else {
        // The catalog's sizes as they are, not as they were up to a day ago.
        format!("max_execution_time = {}, information_schema_stats_expiry = 0", statement.as_millis())
    };
    // Several statements in one text: a run opens a dozen connections before it reads the first row.
    conn.query_drop(format!(
        "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00', sql_mode = '', sql_select_limit = DEFAULT, sql_big_selects = 1, autocommit = 1, \
         lock_wait_timeout = 10, net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 86400, {limit}; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    ))
}
