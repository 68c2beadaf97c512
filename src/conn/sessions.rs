//! Who is connected to a MySQL or MariaDB server, and what they wait for.
//!
//! By SHOW PROCESSLIST: `information_schema.processlist` of MySQL 9 fails as a whole (error 3854) while any session runs a
//! statement that holds a character beyond the basic plane.

use super::mysql::MysqlConn;
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};
use mysql::{Row, from_value_opt};

/// One session. Without the PROCESS privilege the server shows those of our own account only.
#[derive(Debug, Clone)]
pub struct Session {
    /// The server's number of the session.
    pub id: u64,
    /// What kind of command it runs: `Query`, `Sleep`, ….
    pub command: String,
    /// The account's user name.
    pub user: String,
    /// The default database, empty for none.
    pub database: String,
    /// Whole seconds in the present state.
    pub seconds: u64,
    /// What the thread does, in the server's words.
    pub state: String,
    /// The running statement, empty for none. May hold values of rows: never for a log.
    pub statement: String,
}

impl MysqlConn {
    /// The sessions of the server; statements are cut at 100 characters unless `whole`.
    ///
    /// # Errors
    /// The classified server error; [`Kind::Internal`] when the list does not have the documented columns.
    pub fn sessions(&mut self, whole: bool) -> Result<Vec<Session>> {
        let sql = if whole { "SHOW FULL PROCESSLIST" } else { "SHOW PROCESSLIST" };
        let rows = self.rows(sql, "reading the list of sessions")?;
        let sessions: Option<Vec<Session>> = rows.into_iter().map(session).collect();
        sessions.ok_or_else(|| Error::new(Kind::Internal, format!("{}: {sql} has other columns than expected", self.what())))
    }
}

/// Ends the statements of these sessions, by server-side id: a statement goes on at the server when its client goes away.
pub fn end_queries(endpoint: &Endpoint, ids: &[u64]) {
    if ids.is_empty() {
        return;
    }
    match MysqlConn::connect(endpoint) {
        Ok(mut conn) => {
            for id in ids {
                // A query that has just ended by itself is no error.
                if let Err(error) = conn.execute(&format!("KILL QUERY {id}"), "ending a query") {
                    log::debug!("{error}");
                }
            }
        }
        Err(error) => log::warn!("a query at the source cannot be ended: {error}"),
    }
}

fn session(mut row: Row) -> Option<Session> {
    let mut text = |name: &str| -> Option<String> {
        let bytes: Option<Vec<u8>> = from_value_opt(row.take(name)?).ok()?;
        // A statement that was cut short may end inside a character.
        Some(bytes.unwrap_or_default().utf8_chunks().map(|chunk| chunk.valid()).collect())
    };
    // A session that just ends may show no time or a negative one.
    let seconds = text("Time")?.parse().unwrap_or(0);
    let id = text("Id")?.parse().ok()?;
    Some(Session {
        id,
        command: text("Command")?,
        user: text("User")?,
        database: text("db")?,
        seconds,
        state: text("State")?,
        statement: text("Info")?,
    })
}
