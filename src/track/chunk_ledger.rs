//! The chunk ledger: which chunks of a table are in staging, and what they hold. SQL that runs inside the transactions of the data.

use super::RunIdentity;
use crate::name::literal_postgres;

/// A chunk of a table in work.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Who writes.
    pub run: &'a RunIdentity,
    /// The snapshot group.
    pub round: u32,
    /// Source table name.
    pub table: &'a str,
    /// Its place among the chunks.
    pub chunk: usize,
}

/// What is in staging of a chunk.
#[derive(Debug, Clone)]
pub struct Held<'a> {
    /// Rows that COPY took.
    pub rows: u64,
    /// Rows that went to the quarantine.
    pub rejected: u64,
    /// Quoted name of staging.
    pub staging: &'a str,
    /// First key, and the first beyond; only of an integer key.
    pub ends: (Option<i128>, Option<i128>),
    /// What its rows add up to, where a later run may rely on that.
    pub digest: Option<u128>,
    /// What staging and its rows look like, and where they are from: another text is another table.
    pub form: &'a str,
}

impl Place<'_> {
    fn condition(&self) -> String {
        let Self { run, round, table, chunk } = self;
        format!(
            "run_id = {} AND round = {round} AND table_name = {} AND chunk = {chunk}",
            literal_postgres(&run.run_id),
            literal_postgres(table)
        )
    }

    /// First statement of a chunk's transaction: fails on the unique key when the chunk is in already.
    #[must_use]
    pub fn insert(&self) -> String {
        let Self { run, round, table, chunk } = self;
        format!(
            "INSERT INTO etl_sync.chunk_ledger (job, run_id, round, table_name, chunk) VALUES ({}, {}, {round}, {}, {chunk})",
            literal_postgres(&run.job),
            literal_postgres(&run.run_id),
            literal_postgres(table)
        )
    }

    /// Last statement of a chunk's transaction.
    #[must_use]
    pub fn fill(&self, held: &Held<'_>) -> String {
        let end = |end: Option<i128>| end.map_or("NULL".to_owned(), |end| end.to_string());
        format!(
            "UPDATE etl_sync.chunk_ledger SET rows = {}, rejected = {}, staging = {name}::regclass::oid::bigint, \
             storage = pg_relation_filenode({name}::regclass), low = {}, high = {}, digest = {}, form = {} WHERE {}",
            held.rows,
            held.rejected,
            end(held.ends.0),
            end(held.ends.1),
            held.digest.map_or("NULL".to_owned(), |digest| format!("'{digest:032x}'")),
            literal_postgres(held.form),
            self.condition(),
            name = literal_postgres(held.staging),
        )
    }

    /// Rows of the chunk, when it is in the ledger.
    #[must_use]
    pub fn asked(&self) -> String {
        format!("SELECT rows, rejected FROM etl_sync.chunk_ledger WHERE {}", self.condition())
    }
}

/// Chunks and rows of a table in the ledger.
#[must_use]
pub fn totals(run: &RunIdentity, round: u32, table: &str) -> String {
    format!(
        "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(rejected), 0) FROM etl_sync.chunk_ledger WHERE run_id = {} AND round = {round} AND table_name = {}",
        literal_postgres(&run.run_id),
        literal_postgres(table)
    )
}

/// Empties the ledger of a table that is finished or starts again, of this run and of those whose staging it took over.
#[must_use]
pub fn clear(run: &RunIdentity, table: &str) -> String {
    format!(
        "DELETE FROM etl_sync.chunk_ledger WHERE job = {} AND table_name = {}",
        literal_postgres(&run.job),
        literal_postgres(table)
    )
}

/// Takes what an earlier run has said of a chunk out of the ledger: this run says it now, or writes the chunk anew.
#[must_use]
pub fn forget(run: &RunIdentity, staging: u32, (low, high): (Option<i128>, Option<i128>)) -> String {
    let is = |column: &str, end: Option<i128>| end.map_or(format!("{column} IS NULL"), |end| format!("{column} = {end}"));
    format!(
        "DELETE FROM etl_sync.chunk_ledger WHERE staging = {staging} AND run_id <> {} AND {} AND {}",
        literal_postgres(&run.run_id),
        is("low", low),
        is("high", high)
    )
}
