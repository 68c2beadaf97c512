//! One run per target: an advisory lock on a connection of its own, the epoch that fences off a run that slept through
//! its own death, and the heartbeat.

use super::RunIdentity;
use super::schema;
use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crate::name::literal_postgres;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a run waits for a lock whose holder may just be dying.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// Time between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// What the run that held the job before left behind.
#[derive(Debug, Clone)]
pub struct Interrupted {
    /// The run that did not come to its end.
    pub run_id: String,
    /// The sync it belonged to.
    pub sync_id: String,
}

/// The lock, held from [`RunLock::acquire`] to [`RunLock::release`].
pub struct RunLock {
    conn: Arc<Mutex<PostgresConn>>,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    beat: Option<JoinHandle<()>>,
    identity: RunIdentity,
}

impl std::fmt::Debug for RunLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunLock").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What a run brings when it asks for the lock.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Target schema; also the job's name.
    pub schema: &'a str,
    /// This run's id.
    pub run_id: &'a str,
    /// Server identity and database of the source.
    pub source_identity: &'a str,
    /// Take over a target that another source filled.
    pub accept_new_source: bool,
    /// Go on with an interrupted sync; otherwise begin one of its own, whose end later runs go on with.
    pub resume: bool,
    /// How long after its start an interrupted sync is gone on with.
    pub resume_within: Duration,
}

/// Name of a run's sessions in `pg_stat_activity`; at most 63 bytes, or PostgreSQL cuts it.
#[must_use]
pub fn application_name(run_id: &str) -> String {
    format!("etl-sync/{run_id}")
}

impl RunLock {
    /// Takes the lock, makes our tables, takes the job over from a dead run and raises the epoch.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run holds it, [`Kind::Config`] when another source filled this target.
    pub fn acquire(
        endpoint: &Endpoint,
        watchdog: &Watchdog,
        claim: &Claim<'_>,
        cancel: &Cancel,
    ) -> Result<(Self, Option<Interrupted>)> {
        let mut conn = PostgresConn::connect(endpoint, &application_name(claim.run_id), watchdog)?;
        wait_for_lock(&mut conn, claim.schema, cancel)?;
        schema::ensure(&mut conn, claim.schema)?;
        let (identity, interrupted) = take_over(&mut conn, claim)?;
        let mut lock = Self {
            conn: Arc::new(Mutex::new(conn)),
            stop: Arc::new(AtomicBool::new(false)),
            lost: Arc::new(AtomicBool::new(false)),
            beat: None,
            identity,
        };
        lock.start_heartbeat(cancel.clone())?;
        Ok((lock, interrupted))
    }

    /// Who writes from now on.
    #[must_use]
    pub const fn identity(&self) -> &RunIdentity {
        &self.identity
    }

    /// The lock went away under the run.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// The run's end: `outcome` is what the next run reads; anything but `interrupted` ends the sync.
    ///
    /// # Errors
    /// The classified server error; the lock is gone in any case.
    pub fn release(mut self, outcome: &str) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.beat.take() {
            thread.join().map_err(|_| Error::new(Kind::Internal, "the heartbeat thread panicked"))?;
        }
        if self.is_lost() {
            return Ok(());
        }
        let sql = "UPDATE etl_sync.job SET ended_at = clock_timestamp(), outcome = $3 WHERE job = $1 AND epoch = $2";
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        conn.execute(sql, &[&self.identity.job, &self.identity.epoch, &outcome], "ending the run").map(|_| ())
    }

    fn start_heartbeat(&mut self, cancel: Cancel) -> Result<()> {
        let (conn, stop, lost) = (Arc::clone(&self.conn), Arc::clone(&self.stop), Arc::clone(&self.lost));
        let (job, epoch) = (self.identity.job.clone(), self.identity.epoch);
        let body = move || {
            let mut next = Instant::now() + BEAT_EVERY;
            while !stop.load(Ordering::SeqCst) {
                if Instant::now() >= next {
                    next = Instant::now() + BEAT_EVERY;
                    if let Err(error) = beat(&conn, &job, epoch) {
                        log::error!("{error}; without the run lock nothing may be written, stopping");
                        lost.store(true, Ordering::SeqCst);
                        cancel.ask(0);
                        return;
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(body);
        self.beat = Some(thread.doing(Kind::Internal, || "starting the heartbeat thread")?);
        Ok(())
    }
}

fn beat(conn: &Mutex<PostgresConn>, job: &str, epoch: i64) -> Result<()> {
    let sql = "UPDATE etl_sync.job SET heartbeat_at = clock_timestamp() WHERE job = $1 AND epoch = $2";
    let mut conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
    match conn.execute(sql, &[&job, &epoch], "renewing the run lock")? {
        0 => Err(Error::new(Kind::Locked, "another run took this job over")),
        _ => Ok(()),
    }
}

fn wait_for_lock(conn: &mut PostgresConn, schema: &str, cancel: &Cancel) -> Result<()> {
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('etl-sync/' || current_database() || '/' || $1, 0))";
    let until = Instant::now() + LOCK_WAIT;
    loop {
        let got: bool = conn.rows(sql, &[&schema], "taking the run lock")?.first().is_some_and(|row| row.get(0));
        if got {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Error::new(Kind::Locked, format!("another run writes to schema {schema} of {}", conn.what())));
        }
        cancel.sleep(Duration::from_millis(100))?;
    }
}

/// Holds the run lock on a connection of its own until that is dropped, without being a run: nothing is taken over, and an
/// interrupted run is gone on with afterwards. Makes our own tables. For work of moments, because no heartbeat tells of it.
///
/// # Errors
/// As [`RunLock::acquire`].
pub fn hold(
    endpoint: &Endpoint,
    watchdog: &Watchdog,
    (schema, source_identity, accept_new_source): (&str, &str, bool),
    cancel: &Cancel,
) -> Result<PostgresConn> {
    let mut conn = PostgresConn::connect(endpoint, "etl-sync/tracking", watchdog)?;
    wait_for_lock(&mut conn, schema, cancel)?;
    schema::ensure(&mut conn, schema)?;
    last_run(&mut conn, schema, source_identity, accept_new_source)?;
    Ok(conn)
}

/// Epoch and id of the job's last run, which must have read the same source.
fn last_run(
    conn: &mut PostgresConn,
    schema: &str,
    source_identity: &str,
    accept_new_source: bool,
) -> Result<Option<(i64, String)>> {
    let sql = "SELECT epoch, run_id, source_identity FROM etl_sync.job WHERE job = $1";
    let rows = conn.rows(sql, &[&schema], "reading the last run")?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (epoch, run_id, source): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    if source != source_identity && !accept_new_source {
        return Err(Error::new(Kind::Config, format!("schema {schema} was filled from another source ({source})"))
            .hint("use another warehouse schema, or pass --accept-new-source when this is meant"));
    }
    Ok(Some((epoch, run_id)))
}

/// Reads the row of the job, ends what is left of its last run and writes ours with the next epoch.
fn take_over(conn: &mut PostgresConn, claim: &Claim<'_>) -> Result<(RunIdentity, Option<Interrupted>)> {
    let mut epoch = 1_i64;
    if let Some((last_epoch, run_id)) = last_run(conn, claim.schema, claim.source_identity, claim.accept_new_source)? {
        end_sessions(conn, &run_id)?;
        epoch = last_epoch + 1;
    }
    let interrupted = match claim.resume {
        true => interrupted(conn, claim.schema, claim.source_identity, claim.resume_within)?,
        false => None,
    };
    let sync_id = interrupted.as_ref().map_or_else(|| claim.run_id.to_owned(), |i| i.sync_id.clone());
    let identity = RunIdentity { job: claim.schema.to_owned(), epoch, run_id: claim.run_id.to_owned(), sync_id };
    let host = rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned();
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let goes_on = interrupted.is_some();
    let params: &[&(dyn postgres::types::ToSql + Sync)] =
        &[&identity.job, &identity.epoch, &identity.run_id, &identity.sync_id, &host, &pid, &claim.source_identity, &goes_on];
    conn.execute(include_str!("take_over.sql"), params, "taking the job over")?;
    Ok((identity, interrupted))
}

/// The run that a run now would go on with.
///
/// # Errors
/// The classified server error.
pub fn interrupted(
    conn: &mut PostgresConn,
    schema: &str,
    source_identity: &str,
    within: Duration,
) -> Result<Option<Interrupted>> {
    let params: &[&(dyn postgres::types::ToSql + Sync)] = &[&schema, &within.as_secs_f64(), &source_identity];
    let rows = conn.rows(include_str!("interrupted.sql"), params, "reading the last run")?;
    Ok(rows.first().map(|row| Interrupted { run_id: row.get(0), sync_id: row.get(1) }))
}

/// Ends the backends of a run whose lock is free: it is dead, its sessions may not know yet.
fn end_sessions(conn: &mut PostgresConn, run_id: &str) -> Result<()> {
    let name = literal_postgres(&application_name(run_id));
    let sql = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE application_name = {name} AND usename = current_user AND pid <> pg_backend_pid()"
    );
    conn.rows(&sql, &[], "ending the sessions of the last run").map(|_| ())
}
