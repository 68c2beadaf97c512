//! The replica's side of what happened: the lock, the epoch that fences writers off, and the state of each table.
//!
//! As in the warehouse, data and state commit together, but for a rename: MySQL commits it by itself. A state row names the
//! incarnation of the table it speaks of, so one that was left on either side of a rename is void.

use super::RunIdentity;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use mysql::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name of the lock; with the database, because locks belong to the whole server. At most 64 characters.
const LOCK: &str = "CONCAT('etl-sync/', LEFT(SHA2(DATABASE(), 256), 40))";

/// Seconds that the lock of a run that is just dying is waited for.
const LOCK_WAIT: u32 = 3;

/// The state of a table whose incarnation is the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyState {
    /// The sync that the run belonged to.
    pub sync_id: String,
    /// Which table it speaks of.
    pub incarnation: String,
    /// Epoch of the run that wrote last.
    pub number: i64,
    /// Rows then.
    pub rows: u64,
    /// What its rows look like.
    pub fingerprint: String,
    /// Where they come from.
    pub source_identity: String,
    /// From where the next run may read, as JSON of `plan::watermark::Watermark`.
    pub watermark: Option<String>,
}

/// A success about to be written.
#[derive(Debug, Clone)]
pub struct NewCopy<'a> {
    /// Source table name.
    pub table: &'a str,
    /// Of the table it speaks of.
    pub incarnation: &'a str,
    /// Rows of the table.
    pub rows: u64,
    /// What its rows look like.
    pub fingerprint: &'a str,
    /// Where they come from.
    pub source_identity: &'a str,
    /// From where the next run may read, as JSON.
    pub watermark: Option<String>,
}

/// The lock, held as long as its connection lives. Losing it stops nothing at once: whoever takes over raises the epoch,
/// and every transaction asks for it.
#[derive(Debug)]
pub struct ReplicaLock {
    conn: MysqlConn,
    identity: RunIdentity,
    resumes: Option<String>,
}

/// What a run brings when it asks for the lock.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// This run's id.
    pub run_id: &'a str,
    /// Server identity and database of the source.
    pub source_identity: &'a str,
    /// Take over a replica that another source filled.
    pub accept_new_source: bool,
    /// Go on with an interrupted sync.
    pub resume: bool,
    /// How long after its start an interrupted sync is gone on with.
    pub resume_within: Duration,
}

impl ReplicaLock {
    /// Takes the lock, makes our own tables and raises the epoch.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run holds it; [`Kind::Config`] when another source filled this replica; the classified
    /// server error.
    pub fn acquire(mut conn: MysqlConn, claim: Claim<'_>) -> Result<Self> {
        let got = conn.text(&format!("SELECT CONCAT(GET_LOCK({LOCK}, {LOCK_WAIT}))"), "taking the run lock")?;
        if got.as_deref() != Some("1") {
            return Err(Error::new(Kind::Locked, format!("another run writes to {}", conn.what())));
        }
        make(&mut conn)?;
        let doing = "taking the replica over";
        conn.execute("START TRANSACTION", doing)?;
        let last = filled_from(&mut conn)?;
        if let Some(source) = last.as_ref().filter(|last| *last != claim.source_identity && !claim.accept_new_source) {
            return Err(Error::new(Kind::Config, format!("{} was filled from another source ({source})", conn.what()))
                .hint("use another database as the replica, or pass --accept-new-source when this is meant"));
        }
        let same_source = last.as_deref() == Some(claim.source_identity);
        let resumes = if claim.resume && same_source { interrupted(&mut conn, claim.resume_within, doing)? } else { None };
        let sync_id = resumes.clone().unwrap_or_else(|| claim.run_id.to_owned());
        let values = [claim.run_id, &sync_id, claim.source_identity];
        conn.write(include_str!("replica_take_over.sql"), values.map(Value::from).to_vec(), doing)?;
        let epoch = conn.text("SELECT CONCAT(epoch) FROM etl_job WHERE id = 1", doing)?.and_then(|text| text.parse().ok());
        let epoch = epoch.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no epoch")))?;
        conn.execute("COMMIT", doing)?;
        let identity = RunIdentity { job: "replica".into(), epoch, sync_id, run_id: claim.run_id.to_owned() };
        Ok(Self { conn, identity, resumes })
    }

    /// The interrupted sync that this run goes on with: what it has finished stays done.
    #[must_use]
    pub fn resumes(&self) -> Option<&str> {
        self.resumes.as_deref()
    }

    /// Who writes from now on.
    #[must_use]
    pub const fn identity(&self) -> &RunIdentity {
        &self.identity
    }

    /// The run's end.
    ///
    /// # Errors
    /// The classified server error; the lock is gone in any case.
    pub fn release(mut self, outcome: &str) -> Result<()> {
        let sql = "UPDATE etl_job SET ended_at = CURRENT_TIMESTAMP(6), outcome = ? WHERE id = 1 AND epoch = ?";
        self.conn.write(sql, vec![outcome.into(), self.identity.epoch.into()], "ending the run").map(|_| ())
    }
}

/// The sync of the last run, when that did not come to its end and is not too old.
fn interrupted(conn: &mut MysqlConn, within: Duration, doing: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT sync_id FROM etl_job WHERE id = 1 AND COALESCE(outcome, 'interrupted') = 'interrupted' \
         AND started_at > CURRENT_TIMESTAMP(6) - INTERVAL {} SECOND",
        within.as_secs()
    );
    conn.text(&sql, doing)
}

/// Makes our own tables; changes nothing that exists.
///
/// # Errors
/// The classified server error.
pub fn make(conn: &mut MysqlConn) -> Result<()> {
    for statement in include_str!("replica.sql").split(";\n").chain([super::schema::COPY_STATUS]) {
        if !statement.trim().is_empty() {
            conn.execute(statement, "creating the tracking tables")?;
        }
    }
    Ok(())
}

/// Which source filled this replica; none for one that nobody filled.
///
/// # Errors
/// The classified server error.
pub fn filled_from(conn: &mut MysqlConn) -> Result<Option<String>> {
    let doing = "looking who filled the replica";
    let there = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'etl_job'";
    if conn.rows(there, doing)?.is_empty() {
        return Ok(None);
    }
    conn.text("SELECT source_identity FROM etl_job WHERE id = 1", doing)
}

/// Fails when another run took the replica over; a take-over waits until this transaction has ended.
///
/// # Errors
/// [`Kind::Locked`]; the classified server error.
pub fn fence(conn: &mut MysqlConn, run: &RunIdentity, doing: &str) -> Result<()> {
    let sql = format!("SELECT 1 FROM etl_job WHERE id = 1 AND epoch = {} LOCK IN SHARE MODE", run.epoch);
    match conn.rows(&sql, doing)?.is_empty() {
        true => Err(Error::new(Kind::Locked, format!("{doing}: another run took this replica over"))),
        false => Ok(()),
    }
}

/// Writes the state of a table, for the transaction of its rows.
///
/// # Errors
/// The classified server error.
pub fn upsert(conn: &mut MysqlConn, run: &RunIdentity, new: &NewCopy<'_>, doing: &str) -> Result<()> {
    let rows = i64::try_from(new.rows).unwrap_or(i64::MAX);
    let values = vec![
        new.table.into(),
        run.run_id.as_str().into(),
        run.sync_id.as_str().into(),
        new.incarnation.into(),
        run.epoch.into(),
        rows.into(),
        new.fingerprint.into(),
        new.source_identity.into(),
        new.watermark.as_deref().map_or(Value::NULL, Value::from),
    ];
    conn.write(include_str!("replica_state_upsert.sql"), values, doing).map(|_| ())
}

/// Rows that the table had when this run has finished it already: the answer to a COMMIT whose answer was lost.
///
/// # Errors
/// The classified server error.
pub fn finished(conn: &mut MysqlConn, run: &RunIdentity, table: &str, doing: &str) -> Result<Option<u64>> {
    Ok(states(conn, Some((table, &run.run_id)), doing)?.into_values().next().map(|state| state.rows))
}

/// The states whose incarnation is the one that is there, by table.
///
/// # Errors
/// The classified server error.
pub fn of_all(conn: &mut MysqlConn) -> Result<BTreeMap<String, CopyState>> {
    states(conn, None, "reading the state of the replica's tables")
}

fn states(conn: &mut MysqlConn, of: Option<(&str, &str)>, doing: &str) -> Result<BTreeMap<String, CopyState>> {
    let mut sql = include_str!("replica_states.sql").to_owned();
    let values = of.map_or(Vec::new(), |(table, run_id)| {
        sql.push_str(" AND s.table_name = ? AND s.run_id = ?");
        vec![table.into(), run_id.into()]
    });
    let rows = conn.ask(&sql, values, doing)?;
    rows.into_iter().map(|row| state(row).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: not a state")))).collect()
}

fn state(row: mysql::Row) -> Option<(String, CopyState)> {
    let (table, sync_id, incarnation, number, rows, fingerprint, source_identity, watermark) = mysql::from_row_opt(row).ok()?;
    Some((table, CopyState { sync_id, incarnation, number, rows, fingerprint, source_identity, watermark }))
}
