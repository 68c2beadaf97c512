//! What policies did to values, by column.

use crate::value::Fault;

/// What became of a value that PostgreSQL cannot hold, in a row that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Done {
    /// NULL took its place.
    Nulled,
    /// The rest of it arrived.
    Stripped,
}

impl Done {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nulled => "null",
            Self::Stripped => "strip",
        }
    }
}

/// Counters per column, fault and what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: Vec<[u64; SLOTS]>,
    /// Of the row in work: they count when it was written.
    pending: Vec<(usize, usize)>,
}

const SLOTS: usize = Fault::ALL.len() * 2;

fn slot(fault: Fault, done: Done) -> usize {
    let fault = Fault::ALL.iter().position(|one| *one == fault).unwrap_or(0);
    fault * 2 + usize::from(done == Done::Stripped)
}

impl Tally {
    /// Counters at zero for a table of `columns` columns.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self { counts: vec![[0; SLOTS]; columns], pending: Vec::new() }
    }

    /// Column index, fault, what was done and how often; those above zero.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Fault, Done, u64)> {
        self.counts
            .iter()
            .enumerate()
            .flat_map(|(column, slots)| {
                Fault::ALL.into_iter().flat_map(move |fault| {
                    [Done::Nulled, Done::Stripped].map(|done| (column, fault, done, slots[slot(fault, done)]))
                })
            })
            .filter(|&(_, _, _, count)| count > 0)
    }

    /// All counters back to zero.
    pub fn clear(&mut self) {
        self.counts.iter_mut().for_each(|slots| *slots = [0; SLOTS]);
        self.pending.clear();
    }

    /// Adds another chunk's counters of the same table.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), [0; SLOTS]);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    pub(super) fn hit(&mut self, column: usize, fault: Fault, done: Done) {
        self.pending.push((column, slot(fault, done)));
    }

    /// The row was written.
    #[inline]
    pub(super) fn commit(&mut self) {
        for (column, slot) in self.pending.drain(..) {
            if let Some(counter) = self.counts.get_mut(column).and_then(|slots| slots.get_mut(slot)) {
                *counter += 1;
            }
        }
    }

    /// The row was not written.
    pub(super) fn roll_back(&mut self) {
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_written_rows_count() {
        let mut tally = Tally::new(2);
        tally.hit(0, Fault::ZeroDate, Done::Nulled);
        tally.roll_back();
        tally.hit(1, Fault::Nul, Done::Stripped);
        tally.hit(1, Fault::Nul, Done::Stripped);
        tally.commit();
        let mut sum = Tally::default();
        sum.add(&tally);
        sum.add(&tally);
        assert_eq!(sum.iter().collect::<Vec<_>>(), [(1, Fault::Nul, Done::Stripped, 4)]);
    }
}
