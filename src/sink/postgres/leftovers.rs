//! What dead runs left in our schema: staging tables carry the run's id in their name, so whatever is not this run's
//! may go. Called under the run lock.

use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::name::{TableName, quote_postgres};
use crate::track::{RunIdentity, SCHEMA, quarantine};

/// First part of the name of every staging table.
const PREFIX: &str = "load_";

/// The staging table of the `index`th table of a round; unique in the schema and below 63 bytes.
#[must_use]
pub fn staging_name(run: &RunIdentity, round: u32, index: usize) -> TableName {
    TableName::new(SCHEMA, format!("{PREFIX}{}_{round}_{index}", run.run_id.replace('-', "")))
}

/// Drops staging tables, ledger rows and rejects of unfinished loads of runs that are no job's present one, so of dead runs and of those before
/// them. Returns how many tables were dropped.
///
/// # Errors
/// The classified server error.
pub fn drop_all(conn: &mut PostgresConn, run: &RunIdentity) -> Result<usize> {
    let doing = "dropping what earlier runs left";
    let rows = conn.rows(include_str!("leftovers.sql"), &[&SCHEMA, &PREFIX], doing)?;
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for table in &tables {
        conn.batch(&format!("DROP TABLE IF EXISTS {SCHEMA}.{}", quote_postgres(table)), doing)?;
    }
    let sql = "DELETE FROM etl_sync.chunk_ledger l WHERE NOT EXISTS (SELECT FROM etl_sync.job j WHERE j.run_id = l.run_id)";
    conn.batch(&format!("{sql}; {}", quarantine::clear_unfinished(run)), doing)?;
    log::debug!("run {}: {} staging tables of earlier runs dropped", run.run_id, tables.len());
    Ok(tables.len())
}
