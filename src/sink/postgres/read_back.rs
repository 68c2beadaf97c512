//! Reads rows of a target as the tuples of a binary COPY, for proofs.

use crate::catalog::ddl::{self, Difference};
use crate::catalog::{TargetTable, deleted_at};
use crate::conn::classify;
use crate::conn::postgres::PostgresConn;
use crate::encode::image::Stream;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::quote_postgres;
use crate::plan::TablePlan;
use std::io::BufRead;

/// Bytes after which the deadline of a stream's next step begins anew: each row alone would cost more than it holds.
const STEP_BYTES: usize = 256 * 1024;

/// Why the target's columns have no images that could be compared with the source's: the first reason.
#[must_use]
pub fn unlike(table: &TablePlan, target: &TargetTable) -> Option<String> {
    let matters = |difference: &Difference| matches!(difference, Difference::Added { .. } | Difference::Changed { .. });
    ddl::matches(&table.source, target).iter().find(|difference| matters(difference)).map(ToString::to_string)
}

/// Which rows of a target are read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those in ranges of its integer key.
    Ranges(&'a [KeyRange]),
    /// Those under a condition in SQL.
    Where(&'a str),
}

impl<'a> Which<'a> {
    /// Those in ranges; all when there are none.
    #[must_use]
    pub fn of(ranges: Option<&'a [KeyRange]>) -> Self {
        ranges.map_or(Self::All, Self::Ranges)
    }
}

/// Gives the tuple of rows of the target to `each`; rows that are marked as deleted are none. Works inside whatever transaction the caller has open. Returns the number of rows.
///
/// # Errors
/// The classified server error; [`Kind::Proof`] for a stream that ends early; what `each` returned.
pub fn tuples(
    conn: &mut PostgresConn,
    table: &TablePlan,
    which: Which<'_>,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let doing = format!("reading {} back", table.target);
    let columns: Vec<String> = table.source.columns.iter().map(|c| quote_postgres(&c.target)).collect();
    let key = table.source.key_columns().next().map(|c| quote_postgres(&c.target)).unwrap_or_default();
    let mut conditions = Vec::new();
    match which {
        Which::All => {}
        Which::Ranges(ranges) => {
            let all: Vec<String> = ranges.iter().map(|range| range.of_integers(&key)).collect();
            conditions.push(format!("({})", if all.is_empty() { "false".into() } else { all.join(" OR ") }));
        }
        Which::Where(condition) => conditions.push(format!("({condition})")),
    }
    if table.marks_deletes() {
        conditions.push(deleted_at::is_null(""));
    }
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let sql = format!(
        "COPY (SELECT {} FROM ONLY {}{condition}) TO STDOUT (FORMAT binary)",
        columns.join(", "),
        table.target.postgres()
    );
    let mut rows = 0;
    let mut count = |tuple: &[u8]| {
        rows += 1;
        each(tuple)
    };
    let (client, steps) = conn.streaming(&doing);
    let mut step = steps.step();
    let mut reader = client.copy_out(&sql).map_err(|e| classify::postgres(&e, &doing))?;
    let (mut stream, mut passed) = (Stream::default(), 0);
    loop {
        let block = reader.fill_buf().map_err(|e| classify::copy_io(&e, &doing))?;
        let length = block.len();
        if length == 0 {
            break;
        }
        if !stream.block(block, &mut count)? {
            return Err(Error::new(Kind::Internal, format!("{doing}: the server sent no binary COPY")));
        }
        reader.consume(length);
        passed += length;
        if passed >= STEP_BYTES {
            passed = 0;
            // The old step must end before the next begins.
            drop(step);
            step = steps.step();
        }
    }
    drop(reader);
    drop(step);
    if !stream.is_whole() {
        return Err(Error::new(Kind::Proof, format!("{doing}: the stream ended before its trailer")));
    }
    Ok(rows)
}
