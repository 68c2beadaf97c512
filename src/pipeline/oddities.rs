//! Values of incremental columns that cannot be the time of a change: counted while rows stream by, at no cost for the
//! source. They stay in the table; the watermark does not see them, because it is made of clocks.

use crate::plan::TablePlan;
use crate::plan::watermark::{Clock, Scale, day_of};
use crate::value::Cell;

/// A time further ahead of the source's clock is no slip of a clock or of a zone.
const AHEAD_MAX: i64 = 86_400_000_000;

/// The first year that a TIMESTAMP holds. Before it stand zero dates and what applications write for "never".
const FIRST_YEAR: u16 = 1970;

/// What was seen in one column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odd {
    /// NULL: rows that are read by every run when all of their incremental columns are NULL.
    pub nulls: u64,
    /// Zero dates and years before 1970.
    pub before_1970: u64,
    /// More than a day ahead of the source's clock.
    pub future: u64,
}

/// The counts of a table's incremental columns, among the rows that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oddities {
    columns: Vec<Watched>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Watched {
    /// Place among the table's columns.
    index: usize,
    /// The last day that is no future.
    latest: (u16, u8, u8),
    odd: Odd,
}

impl Oddities {
    /// Nothing seen yet of the columns of this plan that hold times.
    #[must_use]
    pub fn of(plan: &TablePlan, clock: Option<&Clock>) -> Self {
        let Some((increments, clock)) = plan.increments.as_ref().zip(clock) else { return Self::default() };
        let times = increments.columns.iter().filter(|column| column.scale != Scale::Counter);
        let watched = |column: &crate::plan::watermark::Incremental| {
            let zone = if column.scale == Scale::Instant { 0 } else { clock.zone };
            let latest = day_of(clock.now.saturating_add(zone).saturating_add(AHEAD_MAX));
            Some(Watched { index: plan.source.column(&column.column)?, latest, odd: Odd::default() })
        };
        Self { columns: times.filter_map(watched).collect() }
    }

    /// Looks at a row.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        for column in &mut self.columns {
            match cells.get(column.index) {
                Some(Cell::Null) => column.odd.nulls += 1,
                Some(Cell::DateTime(at)) if at.year < FIRST_YEAR || at.month == 0 || at.day == 0 => column.odd.before_1970 += 1,
                Some(Cell::DateTime(at)) if (at.year, at.month, at.day) > column.latest => column.odd.future += 1,
                _ => {}
            }
        }
    }

    /// Adds what another read of the same table has seen.
    pub fn add(&mut self, other: &Self) {
        if self.columns.is_empty() {
            self.columns.clone_from(&other.columns);
            return;
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.odd.nulls += theirs.odd.nulls;
            mine.odd.before_1970 += theirs.odd.before_1970;
            mine.odd.future += theirs.odd.future;
        }
    }

    /// Columns in which something was seen: their place among the table's columns, and what.
    pub fn seen(&self) -> impl Iterator<Item = (usize, Odd)> + '_ {
        self.columns.iter().filter(|column| column.odd != Odd::default()).map(|column| (column.index, column.odd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::DateTime;

    fn at(year: u16, month: u8, day: u8) -> Cell<'static> {
        Cell::DateTime(DateTime { year, month, day, hour: 23, minute: 59, second: 59, micro: 999_999 })
    }

    #[test]
    fn what_cannot_be_the_time_of_a_change_is_counted() {
        let watched = Watched { index: 1, latest: (2026, 6, 2), odd: Odd::default() };
        let mut one = Oddities { columns: vec![watched] };
        let id = Cell::Int(1);
        for cell in [at(0, 0, 0), at(1, 1, 1), at(1902, 1, 1), at(1969, 12, 31), at(2020, 0, 1), at(2020, 1, 0)] {
            one.row(&[id, cell]);
        }
        for cell in [at(1970, 1, 1), at(1980, 1, 1), at(2026, 6, 2), Cell::Int(0)] {
            one.row(&[id, cell]);
        }
        for cell in [at(2026, 6, 3), at(2030, 1, 1), at(9999, 12, 31), Cell::Null] {
            one.row(&[cell, cell]);
        }
        let seen: Vec<_> = one.seen().collect();
        assert_eq!(seen, [(1, Odd { nulls: 1, before_1970: 6, future: 3 })]);
        let mut sum = Oddities::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!(sum.seen().map(|(_, odd)| odd.future).collect::<Vec<_>>(), [6]);
    }
}
