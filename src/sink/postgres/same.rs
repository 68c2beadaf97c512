//! A small table that has not changed: the target's own binary image against the rows of the source, without staging.
//!
//! Staging is a table that is made and dropped: for the many small tables of a night without changes that is most of the
//! work, and rows of PostgreSQL's catalog that somebody has to vacuum.

use super::{drift, loaded_at};
use crate::catalog::deleted_at;
use crate::conn::classify;
use crate::conn::postgres::PostgresConn;
use crate::encode::image;
use crate::error::Result;
use crate::name::quote_postgres;
use crate::sink::{COMPARED_BYTES_MAX, Load, Rows};
use std::io::Read;

/// Rows of the target may be longer than those of the source: what is read of them has an end, too.
const IMAGE_BYTES_MAX: u64 = 4 << 20;

/// How many rows source and target have, when they hold the same and nothing about the target has to change. Inside the open
/// transaction, which keeps other writers out from now on.
///
/// Equal bytes are equal values; a value that PostgreSQL spells otherwise than its source (JSON) is left to the comparison
/// in staging.
///
/// # Errors
/// The classified server error.
pub fn as_target(conn: &mut PostgresConn, load: &Load<'_>, rows: &mut dyn Rows, doing: &str) -> Result<Option<u64>> {
    let Some(existing) = load.existing.filter(|_| drift::fits(load)) else { return Ok(None) };
    let Some(fresh) = rows.tuples(COMPARED_BYTES_MAX)? else { return Ok(None) };
    let Some(mut fresh) = image::tuples(&fresh) else { return Ok(None) };
    let lock = drift::adapt(conn, load, doing)?;
    conn.batch(&lock, doing)?;
    let there = copy_out(conn, load, fresh.len(), doing)?;
    let Some(mut there) = image::inside(&there).and_then(image::tuples) else { return Ok(None) };
    // Neither server gives its rows in an order.
    fresh.sort_unstable();
    there.sort_unstable();
    if fresh != there {
        return Ok(None);
    }
    loaded_at::ensure(conn, load, existing, &load.plan.target.postgres(), doing)?;
    Ok(Some(u64::try_from(fresh.len()).unwrap_or(u64::MAX)))
}

/// The target's rows, one more than `rows` at most, as COPY gives them.
fn copy_out(conn: &mut PostgresConn, load: &Load<'_>, rows: usize, doing: &str) -> Result<Vec<u8>> {
    let columns: Vec<String> = load.plan.source.columns.iter().map(|c| quote_postgres(&c.target)).collect();
    let there = if load.plan.marks_deletes() { format!(" WHERE {}", deleted_at::is_null("")) } else { String::new() };
    let sql = format!(
        "COPY (SELECT {} FROM ONLY {}{there} LIMIT {}) TO STDOUT (FORMAT binary)",
        columns.join(", "),
        load.plan.target.postgres(),
        rows.saturating_add(1)
    );
    let (client, _guard) = conn.watched(doing);
    let mut out = Vec::new();
    let reader = client.copy_out(&sql).map_err(|e| classify::postgres(&e, doing))?;
    reader.take(IMAGE_BYTES_MAX).read_to_end(&mut out).map_err(|e| classify::copy_io(&e, doing))?;
    Ok(out)
}
