//! Checkpoints: what a run leaves while it works, so that one after it knows how far it came.
//!
//! A checkpoint is a hint and never the truth about rows: of etl-sync's own runs the warehouse's state rows decide which tables are
//! done, and of somebody's own pipeline the loader is told what it had left. So whatever is wrong with a file (cut short, too
//! old, of another configuration or version) costs nothing but work: it is refused, and the run begins anew. It holds no
//! password and no connection: the configuration is in it as a fingerprint only.

use super::phases::State;
use crate::error::{Error, Kind, Result};
use crate::files;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use twox_hash::XxHash3_128;

/// Version of the file's form; raised when a field changes its meaning. Another version is refused.
pub const VERSION: u32 = 1;

/// Between two writes because of tables: each costs two fsyncs, and a run may end hundreds of tables per second.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// A file from so far ahead was written by a clock that nobody can go by.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// A larger file is none of ours.
const BYTES_MAX: u64 = 64 << 20;

/// What a run had done of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableMark {
    /// It was to be loaded. What became of it is not known here.
    Planned,
    /// It is done, and was as its source before.
    Unchanged,
    /// It is done, and has other rows or columns than before.
    Changed,
}

/// How far a pipeline of somebody's own had come: both are what its extractor and its loader said, and mean something to
/// them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Where the extractor goes on.
    pub extracted: Value,
    /// What the loader holds when everything before that is in.
    pub loaded: Value,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// [`VERSION`].
    pub version: u32,
    /// The run that wrote it.
    pub run_id: String,
    /// Of what configuration.
    pub fingerprint: String,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// The run came to its own end and did not bring everything: what it had changed is known for good.
    #[serde(default)]
    pub has_ended: bool,
    /// Phases that had begun, and where they stood.
    pub phases: BTreeMap<String, State>,
    /// Tables.
    pub tables: BTreeMap<String, TableMark>,
    /// How far a pipeline had come.
    pub position: Option<Position>,
}

impl Checkpoint {
    fn new(run_id: &str, fingerprint: &str) -> Self {
        let now = Utc::now();
        Self {
            version: VERSION,
            run_id: run_id.to_owned(),
            fingerprint: fingerprint.to_owned(),
            started_at: now,
            written_at: now,
            has_ended: false,
            phases: BTreeMap::new(),
            tables: BTreeMap::new(),
            position: None,
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Why it cannot be used: not whole, another version, another configuration, too old.
    pub fn read(text: &str, fingerprint: &str, fresh_for: Duration, now: DateTime<Utc>) -> Result<Self> {
        let refused = |why: String| Error::new(Kind::File, why);
        let value: Value = serde_json::from_str(text).map_err(|_| refused("it is cut short or no JSON".into()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => return Err(refused(format!("it has version {version}, this program writes {VERSION}"))),
            None => return Err(refused("it names no version".into())),
        }
        let read: Self = serde_json::from_value(value).map_err(|_| refused("it is no checkpoint".into()))?;
        if read.fingerprint != fingerprint {
            return Err(refused("it is of another configuration".into()));
        }
        let age = now.signed_duration_since(read.written_at);
        if age < -AHEAD_MAX {
            return Err(refused("it was written in the future".into()));
        }
        if !read.has_ended && age.to_std().is_ok_and(|age| age > fresh_for) {
            return Err(refused(format!("it is stale: {} minutes old", age.num_minutes())));
        }
        Ok(read)
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        // Every field is a plain value, so this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The first of these phases that had not ended well; none when all had.
    #[must_use]
    pub fn first_open<'a>(&self, phases: &[&'a str]) -> Option<&'a str> {
        phases.iter().find(|name| !self.phases.get(**name).is_some_and(|state| state.is_done())).copied()
    }
}

/// What an earlier run has left.
#[derive(Debug)]
pub enum Found {
    /// Nothing: it came to its end, or there was none.
    Nothing,
    /// A checkpoint that can be used.
    Usable(Box<Checkpoint>),
    /// A file that cannot, and why.
    Refused(Error),
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    fingerprint: String,
    fresh_for: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    /// None until the run may write.
    document: Option<Checkpoint>,
    written: Option<Instant>,
    is_dirty: bool,
    /// An earlier run changed tables that nobody can name.
    is_blind: bool,
    failed: u64,
}

/// The checkpoints of one run. A write that fails is a warning: it never ends or slows the run.
#[derive(Debug, Default)]
pub struct Checkpoints {
    place: Option<Place>,
    inner: Mutex<Inner>,
}

impl Checkpoints {
    /// In this file; `fresh_for` is how long one is of use.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>, fingerprint: impl Into<String>, fresh_for: Duration) -> Self {
        let place = Place { path: path.into(), fingerprint: fingerprint.into(), fresh_for };
        Self { place: Some(place), inner: Mutex::default() }
    }

    /// The file; none where none is kept.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.path.as_path())
    }

    /// Looks for what an earlier run has left; changes nothing.
    #[must_use]
    pub fn find(&self) -> Found {
        let Some(Place { path, fingerprint, fresh_for }) = &self.place else { return Found::Nothing };
        let named = |error: Error| Found::Refused(error.doing(format!("the checkpoint {} is not used", path.display())));
        let unreadable = |error| named(Error::with(Kind::File, "reading it", error));
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > BYTES_MAX => return named(Error::new(Kind::File, "it is too large")),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return unreadable(error),
        }
        match std::fs::read_to_string(path) {
            Ok(text) => match Checkpoint::read(&text, fingerprint, *fresh_for, Utc::now()) {
                Ok(checkpoint) => Found::Usable(Box::new(checkpoint)),
                Err(error) => named(error),
            },
            Err(error) => unreadable(error),
        }
    }

    /// From now on this run's checkpoints replace what is there. A run that has to hold a lock first calls this when it does.
    pub fn begin(&self, run_id: &str) {
        if let Some(place) = &self.place {
            self.inner().document = Some(Checkpoint::new(run_id, &place.fingerprint));
        }
    }

    /// Takes over which tables an unfinished run had changed. `is_done_by` says of a table, from the warehouse, whether that run
    /// has finished it: it may have died before it could say here what became of the table.
    pub fn adopt(&self, earlier: &Checkpoint, is_done_by: impl Fn(&str) -> bool) {
        let mut inner = self.inner();
        let Some(document) = &mut inner.document else { return };
        for (table, mark) in &earlier.tables {
            if *mark == TableMark::Changed || *mark == TableMark::Planned && is_done_by(table) {
                document.tables.insert(table.clone(), TableMark::Changed);
            }
        }
        document.position.clone_from(&earlier.position);
    }

    /// An earlier run was not finished, and what it had changed is not known: [`Checkpoints::changed`] says so.
    pub fn adopt_unknown(&self) {
        self.inner().is_blind = true;
    }

    /// A phase begins or ends; written at once.
    pub fn phase(&self, name: &str, state: State) {
        self.change(true, |document| {
            document.phases.insert(name.to_owned(), state);
        });
    }

    /// What the run is going to load. A table that an unfinished run has changed stays so.
    pub fn plan<'a>(&self, tables: impl Iterator<Item = &'a str>) {
        self.change(true, |document| {
            for table in tables {
                document.tables.entry(table.to_owned()).or_insert(TableMark::Planned);
            }
        });
    }

    /// A table is done; written at once, or by the next look when another write was less than a second ago. One that an
    /// unfinished run has changed stays changed.
    pub fn table(&self, name: &str, mark: TableMark) {
        self.change(false, |document| {
            let stands = document.tables.entry(name.to_owned()).or_insert(mark);
            if *stands != TableMark::Changed {
                *stands = mark;
            }
        });
    }

    /// A pipeline has come so far; written at once.
    pub fn position(&self, position: Position) {
        self.change(true, |document| document.position = Some(position));
    }

    /// Tables with other rows or columns than when a run last came to its end; none when that is not known.
    #[must_use]
    pub fn changed(&self) -> Option<BTreeSet<String>> {
        let inner = self.inner();
        let document = inner.document.as_ref().filter(|_| !inner.is_blind)?;
        let changed = document.tables.iter().filter(|(_, mark)| **mark == TableMark::Changed);
        Some(changed.map(|(table, _)| table.clone()).collect())
    }

    /// Writes what could not be written yet, when it is time.
    pub(super) fn look(&self) {
        let mut inner = self.inner();
        if inner.is_dirty {
            self.write(&mut inner, false);
        }
    }

    /// The run came to its end: the next one has nothing to know of it.
    pub fn done(&self) {
        let mut inner = self.inner();
        inner.is_dirty = false;
        let had = inner.document.take();
        if let (Some(_), Some(place)) = (had, &self.place)
            && let Err(error) = std::fs::remove_file(&place.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log::warn!("the checkpoint {} cannot be removed: {error}", place.path.display());
        }
    }

    /// The run ends unfinished: everything it knows is written.
    pub fn keep(&self) {
        let mut inner = self.inner();
        if inner.is_dirty {
            self.write(&mut inner, true);
        }
    }

    /// As [`Checkpoints::keep`] of a run that came to its own end, but did not bring every table: nothing can be gone on with, and
    /// what was changed is not forgotten.
    pub fn ended(&self) {
        self.change(true, |document| document.has_ended = true);
    }

    fn change(&self, at_once: bool, change: impl FnOnce(&mut Checkpoint)) {
        let mut inner = self.inner();
        let Some(document) = &mut inner.document else { return };
        change(document);
        self.write(&mut inner, at_once);
    }

    fn write(&self, inner: &mut Inner, at_once: bool) {
        let (Some(place), Some(document)) = (&self.place, &mut inner.document) else { return };
        if !at_once && inner.written.is_some_and(|at| at.elapsed() < WRITE_EVERY) {
            inner.is_dirty = true;
            return;
        }
        document.written_at = Utc::now();
        let dir = place.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let made = dir.map_or(Ok(()), files::make_dir);
        let written = made.and_then(|()| files::replace(&place.path, &document.text()));
        (inner.written, inner.is_dirty) = (Some(Instant::now()), false);
        if let Err(error) = written {
            inner.failed += 1;
            if inner.failed == 1 {
                log::warn!("no checkpoint is kept: {error}");
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a configuration is told apart by: XXH3 with 128 bits over its parts. Give no password to it: a digest of one could be
/// tried out.
#[must_use]
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        // With its length, so that no two lists of parts are alike.
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part);
    }
    format!("{:032x}", XxHash3_128::oneshot(&bytes))
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
