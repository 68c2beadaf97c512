//! Records of the status tables in the target schema: one per configured table, true again after a killed run.
//!
//! They are for people and dbt. No decision is ever read from them: what a run reads is `etl_table_state`.

use super::schema::{self, LOAD_STATUS, TRANSFORM_STATUS, qualified};
use crate::conn::postgres::PostgresConn;
use crate::error::Result;

/// What a status table had and got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records {
    /// Its name.
    pub table: &'static str,
    /// Configured tables that had a record.
    pub there: u64,
    /// Configured tables that got one.
    pub added: u64,
}

/// Makes the status tables, brings records that are older than the state of their table up to date with it, and adds the
/// records that are missing. `tables` are all configured tables, by source name. Under the run lock.
///
/// # Errors
/// The classified server error.
pub fn ensure(conn: &mut PostgresConn, target_schema: &str, tables: &[String]) -> Result<[Records; 2]> {
    schema::ensure_status(conn, target_schema)?;
    let doing = "bringing the status tables up to date";
    let load = qualified(target_schema, LOAD_STATUS);
    conn.execute(&include_str!("status_from_state.sql").replace("{status}", &load), &[&target_schema], doing)?;
    conn.execute(&include_str!("status_stale.sql").replace("{status}", &load), &[&target_schema], doing)?;
    conn.execute(include_str!("configured.sql"), &[&target_schema, &tables], doing)?;
    Ok([pending(conn, target_schema, LOAD_STATUS, tables)?, pending(conn, target_schema, TRANSFORM_STATUS, tables)?])
}

fn pending(conn: &mut PostgresConn, target_schema: &str, table: &'static str, tables: &[String]) -> Result<Records> {
    let sql = include_str!("status_pending.sql").replace("{status}", &qualified(target_schema, table));
    let added = conn.execute(&sql, &[&tables], "adding the records of new tables")?;
    let all = u64::try_from(tables.len()).unwrap_or(u64::MAX);
    Ok(Records { table, there: all.saturating_sub(added), added })
}
