//! The looks of many tables: a pool of workers, each with one connection to either side.

use super::look::{self, Look, Question};
use super::rows::Budget;
use super::{Services, Unit};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::sessions;
use crate::error::{Doing, Error, Kind, Result};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Name of our sessions in `pg_stat_activity`.
const APPLICATION: &str = "etl-sync/verify";

/// How often it is looked whether the counts are to be ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often a count that goes on after a request to stop is ended again.
const KILL_EVERY: Duration = Duration::from_secs(1);

/// One table of a pass.
pub(super) struct Answer {
    /// Index of its question.
    pub table: usize,
    /// Index of the unit in its pass.
    pub unit: usize,
    /// What was seen.
    pub look: Result<Look>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a pass over tables gave.
#[derive(Default)]
pub(super) struct Pass {
    /// One per table that was reached.
    pub seen: Vec<Answer>,
    /// Why tables were not reached; none when all were, or on request.
    pub lost: Option<Error>,
}

/// What the workers share.
struct Shared<'a> {
    services: &'a Services<'a>,
    questions: &'a [Question],
    /// In the order in which they are looked at.
    wanted: &'a [Unit],
    /// What may be kept of each question's table.
    budgets: Vec<Budget>,
    next: AtomicUsize,
    seen: Mutex<Vec<Answer>>,
    lost: Mutex<Option<Error>>,
    /// Server-side ids of the source connections that count, by worker.
    running: Mutex<BTreeMap<usize, u64>>,
}

type Connections = (MysqlConn, PostgresConn);

/// Looks at the wanted parts of tables, once each.
pub(super) fn look_at(services: &Services<'_>, questions: &[Question], wanted: &[Unit]) -> Pass {
    let shared = Shared {
        services,
        questions,
        wanted,
        budgets: questions.iter().map(|question| Budget::new(question.rows_told())).collect(),
        next: AtomicUsize::new(0),
        seen: Mutex::default(),
        lost: Mutex::default(),
        running: Mutex::default(),
    };
    let workers = services.workers.min(wanted.len()).max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).thread_name(|i| format!("verify-{i}")).build();
    let pool = match pool.doing(Kind::Internal, || "starting the worker threads") {
        Ok(pool) => pool,
        Err(error) => return Pass { seen: Vec::new(), lost: Some(error) },
    };
    // Every worker holds a sender; it ends when the last of them has ended.
    let (sender, ended) = crossbeam::channel::bounded::<()>(0);
    pool.in_place_scope(|scope| {
        for worker in 0..workers {
            let (shared, sender) = (&shared, sender.clone());
            scope.spawn(move |_| {
                shared.work(worker);
                drop(sender);
            });
        }
        drop(sender);
        let mut killed: Option<Instant> = None;
        while ended.recv_timeout(LOOK_EVERY) == Err(crossbeam::channel::RecvTimeoutError::Timeout) {
            if services.cancel.is_stopping() && killed.is_none_or(|at| at.elapsed() >= KILL_EVERY) {
                let ids: Vec<u64> = lock(&shared.running).values().copied().collect();
                sessions::end_queries(services.source, &ids);
                killed = Some(Instant::now());
            }
        }
    });
    let seen = shared.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lost = shared.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Others may have done the work of a worker that could not connect.
    let lost = lost.filter(|_| seen.len() < wanted.len() && !services.cancel.is_stopping());
    Pass { seen, lost }
}

impl Shared<'_> {
    /// Takes table after table until none is left, a stop is asked for, or a server lets nobody in.
    fn work(&self, worker: usize) {
        let mut connections: Option<Connections> = None;
        while !self.services.cancel.is_stopping() && self.next.load(Ordering::SeqCst) < self.wanted.len() {
            let pair = match connections.take().map_or_else(|| self.connect(), Ok) {
                Ok(pair) => pair,
                Err(error) => {
                    log::warn!("{error}");
                    lock(&self.lost).get_or_insert(error);
                    return;
                }
            };
            let index = self.next.fetch_add(1, Ordering::SeqCst);
            let taken = self.wanted.get(index);
            let both = |unit: &Unit| Some((self.questions.get(unit.table)?, self.budgets.get(unit.table)?));
            let Some((unit, (question, budget))) = taken.and_then(|unit| Some((unit, both(unit)?))) else { return };
            let started = Instant::now();
            lock(&self.running).insert(worker, u64::from(pair.0.conn.connection_id()));
            let looked = self.look(pair, question, (unit, budget));
            lock(&self.running).remove(&worker);
            if self.services.cancel.is_stopping() && looked.is_err() {
                return;
            }
            // After an error nobody knows what state the connections are in, and they are gone.
            let look = looked.map(|(look, pair)| {
                connections = Some(pair);
                look
            });
            lock(&self.seen).push(Answer { table: unit.table, unit: index, look, elapsed: started.elapsed() });
        }
    }

    fn connect(&self) -> Result<Connections> {
        let source = MysqlConn::connect(self.services.source)?;
        Ok((source, PostgresConn::connect(self.services.warehouse, APPLICATION, self.services.watchdog)?))
    }

    /// A panic inside a look is that table's failure, not the process's end.
    fn look(
        &self,
        (source, mut warehouse): Connections,
        question: &Question,
        unit: (&Unit, &Budget),
    ) -> Result<(Look, Connections)> {
        // Asked after the id is known to whoever ends counts: a request to stop is never missed.
        self.services.cancel.check()?;
        let quarantine = (self.services.job, self.services.quarantine);
        let looked = catch_unwind(AssertUnwindSafe(|| look::look((source, &mut warehouse), question, quarantine, unit)));
        let table = question.table.name();
        let panicked = |_| Err(Error::new(Kind::Internal, format!("comparing table {table}: a worker panicked")));
        looked.unwrap_or_else(panicked).map(|(look, source)| (look, (source, warehouse)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
