//! Holds the planned tables in place: a connection of its own touches each of them inside a transaction, so that a
//! rename, swap or ALTER waits instead of cutting the run short without an error.
//!
//! Nobody shall wait for us for long: when somebody has waited 10 s, that table is let go and its copy fails.

use crate::catalog::SourceTable;
use crate::config::Endpoint;
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
use crate::conn::sessions::Session;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use mysql::prelude::Queryable;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long somebody may wait for a table that we hold.
const WAIT_MAX_SECONDS: u64 = 10;

/// How often waiters are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tables touched per round trip; keeps the statement far below any packet limit.
const TOUCH_BATCH: usize = 50;

/// The guard, shared by its own thread and the workers.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    guard: Mutex<Guard>,
    /// Tables that are not held any more, and what that means for their copy.
    let_go: Mutex<BTreeMap<String, Kind>>,
}

/// The guard connection and what it holds.
#[derive(Debug)]
pub struct Guard {
    endpoint: Endpoint,
    watchdog: Watchdog,
    conn: MysqlConn,
    /// Table name → its quoted name.
    held: BTreeMap<String, String>,
}

impl Guard {
    /// Connects, holding nothing yet.
    ///
    /// # Errors
    /// The classified connection error.
    pub fn connect(endpoint: &Endpoint, watchdog: &Watchdog) -> Result<Self> {
        let conn = MysqlConn::connect(endpoint)?.endable(endpoint, watchdog);
        Ok(Self { endpoint: endpoint.clone(), watchdog: watchdog.clone(), conn, held: BTreeMap::new() })
    }

    /// Touches the tables inside a new transaction. Returns those that cannot be touched, and why.
    ///
    /// # Errors
    /// The classified error of the connection itself.
    pub fn hold(&mut self, tables: &[&SourceTable]) -> Result<Vec<(String, Error)>> {
        self.held = tables.iter().map(|t| (t.name.table.clone(), t.name.mysql())).collect();
        self.touch()
    }

    fn touch(&mut self) -> Result<Vec<(String, Error)>> {
        self.conn.execute("START TRANSACTION READ ONLY", "holding the planned tables")?;
        let mut missing = Vec::new();
        let tables: Vec<(String, String)> = self.held.iter().map(|(name, quoted)| (name.clone(), quoted.clone())).collect();
        for batch in tables.chunks(TOUCH_BATCH) {
            if self.touch_batch(batch).is_ok() {
                continue;
            }
            for one in batch {
                if let Err(error) = self.touch_batch(std::slice::from_ref(one)) {
                    if error.kind() == Kind::SnapshotLost {
                        return Err(error);
                    }
                    self.held.remove(&one.0);
                    missing.push((one.0.clone(), error));
                }
            }
        }
        Ok(missing)
    }

    fn touch_batch(&mut self, tables: &[(String, String)]) -> Result<()> {
        let statements: Vec<String> = tables.iter().map(|(_, quoted)| format!("SELECT 1 FROM {quoted} LIMIT 0")).collect();
        let doing = || format!("holding table {}", tables.first().map_or("", |t| t.0.as_str()));
        self.conn.conn.query_drop(statements.join("; ")).map_err(|e| classify::mysql(&e, doing()))
    }

    /// Statements of sessions that have waited too long for a table.
    fn waiting(&mut self) -> Result<Vec<String>> {
        let waits = |s: &Session| s.state.starts_with("Waiting for table metadata lock") && s.seconds >= WAIT_MAX_SECONDS;
        // Whole statements may be long, and nearly always nobody waits.
        if !self.conn.sessions(false)?.iter().any(waits) {
            return Ok(Vec::new());
        }
        let database = &self.endpoint.database;
        let ours = |s: &Session| s.database == *database || s.statement.contains(database.as_str());
        let waiting = self.conn.sessions(true)?.into_iter().filter(|s| waits(s) && ours(s));
        Ok(waiting.map(|s| s.statement).collect())
    }

    /// Passes everything but `tables` on to a new connection before this one lets go, so that nothing slips in between.
    /// Returns the tables that could not be passed on: somebody waits for them too.
    fn let_go_of(&mut self, tables: &[String]) -> Result<Vec<String>> {
        let mut next = Self::connect(&self.endpoint, &self.watchdog)?;
        next.conn.execute("SET SESSION lock_wait_timeout = 1", "setting the lock wait")?;
        next.held = self.held.iter().filter(|(name, _)| !tables.contains(name)).map(|(n, q)| (n.clone(), q.clone())).collect();
        let also = next.touch()?.into_iter().map(|(table, _)| table).collect();
        *self = next;
        Ok(also)
    }
}

impl Hold {
    /// Shares a guard that holds its tables.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self(Arc::new(Shared { guard: Mutex::new(guard), let_go: Mutex::default() }))
    }

    /// Asked before a read.
    ///
    /// # Errors
    /// [`Kind::Changed`] when the table may have changed under the run, [`Kind::SnapshotLost`] when nobody holds it.
    pub fn check(&self, table: &str) -> Result<()> {
        let kind = self.0.let_go.lock().unwrap_or_else(PoisonError::into_inner).get(table).copied();
        match kind {
            None => Ok(()),
            Some(Kind::SnapshotLost) => {
                Err(Error::new(Kind::SnapshotLost, format!("table {table}: the connection that held it in place is gone")))
            }
            Some(kind) => Err(Error::new(
                kind,
                format!(
                    "table {table}: a session waited {WAIT_MAX_SECONDS} s to change it, so it was let go in the middle of its copy"
                ),
            )),
        }
    }

    /// Asked after a read, before anything is made of it: the guard answers now, so it held the table all the time.
    ///
    /// # Errors
    /// As [`Hold::check`].
    pub fn confirm(&self, table: &str) -> Result<()> {
        let mut guard = self.0.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = guard.conn.execute("DO 1", "asking the connection that holds the tables") {
            self.lose(&guard, &error);
        }
        drop(guard);
        self.check(table)
    }

    /// Looks for waiters once a second in a thread of its own until `stop` is set.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn watch(&self, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
        let hold = self.clone();
        std::thread::Builder::new()
            .name("guard".into())
            .spawn(move || {
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    if Instant::now() >= next {
                        next = Instant::now() + LOOK_EVERY;
                        hold.look();
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            })
            .doing(Kind::Internal, || "starting the guard thread")
    }

    fn look(&self) {
        let mut guard = self.0.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.held.is_empty() {
            return;
        }
        let result = guard.waiting().and_then(|waiting| {
            let wanted = |table: &&String| waiting.iter().any(|statement| names(statement, table));
            let tables: Vec<String> = guard.held.keys().filter(wanted).cloned().collect();
            if tables.is_empty() {
                return Ok(());
            }
            log::warn!("a session has waited {WAIT_MAX_SECONDS} s for {}: letting go of it, its copy fails", tables.join(", "));
            // Marked before anything is released: a worker that reads now must not take what it gets for the table.
            self.add(&tables, Kind::Changed);
            let also = guard.let_go_of(&tables)?;
            self.add(&also, Kind::Changed);
            Ok(())
        });
        if let Err(error) = result {
            self.lose(&guard, &error);
        }
    }

    fn lose(&self, guard: &Guard, error: &Error) {
        log::warn!("{error}; nothing holds schema changes back now, so unfinished tables start again");
        let held: Vec<String> = guard.held.keys().cloned().collect();
        self.add(&held, Kind::SnapshotLost);
    }

    /// What was said first stays.
    fn add(&self, tables: &[String], kind: Kind) {
        let mut map = self.0.let_go.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            map.entry(table.clone()).or_insert(kind);
        }
    }
}

/// Whether a statement names the table as a whole word, quoted or not, in whatever case: servers differ in that.
fn names(statement: &str, table: &str) -> bool {
    let (statement, table) = (&statement.to_lowercase(), &table.to_lowercase());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    statement.match_indices(table.as_str()).any(|(at, found)| {
        let before = statement[..at].chars().next_back().is_some_and(is_word);
        let after = statement[at + found.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_table_is_named_as_a_whole_word() {
        assert!(names("ALTER TABLE `patient` ADD x INT", "patient"));
        assert!(names("rename table patient to p2", "patient"));
        assert!(!names("ALTER TABLE patientnote ADD x INT", "patient"));
        assert!(!names("DROP TABLE old_patient", "patient"));
        assert!(names("alter table PATIENT add x int", "Patient"));
    }
}
