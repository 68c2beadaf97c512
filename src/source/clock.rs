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
    let Some((way, open)) = transactions(conn)? else { return Ok(clock) };
    // The monitor leaves out who has begun and not written yet.
    clock.sees_everyone = way == Way::Table;
    let Some(wait) = wait.filter(|_| !open.is_empty()) else { return Ok(clock) };
    let until = Instant::now() + wait;
    let mut stayed = open;
    while !stayed.is_empty() && Instant::now() < until {
        cancel.sleep(LOOK_EVERY)?;
        // A look that shows nothing proves nobody gone.
        if let Some(now) = way.look(conn)? {
            stayed.retain(|transaction, _| now.contains_key(transaction));
        }
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

/// Open transactions that may write, by a name that the same way of looking gives again, with their age in microseconds.
type Open = BTreeMap<String, i64>;

/// How open transactions are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `information_schema.innodb_trx`.
    Table,
    /// `SHOW ENGINE INNODB STATUS`: the table of MySQL fails as a whole (error 3854) while any transaction runs a statement
    /// that holds a character beyond the basic plane.
    Monitor,
}

/// Open transactions, and how they were seen; none without the PROCESS privilege.
fn transactions(conn: &mut MysqlConn) -> Result<Option<(Way, Open)>> {
    for way in [Way::Table, Way::Monitor] {
        match way.look(conn) {
            Ok(Some(open)) => return Ok(Some((way, open))),
            Ok(None) => {}
            Err(error) if error.kind() == Kind::Refused => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    log::warn!("the source's open transactions cannot be seen now: the next run reads the last hour again");
    Ok(None)
}

impl Way {
    /// Nothing when this way does not show everybody now.
    fn look(self, conn: &mut MysqlConn) -> Result<Option<Open>> {
        match self {
            Self::Table => table(conn),
            Self::Monitor => {
                let row = conn.rows("SHOW ENGINE INNODB STATUS", "looking at open transactions")?.pop();
                let status = row.and_then(|mut row| mysql::from_value_opt::<Vec<u8>>(row.take("Status")?).ok());
                // Statements in it may be of any character set; what is read here is ASCII.
                Ok(status.and_then(|status| monitor(&status.utf8_chunks().map(|chunk| chunk.valid()).collect::<String>())))
            }
        }
    }
}

/// `trx_started` is in the server's system zone whatever the session's is.
fn table(conn: &mut MysqlConn) -> Result<Option<Open>> {
    let doing = "looking at open transactions";
    std::thread::sleep(CACHED);
    // The number of a transaction changes when it begins to write; without a session there is nothing else to tell it by.
    let sql = "SELECT CONCAT_WS('/', trx_mysql_thread_id, trx_started, IF(trx_mysql_thread_id = 0, trx_id, '')), \
               CAST(TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS SIGNED) \
               FROM information_schema.innodb_trx WHERE trx_is_read_only = 0";
    conn.execute("SET SESSION time_zone = 'SYSTEM'", doing)?;
    let rows: mysql::Result<Vec<(String, i64)>> = conn.conn.query(sql);
    let rows = rows.map_err(|e| classify::mysql(&e, doing));
    conn.execute("SET SESSION time_zone = '+00:00'", doing)?;
    match rows {
        Ok(rows) => Ok(Some(rows.into_iter().map(|(name, seconds)| (name, age(seconds))).collect())),
        Err(error) if error.kind() == Kind::Data => Ok(None),
        Err(error) => Err(error),
    }
}

/// The transactions of InnoDB's monitor: `---TRANSACTION 34550, ACTIVE (PREPARED) 12 sec fetching rows`. A statement that
/// holds such a line itself adds a transaction, which lowers the safe point; it cannot hide one. Nothing when the list was
/// cut: the server shows 1 MB.
fn monitor(status: &str) -> Option<Open> {
    if status.contains("... truncated...") {
        return None;
    }
    let begun = status.lines().filter_map(|line| line.strip_prefix("---TRANSACTION ")?.split_once(", ACTIVE "));
    begun
        .map(|(name, rest)| {
            let seconds = rest.split_once(" sec")?.0.rsplit(' ').next()?.parse().ok()?;
            Some((name.to_owned(), age(seconds)))
        })
        .collect()
}

/// The server cuts to whole seconds.
fn age(seconds: i64) -> i64 {
    seconds.max(0).saturating_add(1).saturating_mul(SECOND)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{SECOND, monitor};

    #[test]
    fn the_monitor_shows_who_is_active() {
        let status = "------------\nTRANSACTIONS\n------------\nTrx id counter 40\n\
            ---TRANSACTION 281479, not started\n0 lock struct(s)\n\
            ---TRANSACTION 34550, ACTIVE 12 sec fetching rows\nupdate t set b = ''\n\
            ---TRANSACTION 34551, ACTIVE (PREPARED) 3 sec\n";
        let seen: Vec<(String, i64)> = monitor(status).unwrap().into_iter().collect();
        assert_eq!(seen, [("34550".to_owned(), 13 * SECOND), ("34551".to_owned(), 4 * SECOND)]);
        assert_eq!(monitor(&format!("{status}... truncated...\n")), None);
        assert_eq!(monitor("---TRANSACTION 1, ACTIVE since long\n"), None);
    }
}
