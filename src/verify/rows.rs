//! A comparison by content: a digest per bucket from both sides, then, of buckets that differ, every row by its key.
//!
//! Both sides are read whole once, as the same tuples, and nothing of a row is kept but what it adds to its bucket. Only
//! buckets that differ are read again (`apart.rs`), a bounded number of rows at a time.

use super::Unit;
use super::apart;
use super::look::{Question, Verdict, Without};
use super::quarantine::{self, Quarantined};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::encode::digest::{Digester, Layout};
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::plan::ledger::{self, Partition, Sum};
use crate::plan::since::Since;
use crate::plan::{Slice, TablePlan};
use crate::sink::postgres::counts as warehouse_counts;
use crate::sink::postgres::read_back::{self, Which};
use crate::source::counts as source_counts;
use crate::source::mysql::{LongRows, MysqlSource};
use crate::source::scan::{self, Scanned};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ranges in one statement.
const RANGES_AT_ONCE: usize = 64;

/// Bytes of values of one table that are kept to be told, of both sides; beyond, columns are told by their names alone.
const VALUES_BYTES_MAX: usize = 4 << 20;

/// Rows of one table that differ and that another look can tell again: beyond, a second look does not ask the first one.
const IDS_MAX: usize = 10_000;

/// What is looked at, and how much of it is told.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Percent of the buckets that are compared, 1 to 100.
    pub percent: u8,
    /// Rows that are told one by one, per table.
    pub rows_told: usize,
    /// Values are told, too.
    pub values: bool,
    /// Where a table's columns tell them: only rows at or after this are compared, microseconds since 1970, UTC.
    pub since: Option<i64>,
    /// Longest row that is read, bytes.
    pub row_bytes_max: u64,
    /// How much is read and kept at once.
    pub bounds: Bounds,
}

/// What telling rows apart may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Rows of the source that are told apart at once, at about 64 bytes each.
    pub rows_at_once: u64,
    /// Times that a bucket is read again to tell its rows apart; for buckets that are no ranges, the whole table.
    pub passes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { rows_at_once: 50_000, passes_max: 8 }
    }
}

/// What one pass over a table may keep in memory of what differs, its parts together.
#[derive(Debug)]
pub(super) struct Budget {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    ids: AtomicUsize,
}

impl Budget {
    /// Of a table of which so many rows are told.
    pub(super) const fn new(rows_told: usize) -> Self {
        let (rows, bytes) = (AtomicUsize::new(rows_told), AtomicUsize::new(VALUES_BYTES_MAX));
        Self { rows, bytes, ids: AtomicUsize::new(IDS_MAX) }
    }

    /// Room for one row more that is told.
    pub(super) fn takes_row(&self) -> bool {
        take(&self.rows, 1)
    }

    /// Room for values of so many bytes.
    pub(super) fn takes_bytes(&self, bytes: usize) -> bool {
        take(&self.bytes, bytes)
    }

    /// Room for one row more that another look can tell.
    pub(super) fn takes_id(&self) -> bool {
        take(&self.ids, 1)
    }
}

fn take(from: &AtomicUsize, amount: usize) -> bool {
    from.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(amount)).is_ok()
}

/// What a comparison by content found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Rows of the source that belong into the target, in the buckets that were compared.
    pub source: Sum,
    /// Rows of the target in them.
    pub target: Sum,
    /// Rows of the source that policies keep out.
    pub kept_out: u64,
    /// Rows that PostgreSQL refused, and that are in quarantine.
    pub quarantined: u64,
    /// Only rows of late were compared, and those of the buckets in which they differ.
    pub is_of_late: bool,
    /// Rows in quarantine of the buckets that were compared; none when this role may not count them.
    pub aside: Option<u64>,
    /// Rows that the target does not have and that may be in quarantine: nobody looked at each of them.
    pub unproven: u64,
    /// Buckets, and how many of them were compared.
    pub buckets: (usize, usize),
    /// Rows that the target does not have.
    pub missing: u64,
    /// Rows that only the target has.
    pub surplus: u64,
    /// Rows that are not the same on both sides.
    pub changed: u64,
    /// Every row of the buckets that differ was told apart; otherwise the numbers are the least.
    pub is_exact: bool,
    /// As many of them as are to be told.
    pub differences: Vec<Difference>,
    /// What tells all of them in another look, unless they are too many.
    pub(super) ids: Vec<(Differs, u128)>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What is wrong.
    pub kind: Differs,
    /// Its key; none without one.
    pub key: Option<Value>,
    /// Columns that differ, by their name at the source; empty for a row that one side does not have.
    pub columns: Vec<Column>,
    /// Hash of the key: tells the same row in another look.
    pub id: u128,
}

/// A column that differs; values only when they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name at the source.
    pub name: String,
    /// The source's value and the target's.
    pub values: Option<(Value, Value)>,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Differs {
    /// The target does not have it.
    Missing,
    /// Only the target has it.
    Surplus,
    /// Both have it, unlike.
    Changed,
}

impl Content {
    /// With another part of the same table.
    pub(super) fn add(&mut self, more: Self) {
        self.source.add(more.source);
        self.target.add(more.target);
        self.kept_out += more.kept_out;
        self.quarantined += more.quarantined;
        self.aside = self.aside.zip(more.aside).map(|(one, other)| one + other);
        self.unproven += more.unproven;
        self.buckets.1 += more.buckets.1;
        self.missing += more.missing;
        self.surplus += more.surplus;
        self.changed += more.changed;
        self.is_exact &= more.is_exact;
        self.differences.extend(more.differences);
        self.ids.extend(more.ids);
    }

    /// Rows that differ.
    pub(super) const fn rows(&self) -> u64 {
        self.missing + self.surplus + self.changed
    }

    /// Of the differences of a second look, those that the first one had seen already: what else differs is on its way. As it
    /// is where one of both could not tell every row.
    #[must_use]
    pub(super) fn lasting(mut self, first: &Self) -> Self {
        let is_told = |content: &Self| {
            content.is_exact && content.unproven == 0 && u64::try_from(content.ids.len()).is_ok_and(|ids| ids == content.rows())
        };
        if !is_told(first) || !is_told(&self) {
            return self;
        }
        let seen: BTreeSet<(Differs, u128)> = first.ids.iter().copied().collect();
        self.ids.retain(|id| seen.contains(id));
        self.differences.retain(|one| seen.contains(&(one.kind, one.id)));
        let count = |kind| self.ids.iter().map(|one| u64::from(one.0 == kind)).sum();
        (self.missing, self.surplus, self.changed) = (count(Differs::Missing), count(Differs::Surplus), count(Differs::Changed));
        self
    }

    /// Lets go of what only another look would need.
    pub(super) fn forget(&mut self) {
        self.ids = Vec::new();
    }

    /// What it means: source rows are target rows and rows in quarantine, the same ones, or they are not.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.surplus + self.changed > 0 {
            return Verdict::Different;
        }
        let Some(aside) = self.aside else {
            // Rows in quarantine can make up for rows that the target lacks.
            return if self.missing + self.kept_out > 0 { Verdict::Unproven } else { Verdict::Equal };
        };
        let found = self.kept_out + self.quarantined + self.unproven;
        // The quarantine does not say when a row changed.
        let fits = if self.is_of_late { found <= aside } else { found == aside };
        match self.missing == 0 && fits {
            false => Verdict::Different,
            true if self.unproven > 0 => Verdict::Unproven,
            true => Verdict::Equal,
        }
    }
}

/// What each bucket adds up to at the source and in the warehouse.
type Sums = (Vec<Sum>, Vec<Sum>);

/// Both sides of one table, and how its keys are divided.
pub(super) struct Pair<'a> {
    source: MysqlSource,
    warehouse: &'a mut PostgresConn,
    /// The table on its way.
    pub table: &'a TablePlan,
    /// Only these rows, until buckets are read again.
    since: Option<&'a Since>,
    layout: Arc<Layout>,
    /// How its keys are divided.
    pub partition: Arc<Partition>,
}

/// Compares a table inside the snapshots that both connections have open; gives the source's connection back.
///
/// # Errors
/// The classified error of a server.
pub(super) fn compare(
    (source, warehouse): (MysqlConn, &mut PostgresConn),
    (question, unit): (&Question, &Unit),
    (job, quarantine): (&str, Without),
    (depth, budget): (Depth, &Budget),
) -> Result<(Content, MysqlConn)> {
    let table = &question.table;
    let mut pair = Pair {
        source: MysqlSource::new(source, Some(LongRows::own(depth.row_bytes_max))),
        warehouse,
        table,
        since: question.since.as_ref(),
        layout: Arc::new(Layout::of(table)),
        partition: question.partition.clone().unwrap_or_else(|| Arc::new(Partition::Whole)),
    };
    let buckets = unit.buckets.as_deref();
    let (there, scanned) = pair.of_source(buckets)?;
    let here = pair.of_target(buckets)?;
    let ranges = buckets.and_then(|buckets| pair.partition.ranges(buckets));
    let rejects = quarantine::Rejects { job, table, ranges: ranges.as_deref(), without: quarantine };
    let mut content = Content {
        source: ledger::total(&there),
        target: ledger::total(&here),
        kept_out: scanned.kept_out,
        aside: rejects.count(pair.warehouse)?,
        buckets: (pair.partition.len(), buckets.map_or(pair.partition.len(), <[usize]>::len)),
        is_of_late: pair.since.is_some(),
        is_exact: true,
        ..Content::default()
    };
    let (differing, sums) = pair.differing((there, here))?;
    if !differing.is_empty() {
        let quarantined = Quarantined::read(pair.warehouse, rejects)?;
        apart::tell(&mut pair, &mut content, (&sums.0, &sums.1), (&differing, quarantined), (depth, budget))?;
    }
    let gone = || Error::new(Kind::SnapshotLost, format!("comparing table {}: the source connection is gone", table.name()));
    Ok((content, pair.source.into_conn().ok_or_else(gone)?))
}

/// How the keys of a table are divided, by the smallest and the largest of both sides.
///
/// # Errors
/// The classified error of a server.
pub fn partition((source, warehouse): (&mut MysqlConn, &mut PostgresConn), table: &TablePlan) -> Result<Partition> {
    let ends = [source_counts::ends(source, &table.source)?, warehouse_counts::ends(warehouse, &table.source, &table.target)?];
    let ends = ends.into_iter().reduce(|a, b| match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    });
    Ok(Partition::of(&table.source, ends.unwrap_or_default(), &[], table.source.bytes_estimated))
}

/// Buckets that are compared: so many percent of them, spread over the table, others each time.
pub(super) fn sample(partition: &Partition, percent: u8) -> Vec<usize> {
    let all = partition.len();
    let wanted = (all * usize::from(percent)).div_ceil(100).clamp(1, all);
    let id = uuid::Uuid::now_v7();
    let random = id.as_bytes().iter().rev().take(2).fold(0, |random, byte| random << 8 | usize::from(*byte));
    let mut buckets: Vec<usize> = (0..wanted).map(|i| (random + i * all / wanted) % all).collect();
    buckets.sort_unstable();
    buckets
}

impl Pair<'_> {
    /// For rows of either side.
    pub fn digester(&self) -> Digester {
        Digester::new(Arc::clone(&self.layout), Arc::clone(&self.partition))
    }

    /// The buckets that differ, and the sums of all of their rows: where only rows of late were read, a row may have come
    /// from, or gone to, an older time on one side.
    fn differing(&mut self, sums: Sums) -> Result<(Vec<usize>, Sums)> {
        let differing = ledger::differing(&sums.0, &sums.1);
        if self.since.take().is_none() || differing.is_empty() {
            return Ok((differing, sums));
        }
        let sums = (self.of_source(Some(&differing))?.0, self.of_target(Some(&differing))?);
        let still = ledger::differing(&sums.0, &sums.1);
        Ok((differing.into_iter().filter(|bucket| still.binary_search(bucket).is_ok()).collect(), sums))
    }

    fn of_source(&mut self, sample: Option<&[usize]>) -> Result<(Vec<Sum>, Scanned)> {
        let mut digester = self.digester();
        let scanned = self.read_source(sample, &mut |tuple| digester.add_tuple(tuple))?;
        Ok((digester.into_sums(), scanned))
    }

    fn of_target(&mut self, sample: Option<&[usize]>) -> Result<Vec<Sum>> {
        let mut digester = self.digester();
        self.read_target(sample, &mut |tuple| digester.add_tuple(tuple))?;
        Ok(digester.into_sums())
    }

    /// Gives the source's rows of these buckets to `each`, or of all; where buckets are no ranges, of all.
    pub fn read_source(&mut self, buckets: Option<&[usize]>, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Scanned> {
        let ranges = buckets.and_then(|buckets| self.partition.ranges(buckets));
        if let Some(since) = self.since {
            let filter = self.table.filter.as_ref().map_or(String::new(), |filter| format!("({filter}) AND "));
            let table = TablePlan { filter: Some(format!("{filter}({})", since.source)), ..self.table.clone() };
            return scan::tuples(&mut self.source, &table, &Slice::everything(), each);
        }
        let Some(ranges) = ranges else { return scan::tuples(&mut self.source, self.table, &Slice::everything(), each) };
        let mut all = Scanned::default();
        for slice in slices(&ranges) {
            let scanned = scan::tuples(&mut self.source, self.table, &slice, each)?;
            all.rows += scanned.rows;
            all.kept_out += scanned.kept_out;
        }
        Ok(all)
    }

    /// The same for the target's rows.
    pub fn read_target(&mut self, buckets: Option<&[usize]>, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let ranges = buckets.and_then(|buckets| self.partition.ranges(buckets));
        if let Some(since) = self.since {
            return read_back::tuples(self.warehouse, self.table, Which::Where(&since.warehouse), each).map(drop);
        }
        match ranges {
            None => read_back::tuples(self.warehouse, self.table, Which::All, each).map(drop),
            Some(ranges) => ranges
                .chunks(RANGES_AT_ONCE)
                .try_for_each(|part| read_back::tuples(self.warehouse, self.table, Which::Ranges(part), each).map(drop)),
        }
    }
}

/// Statements that read these ranges and no others.
pub(super) fn slices(ranges: &[KeyRange]) -> Vec<Slice> {
    let parts = ranges.chunks(RANGES_AT_ONCE);
    parts
        .map(|part| match part {
            [one] => Slice::Range(one.clone()),
            several => Slice::Past { condition: "FALSE".into(), ranges: several.to_vec() },
        })
        .collect()
}
