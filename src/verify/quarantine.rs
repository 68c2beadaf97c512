//! Rows of the source that are in quarantine instead of the target: they are not missing.

use super::look::Without;
use crate::conn::postgres::PostgresConn;
use crate::encode::spelled;
use crate::error::{Doing, Kind, Result};
use crate::key::KeyRange;
use crate::plan::TablePlan;
use crate::sink::postgres::counts;
use serde_json::Value;
use std::collections::BTreeSet;

/// Keys that are read.
const KEYS_MAX: usize = 100_000;

/// Which rows in quarantine are meant: those of the last finished load of a table, or of some ranges of its key.
#[derive(Clone, Copy)]
pub struct Rejects<'a> {
    /// The target schema, which is the job's name.
    pub job: &'a str,
    /// The table.
    pub table: &'a TablePlan,
    /// None for all of them.
    pub ranges: Option<&'a [KeyRange]>,
    /// What stands in the way.
    pub without: Without,
}

impl Rejects<'_> {
    /// How many they are; none where this role may not count them.
    ///
    /// # Errors
    /// The classified server error.
    pub fn count(self, conn: &mut PostgresConn) -> Result<Option<u64>> {
        match self.without {
            Without::Right => Ok(None),
            Without::Quarantine => Ok(Some(0)),
            Without::Nothing => {
                let sql = counts::rejected_in_sql("NULL, count(*)", self.job, &self.table.source, self.ranges);
                let doing = format!("counting the quarantine of table {}", self.table.name());
                counts::counts(conn, &sql, &doing).map(|counts| Some(counts.rows))
            }
        }
    }
}

/// The rows in quarantine of one table.
#[derive(Debug, Default)]
pub struct Quarantined {
    keys: BTreeSet<String>,
    /// Rows without a key that were not accounted for yet.
    keyless: u64,
    /// There are more of them than were read.
    is_cut: bool,
}

/// Whether a row is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Not all of the quarantine was read.
    Unknown,
}

impl Quarantined {
    /// Reads the keys; none where this role may not.
    ///
    /// # Errors
    /// The classified server error.
    pub fn read(conn: &mut PostgresConn, which: Rejects<'_>) -> Result<Self> {
        let mut all = Self::default();
        if which.without != Without::Nothing {
            return Ok(all);
        }
        let doing = format!("reading the quarantine of table {}", which.table.name());
        let sql = counts::rejected_in_sql("r.key::text", which.job, &which.table.source, which.ranges);
        let rows = conn.rows(&format!("{sql} LIMIT {}", KEYS_MAX + 1), &[], &doing)?;
        all.is_cut = rows.len() > KEYS_MAX;
        for row in rows.iter().take(KEYS_MAX) {
            match row.get::<_, Option<String>>(0) {
                Some(key) => {
                    let key: Value = serde_json::from_str(&key).doing(Kind::Internal, || doing.clone())?;
                    all.keys.insert(spelled::key(&which.table.source, &key).to_string());
                }
                None => all.keyless += 1,
            }
        }
        Ok(all)
    }

    /// Whether a missing row is one of these, by its key as `show::key` gives it; a row without a key is any of those without.
    pub fn takes(&mut self, key: Option<&Value>) -> Taken {
        let is_there = match key {
            Some(key) => self.keys.contains(&key.to_string()),
            None => {
                let takes = self.keyless > 0;
                self.keyless = self.keyless.saturating_sub(1);
                takes
            }
        };
        match is_there {
            true => Taken::Yes,
            false if self.is_cut => Taken::Unknown,
            false => Taken::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_without_a_key_are_taken_once_each() {
        let mut all = Quarantined { keyless: 1, ..Quarantined::default() };
        assert_eq!([all.takes(None), all.takes(None), all.takes(Some(&json!({"id": 1})))], [Taken::Yes, Taken::No, Taken::No]);
        let mut cut = Quarantined { is_cut: true, ..Quarantined::default() };
        assert_eq!(cut.takes(Some(&json!({"id": 1}))), Taken::Unknown);
    }
}
