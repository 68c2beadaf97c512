//! What the source shows of its tables without reading a row of them: one query for the files, four short ones for the server
//! and its log, whatever the number of tables. What it means stands in `plan::traces`.

use crate::catalog::{SourceTable, TableKind};
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::plan::traces::{self, SourceTrace};
use mysql::Row;
use mysql::prelude::Queryable;
use std::collections::BTreeMap;

/// Engines whose `UPDATE_TIME` is that of a file which each statement writes by itself.
const FILES: [&str; 1] = ["myisam"];

/// Engines whose changes show in the binary log only. Aria is one: its file lags behind its page cache.
const LOGGED: [&str; 2] = ["innodb", "aria"];

/// What the source showed at one moment.
#[derive(Debug)]
pub struct Seen {
    /// When the server was started, seconds since 1970 by its own clock.
    pub started: i64,
    /// Up to where its log is written, or why that is no evidence.
    pub log: std::result::Result<String, &'static str>,
    mapped: bool,
    tables: BTreeMap<String, File>,
}

/// A row of `information_schema.tables`.
#[derive(Debug)]
struct File {
    now: i64,
    written: Option<i64>,
    rows: u64,
    bytes: u64,
    counter: Option<u64>,
}

/// Looks at the tables of a database, before any of them is read.
///
/// # Errors
/// The classified server error. A log that may not be asked for is no error.
pub fn look(conn: &mut MysqlConn, database: &str) -> Result<Seen> {
    let log = log(conn)?;
    let mapped = variables(conn, &["myisam_use_mmap"])?.values().any(|value| value == "ON");
    let doing = "looking when the source's tables were written to";
    let rows: Vec<Row> =
        conn.conn.exec(include_str!("traces.sql"), (database,)).map_err(|error| classify::mysql(&error, doing))?;
    let mut tables = BTreeMap::new();
    for row in rows {
        let name = text(&row, 0).ok_or_else(|| odd(doing))?;
        let number = |at| text(&row, at).and_then(|text| text.parse::<u64>().ok());
        let seconds = |at| text(&row, at).and_then(|text| text.parse::<i64>().ok());
        let file = File {
            now: seconds(1).ok_or_else(|| odd(doing))?,
            written: seconds(2),
            rows: number(3).unwrap_or(0),
            bytes: number(4).unwrap_or(0),
            counter: number(5),
        };
        tables.insert(name, file);
    }
    Ok(Seen { started: started(conn)?, log, mapped, tables })
}

impl Seen {
    /// What it shows of a table.
    ///
    /// # Errors
    /// Why there is nothing that would show a change.
    pub fn of(&self, table: &SourceTable) -> std::result::Result<SourceTrace, &'static str> {
        let engine = table.engine.to_ascii_lowercase();
        let found = self.tables.get(&table.name.table).filter(|_| table.kind == TableKind::Base);
        let Some(found) = found else { return Err("a view shows no changes") };
        if LOGGED.contains(&engine.as_str()) {
            // The time of Aria's file would only tell when a page was written that the log has told of long before.
            let written = found.written.filter(|_| engine == "innodb");
            return self.log.clone().map(|position| SourceTrace::Log { position, written });
        }
        if !FILES.contains(&engine.as_str()) {
            return Err("its engine shows no changes");
        }
        if self.mapped {
            return Err("myisam_use_mmap hides when a table was written to");
        }
        let trace = traces::file(found.now, found.written, found.rows, found.bytes, found.counter);
        trace.ok_or("it was written to a moment ago")
    }
}

/// Up to where the log is written, in the server's words.
///
/// # Errors
/// The classified server error, that of a missing privilege too.
pub fn position(conn: &mut MysqlConn) -> Result<Option<String>> {
    Ok(status(conn)?.first().and_then(place))
}

/// The transactions that the server has executed, in its words; none where it does not number them.
///
/// # Errors
/// The classified server error.
pub fn gtid(conn: &mut MysqlConn) -> Result<Option<String>> {
    let mut found = variables(conn, &["gtid_binlog_pos", "gtid_executed", "gtid_mode"])?;
    if found.get("gtid_mode").is_some_and(|mode| mode != "ON") {
        return Ok(None);
    }
    let words = ["gtid_binlog_pos", "gtid_executed"].into_iter().find_map(|name| found.remove(name));
    Ok(words.map(|words| words.replace('\n', "")).filter(|words| !words.is_empty()))
}

/// File and position; none when some databases are left out of the log.
fn place(row: &Row) -> Option<String> {
    let filtered = [2, 3].iter().any(|&at| text(row, at).is_some_and(|names| !names.is_empty()));
    let (file, position) = text(row, 0).zip(text(row, 1))?;
    (!filtered).then(|| format!("{file}:{position}"))
}

fn status(conn: &mut MysqlConn) -> Result<Vec<Row>> {
    let version = conn.server.version.as_str();
    let old = ["5.", "8.0.", "8.1."].iter().any(|start| version.starts_with(start));
    let sql = if conn.server.mariadb || old { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    conn.rows(sql, "asking for the position of the binary log")
}

fn log(conn: &mut MysqlConn) -> Result<std::result::Result<String, &'static str>> {
    let found = variables(conn, &["log_bin", "log_slave_updates", "log_replica_updates", "wsrep_on"])?;
    let is_on = |names: &[&str]| names.iter().any(|name| found.get(*name).is_some_and(|value| value == "ON"));
    if !is_on(&["log_bin"]) {
        return Ok(Err("the source writes no binary log"));
    }
    // What comes from another server is in the log only when the server is told so.
    if !is_on(&["log_slave_updates", "log_replica_updates"]) && (is_on(&["wsrep_on"]) || is_replica(conn)?) {
        return Ok(Err("the source does not log what it replicates"));
    }
    match position(conn) {
        Ok(position) => Ok(position.ok_or("the source leaves databases out of its binary log")),
        Err(error) if error.kind() == Kind::Refused => Ok(Err("the position of the binary log may not be asked for")),
        Err(error) => Err(error),
    }
}

/// Also when the server does not tell.
fn is_replica(conn: &mut MysqlConn) -> Result<bool> {
    let sql = if conn.server.mariadb { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    match conn.rows(sql, "asking whether the source is a replica itself") {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if error.kind() == Kind::Refused => Ok(true),
        Err(error) => Err(error),
    }
}

fn started(conn: &mut MysqlConn) -> Result<i64> {
    let doing = "asking since when the source runs";
    let now = conn.text("SELECT CONCAT(UNIX_TIMESTAMP())", doing)?.and_then(|now| now.parse::<i64>().ok());
    let rows = conn.rows("SHOW GLOBAL STATUS LIKE 'Uptime'", doing)?;
    let uptime = rows.first().and_then(|row| text(row, 1)).and_then(|uptime| uptime.parse::<i64>().ok());
    now.zip(uptime).map(|(now, uptime)| now.saturating_sub(uptime)).ok_or_else(|| odd(doing))
}

/// Those of the variables that the server knows.
fn variables(conn: &mut MysqlConn, names: &[&str]) -> Result<BTreeMap<String, String>> {
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let rows = conn.rows(&format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({list})"), "reading the source's settings")?;
    Ok(rows.iter().filter_map(|row| text(row, 0).zip(text(row, 1))).collect())
}

/// None for NULL, and for what is no text.
fn text(row: &Row, at: usize) -> Option<String> {
    row.get_opt::<Option<String>, _>(at)?.ok()?
}

fn odd(doing: &str) -> Error {
    Error::new(Kind::Internal, format!("{doing}: not the answer that was asked for"))
}
