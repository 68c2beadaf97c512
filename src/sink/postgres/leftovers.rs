//! What dead runs left in our schema: staging tables carry the run's id in their name, so whatever is not this run's
//! may go. Called under the run lock.

use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::name::{TableName, quote_postgres};
use crate::plan::TablePlan;
use crate::track::{RunIdentity, SCHEMA};

/// First part of the name of every staging table.
const PREFIX: &str = "load_";

/// The staging table of the `index`th table of a run; unique in the schema and far below 63 bytes.
#[must_use]
pub fn staging_name(run: &RunIdentity, index: usize) -> TableName {
    TableName::new(SCHEMA, format!("{PREFIX}{}_{index}", run.run_id.replace('-', "")))
}

/// Drops staging tables and ledger rows of other runs of this job. Returns how many tables were dropped.
///
/// # Errors
/// The classified server error.
pub fn drop_all(conn: &mut PostgresConn, run: &RunIdentity, last_run: Option<&str>) -> Result<usize> {
    let Some(last_run) = last_run else { return Ok(0) };
    let doing = "dropping what the last run left";
    let prefix = format!("{PREFIX}{}_", last_run.replace('-', ""));
    let sql = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relkind = 'r' AND starts_with(c.relname, $2)";
    let tables: Vec<String> = conn.rows(sql, &[&SCHEMA, &prefix], doing)?.iter().map(|row| row.get(0)).collect();
    for table in &tables {
        conn.batch(&format!("DROP TABLE IF EXISTS {SCHEMA}.{}", quote_postgres(table)), doing)?;
    }
    conn.execute("DELETE FROM etl_sync.chunk_ledger WHERE run_id = $1", &[&last_run], doing)?;
    log::debug!("run {}: {} staging tables of run {last_run} dropped", run.run_id, tables.len());
    Ok(tables.len())
}

/// The fingerprint of what a table's rows look like in the warehouse: columns, types, filter.
#[must_use]
pub fn fingerprint(plan: &TablePlan) -> String {
    let columns: Vec<String> = plan.source.columns.iter().map(|c| format!("{} {}", quote_postgres(&c.name), c.ty)).collect();
    format!("1;{};{}", columns.join(","), plan.filter.as_deref().unwrap_or(""))
}
