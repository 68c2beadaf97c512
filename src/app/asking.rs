//! One question per table, asked of the source by several connections; a stop ends the statements at the server.

use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::conn::mysql::MysqlConn;
use crate::conn::sessions;
use crate::error::{Doing, Error, Kind, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked whether the statements have ended or are to be ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often a statement that goes on after a request to stop is ended again.
const KILL_EVERY: Duration = Duration::from_secs(1);

/// What the workers share.
struct Shared<'a, T, A> {
    endpoint: &'a Endpoint,
    cancel: &'a Cancel,
    items: &'a [T],
    next: AtomicUsize,
    answers: Mutex<BTreeMap<usize, Result<A>>>,
    /// Server-side ids of the connections that ask, by worker.
    running: Mutex<BTreeMap<usize, u64>>,
    /// Why a worker could not go on.
    lost: Mutex<Option<Error>>,
}

/// Answers by item, and why items have none (but for a stop).
pub(super) type Answers<A> = (BTreeMap<usize, Result<A>>, Option<Error>);

/// Asks about every item, on up to `parallel` connections; the first one is there already. An item without an answer was
/// not reached.
///
/// # Errors
/// [`Kind::Internal`] when threads cannot be started, or one has panicked.
pub(super) fn ask<T: Sync, A: Send>(
    (endpoint, first): (&Endpoint, MysqlConn),
    parallel: usize,
    cancel: &Cancel,
    items: &[T],
    question: impl Fn(&mut MysqlConn, &T) -> Result<A> + Sync,
) -> Result<Answers<A>> {
    let shared = Shared {
        endpoint,
        cancel,
        items,
        next: AtomicUsize::new(0),
        answers: Mutex::default(),
        running: Mutex::default(),
        lost: Mutex::default(),
    };
    let (workers, mut first) = (parallel.min(items.len()), Some(first));
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(workers);
        for worker in 0..workers {
            let (conn, shared, question) = (first.take(), &shared, &question);
            let thread = std::thread::Builder::new()
                .name(format!("ask-{worker}"))
                .spawn_scoped(scope, move || shared.work(worker, conn, question))
                .doing(Kind::Internal, || "starting a thread")?;
            threads.push(thread);
        }
        let mut killed: Option<Instant> = None;
        while threads.iter().any(|thread| !thread.is_finished()) {
            if cancel.is_stopping() && killed.is_none_or(|at| at.elapsed() >= KILL_EVERY) {
                let ids: Vec<u64> = lock(&shared.running).values().copied().collect();
                sessions::end_queries(endpoint, &ids);
                killed = Some(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        match threads.into_iter().all(|thread| thread.join().is_ok()) {
            true => Ok(()),
            false => Err(Error::new(Kind::Internal, "a thread that asked the source has panicked")),
        }
    })?;
    let answers = shared.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((answers, shared.lost.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

impl<T: Sync, A: Send> Shared<'_, T, A> {
    /// Takes item after item until none is left, a stop is asked for or the source is gone.
    fn work(&self, worker: usize, mut conn: Option<MysqlConn>, question: &(impl Fn(&mut MysqlConn, &T) -> Result<A> + Sync)) {
        while !self.cancel.is_stopping() {
            let mut source = match conn.take().map_or_else(|| MysqlConn::connect(self.endpoint), Ok) {
                Ok(source) => source,
                // The others go on with the items.
                Err(error) => {
                    log::warn!("{error}");
                    lock(&self.lost).get_or_insert(error);
                    return;
                }
            };
            let index = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = self.items.get(index) else { return };
            lock(&self.running).insert(worker, u64::from(source.conn.connection_id()));
            // Asked after the id is known to whoever ends statements: a request to stop is never missed.
            let answer = self.cancel.check().and_then(|()| question(&mut source, item));
            lock(&self.running).remove(&worker);
            if self.cancel.is_stopping() && answer.is_err() {
                return;
            }
            // After an error the connection may be of no use; a new one is.
            conn = answer.is_ok().then_some(source);
            lock(&self.answers).insert(index, answer);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
