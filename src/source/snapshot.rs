//! Opens the source connections of a run so that they see one state.
//!
//! With transactional tables every worker's snapshot is opened under one short FLUSH TABLES WITH READ LOCK: the only way
//! both servers offer to make several connections agree. Where the lock cannot be had, a weaker kind is named, and the
//! plan then reads every such table through one connection.

use super::guard::Guard;
use super::mysql::{LongRows, MysqlSource};
use super::{clock, traces};
use crate::cancel::Cancel;
use crate::catalog::{self, Column, SourceTable, TableKind};
use crate::config::Endpoint;
use crate::conn::mysql::MysqlConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use crate::plan::watermark::Clock;
use crate::usage;
use std::fmt;
use std::time::Duration;

/// Tries for the lock before the weaker kind is taken; between them the application gets its turn.
const LOCK_TRIES: u32 = 3;

/// What the workers' connections have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// All workers see one state of the transactional tables.
    Shared,
    /// Each worker has its own snapshot; a table is read through one of them, so it is consistent in itself.
    PerTable,
    /// No table has transactions: each statement is consistent in itself.
    Statement,
}

impl SnapshotKind {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::PerTable => "per_table",
            Self::Statement => "statement",
        }
    }
}

impl fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The readers of one snapshot group, and the guard that keeps the tables in place.
#[derive(Debug)]
pub struct Group {
    /// What the readers have in common.
    pub kind: SnapshotKind,
    /// One per worker.
    pub readers: Vec<MysqlSource>,
    /// Holds the metadata locks.
    pub guard: Guard,
    /// The source's clock before the snapshot, when watermarks are kept.
    pub clock: Option<Clock>,
    /// Up to where the source's log was written when the snapshot opened: everything before is in it, nothing after. None
    /// without the read lock, because a transaction stands in the log before its rows can be seen, and where it may not be asked.
    pub position: Option<String>,
    /// The transactions that are in the snapshot, where the source numbers them.
    pub gtid: Option<String>,
    /// Tables that were gone when the guard touched them, and why.
    pub missing: Vec<(String, Error)>,
    /// Why the kind is weaker than it could be, and what the guard cannot see.
    pub warnings: Vec<String>,
}

/// How a group is opened.
#[derive(Debug, Clone)]
pub struct GroupLimits {
    /// Number of readers.
    pub workers: usize,
    /// How long the lock may be waited for, at most 2 s.
    pub lock_wait: Duration,
    /// Longest row that is read, bytes.
    pub row_bytes_max: u64,
    /// Whether the run needs the position of the log.
    pub position: bool,
    /// How the clock is looked at, when watermarks are kept.
    pub watermarks: Option<Watermarks>,
}

/// What a look at the source's clock needs.
#[derive(Debug, Clone, Copy)]
pub struct Watermarks {
    /// The source's clock minus the warehouse's, microseconds.
    pub ahead: i64,
    /// How long open transactions are waited for.
    pub wait: Duration,
}

/// Opens the readers and the guard.
///
/// # Errors
/// The classified error of a connection; a lock that cannot be had is not an error.
pub fn open(
    endpoint: &Endpoint,
    limits: &GroupLimits,
    tables: &[&SourceTable],
    (cancel, watchdog): (&Cancel, &Watchdog),
) -> Result<Group> {
    let call = usage::SNAPSHOT.attempt(usage::Shape::NONE);
    // All connections first: nothing slow may happen under the lock.
    let has_lane = tables.iter().any(|table| table.columns.iter().any(Column::may_be_long));
    let connections = limits.workers + usize::from(has_lane);
    let mut readers = Vec::with_capacity(connections);
    for _ in 0..connections {
        cancel.check()?;
        readers.push(MysqlConn::connect(endpoint)?.endable(endpoint, watchdog));
    }
    let mut guard = Guard::connect(endpoint, watchdog)?;
    let transactional = tables.iter().any(|table| table.transactional);
    let mut locker = MysqlConn::connect(endpoint)?.endable(endpoint, watchdog);
    // Before the lock, and long before the snapshot: the safe point is what was true then.
    let clock = match limits.watermarks {
        Some(Watermarks { ahead, wait }) => {
            let clock = clock::observe(&mut locker, transactional.then_some(wait), cancel)?;
            Some(Clock { ahead, ..clock })
        }
        None => None,
    };
    let (mut kind, mut why) = (SnapshotKind::Statement, None);
    if transactional {
        (kind, why) = match lock(&mut locker, limits.lock_wait, cancel)? {
            None => (SnapshotKind::Shared, None),
            Some(why) => (SnapshotKind::PerTable, Some(why)),
        };
    }
    let opened = begin_all(&mut readers, &mut guard, tables);
    let (mut position, mut gtid) = (Ok(None), None);
    if kind == SnapshotKind::Shared {
        position = match traces::position(&mut locker) {
            Err(error) if !limits.position => told_nothing(&error),
            other => other,
        };
        gtid = traces::gtid(&mut locker).or_else(|error| told_nothing(&error))?;
        locker.execute("UNLOCK TABLES", "releasing the read lock")?;
    }
    let (mut missing, position) = (opened?, position?);
    missing.extend(changed(&mut locker, &endpoint.database, tables)?);
    let mut warnings: Vec<String> = why.into_iter().collect();
    warnings.extend(blind(&mut locker)?);
    let lane = if has_lane { readers.pop() } else { None };
    let long_rows = lane.map(|conn| LongRows::new(conn, limits.row_bytes_max));
    let readers = readers.into_iter().map(|conn| MysqlSource::new(conn, long_rows.clone())).collect();
    call.ends(Ok(Group { kind, readers, guard, clock, position, gtid, missing, warnings }))
}

/// For the certificate alone, and no reason to end a run.
fn told_nothing(error: &Error) -> Result<Option<String>> {
    log::debug!("{error}; certificates name no position");
    Ok(None)
}

/// Tables that are not what the plan saw: altered, swapped or made anew between its look at the catalog and the moment
/// from which the guard holds them.
fn changed(conn: &mut MysqlConn, database: &str, tables: &[&SourceTable]) -> Result<Vec<(String, Error)>> {
    let now = catalog::mysql::read(&mut conn.conn, database)?;
    let identity = |name: &TableName| now.tables.iter().find(|t| &t.name == name).map(|t| t.identity.as_str());
    let planned = tables.iter().filter(|t| t.kind == TableKind::Base);
    Ok(planned
        .filter(|table| identity(&table.name) != Some(table.identity.as_str()))
        .map(|table| {
            let text = format!("table {}: it was altered or replaced after the run was planned", table.name.table);
            (table.name.table.clone(), Error::new(Kind::Changed, text))
        })
        .collect())
}

/// Without PROCESS the list of sessions silently shows only our own, so nobody's wait would be noticed.
fn blind(conn: &mut MysqlConn) -> Result<Option<String>> {
    match conn.execute("SELECT 1 FROM information_schema.innodb_trx LIMIT 0", "asking for the PROCESS privilege") {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Refused => {
            Ok(Some("PROCESS is missing on the source: a session that wants to change a table waits until its copy ends".into()))
        }
        Err(error) => Err(error),
    }
}

fn begin_all(readers: &mut [MysqlConn], guard: &mut Guard, tables: &[&SourceTable]) -> Result<Vec<(String, Error)>> {
    // First the guard: a table that is swapped after a snapshot has opened would be read in its new form, but as old.
    let missing = guard.hold(tables)?;
    for reader in readers {
        reader.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "opening the snapshot")?;
    }
    Ok(missing)
}

/// Takes the global read lock; `Some(why)` when it cannot be had.
fn lock(conn: &mut MysqlConn, wait: Duration, cancel: &Cancel) -> Result<Option<String>> {
    conn.execute(&format!("SET SESSION lock_wait_timeout = {}", wait.as_secs().max(1)), "setting the lock wait")?;
    let mut why = String::new();
    for round in 0..LOCK_TRIES {
        match conn.execute("FLUSH TABLES WITH READ LOCK", "taking the read lock for a shared snapshot") {
            Ok(()) => return Ok(None),
            Err(error) if error.kind() == Kind::Refused => {
                return Ok(Some(format!("{error}; grant RELOAD to read large tables in parallel")));
            }
            Err(error) if error.kind() == Kind::Transient => why = error.to_string(),
            Err(error) => return Err(error),
        }
        cancel.sleep(wait * (round + 1))?;
    }
    Ok(Some(format!("{why}; writes to the source kept the lock busy")))
}
