//! `_loaded_at` of a table that is refreshed: added where it is missing, written with each row that changes.

use crate::catalog::TargetTable;
use crate::catalog::loaded_at::NAME;
use crate::conn::postgres::PostgresConn;
use crate::error::{Kind, Result};
use crate::name::quote_postgres;
use crate::sink::Load;

/// How long the new column waits for readers of the table; a table is refreshed without it sooner than kept from them.
const ADD_WAIT: &str = "5s";

/// Whether the merge writes the column: it is there, or could be added now. Inside the open transaction.
///
/// The column comes without a default and gets it afterwards, so that no row is rewritten and old rows say NULL: nobody
/// knows when they were written. Where it cannot be added (the role does not own the table, readers hold it), the refresh
/// goes on without it, and the next run tries again.
///
/// # Errors
/// The classified error of a server that does not answer.
pub fn ensure(conn: &mut PostgresConn, load: &Load<'_>, existing: &TargetTable, target: &str, doing: &str) -> Result<bool> {
    if !load.plan.loaded_at.is_kept() {
        return Ok(false);
    }
    if existing.columns.iter().any(|column| column.name == NAME) {
        return Ok(true);
    }
    let column = quote_postgres(NAME);
    let add = format!(
        "SAVEPOINT loaded_at; SET LOCAL lock_timeout = '{ADD_WAIT}'; ALTER TABLE {target} ADD COLUMN {column} timestamptz; \
         ALTER TABLE {target} ALTER COLUMN {column} SET DEFAULT now(); \
         RELEASE SAVEPOINT loaded_at; SET LOCAL lock_timeout TO DEFAULT"
    );
    match conn.batch(&add, doing) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), Kind::Unreachable | Kind::Timeout) => Err(error),
        Err(error) => {
            conn.batch("ROLLBACK TO SAVEPOINT loaded_at; RELEASE SAVEPOINT loaded_at", doing)?;
            log::warn!("{error}; the table is refreshed without column {NAME}, the next run tries again");
            Ok(false)
        }
    }
}

/// What the UPDATE of a changed row sets beside the row: nothing, or the time.
pub fn assignment(stamped: bool) -> String {
    if stamped { format!(", {} = now()", quote_postgres(NAME)) } else { String::new() }
}
