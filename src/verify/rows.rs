//! A comparison by content: a digest per bucket from both sides, then, of buckets that differ, every row by its key.
//!
//! Both sides are read whole once, as the same tuples, and nothing of a row is kept but what it adds to its bucket. Only
//! buckets that differ are read again, a bounded number of rows at a time.

use super::Unit;
use super::look::{Question, Without};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::encode::digest::{Digester, Layout, Mark};
use crate::encode::image::Fields;
use crate::encode::show;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::plan::ledger::{self, Partition, Sum};
use crate::plan::{Slice, TablePlan};
use crate::sink::postgres::counts as warehouse_counts;
use crate::sink::postgres::read_back::{self, Which};
use crate::source::counts as source_counts;
use crate::source::mysql::{LongRows, MysqlSource};
use crate::source::scan::{self, Scanned};
use crate::verify::quarantine::Quarantined;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Rows of the source that are told apart at once, at about 64 bytes each.
const ROWS_AT_ONCE: u64 = 50_000;

/// Ranges in one statement.
const RANGES_AT_ONCE: usize = 64;

/// Times that a table whose buckets are no ranges is read again, whole, to tell its rows apart.
const PASSES_MAX: usize = 8;

/// Bytes of rows that are kept to name their columns; beyond, a row is told by its key alone.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Rows of a table that are told at most: each is in memory with its key.
const TOLD_MAX: usize = 10_000;

/// What is looked at, and how much of it is told.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Percent of the buckets that are compared, 1 to 100.
    pub percent: u8,
    /// Rows that are told one by one, per table.
    pub rows_told: usize,
    /// Values are told, too.
    pub values: bool,
    /// Longest row that is read, bytes.
    pub row_bytes_max: u64,
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
    /// The first of them.
    pub differences: Vec<Difference>,
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
        self.buckets.1 += more.buckets.1;
        self.missing += more.missing;
        self.surplus += more.surplus;
        self.changed += more.changed;
        self.is_exact &= more.is_exact;
        let room = TOLD_MAX.saturating_sub(self.differences.len());
        self.differences.extend(more.differences.into_iter().take(room));
    }

    /// Of the differences of a second look, those that the first one had seen already: what else differs is on its way. As it
    /// is where one of both did not tell every row.
    #[must_use]
    pub fn lasting(mut self, first: &Self) -> Self {
        let is_told = |content: &Self| {
            let rows = content.missing + content.surplus + content.changed;
            content.is_exact && u64::try_from(content.differences.len()).is_ok_and(|told| told == rows)
        };
        if !is_told(first) || !is_told(&self) {
            return self;
        }
        let seen: BTreeSet<(Differs, u128)> = first.differences.iter().map(|one| (one.kind, one.id)).collect();
        self.differences.retain(|one| seen.contains(&(one.kind, one.id)));
        let count = |kind| self.differences.iter().map(|one| u64::from(one.kind == kind)).sum();
        (self.missing, self.surplus, self.changed) = (count(Differs::Missing), count(Differs::Surplus), count(Differs::Changed));
        self
    }

    /// Whether every bucket that was compared is the same, rows in quarantine aside.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.missing + self.surplus + self.changed == 0
    }
}

/// Both sides of one table, and how its keys are divided.
struct Pair<'a> {
    source: MysqlSource,
    warehouse: &'a mut PostgresConn,
    table: &'a TablePlan,
    layout: Arc<Layout>,
    partition: Arc<Partition>,
}

/// Compares a table inside the snapshots that both connections have open; gives the source's connection back.
///
/// # Errors
/// The classified error of a server.
pub(super) fn compare(
    (source, warehouse): (MysqlConn, &mut PostgresConn),
    (question, unit): (&Question, &Unit),
    (job, quarantine): (&str, Without),
    depth: Depth,
) -> Result<(Content, MysqlConn)> {
    let table = &question.table;
    let mut pair = Pair {
        source: MysqlSource::new(source, Some(LongRows::own(depth.row_bytes_max))),
        warehouse,
        table,
        layout: Arc::new(Layout::of(table)),
        partition: question.partition.clone().unwrap_or_else(|| Arc::new(Partition::Whole)),
    };
    let buckets = unit.buckets.as_deref();
    let (there, scanned) = pair.of_source(buckets)?;
    let here = pair.of_target(buckets)?;
    let mut content = Content {
        source: ledger::total(&there),
        target: ledger::total(&here),
        kept_out: scanned.kept_out,
        buckets: (pair.partition.len(), buckets.map_or(pair.partition.len(), <[usize]>::len)),
        is_exact: true,
        ..Content::default()
    };
    let differing = ledger::differing(&there, &here);
    if !differing.is_empty() {
        let mut quarantined = Quarantined::read(pair.warehouse, job, table, quarantine)?;
        pair.tell_apart(&mut content, (&there, &here), differing, depth, &mut quarantined)?;
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
    fn digester(&self) -> Digester {
        Digester::new(Arc::clone(&self.layout), Arc::clone(&self.partition))
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
    fn read_source(&mut self, buckets: Option<&[usize]>, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Scanned> {
        let ranges = buckets.and_then(|buckets| self.partition.ranges(buckets));
        let Some(ranges) = ranges else { return scan::tuples(&mut self.source, self.table, &Slice::everything(), each) };
        let mut all = Scanned::default();
        for slice in slices(&ranges) {
            let scanned = scan::tuples(&mut self.source, self.table, &slice, each)?;
            all.rows += scanned.rows;
            all.kept_out += scanned.kept_out;
        }
        Ok(all)
    }

    fn read_target(&mut self, buckets: Option<&[usize]>, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let ranges = buckets.and_then(|buckets| self.partition.ranges(buckets));
        match ranges {
            None => read_back::tuples(self.warehouse, self.table, Which::All, each).map(drop),
            Some(ranges) => ranges
                .chunks(RANGES_AT_ONCE)
                .try_for_each(|part| read_back::tuples(self.warehouse, self.table, Which::Ranges(part), each).map(drop)),
        }
    }

    /// Tells the rows of differing buckets apart, some buckets at a time.
    fn tell_apart(
        &mut self,
        content: &mut Content,
        (there, here): (&[Sum], &[Sum]),
        differing: Vec<usize>,
        depth: Depth,
        quarantined: &mut Quarantined,
    ) -> Result<()> {
        let is_range = matches!(*self.partition, Partition::Ranges(_));
        let rows = |sums: &[Sum], bucket: &usize| sums.get(*bucket).map_or(0, |sum| sum.rows);
        let mut passes = 0;
        let mut rest = differing.as_slice();
        while !rest.is_empty() {
            let mut held = 0;
            let fits = rest.iter().take_while(|bucket| {
                held += rows(there, bucket).max(rows(here, bucket));
                held <= ROWS_AT_ONCE
            });
            let (group, later) = rest.split_at(fits.count().max(1));
            rest = later;
            if !is_range && passes == PASSES_MAX {
                // What is left is told by its counts.
                content.is_exact = false;
                for bucket in group {
                    let (there, here) = (rows(there, bucket), rows(here, bucket));
                    content.missing += there.saturating_sub(here);
                    content.surplus += here.saturating_sub(there);
                    content.changed += u64::from(there == here);
                }
                continue;
            }
            passes += 1;
            self.group(content, group, depth, quarantined)?;
        }
        Ok(())
    }

    fn group(&mut self, content: &mut Content, group: &[usize], depth: Depth, quarantined: &mut Quarantined) -> Result<()> {
        let inside: BTreeSet<usize> = group.iter().copied().collect();
        let mut digester = self.digester();
        // Row digest and how often it occurs, by key; without a key each row is its own.
        let mut there: HashMap<u128, (u128, u32)> = HashMap::new();
        self.read_source(Some(group), &mut |tuple| {
            if let Some((key, mark)) = mark(&mut digester, &inside, tuple) {
                there.entry(key).or_insert((mark.row, 0)).1 += 1;
            }
            Ok(())
        })?;
        let mut found = Found { room: depth.rows_told.saturating_sub(content.differences.len()), ..Found::default() };
        let source = &self.table.source;
        self.read_target(Some(group), &mut |tuple| {
            let Some((key, mark)) = mark(&mut digester, &inside, tuple) else { return Ok(()) };
            match there.get_mut(&key) {
                Some((row, count)) if *row == mark.row => {
                    *count -= 1;
                    if *count == 0 {
                        there.remove(&key);
                    }
                }
                Some(_) => {
                    there.remove(&key);
                    found.changed(key, tuple);
                }
                None => found.surplus(Difference {
                    kind: Differs::Surplus,
                    key: show::key(source, tuple),
                    columns: Vec::new(),
                    id: key,
                }),
            }
            Ok(())
        })?;
        found.missing = there.into_iter().map(|(key, (_, count))| (key, u64::from(count))).collect();
        if !found.changed.is_empty() || !found.missing.is_empty() {
            let table = self.table;
            self.read_source(Some(group), &mut |tuple| {
                if let Some((key, _)) = mark(&mut digester, &inside, tuple) {
                    found.explain(table, key, tuple, depth.values, quarantined);
                }
                Ok(())
            })?;
        }
        found.add_to(content);
        Ok(())
    }
}

/// What was found in a group of buckets.
#[derive(Default)]
struct Found {
    /// Differences that may still be told.
    room: usize,
    told: Vec<Difference>,
    /// The target's tuple, where there was room for it.
    changed: HashMap<u128, Option<Vec<u8>>>,
    kept: usize,
    changes: u64,
    surplus: u64,
    /// Rows that the target has not, by key, and how many of each.
    missing: HashMap<u128, u64>,
    /// Of those, the ones that are in quarantine, and the others.
    quarantined: u64,
    lost: u64,
}

impl Found {
    fn changed(&mut self, key: u128, tuple: &[u8]) {
        self.changes += 1;
        if self.changed.len() < self.room {
            let keeps = self.kept + tuple.len() <= KEPT_BYTES_MAX;
            self.kept += if keeps { tuple.len() } else { 0 };
            self.changed.insert(key, keeps.then(|| tuple.to_vec()));
        }
    }

    fn surplus(&mut self, difference: Difference) {
        self.surplus += 1;
        self.tell(difference);
    }

    fn tell(&mut self, difference: Difference) {
        if self.told.len() < self.room {
            self.told.push(difference);
        }
    }

    /// A row of the source that is missing, or not the same in the target.
    fn explain(&mut self, table: &TablePlan, id: u128, tuple: &[u8], values: bool, quarantined: &mut Quarantined) {
        let key = show::key(&table.source, tuple);
        if let Some(theirs) = self.changed.remove(&id) {
            let columns = theirs.map_or(Vec::new(), |theirs| unlike(table, tuple, &theirs, values));
            self.tell(Difference { kind: Differs::Changed, key, columns, id });
        } else if let Some(count) = self.missing.get_mut(&id).filter(|count| **count > 0) {
            *count -= 1;
            if quarantined.takes(key.as_ref()) {
                self.quarantined += 1;
            } else {
                self.lost += 1;
                self.tell(Difference { kind: Differs::Missing, key, columns: Vec::new(), id });
            }
        }
    }

    fn add_to(self, content: &mut Content) {
        content.missing += self.lost;
        content.quarantined += self.quarantined;
        content.surplus += self.surplus;
        content.changed += self.changes;
        content.differences.extend(self.told);
    }
}

/// Key and digest of a row of these buckets.
fn mark(digester: &mut Digester, inside: &BTreeSet<usize>, tuple: &[u8]) -> Option<(u128, Mark)> {
    let mark = digester.mark(tuple);
    inside.contains(&mark.bucket).then(|| (digester.key(tuple, mark), mark))
}

/// The columns whose images are not the same.
fn unlike(table: &TablePlan, source: &[u8], target: &[u8], values: bool) -> Vec<Column> {
    let pairs = Fields::of(source).zip(Fields::of(target)).zip(&table.source.columns);
    let unlike = pairs.filter(|((source, target), column)| !crate::encode::digest::is_same(column.ty, *source, *target));
    unlike
        .map(|((source, target), column)| Column {
            name: column.name.clone(),
            values: values.then(|| (show::value(column.ty, source), show::value(column.ty, target))),
        })
        .collect()
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
