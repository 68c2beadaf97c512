//! Makes our own tables and the target schema. Called under the run lock, so two runs never race here.

use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::name::quote_postgres;

/// Name of the status table that people and dbt read, in the target schema.
pub const LOAD_STATUS: &str = "etl_load_status";

/// Creates what is missing; changes nothing that exists.
///
/// # Errors
/// [`crate::error::Kind::Refused`] when the role may not create schemas or tables.
pub fn ensure(conn: &mut PostgresConn, target_schema: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = 'etl_sync' AND c.relname IN ('job', 'etl_table_state', 'chunk_ledger', 'name_map') \
               OR n.nspname = 'etl_quarantine' AND c.relname = 'rejected_row'";
    let found: i64 = conn.rows(sql, &[], "looking for the tracking tables")?.first().map_or(0, |row| row.get(0));
    if found < 5 {
        conn.batch(include_str!("schema.sql"), "creating the tracking tables")?;
    }
    // CREATE SCHEMA IF NOT EXISTS needs the privilege even when there is nothing to do.
    let exists = !conn
        .rows("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&target_schema], "looking for the target schema")?
        .is_empty();
    if !exists {
        conn.batch(&format!("CREATE SCHEMA {}", quote_postgres(target_schema)), "creating the target schema")?;
    }
    Ok(())
}

/// Creates the status table of the target schema when it is missing.
///
/// # Errors
/// The classified server error.
pub fn ensure_status(conn: &mut PostgresConn, target_schema: &str) -> Result<()> {
    let sql = include_str!("status.sql").replace("{schema}", &quote_postgres(target_schema));
    conn.batch(&sql, "creating the status table")
}
