//! Connections: what a run needs on each server, and what the server still gives us. One place does the arithmetic.
//!
//! A run opens all its source connections at once, so a shortage in the middle would hit the application too.

use crate::config::Config;
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};

/// Source connections beside the workers': guard, locker, planner, the lane of long rows, the look at the source's load.
const SOURCE_BESIDE: u64 = 5;

/// Warehouse connections beside the workers': run lock, tracker, and the one that plans, prepares and cleans.
const WAREHOUSE_BESIDE: u64 = 3;

/// What a run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// On the source.
    pub source: u64,
    /// On the warehouse.
    pub warehouse: u64,
}

/// What a run with so many workers needs.
#[must_use]
pub fn need(workers: usize) -> Need {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX);
    Need { source: workers.saturating_add(SOURCE_BESIDE), warehouse: workers.saturating_add(WAREHOUSE_BESIDE) }
}

/// What a server gives. `used` counts all sessions, `account_used` those of our account; both without our own one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// The server's limit for accounts like ours.
    pub max: u64,
    /// Sessions of everybody.
    pub used: u64,
    /// The limit of our account, or of our database, where there is one.
    pub account_max: Option<u64>,
    /// Sessions that count against it.
    pub account_used: u64,
}

impl Room {
    /// Connections that we may still open, our present one included.
    #[must_use]
    pub fn free(&self) -> u64 {
        let server = self.max.saturating_sub(self.used);
        self.account_max.map_or(server, |max| server.min(max.saturating_sub(self.account_used)))
    }

    /// Why `needed` connections do not fit; says which limit and how many workers would fit.
    #[must_use]
    pub fn shortage(&self, needed: u64, workers: usize) -> Option<String> {
        let free = self.free();
        if free >= needed {
            return None;
        }
        let limit = match self.account_max {
            Some(max) if max.saturating_sub(self.account_used) == free => {
                format!("the account's limit is {max}, {} in use", self.account_used)
            }
            _ => format!("the server's limit is {}, {} in use", self.max, self.used),
        };
        let fit = u64::try_from(workers).unwrap_or(u64::MAX).saturating_sub(needed - free);
        let fit = if fit == 0 { "not even 1 worker fits".to_owned() } else { format!("--parallel {fit} would fit") };
        Some(format!("{workers} workers need {needed} connections, {free} are free ({limit}); {fit}"))
    }
}

/// Refuses a run that one of the servers cannot take.
///
/// # Errors
/// [`Kind::Connections`] with the limit and the number of workers that would fit; the classified server error.
pub fn preflight(config: &Config, source: &mut MysqlConn, watchdog: &Watchdog) -> Result<()> {
    let workers = config.settings.parallel;
    let need = need(workers);
    refuse(&config.source.to_string(), source_room(source)?.shortage(need.source, workers))?;
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/preflight", watchdog)?;
    refuse(&config.warehouse.to_string(), warehouse_room(&mut warehouse)?.shortage(need.warehouse, workers))
}

fn refuse(what: &str, shortage: Option<String>) -> Result<()> {
    shortage.map_or(Ok(()), |why| Err(Error::new(Kind::Connections, format!("{what}: {why}"))))
}

/// Connections of the source. The sessions of our own account are visible without PROCESS.
///
/// # Errors
/// The classified server error.
pub fn source_room(conn: &mut MysqlConn) -> Result<Room> {
    let doing = "reading the connection limits";
    let connected = conn.rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'", doing)?;
    let connected: Option<String> = connected.first().and_then(|row| row.get(1));
    let used = parsed(conn, connected)?.saturating_sub(1);
    let max = number(conn, "SELECT CONCAT(@@global.max_connections)")?;
    let account = number(conn, "SELECT CONCAT(@@session.max_user_connections)")?;
    let (mut account_max, mut account_used) = (None, 0);
    if account > 0 {
        account_max = Some(account);
        let user = conn.text("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)", doing)?.unwrap_or_default();
        let ours = conn.sessions(false)?.into_iter().filter(|s| s.user == user).count();
        account_used = u64::try_from(ours).unwrap_or(u64::MAX).saturating_sub(1);
    }
    Ok(Room { max, used, account_max, account_used })
}

fn number(conn: &mut MysqlConn, sql: &str) -> Result<u64> {
    let text = conn.text(sql, "reading the connection limits")?;
    parsed(conn, text)
}

fn parsed(conn: &MysqlConn, text: Option<String>) -> Result<u64> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::new(Kind::Internal, format!("the connection limits of {} are no numbers", conn.what())))
}

/// Connections of the warehouse: server, role and database limits.
///
/// # Errors
/// The classified server error.
pub fn warehouse_room(conn: &mut PostgresConn) -> Result<Room> {
    let rows = conn.rows(include_str!("room.sql"), &[], "reading the connection limits of the warehouse")?;
    let Some(row) = rows.first() else {
        return Err(Error::new(Kind::Internal, "reading the connection limits of the warehouse: no row"));
    };
    let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    // A limit of -1 is none; of two limits the one that leaves less room counts.
    let limits = [(2, 3), (4, 5)].map(|(limit, used)| (row.get::<_, i64>(limit) >= 0).then(|| (count(limit), count(used))));
    let tightest = limits.iter().filter_map(|limit| *limit).min_by_key(|(limit, used)| limit.saturating_sub(*used));
    Ok(Room {
        max: count(0),
        used: count(1),
        account_max: tightest.map(|(limit, _)| limit),
        account_used: tightest.map_or(0, |(_, used)| used),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_needs_more_than_its_workers() {
        assert_eq!(need(8), Need { source: 13, warehouse: 11 });
        assert_eq!(need(1), Need { source: 6, warehouse: 4 });
    }

    #[test]
    fn the_tightest_limit_counts() {
        let server = Room { max: 100, used: 80, ..Room::default() };
        assert_eq!(server.free(), 20);
        assert_eq!(Room { account_max: Some(12), account_used: 2, ..server }.free(), 10);
        assert_eq!(Room { account_max: Some(50), ..server }.free(), 20);
        assert_eq!(Room { max: 5, used: 9, ..Room::default() }.free(), 0);
    }

    #[test]
    fn a_shortage_says_what_would_fit() {
        let room = Room { max: 20, used: 11, ..Room::default() };
        assert_eq!(room.shortage(9, 6), None);
        let why = room.shortage(11, 8).unwrap_or_default();
        assert!(why.contains("--parallel 6 would fit") && why.contains("server's limit is 20"), "{why}");
        let why = Room { account_max: Some(3), ..room }.shortage(4, 1).unwrap_or_default();
        assert!(why.contains("not even 1 worker") && why.contains("account's limit is 3"), "{why}");
    }
}
