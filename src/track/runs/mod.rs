//! The run log: which runs there were, what each of them read, how it ended (`etl_meta` in the warehouse).
//!
//! [`RunTracker`] is the library's side: any program may log its own runs. [`EngineLog`] is that of the engine, written by the
//! tracker's thread. Nothing here fails, panics or ends its caller: what could not be written is counted, told once, and answered
//! with `false`, none or nothing. Times are those of the server's clock.

pub mod engine; // the log of a run of etl-sync
pub mod scope; // a run that ends however its scope is left
mod session; // one connection with deadlines
pub mod stateful; // the old form, with a current run
pub(crate) mod store; // statements

pub use engine::EngineLog;
pub use scope::RunScope;
pub use stateful::{EtlTracker, get_etl_tracker};

use crate::config::{Config, Endpoint, Environment, RunLog};
use crate::error::Result;
use serde::Serialize;
use session::{Needs, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use store::{Batch, Ending, Opening};

/// Schema of the run log in the warehouse.
pub const SCHEMA: &str = "etl_meta";

/// One request to a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What was asked: a path, or a table and range. Never a cell value.
    pub endpoint: String,
    /// Items before the first one of the answer.
    pub offset: Option<u64>,
    /// Items that were asked for.
    pub limit: Option<u64>,
    /// Status as in HTTP; none where there was no answer.
    pub status: Option<u16>,
    /// Items of the answer.
    pub item_count: Option<u64>,
    /// Milliseconds from the question to the end of the answer.
    pub duration_ms: u64,
    /// It had to wait because the source is busy.
    pub throttled: bool,
    /// What went wrong. Never a cell value.
    pub error: Option<String>,
}

/// Sums over the requests of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Requests.
    pub requests: u64,
    /// Items of all answers.
    pub items: u64,
    /// Milliseconds of all requests together; those of parallel ones add up.
    pub duration_ms: u64,
    /// Requests with an error or a status from 400 on.
    pub errors: u64,
    /// Requests that had to wait because the source is busy.
    pub throttled: u64,
}

/// A run as it is logged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastRun {
    /// Its number.
    pub id: i64,
    /// Its UUID; of a run of etl-sync the `run_id` of its report.
    pub run_id: String,
    /// Target schema; none for a run of the library.
    pub job: Option<String>,
    /// `running`, `success`, `error`, `abandoned` (its process ended without a word).
    pub status: String,
    /// RFC 3339, UTC, by the server's clock.
    pub started_at: String,
    /// The same; none while it runs.
    pub finished_at: Option<String>,
    /// From its start to its end, or until now.
    pub seconds: f64,
    /// Tables that it loaded or found done; none where nobody said.
    pub tables: Option<i64>,
    /// Rows that it read; none where nobody said.
    pub rows: Option<i64>,
    /// What its writer said, line by line.
    pub notes: Option<String>,
    /// Where it ran.
    pub host: Option<String>,
    /// Process id there.
    pub pid: Option<i32>,
}

/// Logs the runs of any program. Stateless but for its connection: each method names its run. Clones share one connection, and so
/// may threads.
#[derive(Debug, Clone)]
pub struct RunTracker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    session: Session,
    is_forbidden: bool,
    enabled: AtomicBool,
    losses: Losses,
}

/// What could not be written, or read; told once until something works again.
#[derive(Debug, Default)]
struct Losses {
    count: AtomicU64,
    told: AtomicBool,
}

impl Losses {
    fn one(&self, why: &dyn std::fmt::Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.tell(why);
    }

    fn tell(&self, why: &dyn std::fmt::Display) {
        let level = if self.told.swap(true, Ordering::Relaxed) { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "{why}; the run log loses it, the work goes on");
    }

    fn none(&self) {
        self.told.store(false, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl RunTracker {
    /// A tracker in the warehouse of a configuration. It connects at its first use; `run_log: false` begins with it disabled.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with(&config.warehouse, config.settings.run_log)
    }

    /// A tracker in any PostgreSQL database, in an environment that may forbid it (`ETL_META`).
    #[must_use]
    pub fn at(endpoint: &Endpoint, environment: &Environment) -> Self {
        Self::with(endpoint, RunLog::On.allowed(environment.vars.get("ETL_META").map(String::as_str)))
    }

    fn with(endpoint: &Endpoint, allowed: RunLog) -> Self {
        // Dead runs are told by their sessions, so a tracker's has a name of its own.
        let name = format!("etl-sync/runs/{}", uuid::Uuid::now_v7());
        let shared = Shared {
            session: Session::new(endpoint, name),
            is_forbidden: allowed == RunLog::Forbidden,
            enabled: AtomicBool::new(allowed == RunLog::On),
            losses: Losses::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Begins a run and returns its number; none when the tracker is disabled or the run could not be logged.
    #[must_use]
    pub fn start_run(&self, notes: &str) -> Option<i64> {
        let opening = Opening {
            uuid: uuid::Uuid::now_v7().to_string(),
            job: None,
            session: self.shared.session.name().to_owned(),
            notes: notes.to_owned(),
        };
        self.ask(true, move |conn| store::durably(conn, |conn| store::open(conn, &opening)))
    }

    /// Ends a run; `notes` go on a new line behind those that it began with. False when that could not be logged: also for a run
    /// that does not exist or has ended.
    #[must_use = "false when it could not be logged"]
    pub fn end_run(&self, run: i64, success: bool, notes: &str) -> bool {
        let ending = Ending { success, notes: notes.to_owned(), ..Ending::default() };
        let ended = self.ask(true, move |conn| store::durably(conn, |conn| store::close(conn, run, &ending)));
        if ended == Some(false) {
            self.shared.losses.one(&format!("there is no run {run} that could end"));
        }
        ended == Some(true)
    }

    /// Logs a request of a run; false when that was not possible.
    pub fn log_request(&self, run: i64, request: &Request) -> bool {
        let batch = Batch { requests: vec![(request.clone(), None, 0.0)], ..Batch::default() };
        // Not twice: after a lost answer nobody knows whether it is in.
        self.ask(false, move |conn| store::write(conn, run, &batch)).is_some()
    }

    /// Logs how many items an entity of the source has; a second number takes the place of the first. False when that was not
    /// possible.
    pub fn log_source_count(&self, run: i64, entity: &str, count: u64) -> bool {
        let counts = [(entity.to_owned(), i64::try_from(count).unwrap_or(i64::MAX))].into();
        let batch = Batch { counts, ..Batch::default() };
        self.ask(true, move |conn| store::write(conn, run, &batch)).is_some()
    }

    /// Sums over the requests of a run; none when there is no such run, and when it could not be read.
    #[must_use]
    pub fn get_run_metrics(&self, run: i64) -> Option<Metrics> {
        self.ask(true, move |conn| store::metrics(conn, run))?
    }

    /// The last runs, newest first (10 are usual); empty when they could not be read.
    #[must_use]
    pub fn get_recent_runs(&self, limit: u32) -> Vec<PastRun> {
        self.ask(true, move |conn| store::recent(conn, limit)).unwrap_or_default()
    }

    /// Forgets runs that began more than so many days ago (30 are usual), with their requests. Runs that still run stay. Returns
    /// how many.
    pub fn cleanup_old_runs(&self, days: u32) -> u64 {
        self.ask(true, move |conn| store::prune(conn, days)).unwrap_or(0)
    }

    /// Whether anything is logged.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Switches the tracker on, unless the environment forbids it (`ETL_META=off`).
    pub fn enable(&self) {
        if self.shared.is_forbidden {
            log::debug!("ETL_META forbids the run log");
        } else {
            self.shared.enabled.store(true, Ordering::Relaxed);
        }
    }

    /// Switches the tracker off: then nothing is logged, and nothing is lost.
    pub fn disable(&self) {
        self.shared.enabled.store(false, Ordering::Relaxed);
    }

    /// What could not be logged or read so far, while it was enabled.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.losses.count()
    }

    fn ask<T: Send + 'static>(
        &self,
        again: bool,
        work: impl FnMut(&mut crate::conn::postgres::PostgresConn) -> Result<T> + Send + 'static,
    ) -> Option<T> {
        if !self.is_enabled() {
            return None;
        }
        match self.shared.session.ask(Needs::RunLog, again, work) {
            Ok(value) => {
                self.shared.losses.none();
                Some(value)
            }
            Err(error) => {
                self.shared.losses.one(&error);
                None
            }
        }
    }
}
