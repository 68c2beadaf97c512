//! One connection for telemetry, on a thread of its own: whoever asks waits for the answer until a deadline, and then goes on
//! without it.
//!
//! The watchdog of a run ends the process when a server is silent. Telemetry must not do that, and a library must never: so here
//! the wait is bounded, not the thread. A thread that hangs is given nothing more until it has come back, and there is never a
//! second one: a silent server costs one connection, not one per event.

use super::store;
use crate::config::Endpoint;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Jobs that may wait for the thread: those that nobody waits for, and the one that somebody does.
const JOBS_MAX: usize = 8;

/// How long an answer is waited for, beyond the time that a connection may take; less where the connection's own deadline is less.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits of the session: a table that somebody has locked costs telemetry, not time. What changes nothing durable is not waited for.
const SETTINGS: &str = "SET synchronous_commit = off; SET lock_timeout = '3s'; SET statement_timeout = '15s'";

/// After a failure nothing is tried for so long; doubled with each further one.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);

/// The same when the run log's tables are locked: each try has waited for the lock.
const REST_LOCKED: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Link) + Send>;

/// What a job needs to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A connection.
    Connection,
    /// The tables of the run log, too; they are made when they are missing.
    RunLog,
}

/// The asking side; shared by threads, which wait for one another.
pub struct Session {
    endpoint: Endpoint,
    name: String,
    state: Mutex<State>,
    done: Arc<AtomicU64>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("endpoint", &self.endpoint.to_string()).field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    jobs: Option<Sender<Job>>,
    sent: u64,
    /// The job that nobody waits for any more.
    overdue: Option<u64>,
}

impl Session {
    /// A session that connects at its first use, under this name in `pg_stat_activity`.
    #[must_use]
    pub fn new(endpoint: &Endpoint, name: String) -> Self {
        Self { endpoint: endpoint.clone(), name, state: Mutex::default(), done: Arc::default() }
    }

    /// Its name in `pg_stat_activity`, the same after a lost connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has `work` done and waits for it. `again`: it may be done twice, so a lost connection is made anew for it at once.
    ///
    /// # Errors
    /// What `work` gives; the classified error of the connection; [`Kind::Timeout`] when there is no answer in time.
    pub fn ask<T: Send + 'static>(
        &self,
        needs: Needs,
        again: bool,
        mut work: impl FnMut(&mut PostgresConn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let length = self.patience();
        let until = Instant::now() + length;
        let (reply, answer) = bounded(1);
        let number = self.send(&mut state, until, move |link| {
            if reply.send(link.run(needs, again, &mut work)).is_err() {
                log::debug!("an answer of the warehouse came after its time");
            }
        })?;
        let silent = || Error::new(Kind::Timeout, format!("{} did not answer for {} s", self.endpoint, length.as_secs()));
        match answer.recv_deadline(until) {
            Ok(answer) => answer,
            Err(_) => {
                state.overdue = Some(number);
                Err(silent())
            }
        }
    }

    /// Has `work` done and does not wait for it; `failed` hears of an error.
    ///
    /// # Errors
    /// [`Kind::Timeout`] while the server is silent.
    pub fn post(
        &self,
        needs: Needs,
        mut work: impl FnMut(&mut PostgresConn) -> Result<()> + Send + 'static,
        failed: impl Fn(&Error) + Send + 'static,
    ) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + self.patience();
        let job = move |link: &mut Link| link.once(needs, &mut work).unwrap_or_else(|error| failed(&error));
        self.send(&mut state, until, job).map(drop)
    }

    /// Closes the connection; the next use opens it again.
    pub fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread ends with its channel, and the connection with the thread.
        if state.overdue.is_none() {
            state.jobs = None;
        }
    }

    fn patience(&self) -> Duration {
        self.endpoint.deadlines.connect + self.endpoint.deadlines.stall.min(PATIENCE)
    }

    fn send(&self, state: &mut State, until: Instant, job: impl FnMut(&mut Link) + Send + 'static) -> Result<u64> {
        if state.overdue.is_some_and(|number| self.done.load(Ordering::SeqCst) < number) {
            return Err(Error::new(Kind::Timeout, format!("{} still does not answer", self.endpoint)));
        }
        state.overdue = None;
        let jobs = match &state.jobs {
            Some(jobs) => jobs.clone(),
            None => {
                let jobs = self.start()?;
                state.jobs = Some(jobs.clone());
                jobs
            }
        };
        let (mut job, done) = (job, Arc::clone(&self.done));
        let counted = move |link: &mut Link| {
            // What waited behind a silent server is out of date.
            if Instant::now() < until && catch_unwind(AssertUnwindSafe(|| job(link))).is_err() {
                log::warn!("telemetry panicked; its connection is given up");
                link.conn = None;
            }
            done.fetch_add(1, Ordering::SeqCst);
        };
        jobs.try_send(Box::new(counted))
            .map_err(|_| Error::new(Kind::Timeout, format!("{} does not keep up with telemetry", self.endpoint)))?;
        state.sent += 1;
        Ok(state.sent)
    }

    fn start(&self) -> Result<Sender<Job>> {
        let (sender, receiver): (Sender<Job>, Receiver<Job>) = bounded(JOBS_MAX);
        let mut link = Link::new(self.endpoint.clone(), self.name.clone());
        let body = move || receiver.iter().for_each(|job| job(&mut link));
        let thread = std::thread::Builder::new().name("telemetry".into()).spawn(body);
        thread.doing(Kind::Internal, || "starting the thread of telemetry").map(|_| sender)
    }
}

/// The thread's side.
struct Link {
    endpoint: Endpoint,
    name: String,
    conn: Option<PostgresConn>,
    /// The tables of the run log were there on this connection.
    has_tables: bool,
    connecting: Rest,
    making: Rest,
    writing: Rest,
}

/// A pause after failures.
#[derive(Default)]
struct Rest {
    pause: Duration,
    until: Option<Instant>,
}

impl Rest {
    fn check(&self, what: &str) -> Result<()> {
        match self.until {
            Some(until) if Instant::now() < until => Err(Error::new(Kind::Unreachable, format!("{what} failed a moment ago"))),
            _ => Ok(()),
        }
    }

    fn after(&mut self, is_well: bool, least: Duration) {
        self.pause = if is_well { Duration::ZERO } else { (self.pause * 2).clamp(least, REST_MAX) };
        self.until = (!is_well).then(|| Instant::now() + self.pause);
    }
}

impl Link {
    fn new(endpoint: Endpoint, name: String) -> Self {
        let [connecting, making, writing] = [Rest::default(), Rest::default(), Rest::default()];
        Self { endpoint, name, conn: None, has_tables: false, connecting, making, writing }
    }

    fn run<T>(&mut self, needs: Needs, again: bool, work: &mut dyn FnMut(&mut PostgresConn) -> Result<T>) -> Result<T> {
        let was_open = self.conn.is_some();
        match self.once(needs, work) {
            // Nobody noticed until now that the server had gone.
            Err(error) if was_open && again && error.kind() == Kind::Unreachable => self.once(needs, work),
            other => other,
        }
    }

    fn once<T>(&mut self, needs: Needs, work: &mut dyn FnMut(&mut PostgresConn) -> Result<T>) -> Result<T> {
        let result = work(self.ready(needs)?);
        if needs == Needs::RunLog {
            let is_locked = result.as_ref().err().is_some_and(|error| error.kind() == Kind::Transient);
            self.writing.after(!is_locked, REST_LOCKED);
        }
        // The driver may be poisoned and not know it.
        if result.is_err() {
            self.conn = None;
        }
        result
    }

    fn ready(&mut self, needs: Needs) -> Result<&mut PostgresConn> {
        if self.conn.is_none() {
            self.connecting.check(&format!("connecting to {}", self.endpoint))?;
            // Nobody bites: the one who asks has a deadline.
            let opened = PostgresConn::connect(&self.endpoint, &self.name, &Watchdog::new()).and_then(|mut conn| {
                conn.batch(SETTINGS, "setting up the session of telemetry")?;
                Ok(conn)
            });
            self.connecting.after(opened.is_ok(), REST_MIN);
            self.conn = Some(opened?);
            self.has_tables = false;
        }
        if needs == Needs::RunLog {
            self.writing.check("writing the run log")?;
        }
        if needs == Needs::RunLog && !self.has_tables {
            self.making.check("making the tables of the run log")?;
            let made = self.conn.as_mut().map_or(Ok(()), store::ensure);
            self.making.after(made.is_ok(), REST_MIN);
            if made.is_err() {
                self.conn = None;
            }
            made?;
            self.has_tables = true;
        }
        self.conn.as_mut().ok_or_else(|| Error::new(Kind::Internal, "no connection for telemetry"))
    }
}
