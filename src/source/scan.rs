//! Reads rows of the source as the tuples that a binary COPY of them would have, for proofs.

use super::Source;
use crate::encode::{Imager, Tally, Target};
use crate::error::{Error, Kind, Result};
use crate::plan::{Slice, TablePlan};
use crate::value::Row;

/// What a scan met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Rows that have a tuple.
    pub rows: u64,
    /// Rows that a policy keeps out of the target.
    pub kept_out: u64,
    /// What policies changed in the others.
    pub tally: Tally,
}

/// Gives the tuple of every row of a slice to `each`.
///
/// # Errors
/// The classified server error; [`Kind::Data`] when a policy is to fail; what `each` returned.
pub fn tuples(
    source: &mut dyn Source,
    table: &TablePlan,
    slice: &Slice,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Scanned> {
    // NULL by a policy is NULL here, whatever the target allows: a load has made its column nullable by then.
    let targets = table.source.columns.iter().map(|column| Target::of(column, false)).collect();
    let mut images = Imager::new(targets);
    let mut scanned = Scanned::default();
    source.read(table, slice, &mut |row: &Row<'_>| {
        if row.too_long.is_some() {
            scanned.kept_out += 1;
            return Ok(());
        }
        let image = images.row(row.cells).map_err(|error| {
            let column = error.column().and_then(|index| table.source.columns.get(index));
            let column = column.map_or(String::new(), |column| format!(", column {}", column.name));
            Error::new(Kind::Data, format!("reading table {}{column}: {error}", table.name()))
        })?;
        match image {
            Ok(tuple) => {
                scanned.rows += 1;
                each(tuple)
            }
            Err(_) => {
                scanned.kept_out += 1;
                Ok(())
            }
        }
    })?;
    scanned.tally = images.tally().clone();
    Ok(scanned)
}
