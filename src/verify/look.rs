//! One look at one table: the rows of both sides by ranges of the key, and what they mean.

use super::Unit;
use super::ledger::{self, Found, Side, Sides};
use super::rows::{self, Budget, Content};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::plan::TablePlan;
use crate::plan::buckets::{self, Buckets, Counts};
use crate::plan::ledger::{Ledger, Partition};
use crate::plan::since::Since;
use crate::sink::postgres::counts as warehouse_counts;
use crate::source::counts as source_counts;
use std::sync::Arc;

/// Rows of a range that is compared. Fine ranges find more and cost the servers nothing: there are at most
/// [`buckets::BUCKETS_MAX`] of them.
const ROWS_PER_RANGE: u64 = 1_000;

/// A table that is to be compared.
#[derive(Debug)]
pub struct Question {
    /// The table, as a run copies it.
    pub table: TablePlan,
    /// The warehouse has its target.
    pub exists: bool,
    /// Why its columns cannot be compared by content.
    pub unlike: Option<String>,
    /// How deep.
    pub depth: Depth,
    /// What the last success left of it.
    pub ledger: Option<Ledger>,
    /// How its keys are divided, for a comparison by content.
    pub partition: Option<Arc<Partition>>,
    /// Which rows are compared by content; none for all.
    pub since: Option<Since>,
}

impl Question {
    /// Rows of it that are told one by one.
    pub(super) const fn rows_told(&self) -> usize {
        if let Depth::Rows(depth) = self.depth { depth.rows_told } else { 0 }
    }

    /// The buckets that are looked at, where the table can be looked at by parts; none where it is one.
    pub(super) fn buckets(&self) -> Option<Vec<usize>> {
        // What is of late is found by an index over the times, or by one look at all rows.
        if !self.exists || self.unlike.is_some() || self.since.is_some() {
            return None;
        }
        let (partition, percent) = match self.depth {
            Depth::Counts => return None,
            Depth::Ledger(..) => (&self.ledger.as_ref()?.partition, 100),
            Depth::Rows(depth) => (self.partition.as_deref()?, depth.percent),
        };
        matches!(partition, Partition::Ranges(_)).then(|| rows::sample(partition, percent))
    }
}

/// How deep a look goes.
#[derive(Debug, Clone, Copy, Default)]
pub enum Depth {
    /// Rows are counted, per range of the key.
    #[default]
    Counts,
    /// Each side is compared with what the last success left. Rows are read up to so many bytes.
    Ledger(Sides, u64),
    /// Both sides are compared by content.
    Rows(rows::Depth),
}

/// What stands in the way of counting rows in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// Nothing.
    Nothing,
    /// There is no quarantine: no row was ever rejected.
    Quarantine,
    /// This role may not read it.
    Right,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Rows of the source under the filter.
    pub source: u64,
    /// Rows of the target; none when there is no such table.
    pub target: Option<u64>,
    /// Source rows that are in quarantine instead of the target; none when this role may not count them.
    pub rejected: Option<u64>,
    /// Ranges that differ.
    pub ranges: Vec<Range>,
    /// Rows were compared by ranges of the key, not only as one total.
    pub by_range: bool,
    /// What a comparison by content found; none where rows were only counted.
    pub content: Option<Content>,
    /// What a comparison with the ledger found.
    pub ledger: Option<Found>,
}

/// A range of the key whose rows are not as many on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First key; none when it is below every 64-bit number.
    pub from: Option<i128>,
    /// First key beyond; none when it is above every 64-bit number.
    pub below: Option<i128>,
    /// Rows of the source.
    pub source: u64,
    /// Rows of the target, those in quarantine included.
    pub target: u64,
}

/// What a look means; of two parts of a table, the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Source rows = target rows + rows in quarantine, in every range.
    Equal,
    /// They were not at first, and are now.
    InFlight,
    /// The rows in quarantine could not be counted, and they decide.
    Unproven,
    /// They are not.
    Different,
    /// The warehouse does not have the table.
    Missing,
}

impl Look {
    /// With another part of the same table.
    pub(super) fn add(&mut self, more: Self) {
        let both = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        self.source += more.source;
        self.target = both(self.target, more.target);
        self.rejected = both(self.rejected, more.rejected);
        self.ranges.extend(more.ranges);
        if let Some((content, more)) = self.content.as_mut().zip(more.content) {
            content.add(more);
        }
        if let Some((found, more)) = self.ledger.as_mut().zip(more.ledger) {
            found.add(more);
        }
    }

    /// What it means, by itself.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Some(target) = self.target else { return Verdict::Missing };
        if let Some(content) = &self.content {
            return content.verdict();
        }
        if let Some(found) = &self.ledger {
            return match (found.is_same(), found.is_whole()) {
                (false, _) => Verdict::Different,
                (true, true) => Verdict::Equal,
                // Increments have changed it since it was added up.
                (true, false) => Verdict::Unproven,
            };
        }
        match self.rejected {
            Some(rejected) if self.ranges.is_empty() && target.checked_add(rejected) == Some(self.source) => Verdict::Equal,
            Some(_) => Verdict::Different,
            // Rows in quarantine can only make up for rows that the target lacks.
            None if target > self.source || self.ranges.iter().any(|range| range.target > range.source) => Verdict::Different,
            None => Verdict::Unproven,
        }
    }
}

/// Looks at a table or a part of it, in a transaction of its own on either side.
///
/// # Errors
/// The classified error of a server; then the connections are of no use any more.
pub(super) fn look(
    (mut source, warehouse): (MysqlConn, &mut PostgresConn),
    question: &Question,
    (job, quarantine): (&str, Without),
    (unit, budget): (&Unit, &Budget),
) -> Result<(Look, MysqlConn)> {
    let table = &question.table;
    let doing = format!("comparing table {}", table.name());
    source.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", &doing)?;
    let look = if question.exists {
        warehouse.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", &doing)?;
        let look = match question.depth {
            Depth::Counts => compare((&mut source, warehouse), table, (job, quarantine), unit.rows)?,
            Depth::Ledger(..) | Depth::Rows(_) if question.unlike.is_some() => {
                let why = question.unlike.as_deref().unwrap_or_default();
                let text = format!("{doing}: its target is not as a run would make it: {why}");
                return Err(Error::new(Kind::Changed, text).hint("run `etl-sync run` first; it brings the columns up to date"));
            }
            Depth::Ledger(sides, row_bytes_max) => {
                let Some(known) = &question.ledger else {
                    return Err(Error::new(
                        Kind::Changed,
                        format!("{doing}: there is no ledger of its rows as they are copied now"),
                    )
                    .hint(
                        "compare by --depth rows; `etl-sync repair` leaves a ledger of a table without rows in quarantine, when it is \
                         copied in binary",
                    ));
                };
                let (found, back) = ledger::look((source, warehouse), table, (known, unit), sides, row_bytes_max)?;
                source = back;
                by_ledger(found)
            }
            Depth::Rows(depth) => {
                let (content, back) = rows::compare((source, warehouse), (question, unit), (job, quarantine), (depth, budget))?;
                source = back;
                by_content(content)
            }
        };
        warehouse.batch("ROLLBACK", &doing)?;
        look
    } else {
        let counts = source_counts::counts(&mut source, &table.source, table.filter.as_deref(), None)?;
        Look { source: counts.rows, ..Look::default() }
    };
    source.execute("ROLLBACK", &doing)?;
    Ok((look, source))
}

fn by_ledger(found: Found) -> Look {
    let rows = |side: Option<Side>| side.map(|side| side.rows);
    Look {
        source: rows(found.source).unwrap_or(0),
        target: Some(rows(found.warehouse).unwrap_or(0)),
        rejected: None,
        ledger: Some(found),
        ..Look::default()
    }
}

fn by_content(content: Content) -> Look {
    Look {
        source: content.source.rows + content.kept_out,
        target: Some(content.target.rows),
        rejected: content.aside,
        content: Some(content),
        ..Look::default()
    }
}

fn compare(
    (source, warehouse): (&mut MysqlConn, &mut PostgresConn),
    plan: &TablePlan,
    (job, quarantine): (&str, Without),
    rows: u64,
) -> Result<Look> {
    let (table, target) = (&plan.source, &plan.target);
    let doing = format!("counting {target}");
    // Of both sides: keys that only one of them has must not make a bucket each.
    let ends = [source_counts::ends(source, table)?, warehouse_counts::ends(warehouse, table, target)?];
    let ends = ends.into_iter().reduce(|a, b| match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    });
    let buckets = ends.and_then(|ends| ends).map(|ends| Buckets::new(ends, rows, ROWS_PER_RANGE));
    let there = source_counts::counts(source, table, plan.filter.as_deref(), buckets)?;
    let sql = warehouse_counts::target_sql(table, (target, plan.marks_deletes()), buckets);
    let here = warehouse_counts::counts(warehouse, &sql, &doing)?;
    let rejected = match quarantine {
        Without::Nothing => {
            Some(warehouse_counts::counts(warehouse, &warehouse_counts::rejected_sql(job, table, buckets), &doing)?)
        }
        Without::Quarantine => Some(Counts::default()),
        Without::Right => None,
    };
    Ok(seen(&there, &here, rejected.as_ref(), buckets))
}

fn seen(source: &Counts, target: &Counts, rejected: Option<&Counts>, buckets: Option<Buckets>) -> Look {
    let mut accounted = target.clone();
    if let Some(rejected) = rejected {
        accounted.add(rejected);
    }
    // A key that a policy made NULL is in no range: then only the total says anything.
    let whole = |counts: &Counts| counts.buckets.values().sum::<u64>() == counts.rows;
    let buckets = buckets.filter(|_| whole(source) && whole(&accounted));
    let ranges = buckets.map(|buckets| {
        let found = buckets::differing(&source.buckets, &accounted.buckets);
        found.into_iter().map(|one| range(buckets, one)).collect()
    });
    Look {
        source: source.rows,
        target: Some(target.rows),
        rejected: rejected.map(|counts| counts.rows),
        by_range: ranges.is_some(),
        ranges: ranges.unwrap_or_default(),
        content: None,
        ledger: None,
    }
}

fn range(buckets: Buckets, one: buckets::Difference) -> Range {
    let (from, below) = buckets.ends(one.bucket);
    let from = Some(from).filter(|from| *from > i128::from(i64::MIN));
    let below = Some(below).filter(|below| *below <= i128::from(u64::MAX));
    Range { from, below, source: one.source, target: one.target }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(i128, u64)]) -> Counts {
        Counts { rows: pairs.iter().map(|pair| pair.1).sum(), buckets: pairs.iter().copied().collect() }
    }

    fn verdict(source: &Counts, target: &Counts, rejected: Option<&Counts>) -> Verdict {
        seen(source, target, rejected, Some(Buckets::new((0, 99), 10, 1))).verdict()
    }

    #[test]
    fn rows_in_quarantine_make_up_for_missing_ones_in_their_range_only() {
        let source = counts(&[(0, 5), (1, 5)]);
        let none = counts(&[]);
        assert_eq!(verdict(&source, &source, Some(&none)), Verdict::Equal);
        assert_eq!(verdict(&source, &counts(&[(0, 4), (1, 5)]), Some(&counts(&[(0, 1)]))), Verdict::Equal);
        assert_eq!(verdict(&source, &counts(&[(0, 4), (1, 5)]), Some(&counts(&[(1, 1)]))), Verdict::Different);
        assert_eq!(verdict(&source, &counts(&[(0, 4), (1, 6)]), Some(&none)), Verdict::Different);
        assert_eq!(verdict(&source, &source, Some(&counts(&[(1, 1)]))), Verdict::Different);
    }

    #[test]
    fn without_a_look_into_the_quarantine_only_surplus_rows_prove_anything() {
        let source = counts(&[(0, 5), (1, 5)]);
        assert_eq!(verdict(&source, &source, None), Verdict::Unproven);
        assert_eq!(verdict(&source, &counts(&[(0, 4), (1, 5)]), None), Verdict::Unproven);
        assert_eq!(verdict(&source, &counts(&[(0, 3), (1, 6)]), None), Verdict::Different);
        assert_eq!(verdict(&source, &counts(&[(0, 6), (1, 5)]), None), Verdict::Different);
    }

    #[test]
    fn keys_that_became_null_leave_the_total() {
        let source = counts(&[(0, 5), (1, 5)]);
        let target = Counts { rows: 10, ..counts(&[(0, 5), (1, 4)]) };
        let look = seen(&source, &target, Some(&counts(&[])), Some(Buckets::new((0, 99), 10, 1)));
        assert!(!look.by_range && look.verdict() == Verdict::Equal);
    }
}
