//! The loaded tables, as the warehouse knows them.

use crate::config::Endpoint;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::Result;
use crate::track::schema::{LOAD_STATUS, qualified};

/// A loaded table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its name at the source.
    pub source: String,
    /// Its name in the warehouse.
    pub name: String,
    /// It has a column `_loaded_at` of ours, or one of that name and type.
    pub has_loaded_at: bool,
    /// The column that tells how far it is loaded, and how far, for people.
    pub mark: Option<(String, String)>,
}

/// All that are loaded, by name; none where nothing was loaded ever.
///
/// # Errors
/// The classified error of the warehouse.
pub fn loaded(conn: &mut PostgresConn, schema: &str) -> Result<Vec<Loaded>> {
    let status = qualified(schema, LOAD_STATUS);
    let sql = "SELECT to_regclass('etl_sync.etl_table_state') IS NOT NULL AND to_regclass($1) IS NOT NULL";
    let there = conn.rows(sql, &[&status], "looking for our own tables")?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    let sql = include_str!("tables.sql").replace("{status}", &status);
    let rows = conn.rows(&sql, &[&schema], "reading which tables are loaded")?;
    let one = |row: &postgres::Row| Loaded {
        source: row.get(0),
        name: row.get(1),
        has_loaded_at: row.get(2),
        mark: row.get::<_, Option<String>>(3).zip(row.get::<_, Option<String>>(4)),
    };
    Ok(rows.iter().map(one).collect())
}

/// The same on a connection of its own, which only reads.
///
/// # Errors
/// As [`loaded`].
pub fn read(endpoint: &Endpoint, schema: &str, watchdog: &Watchdog) -> Result<Vec<Loaded>> {
    let mut conn = PostgresConn::connect(endpoint, "etl-sync/transform", watchdog)?;
    conn.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    loaded(&mut conn, schema)
}
