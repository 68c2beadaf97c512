//! Where rows come from. One trait; a new source is a file here, a configuration variant and a match arm.

pub mod boundaries; // asks the server where a table's chunks may be cut
pub mod clock; // what the source's clock and sessions say before a snapshot opens
pub mod counts; // counts rows, by buckets of the key
pub mod evidence; // what the values of incremental columns look like
pub mod guard; // holds the planned tables in place during the run
pub mod mysql; // MySQL and MariaDB over the binary protocol
pub mod probe; // counts the values that a run would not take as they are
pub mod scan; // rows as tuples, for proofs
pub mod snapshot; // opens the snapshots of a group under one short lock
pub mod throttle; // waits while the source is busy
pub mod traces; // what shows without reading a table whether it was written to

use crate::error::Result;
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::{Slice, TablePlan};
use crate::value::Row;

/// Called once per row.
pub type EachRow<'a> = dyn FnMut(&Row<'_>) -> Result<()> + 'a;

/// One reader of a source: a connection that one worker keeps for its whole life.
pub trait Source: Send {
    /// Reads every row of the slice, in no promised order, and gives it to `each`. Returns the number of rows.
    ///
    /// The end of the data is the server's own end mark; an error in the middle is an error.
    ///
    /// # Errors
    /// The classified server error, or what `each` returned.
    fn read(&mut self, table: &TablePlan, slice: &Slice, each: &mut EachRow<'_>) -> Result<u64>;

    /// Rows of the whole table under its filter, from the same consistent state that [`Source::read`] sees; `None`
    /// when there is no such state (tables without transactions).
    ///
    /// # Errors
    /// The classified server error.
    fn count(&mut self, table: &TablePlan) -> Result<Option<u64>>;

    /// Smallest and largest key of a table with an integer key; none for an empty table, or one with another key.
    ///
    /// # Errors
    /// The classified server error.
    fn ends(&mut self, table: &TablePlan) -> Result<Option<(i128, i128)>>;

    /// Rows of the table under its filter by buckets of its key, or their number alone. Without transactions this is the
    /// state of this very moment.
    ///
    /// # Errors
    /// The classified server error.
    fn counts(&mut self, table: &TablePlan, buckets: Option<Buckets>) -> Result<Counts>;

    /// The reader may not be used again; its worker leaves the snapshot group.
    fn is_lost(&self) -> bool;
}
