//! Rows to COPY bytes: which text or image each cell becomes, and what happens to what PostgreSQL cannot hold.
//!
//! Two formats give the same table: [`csv`], the reference, and [`binary`], the fast one; [`tuples`] feed a replica. A row
//! is written whole or not at all. No value is invented: a fault falls under its column's policy, is counted, and errors name columns and types,
//! never values.

mod binary;
mod bytes;
mod canonical;
mod csv;
pub mod digest;
mod error;
pub mod image;
mod number;
pub mod show;
pub mod spelled;
mod tally;
mod temporal;
mod text;
pub mod tuples;

pub use self::csv::NullToken;
pub use self::error::EncodeError;
pub use self::tally::{Done, Tally};

use self::digest::Digester;
use self::error::kind_of;
use crate::catalog::Column;
use crate::config::{Policies, Policy};
use crate::value::{Cell, ColumnType, Fault};
use std::io::{self, Write};

/// Bytes collected before they go to the sink. Larger blocks gain nothing, PostgreSQL reads its socket by 8 KB.
const BUFFER_BYTES: usize = 128 * 1024;

/// A buffer above this size is given back after the row that needed it.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// The form of the bytes of one chunk attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// csv with this token for NULL.
    Csv(NullToken),
    /// PostgreSQL's binary COPY format.
    Binary,
    /// MySQL's tuples, for a replica; no COPY reads them.
    Tuples,
}

impl Format {
    /// The WITH clause of the COPY that reads it; `columns` are the target's names.
    #[must_use]
    pub fn copy_options(&self, columns: &[&str]) -> String {
        match self {
            Self::Csv(token) => csv::options(columns, token),
            Self::Binary => "WITH (FORMAT binary)".into(),
            Self::Tuples => String::new(),
        }
    }

    /// What stands before the first row.
    #[must_use]
    pub const fn prologue(&self) -> &'static [u8] {
        match self {
            Self::Csv(_) | Self::Tuples => &[],
            Self::Binary => binary::HEADER,
        }
    }

    /// What stands behind the last row.
    #[must_use]
    pub const fn epilogue(&self) -> &'static [u8] {
        match self {
            Self::Csv(_) | Self::Tuples => &[],
            Self::Binary => binary::TRAILER,
        }
    }
}

/// What the cells of a column have to become.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The target's type.
    pub ty: ColumnType,
    /// The target column is NOT NULL.
    pub not_null: bool,
    /// What happens to values it cannot hold.
    pub policies: Policies,
}

impl Target {
    /// A column under the default policies.
    #[must_use]
    pub fn new(ty: ColumnType, not_null: bool) -> Self {
        Self { ty, not_null, policies: Policies::default() }
    }

    /// A column of the plan.
    #[must_use]
    pub const fn of(column: &Column, not_null: bool) -> Self {
        Self { ty: column.ty, not_null, policies: column.policies }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the COPY data.
    Written,
    /// A policy keeps it out; nothing of it was written.
    Rejected {
        /// Index of the column, from 0.
        column: usize,
        /// What is wrong with its value.
        fault: Fault,
    },
}

/// Writes the rows of one chunk attempt, without prologue and epilogue.
pub struct RowWriter<W: Write> {
    columns: Vec<Target>,
    tally: Tally,
    body: Body<W>,
    digester: Option<Digester>,
}

enum Body<W: Write> {
    Csv(Box<csv::Rows<W>>),
    Binary(binary::Rows<W>),
    Tuples(tuples::Rows<W>),
}

impl<W: Write> RowWriter<W> {
    /// A writer for columns in COPY order.
    pub fn new(format: &Format, columns: Vec<Target>, out: W) -> Self {
        let body = match format {
            Format::Csv(token) => Body::Csv(Box::new(csv::Rows::new(columns.len(), token.clone(), out))),
            Format::Binary => Body::Binary(binary::Rows::new(out)),
            Format::Tuples => Body::Tuples(tuples::Rows::new(out)),
        };
        Self { tally: Tally::new(columns.len()), columns, body, digester: None }
    }

    /// Adds up every row that is written from now on. Only [`Format::Binary`] does: for the others each row would have to be
    /// encoded a second time, a fifth of a csv load.
    #[must_use]
    pub fn digested(mut self, digester: Option<Digester>) -> Self {
        self.digester = digester.filter(|_| matches!(self.body, Body::Binary(_)));
        self
    }

    /// What the rows add up to so far.
    #[must_use]
    pub const fn digester(&self) -> Option<&Digester> {
        self.digester.as_ref()
    }

    /// Takes one row.
    ///
    /// # Errors
    /// [`EncodeError`]; the COPY must then be given up.
    #[inline]
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<Fate, EncodeError> {
        if cells.len() != self.columns.len() {
            return Err(EncodeError::Width { expected: self.columns.len(), found: cells.len() });
        }
        let (columns, tally) = (self.columns.as_slice(), &mut self.tally);
        match &mut self.body {
            Body::Csv(rows) => row(columns, tally, &mut **rows, cells),
            Body::Binary(rows) if cells.iter().any(|&cell| is_long(cell)) => {
                long_row(columns, tally, rows, cells, self.digester.as_mut())
            }
            Body::Binary(rows) => binary_row(columns, tally, rows, cells, self.digester.as_mut()),
            Body::Tuples(rows) => row(columns, tally, rows, cells),
        }
    }

    /// Hands everything to the sink that was not yet.
    ///
    /// # Errors
    /// [`EncodeError::Write`].
    pub fn flush(&mut self) -> Result<(), EncodeError> {
        match &mut self.body {
            Body::Csv(rows) => rows.flush(),
            Body::Binary(rows) => rows.flush(),
            Body::Tuples(rows) => rows.flush(),
        }
        .map_err(EncodeError::Write)
    }

    /// What policies changed so far. It counts when the chunk has committed.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Where the bytes go.
    pub fn sink(&self) -> &W {
        match &self.body {
            Body::Csv(rows) => rows.sink(),
            Body::Binary(rows) => rows.sink(),
            Body::Tuples(rows) => rows.sink(),
        }
    }
}

/// Rows as the tuples that a binary COPY would have, one at a time and for nobody to read but this program.
pub struct Imager {
    columns: Vec<Target>,
    tally: Tally,
    rows: binary::Rows<io::Sink>,
}

impl Imager {
    /// For columns in the plan's order.
    #[must_use]
    pub fn new(columns: Vec<Target>) -> Self {
        Self { tally: Tally::new(columns.len()), columns, rows: binary::Rows::new(io::sink()) }
    }

    /// The tuple of a row, after the policies; the inner error is the column and the fault of a row that they keep out.
    ///
    /// # Errors
    /// [`EncodeError`] as for a row that is written.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<Result<&[u8], (usize, Fault)>, EncodeError> {
        if cells.len() != self.columns.len() {
            return Err(EncodeError::Width { expected: self.columns.len(), found: cells.len() });
        }
        self.rows.forget();
        match fill(&self.columns, &mut self.tally, &mut self.rows, cells)? {
            Fate::Written => {
                self.tally.commit();
                Ok(Ok(self.rows.tuple()))
            }
            Fate::Rejected { column, fault } => Ok(Err((column, fault))),
        }
    }

    /// What policies changed so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// The rows of one format.
trait Rows {
    fn begin(&mut self, columns: usize) -> Result<(), Refusal>;
    /// Adds a cell, or nothing of it.
    fn cell(&mut self, ty: ColumnType, cell: Cell<'_>) -> Result<(), Refusal>;
    /// Takes everything since `begin` back.
    fn roll_back(&mut self) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()>;
}

/// Why a cell was not taken.
enum Refusal {
    /// The value has no place in the target's type.
    Fault(Fault),
    /// A cell of this kind was not expected for the type: a fault of the plan.
    Unfit,
    /// A text equals the NULL token.
    NullToken,
    /// The other end does not take the bytes.
    Write(io::Error),
}

impl Refusal {
    fn at(self, target: &Target, column: usize, cell: Cell<'_>) -> Result<Fault, EncodeError> {
        match self {
            Self::Fault(fault) => Ok(fault),
            Self::NullToken => Err(EncodeError::NullToken { column }),
            Self::Unfit => Err(EncodeError::Unfit { column, ty: target.ty, found: kind_of(cell) }),
            Self::Write(error) => Err(EncodeError::Write(error)),
        }
    }
}

#[inline]
fn row<R: Rows>(columns: &[Target], tally: &mut Tally, rows: &mut R, cells: &[Cell<'_>]) -> Result<Fate, EncodeError> {
    let fate = fill(columns, tally, rows, cells)?;
    if fate == Fate::Written {
        rows.end().map_err(EncodeError::Write)?;
        tally.commit();
    }
    Ok(fate)
}

/// As [`row`], and adds the row's image up.
#[inline]
fn binary_row<W: Write>(
    columns: &[Target],
    tally: &mut Tally,
    rows: &mut binary::Rows<W>,
    cells: &[Cell<'_>],
    digester: Option<&mut Digester>,
) -> Result<Fate, EncodeError> {
    let fate = fill(columns, tally, rows, cells)?;
    if fate == Fate::Written {
        if let Some(digester) = digester {
            digester.row(rows.tuple()).map_err(|_| EncodeError::Width { expected: columns.len(), found: cells.len() })?;
        }
        rows.end().map_err(EncodeError::Write)?;
        tally.commit();
    }
    Ok(fate)
}

/// Puts the cells of a row into its buffer, all of them or none.
#[inline]
fn fill<R: Rows>(columns: &[Target], tally: &mut Tally, rows: &mut R, cells: &[Cell<'_>]) -> Result<Fate, EncodeError> {
    rows.begin(cells.len()).map_err(|_| EncodeError::Width { expected: columns.len(), found: cells.len() })?;
    for (column, (target, &cell)) in columns.iter().zip(cells).enumerate() {
        if let Err(refusal) = rows.cell(target.ty, cell)
            && let Some(fault) = mend(target, column, cell, refusal, rows, tally)?
        {
            rows.roll_back().map_err(EncodeError::Write)?;
            tally.roll_back();
            return Ok(Fate::Rejected { column, fault });
        }
    }
    Ok(Fate::Written)
}

/// A value that is worth being sent from where it lies, without a copy in the row's buffer.
#[inline]
const fn is_long(cell: Cell<'_>) -> bool {
    matches!(cell, Cell::Bytes(bytes) if bytes.len() > BUFFER_BYTES_KEPT)
}

/// A row with long values: proved whole before any of it is sent, because what was sent cannot be taken back.
#[cold]
fn long_row<W: Write>(
    columns: &[Target],
    tally: &mut Tally,
    rows: &mut binary::Rows<W>,
    cells: &[Cell<'_>],
    mut digester: Option<&mut Digester>,
) -> Result<Fate, EncodeError> {
    let sent_as_is = |target: &Target, cell: Cell<'_>| is_long(cell) && binary::is_own_image(target.ty, cell);
    let pairs = columns.iter().zip(cells);
    let rest: Vec<_> = pairs.map(|(target, &cell)| if sent_as_is(target, cell) { Cell::Null } else { cell }).collect();
    let fate = fill(columns, tally, rows, &rest)?;
    rows.roll_back().map_err(EncodeError::Write)?;
    if fate != Fate::Written {
        return Ok(fate);
    }
    tally.roll_back();
    rows.begin(cells.len()).map_err(|_| EncodeError::Width { expected: columns.len(), found: cells.len() })?;
    let mut digest = digester.as_deref().map(Digester::long_row);
    for (column, (target, &cell)) in columns.iter().zip(cells).enumerate() {
        let before = rows.held();
        let sent = match cell {
            Cell::Bytes(bytes) if sent_as_is(target, cell) => {
                rows.send(bytes).map_err(EncodeError::Write)?;
                Some(bytes)
            }
            _ => {
                if let Err(refusal) = rows.cell(target.ty, cell) {
                    mend(target, column, cell, refusal, rows, tally)?;
                }
                None
            }
        };
        if let Some((digester, row)) = digester.as_deref_mut().zip(digest.as_mut()) {
            digester.long_field(row, column, sent.or_else(|| rows.cell_from(before)), sent.is_some());
        }
    }
    if let Some((digester, row)) = digester.zip(digest.as_ref()) {
        digester.end_long_row(row);
    }
    rows.end().map_err(EncodeError::Write)?;
    tally.commit();
    Ok(Fate::Written)
}

/// Does what the column's policy says; gives the fault when the row has to go.
#[cold]
fn mend<R: Rows>(
    target: &Target,
    column: usize,
    cell: Cell<'_>,
    refusal: Refusal,
    rows: &mut R,
    tally: &mut Tally,
) -> Result<Option<Fault>, EncodeError> {
    let fault = refusal.at(target, column, cell)?;
    match target.policies.of(fault) {
        Policy::Reject => Ok(Some(fault)),
        Policy::Fail => Err(EncodeError::Fault { column, ty: target.ty, fault }),
        Policy::Null if target.not_null => Err(EncodeError::NullInNotNull { column }),
        Policy::Null => {
            rows.cell(target.ty, Cell::Null).or_else(|refusal| refusal.at(target, column, cell).map(drop))?;
            tally.hit(column, fault, Done::Nulled);
            Ok(None)
        }
        Policy::Strip => {
            let Some(rest) = text::strip(target.ty, cell, fault) else {
                return Err(EncodeError::Fault { column, ty: target.ty, fault });
            };
            tally.hit(column, fault, Done::Stripped);
            match rows.cell(target.ty, Cell::Bytes(&rest)) {
                Ok(()) => Ok(None),
                // Each strip makes the text shorter, so this ends.
                Err(refusal) => mend(target, column, Cell::Bytes(&rest), refusal, rows, tally),
            }
        }
    }
}
