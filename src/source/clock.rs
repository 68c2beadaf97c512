//! Looks at the source's clock and sessions before a snapshot opens: what the safe point of the next run is made of.
//!
//! The order matters (rule 7 of the design): the clock, then running statements, then transactions, then the snapshot.

use crate::cancel::Cancel;
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::plan::watermark::{Clock, SECOND};
use mysql::prelude::Queryable;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// `innodb_trx` is a copy that InnoDB makes anew after 0.1 s.
const CACHED: Duration = Duration::from_millis(200);

/// Pause between two looks at open transactions.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Commands of sessions that run no statement of a client.
const IDLE: [&str; 4] = ["Sleep", "Daemon", "Binlog Dump", "Binlog Dump GTID"];

/// Accounts of the server's own threads; what replication still has to apply is its lag.
const OWN_THREADS: [&str; 2] = ["system user", "event_scheduler"];

/// The source's clock, UTC, microseconds since 1970.
///
/// # Errors
/// The classified server error.
pub fn now(conn: &mut MysqlConn) -> Result<i64> {
    let sql = "SELECT CONCAT(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)))";
    let text = conn.text(sql, "reading the source's clock")?;
    text.and_then(|text| text.parse().ok()).ok_or_else(|| odd("the source's clock"))
}

/// Looks at clock and sessions, and waits so long at most until the transactions that are open at that moment are gone;
/// one that stays lowers the safe point instead. Where no table has transactions there is nothing to wait for.
///
/// # Errors
/// The classified server error; [`Kind::Stopped`] when the run is to end.
pub fn observe(conn: &mut MysqlConn, wait: Option<Duration>, cancel: &Cancel) -> Result<Clock> {
    let counted_from = now(conn)?;
    let (zone, changes_by) = zone(conn, counted_from)?;
    let mut clock = Clock { now: counted_from, zone, lag: lag(conn)?, ..Clock::default() };
    clock.oldest_statement = oldest_statement(conn)?;
    let Some(open) = transactions(conn)? else { return Ok(clock) };
    clock.sees_everyone = true;
    let Some(wait) = wait.filter(|_| !open.is_empty()) else { return Ok(clock) };
    let until = Instant::now() + wait;
    let mut stayed = open;
    while !stayed.is_empty() && Instant::now() < until {
        cancel.sleep(LOOK_EVERY)?;
        let now = transactions(conn)?.unwrap_or_default();
        stayed.retain(|transaction, _| now.contains_key(transaction));
    }
    clock.stayed = stayed.values().max().map(|age| age.saturating_add(changes_by));
    if clock.stayed.is_some() {
        log::warn!("a transaction of the source stays open: the next run reads again from before it");
    }
    Ok(clock)
}

fn odd(what: &str) -> Error {
    Error::new(Kind::Internal, format!("reading {what}: not the answer that was asked for"))
}

/// Wall clock minus UTC of the server's zone, and by how much it changes within a day: the smallest offset counts, because
/// a wall clock that goes back shows an hour twice.
///
/// # Errors
/// The classified server error.
pub fn zone(conn: &mut MysqlConn, now: i64) -> Result<(i64, i64)> {
    let doing = "reading the source's time zone";
    let at = |hours: i64| now.div_euclid(SECOND) + hours * 3600;
    let one = |at: i64| format!("TIMESTAMPDIFF(SECOND, '1970-01-01', FROM_UNIXTIME({at})) - {at}");
    let sql = format!("SELECT CONCAT_WS(',', {}, {}, {})", one(at(-25)), one(at(0)), one(at(25)));
    conn.execute("SET SESSION time_zone = @@global.time_zone", doing)?;
    let text = conn.text(&sql, doing)?.unwrap_or_default();
    conn.execute("SET SESSION time_zone = '+00:00'", doing)?;
    let offsets: Vec<i64> = text.split(',').filter_map(|offset| offset.parse::<i64>().ok()).collect();
    match (offsets.len(), offsets.iter().min(), offsets.iter().max()) {
        (3, Some(least), Some(most)) => Ok((least * SECOND, (most - least) * SECOND)),
        _ => Err(odd("the source's time zone")),
    }
}

/// How far a replica is behind, microseconds: 0 for a server that is none, nothing when it does not say.
fn lag(conn: &mut MysqlConn) -> Result<Option<i64>> {
    let doing = "asking whether the source is a replica itself";
    let rows: Vec<mysql::Row> = match conn.conn.query("SHOW REPLICA STATUS").map_err(|e| classify::mysql(&e, doing)) {
        Ok(rows) => rows,
        // Without the privilege the threads that apply changes tell, where they can be seen.
        Err(error) if error.kind() == Kind::Refused => {
            let applies = |state: &str| state.to_ascii_lowercase().contains("relay log");
            let replica = conn.sessions(false)?.iter().any(|s| s.user == "system user" && applies(&s.state));
            return Ok(if replica { None } else { Some(0) });
        }
        Err(error) => return Err(error),
    };
    let mut most = Some(0);
    for row in &rows {
        let seconds = ["Seconds_Behind_Source", "Seconds_Behind_Master"]
            .iter()
            .find_map(|name| row.get::<Option<String>, _>(*name))
            .and_then(|text| text?.parse::<i64>().ok());
        most = most.zip(seconds).map(|(most, seconds)| most.max((seconds + 1) * SECOND));
    }
    Ok(most)
}

/// Age of the oldest statement of another session, rounded up to whole seconds.
fn oldest_statement(conn: &mut MysqlConn) -> Result<i64> {
    let own: Option<u64> =
        conn.text("SELECT CONCAT(CONNECTION_ID())", "reading the session's id")?.and_then(|id| id.parse().ok());
    let runs = conn.sessions(false)?.into_iter().filter(|session| {
        let idle = IDLE.contains(&session.command.as_str()) || OWN_THREADS.contains(&session.user.as_str());
        !idle && Some(session.id) != own
    });
    let seconds = runs.map(|session| session.seconds + 1).max().unwrap_or(0);
    Ok(i64::try_from(seconds).unwrap_or(i64::MAX / SECOND).saturating_mul(SECOND))
}

/// Open transactions that may write, with their age in microseconds; none without the PROCESS privilege.
///
/// `trx_started` is in the server's system zone whatever the session's is.
fn transactions(conn: &mut MysqlConn) -> Result<Option<BTreeMap<(u64, String), i64>>> {
    let doing = "looking at open transactions";
    std::thread::sleep(CACHED);
    let sql = "SELECT CAST(trx_mysql_thread_id AS UNSIGNED), CONCAT(trx_started, '/', trx_id), \
               CAST(TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS SIGNED) \
               FROM information_schema.innodb_trx WHERE trx_is_read_only = 0";
    conn.execute("SET SESSION time_zone = 'SYSTEM'", doing)?;
    let rows: mysql::Result<Vec<(u64, String, i64)>> = conn.conn.query(sql);
    let rows = rows.map_err(|e| classify::mysql(&e, doing));
    conn.execute("SET SESSION time_zone = '+00:00'", doing)?;
    match rows {
        Ok(rows) => {
            let age = |seconds: i64| seconds.max(0).saturating_add(1).saturating_mul(SECOND);
            Ok(Some(rows.into_iter().map(|(thread, begun, seconds)| ((thread, begun), age(seconds))).collect()))
        }
        Err(error) if error.kind() == Kind::Refused => Ok(None),
        Err(error) => Err(error),
    }
}
