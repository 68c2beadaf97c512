//! Makes our own tables and the target schema. Called under the run lock, so two runs never race here.

use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::name::quote_postgres;

/// Name of the status table that people and dbt read, in the target schema.
pub const LOAD_STATUS: &str = "etl_load_status";

/// Name of the status table of the transformation step, in the target schema.
pub const TRANSFORM_STATUS: &str = "etl_transform_status";

/// Name of the status table of a replica.
pub const COPY_STATUS_NAME: &str = "etl_copy_status";

/// The status table of a replica, for MySQL and MariaDB: one statement, accepted whatever the session's `sql_mode`, time zone
/// and default engine are.
pub const COPY_STATUS: &str = include_str!("copy_status.sql");

/// Columns of both status tables of the target schema.
const STATUS_COLUMNS: i64 = 20;

/// Creates what is missing; changes nothing that exists.
///
/// # Errors
/// [`crate::error::Kind::Refused`] when the role may not create schemas or tables.
pub fn ensure(conn: &mut PostgresConn, target_schema: &str) -> Result<()> {
    let sql = include_str!("schema_found.sql");
    let found: i64 = conn.rows(sql, &[], "looking for the tracking tables")?.first().map_or(0, |row| row.get(0));
    if found < 8 {
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

/// Creates the status tables of the target schema, and columns that they lack; touches nothing when they are whole.
///
/// # Errors
/// The classified server error.
pub fn ensure_status(conn: &mut PostgresConn, target_schema: &str) -> Result<()> {
    let names = [LOAD_STATUS, TRANSFORM_STATUS].map(|table| qualified(target_schema, table));
    let found = conn.rows(include_str!("status_columns.sql"), &[&names[0], &names[1]], "looking for the status tables")?;
    if found.first().map_or(0, |row| row.get::<_, i64>(0)) == STATUS_COLUMNS {
        return Ok(());
    }
    let sql = include_str!("status.sql").replace("{schema}", &quote_postgres(target_schema));
    conn.batch(&sql, "creating the status tables")
}

/// The qualified and quoted name of a status table.
#[must_use]
pub fn qualified(target_schema: &str, table: &str) -> String {
    format!("{}.{table}", quote_postgres(target_schema))
}
