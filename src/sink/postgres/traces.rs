//! What PostgreSQL has counted of writes to its tables: one query for all of a schema. What it means stands in `plan::traces`.

use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::plan::traces::WarehouseTrace;
use std::collections::BTreeMap;

/// What the warehouse showed at one moment.
#[derive(Debug)]
pub struct Seen {
    epoch: String,
    tables: BTreeMap<String, WarehouseTrace>,
}

/// Looks at the tables of a schema, before any of them is written to. None where the server does not count reliably: before
/// version 15 counters went through a socket that may lose them.
///
/// # Errors
/// The classified server error.
pub fn look(conn: &mut PostgresConn, schema: &str) -> Result<Option<Seen>> {
    let doing = "looking at what was written to the target tables";
    let rows = conn.rows(include_str!("traces_epoch.sql"), &[], doing)?;
    let Some(epoch) = rows.first().map(|row| row.get::<_, String>(0)) else { return Ok(None) };
    let rows = conn.rows(include_str!("traces.sql"), &[&schema], doing)?;
    let number = |row: &postgres::Row, at| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    let trace = |row: &postgres::Row| WarehouseTrace {
        epoch: epoch.clone(),
        inserted: number(row, 1),
        updated: number(row, 2),
        deleted: number(row, 3),
    };
    let tables = rows.iter().map(|row| (row.get(0), trace(row))).collect();
    Ok(Some(Seen { epoch, tables }))
}

impl Seen {
    /// What it shows of a table; of one that is not there yet, nothing written.
    #[must_use]
    pub fn of(&self, table: &str) -> WarehouseTrace {
        let none = || WarehouseTrace { epoch: self.epoch.clone(), inserted: 0, updated: 0, deleted: 0 };
        self.tables.get(table).cloned().unwrap_or_else(none)
    }
}
