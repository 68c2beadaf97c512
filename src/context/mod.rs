//! What a run needs from top to bottom, as one object that is passed down: services only, never global, no state of a table.
//!
//! etl-sync's own runs and pipelines of somebody's own ([`pipeline`]) use the same one. It holds no configuration and no
//! password, so everything in it may be told.

pub mod checkpoint; // what a run leaves for the one after it
pub mod failures; // what went wrong
pub mod legacy; // the old pipeline's form of call and result
pub mod memory; // what the process holds, and who waits because of it
pub mod phases; // what is being done, how long, how much
pub mod pipeline; // somebody's own extractor, transformer and loader
pub mod progress; // counters that everybody may read while the run goes on
pub mod summary; // what a run was, as a document
pub mod timeline; // what each worker did and when

use crate::cancel::Cancel;
use crate::error::{Doing, Kind, Result};
use checkpoint::Checkpoints;
use failures::Failures;
use memory::{Limit, Memory, Resident};
use phases::{Phases, Running};
use progress::Progress;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The services of one run; shared by its threads in an `Arc`.
///
/// ```
/// use etl_sync::context::Context;
///
/// let context = Context::new("nightly-1");
/// let phase = context.phase("extract");
/// phase.add(1000, 64_000);
/// phase.complete();
/// assert_eq!(context.phases.told()[0].rows, 1000);
/// ```
#[derive(Debug)]
pub struct Context {
    /// The run; a UUID where nobody gives another name.
    pub run_id: String,
    /// Running, draining, aborting.
    pub cancel: Cancel,
    /// What is being done.
    pub phases: Phases,
    /// Counters for people.
    pub progress: Arc<Progress>,
    /// What the process holds.
    pub memory: Memory,
    /// What went wrong.
    pub failures: Failures,
    /// What the next run has to know.
    pub checkpoints: Checkpoints,
}

impl Context {
    /// A run without a limit of its own (that of the control group counts) and without checkpoints.
    #[must_use]
    pub fn new(run_id: impl Into<String>) -> Self {
        Self {
            run_id: run_id.into(),
            cancel: Cancel::new(),
            phases: Phases::default(),
            progress: Arc::default(),
            memory: Memory::new(Limit::of_process(0)),
            failures: Failures::default(),
            checkpoints: Checkpoints::default(),
        }
    }

    /// A run under a name of its own, which sorts by time.
    #[must_use]
    pub fn unique() -> Self {
        Self::new(uuid::Uuid::now_v7().to_string())
    }

    /// With a limit of memory in bytes, 0 for none; a lower one of the control group counts.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Memory::new(Limit::of_process(bytes));
        self
    }

    /// With checkpoints.
    #[must_use]
    pub fn with_checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// With a log line whenever another so many rows are done.
    #[must_use]
    pub fn with_log_every(mut self, rows: u64) -> Self {
        self.progress = Arc::new(Progress::logging(rows));
        self
    }

    /// Begins a phase, or goes on with one. It has failed when it is dropped without [`Running::complete`].
    pub fn phase(&self, name: &str) -> Running<'_> {
        Running::begin(self, name)
    }

    /// One look at the memory and at what is still to be written. The watch does this all the time.
    pub fn look(&self) {
        if let Some(resident) = Resident::of_process() {
            self.phases.saw(resident);
            if self.memory.saw(resident, Instant::now())
                && let Err(error) = self.memory.check()
            {
                log::error!("{error}; the run ends");
                // Asking a run that is stopping already would throw its work away.
                if !self.cancel.is_stopping() {
                    self.cancel.ask(0);
                }
            }
        }
        self.checkpoints.look();
    }

    /// Starts the thread that looks; it ends with what is returned.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn watch(self: &Arc<Self>) -> Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, context) = (Arc::clone(&stop), Arc::clone(self));
        let body = move || {
            while !stopped.load(Ordering::Relaxed) {
                context.look();
                std::thread::park_timeout(LOOK_EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("memory".into()).spawn(body);
        Ok(Watch { stop, thread: Some(thread.doing(Kind::Internal, || "starting the memory watch")?) })
    }
}

/// The watching thread; ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("the memory watch panicked");
            }
        }
    }
}
