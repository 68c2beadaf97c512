//! The old pipeline's form of call and result over [`super::pipeline`]: for code that was written for it.
//!
//! A thin adapter: it turns the old numbers into [`Options`] and a [`Summary`] into the old result. Two things are other than
//! they were: a checkpoint can be loaded, and no password is in it.

use super::Context;
use super::checkpoint::{Checkpoints, fingerprint};
use super::failures::Failure;
use super::memory::MIB;
use super::phases::Phase;
use super::pipeline::{Extractor, Loader, Options, Pipeline, Transformer};
use super::summary::Summary;
use crate::error::{Error, Kind, Result};
use crate::files;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Rows between two log lines.
const LOG_EVERY: u64 = 1000;

/// A checkpoint never grew too old for the old pipeline; this is its never.
const FRESH_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Most threads that transform.
const WORKERS_MAX: usize = 64;

/// What the old constructor took beside the database, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyOptions {
    /// Directory of checkpoints and summaries; made when it is missing.
    pub output_dir: PathBuf,
    /// MiB, 0 for none. Default 1024.
    pub memory_limit_mb: u64,
    /// Whether items are transformed in parallel. Default true.
    pub parallel: bool,
    /// Items per chunk, at least 1. Default 1000.
    pub chunk_size: usize,
    /// Items per call of the loader, at least 1. Default 500.
    pub batch_size: usize,
    /// Threads that transform, 1 to 64; one per core when none.
    pub max_workers: Option<usize>,
    /// Names checkpoint and summary; a random UUID when none. To resume, give the same again.
    pub task_id: Option<String>,
}

impl LegacyOptions {
    /// The old defaults.
    #[must_use]
    pub fn new(output_dir: impl Into<PathBuf>) -> Self {
        Self {
            output_dir: output_dir.into(),
            memory_limit_mb: 1024,
            parallel: true,
            chunk_size: 1000,
            batch_size: 500,
            max_workers: None,
            task_id: None,
        }
    }
}

/// The old result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LegacyResult {
    /// Everything is loaded.
    pub success: bool,
    /// It went on from a checkpoint.
    pub resumed: bool,
    /// The phase that the checkpoint had not ended.
    pub resumed_from: Option<String>,
    /// Names the run.
    pub task_id: String,
    /// Counts, length and rate of `extract`, `transform` and `load`.
    pub phases: BTreeMap<String, Phase>,
    /// What went wrong, also what ended nothing.
    pub errors: Vec<Failure>,
    /// Length of the run.
    pub seconds: f64,
    /// Items that are loaded by this run.
    pub loaded: u64,
}

impl From<Summary> for LegacyResult {
    fn from(summary: Summary) -> Self {
        Self {
            success: summary.success,
            resumed: summary.resumed,
            resumed_from: summary.resumed_from,
            task_id: summary.run_id,
            phases: summary.phases.into_iter().map(|phase| (phase.name.clone(), phase)).collect(),
            errors: summary.failures,
            seconds: summary.seconds,
            loaded: summary.rows,
        }
    }
}

/// The old pipeline over three parts that are built from the database's configuration, anew for each run.
#[derive(Debug)]
pub struct LegacyPipeline<D, B> {
    database: D,
    options: LegacyOptions,
    task_id: String,
    build: B,
}

impl<D, E, T, L, B> LegacyPipeline<D, B>
where
    // What is shown tells configurations apart, so it must not hold a password; `config::Endpoint` shows none.
    D: Display,
    E: Extractor,
    T: Transformer<In = E::Item>,
    L: Loader<Item = T::Out>,
    B: Fn(&D) -> Result<(E, T, L)>,
{
    /// A pipeline for this database.
    ///
    /// # Errors
    /// [`Kind::Config`] for a number out of its range or a task id that is no part of a file name; [`Kind::File`] when the
    /// directory cannot be made.
    pub fn new(database: D, options: LegacyOptions, build: B) -> Result<Self> {
        let wrong = |text: &str| Err(Error::new(Kind::Config, text).hint("correct the pipeline's options"));
        if options.chunk_size == 0 || options.batch_size == 0 {
            return wrong("chunk_size and batch_size are at least 1");
        }
        if options.max_workers.is_some_and(|workers| !(1..=WORKERS_MAX).contains(&workers)) {
            return wrong("max_workers is from 1 to 64");
        }
        let task_id = options.task_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        if task_id.is_empty() || !task_id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return wrong("a task id has letters, digits, '-', '_' and '.' only");
        }
        files::make_dir(&options.output_dir)?;
        Ok(Self { database, options, task_id, build })
    }

    /// Runs to the end, from a checkpoint of the same task where one is wanted and there. Whatever happens is in the result.
    #[must_use]
    pub fn run(&self, resume_from_checkpoint: bool) -> LegacyResult {
        let LegacyOptions { output_dir, memory_limit_mb, parallel, chunk_size, batch_size, max_workers, .. } = &self.options;
        let file = |what: &str| output_dir.join(format!("etl_{what}_{}.json", self.task_id));
        let of = fingerprint([self.task_id.as_bytes(), self.database.to_string().as_bytes()]);
        let context = Arc::new(
            Context::new(&self.task_id)
                .with_memory_limit(memory_limit_mb.saturating_mul(MIB))
                .with_log_every(LOG_EVERY)
                .with_checkpoints(Checkpoints::at(file("checkpoint"), of, FRESH_FOR)),
        );
        let mut options =
            Options { chunk: *chunk_size, batch: *batch_size, resume: resume_from_checkpoint, ..Options::default() };
        options.workers = if *parallel { max_workers.unwrap_or(options.workers) } else { 1 };
        let summary = match (self.build)(&self.database) {
            Ok((extractor, transformer, loader)) => Pipeline::new(extractor, transformer, loader, options).run(&context),
            Err(error) => {
                context.failures.record("build", &error, true);
                Summary::of(&context, None)
            }
        };
        if let Err(error) = summary.save(&file("summary")) {
            log::warn!("the summary is not kept: {error}");
        }
        summary.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::context::pipeline::Chunk;
    use serde_json::{Value, json};
    use std::sync::Mutex;

    struct Letters(usize);

    impl Extractor for Letters {
        type Item = char;

        fn begin(&mut self, position: Option<&Value>) -> Result<()> {
            self.0 = position.map_or(0, |at| usize::try_from(at.as_u64().unwrap()).unwrap());
            Ok(())
        }

        fn extract(&mut self, most: usize) -> Result<Option<Chunk<char>>> {
            let items: Vec<char> = ('a'..='z').skip(self.0).take(most).collect();
            self.0 += items.len();
            Ok((!items.is_empty()).then(|| Chunk { items, position: json!(self.0) }))
        }
    }

    struct Upper;

    impl Transformer for Upper {
        type In = char;
        type Out = char;

        fn transform(&self, item: char) -> Result<Option<char>> {
            Ok(Some(item.to_ascii_uppercase()))
        }
    }

    struct Text {
        into: Arc<Mutex<String>>,
        breaks_at: Option<char>,
    }

    impl Loader for Text {
        type Item = char;

        fn begin(&mut self, mark: Option<&Value>) -> Result<()> {
            let length = mark.map_or(0, |mark| usize::try_from(mark.as_u64().unwrap()).unwrap());
            self.into.lock().unwrap().truncate(length);
            Ok(())
        }

        fn load(&mut self, items: Vec<char>) -> Result<()> {
            let broken = self.breaks_at.is_some_and(|at| items.contains(&at));
            self.into.lock().unwrap().extend(items);
            if broken { Err(Error::new(Kind::Unreachable, "connection lost")) } else { Ok(()) }
        }

        fn commit(&mut self) -> Result<Value> {
            Ok(json!(self.into.lock().unwrap().len()))
        }
    }

    #[test]
    fn the_old_call_gives_the_old_result_and_goes_on_from_its_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let into = Arc::new(Mutex::new(String::new()));
        let task = LegacyOptions {
            chunk_size: 5,
            batch_size: 2,
            task_id: Some("task-1".into()),
            ..LegacyOptions::new(dir.path().join("out"))
        };
        assert_eq!((task.memory_limit_mb, task.parallel, LegacyOptions::new("x").batch_size), (1024, true, 500));
        let run = |breaks_at, resume| {
            let into = Arc::clone(&into);
            let build = move |_: &&str| Ok((Letters(0), Upper, Text { into: Arc::clone(&into), breaks_at }));
            LegacyPipeline::new("etl@db:3306/clinic", task.clone(), build).unwrap().run(resume)
        };
        let broken = run(Some('M'), false);
        assert!(!broken.success && !broken.resumed && broken.task_id == "task-1");
        assert_eq!((broken.errors.len(), broken.errors[0].phase.as_str(), broken.errors[0].fatal), (1, "load", true));
        let checkpoint = std::fs::read_to_string(dir.path().join("out/etl_checkpoint_task-1.json")).unwrap();
        assert!(!checkpoint.contains("clinic") && !checkpoint.contains("3306"), "{checkpoint}");
        let done = run(None, true);
        assert!(done.success && done.resumed && done.resumed_from.is_some(), "{done:?}");
        assert_eq!(*into.lock().unwrap(), ('A'..='Z').collect::<String>());
        assert_eq!((done.loaded, done.phases["extract"].rows), (16, 16), "10 were in already");
        assert!(dir.path().join("out/etl_summary_task-1.json").exists());
        assert!(!run(None, true).resumed, "nothing is left to go on with");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let build = |_: &&str| Ok((Letters(0), Upper, Text { into: Arc::default(), breaks_at: None }));
        let base = LegacyOptions::new(dir.path());
        for options in [
            LegacyOptions { chunk_size: 0, ..base.clone() },
            LegacyOptions { batch_size: 0, ..base.clone() },
            LegacyOptions { max_workers: Some(65), ..base.clone() },
            LegacyOptions { task_id: Some("../x".into()), ..base.clone() },
        ] {
            assert_eq!(LegacyPipeline::new("db", options, build).err().map(|error| error.kind()), Some(Kind::Config));
        }
        let random = LegacyPipeline::new("db", base, build).unwrap().run(false);
        assert!(random.success && random.task_id.len() == 36);
        let failing = |_: &&str| -> Result<(Letters, Upper, Text)> { Err(Error::new(Kind::Refused, "no entry")) };
        let result = LegacyPipeline::new("db", LegacyOptions::new(dir.path()), failing).unwrap().run(false);
        assert_eq!((result.success, result.errors[0].kind), (false, "refused"));
    }
}
