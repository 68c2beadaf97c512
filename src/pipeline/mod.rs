//! Moves the rows of a plan: rounds of one snapshot group each, a pool of workers, chunk jobs, finishes.

pub mod chunk; // one chunk from the source into COPY, and its tries
mod ended; // a table that is done, as everybody is told
mod events; // what the run log is told
pub mod increments; // a table by what is past its watermark; what differs is mended
mod looks; // a table by the digests of both sides; tries again, too
pub mod oddities; // values that cannot be the time of a change
pub mod queue; // the jobs of a round
pub mod round; // one snapshot group: workers, guard, what is left for the next round
mod rows; // the rows of one attempt: streamed, drained, or kept apart
pub mod table; // a table in work, and what became of it
mod timed; // a step of a worker: its panic caught, its time recorded

use crate::cancel::Cancel;
use crate::config::{CopyFormat, Endpoint, Verify};
use crate::conn::watchdog::Watchdog;
use crate::context::Context;
use crate::context::memory::Permit;
use crate::context::progress::Progress;
use crate::encode::{Format, NullToken};
use crate::error::{Kind, Result};
use crate::name::TableName;
use crate::plan::TablePlan;
use crate::plan::strategy::Staging;
use crate::retry::Retries;
use crate::sink::mysql::MysqlSink;
use crate::sink::postgres::{PostgresSink, leftovers};
use crate::sink::{self, Sink};
use crate::source::throttle::Throttle;
use crate::track::RunIdentity;
use crate::track::writer::Tracker;
use std::time::Duration;

/// What every part of the pipeline is given: services and settings, no state of a table.
#[derive(Debug)]
pub struct Services<'a> {
    /// Where rows come from.
    pub source: &'a Endpoint,
    /// Where rows go.
    pub destination: Destination<'a>,
    /// Who writes.
    pub run: &'a RunIdentity,
    /// Identity of the source server and database.
    pub source_identity: &'a str,
    /// The source's clock minus the warehouse's, microseconds.
    pub ahead: i64,
    /// Phases, memory, checkpoints.
    pub context: &'a Context,
    /// Running, draining, aborting.
    pub cancel: &'a Cancel,
    /// Deadlines of PostgreSQL waits.
    pub watchdog: &'a Watchdog,
    /// Events for the status tables.
    pub tracker: &'a Tracker,
    /// Counters for people.
    pub progress: &'a Progress,
    /// Lets the source's own work go first; none when nobody waits.
    pub throttle: Option<Throttle>,
    /// Numbers from the configuration.
    pub limits: Limits,
}

/// Where rows go.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// PostgreSQL.
    Warehouse(&'a Endpoint),
    /// Our own MySQL or MariaDB in between.
    Replica(&'a Endpoint),
}

impl Services<'_> {
    /// Waits until there is memory for a job.
    ///
    /// # Errors
    /// [`Kind::Stopped`] when the run is stopping, because of its memory or not.
    pub fn room(&self) -> Result<Permit<'_>> {
        self.context.memory.admit(self.cancel).map_err(|error| error.as_kind(Kind::Stopped))
    }

    /// Ends a job in the middle when the run stops because of its memory.
    ///
    /// # Errors
    /// [`Kind::Stopped`].
    pub fn check_memory(&self) -> Result<()> {
        self.context.memory.check().map_err(|error| error.as_kind(Kind::Stopped))
    }

    /// A writer for one worker; it connects at its first use.
    #[must_use]
    pub fn sink(&self) -> Box<dyn Sink> {
        match self.destination {
            Destination::Warehouse(endpoint) => Box::new(PostgresSink::new(endpoint, &self.run.run_id, self.watchdog)),
            Destination::Replica(endpoint) => Box::new(MysqlSink::new(endpoint, self.watchdog)),
        }
    }

    /// The shadow or staging table of the `index`th table of a round.
    #[must_use]
    pub fn staging(&self, table: &TablePlan, round: u32, index: usize) -> TableName {
        match self.destination {
            Destination::Warehouse(_) if table.staging() == Staging::Table => table.target.clone(),
            Destination::Warehouse(_) => leftovers::staging_name(self.run, round, index),
            Destination::Replica(endpoint) => sink::mysql::staging_name(&endpoint.database, &self.run.run_id, round, index),
        }
    }

    /// What rows of a table look like where they go: another text is another table.
    #[must_use]
    pub fn fingerprint(&self, table: &TablePlan) -> String {
        match self.destination {
            Destination::Warehouse(_) => table.fingerprint(),
            Destination::Replica(_) => table.replica_fingerprint(),
        }
    }

    /// The form of rows on their way.
    #[must_use]
    pub fn format(&self) -> Format {
        match (self.destination, self.limits.copy_format) {
            (Destination::Replica(_), _) => Format::Tuples,
            (Destination::Warehouse(_), CopyFormat::Csv) => Format::Csv(NullToken::random()),
            // Every column type has a binary image.
            (Destination::Warehouse(_), CopyFormat::Binary | CopyFormat::Auto) => Format::Binary,
        }
    }
}

/// Numbers from the configuration that the pipeline needs.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Worker threads, each with one connection to either side.
    pub workers: usize,
    /// Tries per chunk.
    pub retries: Retries,
    /// How long the read lock for a shared snapshot may be waited for, at most 2 s.
    pub snapshot_lock_wait: Duration,
    /// How long a run waits for a source that went away.
    pub server_down_wait: Duration,
    /// Bytes of a drained chunk kept in memory; more goes to a temporary file.
    pub spool_bytes: usize,
    /// Form of the rows on their way.
    pub copy_format: CopyFormat,
    /// Rows of one table that may be rejected before it fails.
    pub rejected_rows_max: u64,
    /// Whether the quarantine keeps the bytes of a refused value.
    pub quarantine_raw: bool,
    /// Longest row that is read, bytes.
    pub row_bytes_max: u64,
    /// How long transactions that are open at the begin are waited for, when watermarks are kept.
    pub transaction_wait: Duration,
    /// What proves increments.
    pub verify: Verify,
    /// Whether rows are added up while they are copied.
    pub digests: bool,
    /// Percent of a table's rows that may be deleted.
    pub deletes_percent_max: u64,
}
