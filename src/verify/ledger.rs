//! A look at each side by itself: its digests against those that the last success left.
//!
//! Neither side is compared with the other, so it does not matter what was written to the source since: it shows which
//! buckets changed there, deletes and edits that move no column included, and whether the warehouse still holds what was
//! proved.

use super::Unit;
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::encode::digest::{Digester, Layout};
use crate::error::{Error, Kind, Result};
use crate::plan::ledger::{Ledger, Sum};
use crate::plan::{Slice, TablePlan};
use crate::sink::postgres::read_back::{self, Which};
use crate::source::mysql::{LongRows, MysqlSource};
use crate::source::scan;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which sides are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// The source.
    pub source: bool,
    /// The warehouse.
    pub warehouse: bool,
}

/// What a look at one side found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Side {
    /// Its rows; those that policies keep out not included.
    pub rows: u64,
    /// Buckets that are not what the ledger says.
    pub changed: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// What the looks found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Buckets of the ledger.
    pub buckets: usize,
    /// Those that were looked at, and how many of them it knows.
    pub looked_at: (usize, usize),
    /// None when it was not looked at.
    pub source: Option<Side>,
    /// None when it was not looked at.
    pub warehouse: Option<Side>,
}

impl Found {
    /// With another part of the same table.
    pub(super) fn add(&mut self, more: Self) {
        self.looked_at.0 += more.looked_at.0;
        self.looked_at.1 += more.looked_at.1;
        for (side, more) in [(&mut self.source, more.source), (&mut self.warehouse, more.warehouse)] {
            if let Some((side, more)) = side.as_mut().zip(more) {
                side.rows += more.rows;
                side.changed += more.changed;
                side.elapsed += more.elapsed;
            }
        }
    }

    /// Whether every bucket that was looked at is what the ledger says.
    #[must_use]
    pub fn is_same(&self) -> bool {
        [self.source, self.warehouse].iter().all(|side| side.is_none_or(|side| side.changed == 0))
    }

    /// Whether the ledger knows every bucket that was looked at.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.looked_at.0 == self.looked_at.1
    }
}

/// Looks at both sides inside the snapshots that their connections have open; gives the source's connection back.
///
/// # Errors
/// The classified error of a server.
pub(super) fn look(
    (source, warehouse): (MysqlConn, &mut PostgresConn),
    table: &TablePlan,
    (ledger, unit): (&Ledger, &Unit),
    sides: Sides,
    row_bytes_max: u64,
) -> Result<(Found, MysqlConn)> {
    let partition = Arc::new(ledger.partition.clone());
    let is_in = |bucket: usize| unit.buckets.as_ref().is_none_or(|buckets| buckets.contains(&bucket));
    let digester = || Digester::new(Arc::new(Layout::of(table)), Arc::clone(&partition));
    let side = |digester: &Digester, started: Instant| {
        let pairs = ledger.sums.iter().zip(digester.sums()).enumerate().filter(|(bucket, _)| is_in(*bucket));
        Side {
            rows: digester.sums().iter().map(|sum: &Sum| sum.rows).sum(),
            changed: pairs.filter(|(_, (known, seen))| known.is_some_and(|known| !known.is_same(**seen))).count(),
            elapsed: started.elapsed(),
        }
    };
    let inside: Vec<&Option<Sum>> = ledger.sums.iter().enumerate().filter(|(i, _)| is_in(*i)).map(|(_, sum)| sum).collect();
    let looked_at = (inside.len(), inside.iter().filter(|sum| sum.is_some()).count());
    let mut found = Found { buckets: ledger.sums.len(), looked_at, ..Found::default() };
    let ranges = unit.buckets.as_ref().and_then(|buckets| partition.ranges(buckets));
    let slices = ranges.as_ref().map_or_else(|| vec![Slice::everything()], |ranges| super::rows::slices(ranges));
    let mut reader = MysqlSource::new(source, Some(LongRows::own(row_bytes_max)));
    if sides.source {
        let (mut all, started) = (digester(), Instant::now());
        for slice in &slices {
            scan::tuples(&mut reader, table, slice, &mut |tuple| all.add_tuple(tuple))?;
        }
        found.source = Some(side(&all, started));
    }
    if sides.warehouse {
        let (mut all, started) = (digester(), Instant::now());
        read_back::tuples(warehouse, table, Which::of(ranges.as_deref()), &mut |tuple| all.add_tuple(tuple))?;
        found.warehouse = Some(side(&all, started));
    }
    let gone = || Error::new(Kind::SnapshotLost, format!("comparing table {}: the source connection is gone", table.name()));
    Ok((found, reader.into_conn().ok_or_else(gone)?))
}
