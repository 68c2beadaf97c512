//! The log of a run of etl-sync: one row, opened when the run holds its first lock and closed at its end, and what it read.
//!
//! The tracker's thread hands over batches. The row and the batches go over the session that writes the status tables, too, so the
//! log costs no connection of its own.

use super::session::{Needs, Session};
use super::store::{self, Batch, Ending, Opening, Snapshot};
use super::{Losses, Request};
use crate::config::Config;
use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::track::lock::application_name;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

/// No run has this number.
const NONE: i64 = 0;

/// What is logged of a run beside its row.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A read of the source.
    Request {
        /// Source table.
        entity: String,
        /// What was asked and answered.
        request: Request,
        /// When it ended.
        at: Instant,
    },
    /// A table that is loaded.
    Table {
        /// Source table.
        entity: String,
        /// Its rows; none when this run did not count them.
        source_rows: Option<u64>,
        /// Schema and name of the target.
        target: (String, String),
        /// Rows of the target.
        rows: u64,
        /// Smallest and largest integer key, where the run knows them.
        ends: Option<(i128, i128)>,
        /// What all rows add up to.
        digest: Option<u128>,
    },
}

/// The run log of one run; clones are the same. Switched off, it still has the session for the status tables.
#[derive(Debug, Clone)]
pub struct EngineLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    session: Session,
    /// None: switched off.
    opening: Option<Opening>,
    /// The run holds its first lock.
    has_begun: AtomicBool,
    run: AtomicI64,
    losses: Losses,
}

impl EngineLog {
    /// The log of a run with this id; it touches nothing yet.
    #[must_use]
    pub fn new(config: &Config, run_id: &str) -> Self {
        let session = application_name(run_id);
        let opening = (config.settings.run_log == crate::config::RunLog::On).then(|| Opening {
            uuid: run_id.to_owned(),
            job: Some(config.warehouse_schema.clone()),
            session: session.clone(),
            notes: String::new(),
        });
        let session = Session::new(&config.warehouse, session);
        let shared =
            Shared { session, opening, has_begun: AtomicBool::new(false), run: AtomicI64::new(NONE), losses: Losses::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Whether anything is logged: what is not need not be made.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shared.opening.is_some()
    }

    /// Opens the run's row, after the rows of dead runs of this job were closed, and does not wait for it. Under a lock of the run;
    /// a second time for the second lock.
    pub fn open(&self) {
        let Some(opening) = self.shared.opening.clone() else { return };
        self.shared.has_begun.store(true, Ordering::SeqCst);
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let work = move |conn: &mut PostgresConn| {
            shared.run.store(store::open(conn, &opening)?, Ordering::SeqCst);
            Ok(())
        };
        let posted = self.shared.session.post(Needs::RunLog, work, move |error| told.losses.one(error));
        if let Err(error) = posted {
            self.shared.losses.one(&error);
        }
    }

    /// Writes what was gathered, in one statement; false when it is lost, which the caller counts.
    #[must_use]
    pub fn write(&self, entries: Vec<Entry>) -> bool {
        let batch = batch(entries);
        match self.with_run(move |conn, run| store::write(conn, run, &batch)) {
            None | Some(Ok(())) => true,
            Some(Err(error)) => {
                self.shared.losses.tell(&error);
                false
            }
        }
    }

    /// Closes the run's row, and forgets runs of more than so many days ago.
    pub fn close(&self, success: bool, notes: &str, (tables, rows): (u64, u64), days: u32) {
        let number = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
        let ending = Ending { success, notes: notes.to_owned(), tables: number(tables), rows: number(rows) };
        let closed = self.with_run(move |conn, run| {
            store::close(conn, run, &ending)?;
            store::prune(conn, days).map(drop)
        });
        if let Some(Err(error)) = closed {
            self.shared.losses.one(&error);
        }
    }

    /// How often the begin or end of the run could not be logged.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.losses.count()
    }

    /// Gives the connection back until it is needed again.
    pub fn rest(&self) {
        self.shared.session.close();
    }

    /// The session that writes the status tables, too. A status row has no use for a connection made anew: it is lost.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(crate) fn session<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut PostgresConn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.session.ask(Needs::Connection, false, work)
    }

    /// Work on the run's row, which is opened first where that has failed before; none when the log is off, or never began.
    fn with_run(&self, mut work: impl FnMut(&mut PostgresConn, i64) -> Result<()> + Send + 'static) -> Option<Result<()>> {
        let opening = self.shared.opening.clone().filter(|_| self.shared.has_begun.load(Ordering::SeqCst))?;
        let shared = Arc::clone(&self.shared);
        Some(self.shared.session.ask(Needs::RunLog, false, move |conn| {
            let run = match shared.run.load(Ordering::SeqCst) {
                NONE => store::open(conn, &opening)?,
                run => run,
            };
            shared.run.store(run, Ordering::SeqCst);
            work(conn, run)
        }))
    }
}

fn batch(entries: Vec<Entry>) -> Batch {
    let mut batch = Batch::default();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for entry in entries {
        match entry {
            Entry::Request { entity, request, at } => batch.requests.push((request, Some(entity), at.elapsed().as_secs_f64())),
            Entry::Table { entity, source_rows, target, rows, ends, digest } => {
                if let Some(rows) = source_rows {
                    batch.counts.insert(entity, number(rows));
                }
                let (id_min, id_max) = ends.unzip();
                let checksum = digest.map(|digest| format!("{digest:032x}"));
                batch.snapshots.insert(target, Snapshot { row_count: number(rows), id_min, id_max, checksum });
            }
        }
    }
    batch
}
