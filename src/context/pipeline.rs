//! Somebody's own extractor, transformer and loader as one run: chunks of items flow from one to the next over bounded
//! channels, items are transformed in parallel, and the place that was reached is kept after every chunk.
//!
//! ```text
//! extract ─► 2 chunks ─► transform (all workers) ─► 2 chunks ─► load, commit ─► checkpoint
//! ```
//!
//! Each item is loaded exactly once, also over a kill: a checkpoint holds where the extractor stood and what the loader had made
//! durable by then, and a run that goes on hands both back before anything else. All the loader has to do is to forget what it
//! holds beyond its mark. What happens in code of the pipeline's owner, a panic too, is the failure of that phase.

use super::Context;
use super::checkpoint::{Found, Position};
use super::memory::Permit;
use super::phases::Running;
use super::progress::Snapshot;
use super::summary::Summary;
use crate::error::{Doing, Error, Kind, Result};
use crossbeam::channel::{Receiver, Sender, bounded};
use rayon::prelude::*;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Chunks that wait between two stages: one is being made while another is used, and none lies about.
const CHUNKS_WAITING: usize = 2;

/// Some items, and where the extractor goes on after them.
#[derive(Debug, Clone)]
pub struct Chunk<T> {
    /// The items, in their order.
    pub items: Vec<T>,
    /// Whatever the extractor needs to go on behind them: a row number, a key, a page. No password and no value that nobody may
    /// see: it is written to a file.
    pub position: Value,
}

/// Where items come from.
pub trait Extractor: Send {
    /// What comes.
    type Item: Send;

    /// Before the first chunk: from the beginning, or behind a chunk of an earlier run.
    ///
    /// # Errors
    /// What keeps it from there; the run ends.
    fn begin(&mut self, position: Option<&Value>) -> Result<()>;

    /// The next items, about `most`; none when there are no more.
    ///
    /// # Errors
    /// What keeps it from reading; the run ends.
    fn extract(&mut self, most: usize) -> Result<Option<Chunk<Self::Item>>>;
}

/// What becomes of an item. Called by many threads at once; the order of items stays.
pub trait Transformer: Sync {
    /// What comes in.
    type In: Send;
    /// What goes out.
    type Out: Send;

    /// The item in its new form; none to leave it out.
    ///
    /// # Errors
    /// Why it cannot be: it is counted and left out, or ends the run ([`Options::errors_max`]).
    fn transform(&self, item: Self::In) -> Result<Option<Self::Out>>;
}

/// Where items go.
pub trait Loader: Send {
    /// What goes in.
    type Item: Send;

    /// Before the first batch: into nothing, or onto what [`Loader::commit`] of an earlier run had answered. What is there beyond
    /// that was not committed, comes again, and has to go.
    ///
    /// # Errors
    /// What keeps it from writing; the run ends.
    fn begin(&mut self, mark: Option<&Value>) -> Result<()>;

    /// Takes a batch of at most [`Options::batch`] items.
    ///
    /// # Errors
    /// What keeps it from writing; the run ends.
    fn load(&mut self, items: Vec<Self::Item>) -> Result<()>;

    /// Everything taken so far is durable when this returns; the answer is what [`Loader::begin`] needs to know it again.
    ///
    /// # Errors
    /// What keeps it from that; the run ends.
    fn commit(&mut self) -> Result<Value>;

    /// All items are in and committed. May happen again after a kill.
    ///
    /// # Errors
    /// What keeps it from ending; the run ends unfinished.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How a pipeline works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Items per chunk: what is extracted, committed and remembered at once. Up to 7 chunks are in memory. Default 1000.
    pub chunk: usize,
    /// Items per call of [`Loader::load`]. Default 500.
    pub batch: usize,
    /// Threads that transform; default one per core.
    pub workers: usize,
    /// Go on with what an unfinished run has left. Default true.
    pub resume: bool,
    /// Items that may fail to be transformed before the run ends. Default 0.
    pub errors_max: u64,
    /// Names of the three phases.
    pub names: [&'static str; 3],
}

impl Default for Options {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { chunk: 1000, batch: 500, workers, resume: true, errors_max: 0, names: ["extract", "transform", "load"] }
    }
}

/// A pipeline that has not begun.
#[derive(Debug)]
pub struct Pipeline<E, T, L> {
    extractor: E,
    transformer: T,
    loader: L,
    options: Options,
}

/// A chunk between two stages, or the mark that there is no other. It keeps its place in memory until it is loaded.
enum Message<'a, T> {
    Chunk(Chunk<T>, Permit<'a>),
    End,
}

impl<E, T, L> Pipeline<E, T, L>
where
    E: Extractor,
    T: Transformer<In = E::Item>,
    L: Loader<Item = T::Out>,
{
    /// A pipeline of these three.
    pub const fn new(extractor: E, transformer: T, loader: L, options: Options) -> Self {
        Self { extractor, transformer, loader, options }
    }

    /// Runs to the end on this thread and two of its own. Whatever happens is in the summary; it is saved nowhere.
    #[must_use]
    pub fn run(self, context: &Arc<Context>) -> Summary {
        let [extract, transform, load] = self.options.names;
        context.phases.plan(&self.options.names);
        let (from, resumed_from) = self.left(context);
        context.checkpoints.begin(&context.run_id);
        if let Some(position) = &from {
            context.checkpoints.position(position.clone());
        }
        let watch = context.watch().inspect_err(|error| log::warn!("{error}; memory is not watched")).ok();
        let Self { mut extractor, transformer, mut loader, options } = self;
        let (extracted, loaded) = (from.as_ref().map(|from| &from.extracted), from.as_ref().map(|from| &from.loaded));
        std::thread::scope(|scope| {
            let (chunks, for_transform) = bounded(CHUNKS_WAITING);
            let (rows, for_load) = bounded(CHUNKS_WAITING);
            let extractor = &mut extractor;
            let source = move || {
                stage(context, extract, |phase| {
                    extractor.begin(extracted)?;
                    extract_all(context, phase, extractor, options.chunk.max(1), &chunks)
                });
            };
            let transformer = &transformer;
            let middle = move || {
                stage(context, transform, |phase| transform_all(context, phase, transformer, options, (&for_transform, &rows)));
            };
            for (name, body) in [(extract, Box::new(source) as Box<dyn FnOnce() + Send>), (transform, Box::new(middle))] {
                if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, body) {
                    context.failures.record(name, &Error::with(Kind::Internal, "starting a thread", error), true);
                }
            }
            // The end of the channel goes with the stage, so that nobody waits for one that has failed.
            let loader = &mut loader;
            stage(context, load, move |phase| {
                loader.begin(loaded)?;
                load_all(context, phase, loader, options, &for_load)
            });
        });
        drop(watch);
        let summary = Summary::of(context, resumed_from);
        if summary.success {
            context.checkpoints.done()
        } else {
            context.checkpoints.keep()
        }
        summary
    }

    /// Where an unfinished run has left off, and in which phase.
    fn left(&self, context: &Context) -> (Option<Position>, Option<&'static str>) {
        match context.checkpoints.find() {
            Found::Usable(left) if self.options.resume && left.position.is_some() => {
                let open = left.first_open(&self.options.names).unwrap_or(self.options.names[2]);
                log::info!("going on with the unfinished run {} from phase {open}", left.run_id);
                (left.position, Some(open))
            }
            Found::Refused(error) if self.options.resume => {
                log::warn!("{error}; the run begins anew");
                context.failures.record("checkpoint", &error, false);
                (None, None)
            }
            _ => (None, None),
        }
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn spawn(self, context: &Arc<Context>) -> Result<Handle>
    where
        E: 'static,
        T: Send + 'static,
        L: 'static,
    {
        let its = Arc::clone(context);
        let thread = std::thread::Builder::new().name("pipeline".into()).spawn(move || self.run(&its));
        Ok(Handle { context: Arc::clone(context), thread: thread.doing(Kind::Internal, || "starting the pipeline's thread")? })
    }
}

/// A pipeline that runs.
#[derive(Debug)]
pub struct Handle {
    context: Arc<Context>,
    thread: JoinHandle<Summary>,
}

impl Handle {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Snapshot {
        self.context.progress.snapshot()
    }

    /// Asks it to stop after the chunks in hand; asked twice, it throws them away. The next run goes on either way.
    pub fn cancel(&self) {
        self.context.cancel.ask(0);
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    #[must_use]
    pub fn join(self) -> Summary {
        self.thread.join().unwrap_or_else(|_| {
            self.context.failures.record("pipeline", &Error::new(Kind::Internal, "the pipeline's thread panicked"), true);
            Summary::of(&self.context, None)
        })
    }
}

/// Runs one phase to its end; an error or a panic in it ends the run.
fn stage(context: &Context, name: &str, work: impl FnOnce(&Running<'_>) -> Result<()>) {
    let phase = context.phase(name);
    // What was panicked about may be a value, so it is not repeated here.
    let panicked = |_| Err(Error::new(Kind::Internal, format!("the code of phase {name} panicked")));
    match catch_unwind(AssertUnwindSafe(|| work(&phase))).unwrap_or_else(panicked) {
        Ok(()) => phase.complete(),
        Err(error) => {
            context.failures.record(name, &error, true);
            phase.fail();
        }
    }
}

fn extract_all<'a, E: Extractor>(
    context: &'a Context,
    phase: &Running<'_>,
    extractor: &mut E,
    most: usize,
    out: &Sender<Message<'a, E::Item>>,
) -> Result<()> {
    loop {
        context.cancel.check()?;
        // While memory is short, one chunk at a time is on its way.
        let permit = context.memory.admit(&context.cancel)?;
        let next = match extractor.extract(most)? {
            Some(chunk) => {
                phase.add(count(chunk.items.len()), 0);
                Message::Chunk(chunk, permit)
            }
            None => Message::End,
        };
        let is_end = matches!(next, Message::End);
        // Nobody takes it when a later phase has failed, which tells why itself.
        if out.send(next).is_err() {
            phase.warn();
            return Ok(());
        }
        if is_end {
            return Ok(());
        }
    }
}

/// Where a transformer's chunks come from and go to.
type Ends<'c, 'a, T> = (&'c Receiver<Message<'a, <T as Transformer>::In>>, &'c Sender<Message<'a, <T as Transformer>::Out>>);

fn transform_all<'a, T: Transformer>(
    context: &Context,
    phase: &Running<'_>,
    transformer: &T,
    options: Options,
    (from, to): Ends<'_, 'a, T>,
) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.workers.max(1)).thread_name(|i| format!("transform-{i}"));
    let pool = pool.build().doing(Kind::Internal, || "starting the threads that transform")?;
    let mut errors = 0;
    while let Ok(message) = from.recv() {
        abort(context)?;
        let next = match message {
            Message::Chunk(Chunk { items, position }, permit) => {
                phase.add(count(items.len()), 0);
                let done: Vec<Result<Option<T::Out>>> =
                    pool.install(|| items.into_par_iter().map(|item| transformer.transform(item)).collect());
                let mut items = Vec::with_capacity(done.len());
                for result in done {
                    match result {
                        Ok(item) => items.extend(item),
                        Err(error) if errors < options.errors_max => {
                            errors += 1;
                            phase.warn();
                            context.failures.record(options.names[1], &error, false);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Message::Chunk(Chunk { items, position }, permit)
            }
            Message::End => Message::End,
        };
        let is_end = matches!(next, Message::End);
        if to.send(next).is_err() {
            phase.warn();
        }
        if is_end {
            return Ok(());
        }
    }
    cut_short(phase)
}

fn load_all<L: Loader>(
    context: &Context,
    phase: &Running<'_>,
    loader: &mut L,
    options: Options,
    from: &Receiver<Message<'_, L::Item>>,
) -> Result<()> {
    while let Ok(message) = from.recv() {
        abort(context)?;
        let Message::Chunk(Chunk { items, position }, permit) = message else {
            return loader.end();
        };
        let mut items = items.into_iter();
        loop {
            let batch: Vec<_> = items.by_ref().take(options.batch.max(1)).collect();
            if batch.is_empty() {
                break;
            }
            let rows = count(batch.len());
            loader.load(batch)?;
            phase.add(rows, 0);
            context.progress.add(rows, 0);
        }
        let loaded = loader.commit()?;
        context.checkpoints.position(Position { extracted: position, loaded });
        drop(permit);
    }
    cut_short(phase)
}

/// The phase before ended without its last word, and tells why itself.
fn cut_short(phase: &Running<'_>) -> Result<()> {
    phase.warn();
    Ok(())
}

fn abort(context: &Context) -> Result<()> {
    if context.cancel.is_aborting() { context.cancel.check() } else { Ok(()) }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
