//! What happened: the run lock, the state of each table, the chunk ledger, and the status tables for people.
//!
//! `etl_table_state` decides what is done and is written in the transaction of the data. Everything that people read
//! is written by one thread from events, and nothing there ever fails a run.

pub mod attempts; // how each attempt to load a table went, for people and the alarm
pub mod chunk_ledger; // which chunks of a table in work are in staging
pub mod copies; // status table of a replica, for people
pub mod lock; // one run per target
pub mod quarantine; // rows that were refused
pub mod records; // one record per configured table, for people
pub mod replica; // lock, fence and state of a replica
pub mod runs; // the run log: runs, their reads, their ends
pub mod schema; // tables of our own in the warehouse
pub mod state; // what is done
pub mod writer; // the one writer of the status tables

/// Schema of our own tables and of staging in the warehouse.
pub const SCHEMA: &str = "etl_sync";

/// Who writes: every transaction that changes data names these, and is refused when they are out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// One job per target schema.
    pub job: String,
    /// Raised whenever a run takes the job over.
    pub epoch: i64,
    /// This run, a UUID that sorts by time.
    pub run_id: String,
    /// The sync this run belongs to: its own id, or that of the interrupted run it goes on with.
    pub sync_id: String,
}
