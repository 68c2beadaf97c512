//! Tests of pipelines of somebody's own: what arrives, what a failure of each part does, and that a run goes on where another
//! was cut off, at whatever step.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::context::checkpoint::{Checkpoint, Checkpoints};
use crate::context::phases::State;
use serde_json::json;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// The numbers from 0, by chunks.
struct Numbers {
    next: u64,
    end: u64,
    fails_at: Option<u64>,
}

impl Extractor for Numbers {
    type Item = u64;

    fn begin(&mut self, position: Option<&Value>) -> Result<()> {
        self.next = position.map_or(0, |position| position.as_u64().unwrap());
        Ok(())
    }

    fn extract(&mut self, most: usize) -> Result<Option<Chunk<u64>>> {
        if self.fails_at.is_some_and(|at| self.next >= at) {
            return Err(Error::new(Kind::Unreachable, "the source is away"));
        }
        if self.next == self.end {
            return Ok(None);
        }
        let end = (self.next + count(most)).min(self.end);
        let items = (self.next..end).collect();
        self.next = end;
        Ok(Some(Chunk { items, position: json!(end) }))
    }
}

/// Doubles; odd numbers of hundreds are left out, and one may be refused or panicked about.
#[derive(Default)]
struct Double {
    refused: Option<u64>,
    panics: Option<u64>,
}

impl Transformer for Double {
    type In = u64;
    type Out = u64;

    fn transform(&self, item: u64) -> Result<Option<u64>> {
        assert_ne!(self.panics, Some(item), "on purpose");
        if self.refused == Some(item) {
            return Err(Error::new(Kind::Data, "a number that is refused"));
        }
        Ok((item % 200 != 100).then_some(item * 2))
    }
}

/// What is in, and how much of it is committed.
#[derive(Clone, Default)]
struct Store {
    all: Arc<Mutex<Vec<u64>>>,
    /// Calls after which it fails.
    fails_after: Option<usize>,
    batches: usize,
    ended: Arc<Mutex<u32>>,
}

impl Loader for Store {
    type Item = u64;

    fn begin(&mut self, mark: Option<&Value>) -> Result<()> {
        let keep = mark.map_or(0, |mark| usize::try_from(mark.as_u64().unwrap()).unwrap());
        let mut all = self.all.lock().unwrap();
        assert!(all.len() >= keep, "what was committed is there");
        all.truncate(keep);
        Ok(())
    }

    fn load(&mut self, items: Vec<u64>) -> Result<()> {
        self.batches += 1;
        assert!(items.len() <= 5);
        self.all.lock().unwrap().extend(items);
        if self.fails_after == Some(self.batches) { Err(Error::new(Kind::DiskFull, "no room")) } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<Value> {
        Ok(json!(self.all.lock().unwrap().len()))
    }

    fn end(&mut self) -> Result<()> {
        *self.ended.lock().unwrap() += 1;
        Ok(())
    }
}

const ITEMS: u64 = 1000;

fn wanted() -> Vec<u64> {
    (0..ITEMS).filter(|number| number % 200 != 100).map(|number| number * 2).collect()
}

fn options() -> Options {
    Options { chunk: 20, batch: 5, workers: 3, ..Options::default() }
}

fn context(file: Option<&Path>) -> Arc<Context> {
    let context = Context::unique();
    Arc::new(match file {
        Some(file) => context.with_checkpoints(Checkpoints::at(file, "finger", Duration::from_secs(60))),
        None => context,
    })
}

fn numbers(fails_at: Option<u64>) -> Numbers {
    Numbers { next: 0, end: ITEMS, fails_at }
}

#[test]
fn every_item_arrives_once_and_in_order() {
    let (store, context) = (Store::default(), context(None));
    let summary = Pipeline::new(numbers(None), Double::default(), store.clone(), options()).run(&context);
    assert!(summary.success && !summary.resumed, "{summary:?}");
    assert_eq!(*store.all.lock().unwrap(), wanted());
    assert_eq!(*store.ended.lock().unwrap(), 1);
    let rows: Vec<_> = summary.phases.iter().map(|phase| (phase.name.as_str(), phase.state, phase.rows)).collect();
    let done = State::Completed;
    assert_eq!(rows, [("extract", done, 1000), ("transform", done, 1000), ("load", done, 995)]);
    assert_eq!(summary.rows, 995);
}

#[test]
fn a_run_goes_on_where_a_loader_failed_at_any_batch() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.json");
    for fails_after in (1..=200).step_by(13) {
        let mut store = Store { fails_after: Some(fails_after), ..Store::default() };
        let summary = Pipeline::new(numbers(None), Double::default(), store.clone(), options()).run(&context(Some(&file)));
        assert_eq!(summary.error.as_ref().map(|error| (error.phase.as_str(), error.kind)), Some(("load", "disk_full")));
        assert_eq!(summary.phases[2].state, State::Failed);
        store.fails_after = None;
        let summary = Pipeline::new(numbers(None), Double::default(), store.clone(), options()).run(&context(Some(&file)));
        assert!(summary.success, "{summary:?}");
        // A chunk is at most 4 batches; before the first one is committed there is nothing to go on with.
        assert_eq!(summary.resumed, fails_after > 4, "{fails_after}");
        assert_eq!(*store.all.lock().unwrap(), wanted(), "failed after {fails_after} batches");
        assert!(!file.exists(), "nothing is left to go on with");
    }
}

#[test]
fn a_run_that_is_not_to_resume_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.json");
    let mut store = Store { fails_after: Some(100), ..Store::default() };
    let broken = Pipeline::new(numbers(None), Double::default(), store.clone(), options()).run(&context(Some(&file)));
    assert!(!broken.success && file.exists());
    store.fails_after = None;
    let anew = Options { resume: false, ..options() };
    let summary = Pipeline::new(numbers(None), Double::default(), store.clone(), anew).run(&context(Some(&file)));
    assert!(summary.success && !summary.resumed);
    assert_eq!(*store.all.lock().unwrap(), wanted());
}

#[test]
fn a_file_that_cannot_be_used_costs_a_failure_that_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.json");
    std::fs::write(&file, "{\"version\": 1,").unwrap();
    let store = Store::default();
    let summary = Pipeline::new(numbers(None), Double::default(), store.clone(), options()).run(&context(Some(&file)));
    assert!(summary.success && !summary.resumed);
    assert_eq!(summary.failures.len(), 1);
    assert!(summary.failures[0].what.contains("cut short") && !summary.failures[0].fatal, "{summary:?}");
    assert_eq!(*store.all.lock().unwrap(), wanted());
}

#[test]
fn what_fails_in_a_phase_is_the_failure_of_that_phase() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.json");
    let run = |fails_at, double, options| {
        let store = Store::default();
        (Pipeline::new(numbers(fails_at), double, store.clone(), options).run(&context(Some(&file))), store)
    };
    let states = |summary: &Summary| summary.phases.iter().map(|phase| phase.state).collect::<Vec<_>>();
    let (summary, store) = run(Some(500), Double::default(), options());
    assert_eq!(summary.error.as_ref().unwrap().kind, "unreachable");
    assert_eq!(states(&summary), [State::Failed, State::Warning, State::Warning]);
    let text = std::fs::read_to_string(&file).unwrap();
    let left = Checkpoint::read(&text, "finger", Duration::from_secs(60), chrono::Utc::now()).unwrap();
    assert_eq!(left.position.unwrap(), Position { extracted: json!(500), loaded: json!(store.all.lock().unwrap().len()) });
    std::fs::remove_file(&file).unwrap();

    let (summary, _) = run(None, Double { panics: Some(300), ..Double::default() }, options());
    let error = summary.error.as_ref().unwrap();
    assert_eq!((error.phase.as_str(), error.kind), ("transform", "internal"));
    assert!(error.what.contains("panicked") && !error.what.contains("300"), "{error:?}");
    assert_eq!(states(&summary), [State::Warning, State::Failed, State::Warning]);
    std::fs::remove_file(&file).unwrap();

    // 300 is one of those that are left out anyhow, 301 is not.
    let refused = || Double { refused: Some(301), ..Double::default() };
    let (summary, _) = run(None, refused(), options());
    assert_eq!((summary.success, states(&summary)[1]), (false, State::Failed));
    std::fs::remove_file(&file).unwrap();
    // One may be refused: it is told, and the others arrive.
    let (summary, store) = run(None, refused(), Options { errors_max: 1, ..options() });
    assert_eq!((summary.success, states(&summary)[1], summary.failures.len()), (true, State::Warning, 1));
    assert_eq!(store.all.lock().unwrap().len(), wanted().len() - 1);
}

/// An extractor that waits for the loader's first batch, so that a stop comes in the middle.
struct Endless(u64);

impl Extractor for Endless {
    type Item = u64;

    fn begin(&mut self, _: Option<&Value>) -> Result<()> {
        Ok(())
    }

    fn extract(&mut self, most: usize) -> Result<Option<Chunk<u64>>> {
        self.0 += count(most);
        Ok(Some(Chunk { items: (0..count(most)).collect(), position: json!(self.0) }))
    }
}

#[test]
fn a_pipeline_on_a_thread_of_its_own_is_watched_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.json");
    let context = context(Some(&file));
    let store = Store::default();
    let handle = Pipeline::new(Endless(0), Double::default(), store.clone(), options()).spawn(&context).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while handle.progress().rows < 100 {
        assert!(!handle.is_finished() && std::time::Instant::now() < until);
        std::thread::sleep(Duration::from_millis(1));
    }
    handle.cancel();
    let summary = handle.join();
    assert!(summary.stopped && !summary.success, "{summary:?}");
    assert_eq!(summary.error.as_ref().unwrap().phase, "extract");
    // Chunks in hand are finished: the file says how many items are in.
    let left: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(left["position"]["loaded"], json!(store.all.lock().unwrap().len()));
}
