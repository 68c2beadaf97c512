//! Whether a table can have changed on either side since it was last counted, by what writing leaves behind outside its
//! rows. Pure: no I/O.
//!
//! What counts as a trace, and why nothing else does:
//!
//! - **Files** (MyISAM): `UPDATE_TIME` is the data file's own, written by the statement itself; with rows, bytes and
//!   AUTO_INCREMENT beside it. It has whole seconds, so a table that was written to in the last [`SETTLED_S`] before the look
//!   has no trace: a second write within the same second would not show. Nor has any table under `myisam_use_mmap`, where the
//!   kernel writes the time when it likes.
//! - **The binary log** (InnoDB, Aria): its position, of the whole server. Aria's `UPDATE_TIME` is that of a file which lags
//!   behind the page cache by up to a checkpoint, and InnoDB's is kept in memory only: it is gone after a restart and when the
//!   table leaves the cache. So a time that differs says that something moved, an equal one or none says nothing. The position
//!   that is stored must come from under the read lock that opens the snapshots: a transaction stands in the log before its
//!   rows can be seen, and may be written to the log in front of our look and become visible behind our snapshot.
//! - **The warehouse**: oid, storage, and the counters of rows ever inserted, updated and deleted. Backends report their
//!   counters seconds after their COMMIT, so nobody can read what a transaction of ours has added right after it. Therefore
//!   nothing is read afterwards: stored are the counters from before the run plus what the run knows that it has changed. Anything
//!   else that wrote meanwhile, and tries of ours that were rolled back, make the sum wrong, and the next run counts.
//!   Counters only grow, and a reset shows in the epoch, so two wrongs make no right. A hand that wrote less than a minute before a run
//!   may not have reported yet: then that run misses it. The trace stays what it was, so the next run does not.
//!
//! A restart of either server voids all traces. A table that is left out keeps its trace and its state row: they say when
//! it was counted last.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds that a file must have been left alone before the look, so that its time tells every write since.
pub const SETTLED_S: i64 = 5;

/// Seconds by which two readings of one server's start may differ.
const START_SLACK_S: u64 = 3;

/// What a table leaves behind outside its rows, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// What the table is, how it is copied and by which version of the program; another text is another table.
    pub shape: String,
    /// When the source server was started, seconds since 1970 by its own clock.
    pub started: i64,
    /// What the source shows of it; none where nothing tells every write.
    pub source: Option<SourceTrace>,
    /// What the warehouse shows of it.
    pub warehouse: WarehouseTrace,
    /// Loads in a row, since anything moved, that have compared another part of it by content.
    #[serde(default)]
    pub parts: u32,
}

/// What the source shows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceTrace {
    /// Of a table that is a file.
    File {
        /// `UPDATE_TIME`, seconds since 1970 by the server's clock.
        written: i64,
        /// `TABLE_ROWS`, exact for such tables.
        rows: u64,
        /// `DATA_LENGTH`.
        bytes: u64,
        /// The next AUTO_INCREMENT value.
        counter: Option<u64>,
    },
    /// Of a table whose changes all go through the binary log.
    Log {
        /// Up to where the log was written.
        position: String,
        /// `UPDATE_TIME`, where the server happens to know it.
        written: Option<i64>,
    },
}

/// What the warehouse shows of a table, beside its oid and storage, which stand in the state row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarehouseTrace {
    /// Changes when the server is started or the counters are reset.
    pub epoch: String,
    /// Rows ever inserted, those of aborted transactions included.
    pub inserted: u64,
    /// Rows ever updated.
    pub updated: u64,
    /// Rows ever deleted.
    pub deleted: u64,
}

/// Why a table is read although evidence was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The last success left no traces.
    Unknown,
    /// Its columns, key, options or the program are others.
    Shape,
    /// The source was started anew.
    SourceRestarted,
    /// The source's file, or its log.
    Source,
    /// PostgreSQL was started anew, or its counters were reset.
    WarehouseRestarted,
    /// The target is another table, or was truncated or rewritten.
    Storage,
    /// Rows of the target were written, or somebody tried to.
    Warehouse,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the last success left no evidence",
            Self::Shape => "columns, key, options or the program changed",
            Self::SourceRestarted => "the source was restarted",
            Self::Source => "the source was written to",
            Self::WarehouseRestarted => "the warehouse was restarted or its counters were reset",
            Self::Storage => "the target is not the one that was counted",
            Self::Warehouse => "the target was written to",
        })
    }
}

impl Traces {
    /// The traces of a table after a run that has read and counted it: `self` from before the read, and the rows that the run
    /// deleted, updated and inserted.
    #[must_use]
    pub fn after(mut self, deleted: u64, updated: u64, inserted: u64) -> Self {
        let warehouse = &mut self.warehouse;
        warehouse.deleted = warehouse.deleted.saturating_add(deleted);
        warehouse.updated = warehouse.updated.saturating_add(updated);
        warehouse.inserted = warehouse.inserted.saturating_add(inserted);
        self
    }

    /// These traces with the log's position as of the snapshot; without one, a log shows nothing.
    #[must_use]
    pub fn at(mut self, seen: Option<&str>) -> Self {
        if let Some(SourceTrace::Log { position, .. }) = &mut self.source {
            match seen {
                Some(seen) => seen.clone_into(position),
                None => self.source = None,
            }
        }
        self
    }

    /// Who has written to the target since the last success left these traces.
    #[must_use]
    pub fn writers(&self, last: Option<&Self>) -> Writers {
        match last {
            Some(last) if last.warehouse == self.warehouse => Writers::Nobody,
            Some(last) if last.warehouse.epoch == self.warehouse.epoch => Writers::Somebody,
            _ => Writers::Unknown,
        }
    }
}

/// Who has written to a target beside the runs, as PostgreSQL has counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody.
    Nobody,
    /// Somebody, or a run that was rolled back.
    Somebody,
    /// Its counters do not reach back to the last success.
    Unknown,
}

impl SourceTrace {
    /// What did not move, for people.
    #[must_use]
    pub fn evidence(&self) -> String {
        match self {
            Self::File { written, .. } => {
                let time =
                    chrono::DateTime::from_timestamp(*written, 0).map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string());
                format!("its file was last written {}", time.unwrap_or_else(|| written.to_string()))
            }
            Self::Log { position, .. } => format!("the source's log stands at {position}"),
        }
    }
}

/// Whether nothing can have moved between the traces of the last success and those of now. `same_storage`: the target has
/// the oid and the storage that the last success left.
///
/// # Errors
/// What moved, or may have.
pub fn unmoved(last: Option<&Traces>, now: &Traces, same_storage: bool) -> Result<(), Moved> {
    let Some(last) = last else { return Err(Moved::Unknown) };
    if last.shape != now.shape {
        return Err(Moved::Shape);
    }
    if last.started.abs_diff(now.started) > START_SLACK_S {
        return Err(Moved::SourceRestarted);
    }
    let Some((then, seen)) = last.source.as_ref().zip(now.source.as_ref()) else { return Err(Moved::Unknown) };
    if !still(then, seen) {
        return Err(Moved::Source);
    }
    if !same_storage {
        return Err(Moved::Storage);
    }
    if last.warehouse.epoch != now.warehouse.epoch {
        return Err(Moved::WarehouseRestarted);
    }
    if last.warehouse == now.warehouse { Ok(()) } else { Err(Moved::Warehouse) }
}

fn still(last: &SourceTrace, now: &SourceTrace) -> bool {
    match (last, now) {
        (SourceTrace::File { .. }, SourceTrace::File { .. }) => last == now,
        (SourceTrace::Log { position: before, written: then }, SourceTrace::Log { position, written }) => {
            // A session may have kept its writes out of the log. A table that left the server's cache has no time any more.
            let other_time = then.zip(*written).is_some_and(|(then, now)| then != now);
            before == position && !other_time
        }
        _ => false,
    }
}

/// The trace of a file, when its time can tell every write since; `now` is the server's clock at the look.
#[must_use]
pub fn file(now: i64, written: Option<i64>, rows: u64, bytes: u64, counter: Option<u64>) -> Option<SourceTrace> {
    // A time in the future is no better than one of this moment: the clock was set, and will pass it again.
    let written = written.filter(|written| written.saturating_add(SETTLED_S) < now)?;
    Some(SourceTrace::File { written, rows, bytes, counter })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Change<'a> = &'a dyn Fn(&mut Traces);

    fn traces(source: SourceTrace) -> Traces {
        let warehouse = WarehouseTrace { epoch: "e".into(), inserted: 100, updated: 10, deleted: 1 };
        Traces { shape: "s".into(), started: 1_000_000, source: Some(source), warehouse, parts: 0 }
    }

    fn myisam() -> Traces {
        traces(file(2_000_000, Some(1_999_000), 99, 999, Some(100)).unwrap())
    }

    fn log() -> Traces {
        traces(SourceTrace::Log { position: "bin.000007:1234".into(), written: Some(1_999_000) })
    }

    #[test]
    fn equal_traces_are_evidence() {
        for one in [myisam(), log()] {
            assert_eq!(unmoved(Some(&one), &one, true), Ok(()));
            let later = Traces { started: one.started + 1, ..one.clone() };
            assert_eq!(unmoved(Some(&one), &later, true), Ok(()), "a start is read with a second's error");
        }
    }

    /// Every single field, on either side of the comparison.
    #[test]
    fn whatever_differs_is_told() {
        let with = |one: &Traces, change: Change<'_>| {
            let mut other = one.clone();
            change(&mut other);
            other
        };
        let warehouse: [Change<'_>; 3] =
            [&|t| t.warehouse.inserted += 1, &|t| t.warehouse.updated += 1, &|t| t.warehouse.deleted += 1];
        let source: [Change<'_>; 6] = [
            &|t| {
                if let Some(SourceTrace::File { written, .. }) = &mut t.source {
                    *written += 1
                }
            },
            &|t| {
                if let Some(SourceTrace::File { rows, .. }) = &mut t.source {
                    *rows += 1
                }
            },
            &|t| {
                if let Some(SourceTrace::File { bytes, .. }) = &mut t.source {
                    *bytes += 1
                }
            },
            &|t| {
                if let Some(SourceTrace::File { counter, .. }) = &mut t.source {
                    *counter = None
                }
            },
            &|t| {
                if let Some(SourceTrace::Log { position, .. }) = &mut t.source {
                    position.push('0')
                }
            },
            &|t| {
                if let Some(SourceTrace::Log { written, .. }) = &mut t.source {
                    *written = Some(1_999_001)
                }
            },
        ];
        let rest: [(Change<'_>, Moved); 3] = [
            (&|t| t.shape.push('x'), Moved::Shape),
            (&|t| t.started += 60, Moved::SourceRestarted),
            (&|t| t.warehouse.epoch.push('x'), Moved::WarehouseRestarted),
        ];
        let sources = source.into_iter().map(|change| (change, Moved::Source));
        let all: Vec<_> = warehouse.into_iter().map(|change| (change, Moved::Warehouse)).chain(sources).chain(rest).collect();
        let mut told = 0;
        for (one, (change, moved)) in [myisam(), log()].iter().flat_map(|one| all.iter().map(move |change| (one, change))) {
            let other = with(one, change);
            if other != *one {
                told += 1;
                assert_eq!(unmoved(Some(one), &other, true), Err(*moved), "{other:?}");
                assert_eq!(unmoved(Some(&other), one, true), Err(*moved), "{other:?}");
            }
        }
        assert_eq!(told, 18);
        assert_eq!(unmoved(Some(&myisam()), &myisam(), false), Err(Moved::Storage));
        assert_eq!(unmoved(None, &myisam(), true), Err(Moved::Unknown));
        assert_eq!(unmoved(Some(&myisam()), &log(), true), Err(Moved::Source), "another engine");
        let blind = Traces { source: None, ..myisam() };
        for (then, now) in [(&blind, &myisam()), (&myisam(), &blind), (&blind, &blind)] {
            assert_eq!(unmoved(Some(then), now, true), Err(Moved::Unknown), "a source that shows nothing is no evidence");
        }
    }

    /// The time of an InnoDB table is lost when the server forgets it: that alone is neither evidence nor the lack of it.
    #[test]
    fn a_forgotten_time_says_nothing() {
        let forgotten = traces(SourceTrace::Log { position: "bin.000007:1234".into(), written: None });
        assert_eq!(unmoved(Some(&log()), &forgotten, true), Ok(()));
        let moved = traces(SourceTrace::Log { position: "bin.000007:9999".into(), written: None });
        assert_eq!(unmoved(Some(&log()), &moved, true), Err(Moved::Source));
    }

    #[test]
    fn who_wrote_to_the_target_is_known_within_one_epoch_only() {
        let then = Traces { source: None, ..myisam() };
        let mut now = then.clone();
        assert_eq!(now.writers(Some(&then)), Writers::Nobody);
        assert_eq!(now.writers(None), Writers::Unknown);
        now.warehouse.updated += 1;
        assert_eq!(now.writers(Some(&then)), Writers::Somebody);
        now.warehouse.epoch.push('x');
        assert_eq!(now.writers(Some(&then)), Writers::Unknown);
    }

    #[test]
    fn a_file_must_have_been_left_alone_for_a_while() {
        let at = |written| file(1_000, written, 1, 1, None).is_some();
        assert!(at(Some(1_000 - SETTLED_S - 1)));
        assert!(!at(Some(1_000 - SETTLED_S)) && !at(Some(1_000)) && !at(Some(2_000)) && !at(None));
    }

    #[test]
    fn a_log_counts_only_as_of_the_snapshot() {
        assert_eq!(log().at(None).source, None);
        assert_eq!(
            log().at(Some("bin.000008:4")).source,
            Some(SourceTrace::Log { position: "bin.000008:4".into(), written: Some(1_999_000) })
        );
        assert_eq!(myisam().at(None), myisam(), "a file needs no snapshot");
    }

    /// What other sessions and rolled back tries add can never be hidden by what the run adds itself.
    #[test]
    fn own_changes_are_expected_and_others_are_not() {
        let stored = myisam().after(1, 2, 3);
        let mut now = myisam();
        assert_eq!(unmoved(Some(&stored), &now, true), Err(Moved::Warehouse), "our own counters are not in yet");
        now.warehouse = WarehouseTrace { epoch: "e".into(), inserted: 103, updated: 12, deleted: 2 };
        assert_eq!(unmoved(Some(&stored), &now, true), Ok(()));
        now.warehouse.deleted += 1;
        assert_eq!(unmoved(Some(&stored), &now, true), Err(Moved::Warehouse));
    }
}
