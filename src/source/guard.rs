//! Holds the planned tables in place: a connection of its own touches each of them inside a transaction, so that a
//! rename, swap or ALTER waits instead of cutting the run short without an error.
//!
//! Nobody shall wait for us for long: when somebody has waited 10 s, that table is let go and its copy fails.

use crate::catalog::SourceTable;
use crate::config::Endpoint;
use crate::conn::classify;
use crate::conn::mysql::MysqlConn;
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

/// The tables that were let go; shared with the workers, who end their copy.
#[derive(Debug, Clone, Default)]
pub struct LetGo(Arc<Mutex<BTreeMap<String, Kind>>>);

impl LetGo {
    /// # Errors
    /// [`Kind::Changed`] when the table may have changed under the run, [`Kind::SnapshotLost`] when nobody holds it.
    pub fn check(&self, table: &str) -> Result<()> {
        let kind = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(table).copied();
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

    fn add(&self, tables: impl IntoIterator<Item = String>, kind: Kind) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.extend(tables.into_iter().map(|table| (table, kind)));
    }
}

/// The guard connection and what it holds.
#[derive(Debug)]
pub struct Guard {
    conn: MysqlConn,
    /// Table name → its quoted name.
    held: BTreeMap<String, String>,
    let_go: LetGo,
}

impl Guard {
    /// Connects, holding nothing yet.
    ///
    /// # Errors
    /// The classified connection error.
    pub fn connect(endpoint: &Endpoint) -> Result<Self> {
        Ok(Self { conn: MysqlConn::connect(endpoint)?, held: BTreeMap::new(), let_go: LetGo::default() })
    }

    /// Touches the tables inside a new transaction. Returns those that cannot be touched, and why.
    ///
    /// # Errors
    /// The classified error of the connection itself.
    pub fn hold(&mut self, tables: &[&SourceTable]) -> Result<Vec<(String, Error)>> {
        self.held = tables.iter().map(|t| (t.name.table.clone(), t.name.mysql())).collect();
        self.touch()
    }

    /// The tables that were let go, for the workers to look at.
    #[must_use]
    pub fn let_go(&self) -> LetGo {
        self.let_go.clone()
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

    /// Looks for waiters once a second in a thread of its own until `stop` is set.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn watch(mut self, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("guard".into())
            .spawn(move || {
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    if Instant::now() >= next {
                        next = Instant::now() + LOOK_EVERY;
                        if let Err(error) = self.look() {
                            log::warn!("{error}; nothing holds schema changes back now, so unfinished tables start again");
                            self.let_go.add(self.held.keys().cloned(), Kind::SnapshotLost);
                            return;
                        }
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            })
            .doing(Kind::Internal, || "starting the guard thread")
    }

    fn look(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT COALESCE(info, '') FROM information_schema.processlist \
             WHERE state LIKE 'Waiting for table metadata lock%' AND time >= {WAIT_MAX_SECONDS} \
             AND (db = DATABASE() OR INSTR(info, DATABASE()) > 0)"
        );
        let waiting: Vec<String> =
            self.conn.conn.query(sql).map_err(|e| classify::mysql(&e, "looking for sessions that wait for us"))?;
        let tables: Vec<String> =
            self.held.keys().filter(|table| waiting.iter().any(|statement| names(statement, table))).cloned().collect();
        if tables.is_empty() {
            return Ok(());
        }
        log::warn!("a session has waited {WAIT_MAX_SECONDS} s for {}: letting go of it, its copy fails", tables.join(", "));
        self.let_go.add(tables.iter().cloned(), Kind::Changed);
        self.held.retain(|table, _| !tables.contains(table));
        self.conn.execute("COMMIT", "letting go of tables")?;
        for (table, error) in self.touch()? {
            log::warn!("{error}");
            self.let_go.add([table], Kind::Changed);
        }
        Ok(())
    }
}

/// Whether a statement names the table as a whole word, quoted or not.
fn names(statement: &str, table: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    statement.match_indices(table).any(|(at, found)| {
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
    }
}
