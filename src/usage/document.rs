//! What is kept between runs: per method what all runs counted, and the newest runs one by one.
//!
//! Adding runs is commutative, and adding one twice changes nothing: each has a token of its own. Runs that are older than the
//! newest [`KEPT_RUNS`] are only in the sums, so one that comes after them, and began before them, is not added any more.

use super::{Counts, METHODS, Shape, Snapshot};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the file's form.
pub const SCHEMA_VERSION: u32 = 1;

/// Runs that are kept one by one: a year of nights and some.
pub const KEPT_RUNS: usize = 400;

/// Run ids that are kept per method, the newest.
pub const KEPT_RUN_IDS: usize = 50;

/// Calls of one shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeRecord {
    /// Size class of the table; empty where there is none.
    pub class: String,
    /// Strategy of the table; empty where there is none.
    pub strategy: String,
    /// Calls.
    pub calls: u64,
    /// Calls that returned an error or panicked.
    pub failures: u64,
    /// Their time together, microseconds.
    pub total_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
    /// Rows, where that is told.
    pub rows: u64,
}

/// A method over all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Calls of all runs.
    pub call_count: u64,
    /// First call ever, RFC 3339 with microseconds, UTC; none when it was never called.
    pub first_seen: Option<String>,
    /// Begin of the last call.
    pub last_seen: Option<String>,
    /// The newest runs that called it, sorted: the moments at which they began.
    pub run_ids: Vec<String>,
    /// All runs that called it.
    pub runs: u64,
    /// Calls that returned an error or panicked.
    pub failures: u64,
    /// Time of all calls together, microseconds.
    pub total_us: u64,
    /// The longest call, microseconds.
    pub max_us: u64,
    /// Most threads that called it in one run, at most 64.
    pub threads_max: u32,
    /// The same by shape.
    pub shapes: Vec<ShapeRecord>,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The moment at which it began, RFC 3339 with microseconds, UTC. Unique in a file.
    pub run_id: String,
    /// What tells it from every other run: the engine's run id.
    pub token: String,
    /// Whether it synced tables; other commands are kept, too.
    pub syncs: bool,
    /// Calls by method; methods without calls are left out.
    pub calls: BTreeMap<String, u64>,
    /// All that was counted; in the file only as part of the sums.
    #[serde(skip)]
    pub counted: BTreeMap<String, Record>,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// By id; every method that is registered, also with zero calls, and those that were.
    pub methods: BTreeMap<String, Record>,
    /// Runs that were saved, all in all.
    pub runs_total: u64,
    /// The run id up to which runs are only in the sums.
    pub summed_through: Option<String>,
    /// The newest runs, oldest first.
    pub runs: Vec<Run>,
}

/// Why a text is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is damaged.
    Corrupt,
    /// A newer program wrote it: this version.
    Newer(u32),
}

/// RFC 3339 with microseconds, UTC.
fn moment(micros: u64) -> Option<String> {
    let at = i64::try_from(micros).ok().filter(|at| *at > 0).and_then(DateTime::from_timestamp_micros)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

impl Run {
    /// What the process counted since `before`, of a run that began at `started`. `token` tells the run from every other one.
    #[must_use]
    pub fn new(started: DateTime<Utc>, token: &str, before: &Snapshot) -> Self {
        let counted = Snapshot::now().since(before);
        Self {
            run_id: started.to_rfc3339_opts(SecondsFormat::Micros, true),
            token: token.to_owned(),
            syncs: counted.contains_key(super::SYNC.id),
            calls: counted.iter().map(|(id, counts)| ((*id).to_owned(), counts.total().calls)).collect(),
            counted: counted.iter().map(|(id, counts)| ((*id).to_owned(), Record::of(counts))).collect(),
        }
    }
}

impl Record {
    fn of(counts: &Counts) -> Self {
        let total = counts.total();
        Self {
            call_count: total.calls,
            first_seen: moment(counts.first),
            last_seen: moment(counts.last),
            failures: total.failures,
            total_us: total.nanos / 1_000,
            max_us: total.nanos_max / 1_000,
            threads_max: counts.threads,
            shapes: counts
                .shapes
                .iter()
                .filter(|(shape, _)| **shape != Shape::NONE)
                .map(|(shape, spent)| ShapeRecord {
                    class: shape.class.word().into(),
                    strategy: shape.strategy.word().into(),
                    calls: spent.calls,
                    failures: spent.failures,
                    total_us: spent.nanos / 1_000,
                    max_us: spent.nanos_max / 1_000,
                    rows: spent.rows,
                })
                .collect(),
            ..Self::default()
        }
    }

    fn add(&mut self, run_id: &str, other: &Self) {
        // The file may say anything: a number that is too large must not stop a run.
        self.call_count = self.call_count.saturating_add(other.call_count);
        self.failures = self.failures.saturating_add(other.failures);
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.max_us = self.max_us.max(other.max_us);
        self.threads_max = self.threads_max.max(other.threads_max);
        self.first_seen = self.first_seen.take().into_iter().chain(other.first_seen.clone()).min();
        self.last_seen = self.last_seen.take().into_iter().chain(other.last_seen.clone()).max();
        self.runs = self.runs.saturating_add(1);
        let at = self.run_ids.partition_point(|one| one.as_str() < run_id);
        self.run_ids.insert(at, run_id.to_owned());
        let surplus = self.run_ids.len().saturating_sub(KEPT_RUN_IDS);
        self.run_ids.drain(..surplus);
        for more in &other.shapes {
            let place = |one: &ShapeRecord| (one.class.clone(), one.strategy.clone());
            match self.shapes.binary_search_by_key(&place(more), place) {
                Ok(at) => self.shapes.get_mut(at).into_iter().for_each(|one| one.add(more)),
                Err(at) => self.shapes.insert(at, more.clone()),
            }
        }
    }
}

impl ShapeRecord {
    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.max_us = self.max_us.max(other.max_us);
        self.rows = self.rows.saturating_add(other.rows);
    }
}

impl Default for Document {
    fn default() -> Self {
        let methods = METHODS.iter().map(|method| (method.id.to_owned(), Record::default())).collect();
        Self { schema_version: SCHEMA_VERSION, methods, runs_total: 0, summed_through: None, runs: Vec::new() }
    }
}

impl Document {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Why it is no document.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        match serde_json::from_str::<Version>(text) {
            Ok(Version { schema_version }) if schema_version > SCHEMA_VERSION => return Err(Unreadable::Newer(schema_version)),
            Ok(_) => {}
            Err(_) => return Err(Unreadable::Corrupt),
        }
        let mut document: Self = serde_json::from_str(text).map_err(|_| Unreadable::Corrupt)?;
        for method in METHODS {
            document.methods.entry(method.id.to_owned()).or_default();
        }
        Ok(document)
    }

    /// Adds a run; false when it is in already, or too old to tell.
    pub fn add(&mut self, mut run: Run) -> bool {
        let is_too_old = self.summed_through.as_ref().is_some_and(|through| run.run_id <= *through);
        if is_too_old || self.runs.iter().any(|one| one.token == run.token) {
            return false;
        }
        // Two processes may begin in the same microsecond.
        while self.runs.iter().any(|one| one.run_id == run.run_id) {
            run.run_id = later(&run.run_id);
        }
        for (id, counted) in std::mem::take(&mut run.counted) {
            self.methods.entry(id).or_default().add(&run.run_id, &counted);
        }
        self.runs_total = self.runs_total.saturating_add(1);
        let at = self.runs.partition_point(|one| one.run_id < run.run_id);
        self.runs.insert(at, run);
        let surplus = self.runs.len().saturating_sub(KEPT_RUNS);
        if let Some(last) = self.runs.drain(..surplus).next_back() {
            self.summed_through = Some(last.run_id);
        }
        true
    }
}

/// A microsecond later.
fn later(run_id: &str) -> String {
    match DateTime::parse_from_rfc3339(run_id) {
        Ok(at) => (at.to_utc() + TimeDelta::microseconds(1)).to_rfc3339_opts(SecondsFormat::Micros, true),
        // It was written by us, so this does not occur; a longer text is another one all the same.
        Err(_) => format!("{run_id}+"),
    }
}
