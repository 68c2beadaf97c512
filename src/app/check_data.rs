//! `check --data`: proves the mapping on the data before a load. Asks only the source, one aggregate query per table.

use super::planning::{self, Selected};
use super::telling;
use crate::cancel::Cancel;
use crate::config::{Config, Endpoint};
use crate::conn::mysql::MysqlConn;
use crate::conn::sessions;
use crate::error::{Doing, Error, Kind, Result};
use crate::report::ErrorReport;
use crate::report::data::{AtLeastMost, DataReport, FoundValues, TableData};
use crate::source::probe::{Answer, Query};
use crate::usage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked whether the queries have ended or are to be ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often a query that goes on after a request to stop is ended again.
const KILL_EVERY: Duration = Duration::from_secs(1);

/// A table whose types can hold faults.
struct Asked {
    table: Selected,
    query: Query,
}

/// What the workers share.
struct Shared<'a> {
    endpoint: &'a Endpoint,
    cancel: &'a Cancel,
    asked: &'a [Asked],
    rejected_rows_max: u64,
    next: AtomicUsize,
    answers: Mutex<Vec<TableData>>,
    /// Server-side ids of the connections whose query is running, by worker.
    running: Mutex<Vec<Option<u64>>>,
    /// Why a worker could not go on.
    lost: Mutex<Option<ErrorReport>>,
}

/// Looks at the values of these tables, all when empty.
///
/// # Errors
/// [`Kind::Config`] for names that do not exist; the classified error of the source.
pub fn check(config: &Config, tables: &[String], cancel: &Cancel) -> Result<DataReport> {
    let call = usage::CHECK_DATA.attempt(usage::Shape::NONE);
    let started = Instant::now();
    let endpoint = config.source.patient();
    let mut source = MysqlConn::connect(&endpoint)?;
    let (selected, refused) = planning::selected(&mut source, config, tables)?;
    let mut report = DataReport {
        program: env!("CARGO_PKG_VERSION").into(),
        source: config.source.to_string(),
        rejected_rows_max: config.settings.rejected_rows_max,
        refused: telling::refused(&refused),
        warnings: config.warnings.clone(),
        ..DataReport::default()
    };
    let mut asked = Vec::new();
    for table in selected {
        match Query::of(&table.source, table.filter.as_deref(), config.settings.row_bytes_max) {
            Some(query) => asked.push(Asked { table, query }),
            None => report.not_read.push(table.source.name.table),
        }
    }
    asked.sort_by_key(|one| std::cmp::Reverse(one.table.source.bytes_estimated));
    let locked = asked.iter().filter(|one| !one.table.source.transactional).count();
    if locked > 0 {
        report.warnings.push(format!("{locked} tables have no snapshots: their writers waited while they were looked at"));
    }
    let shared = Shared {
        endpoint: &endpoint,
        cancel,
        asked: &asked,
        rejected_rows_max: config.settings.rejected_rows_max,
        next: AtomicUsize::new(0),
        answers: Mutex::default(),
        running: Mutex::default(),
        lost: Mutex::default(),
    };
    ask_all(&shared, source, config.settings.parallel)?;
    report.tables = answers(shared);
    report.tables.sort_by(|a, b| a.table.cmp(&b.table));
    report.not_read.sort();
    report.seconds = started.elapsed().as_secs_f64();
    let stopped = cancel.is_stopping().then(|| u8::try_from(cancel.signal()).map_or(70, |signal| signal.saturating_add(128)));
    call.ends(Ok(report.judged(stopped)))
}

/// Runs every query, by up to so many connections; the first one is there already.
fn ask_all(shared: &Shared<'_>, first: MysqlConn, parallel: usize) -> Result<()> {
    let workers = parallel.min(shared.asked.len());
    *lock(&shared.running) = vec![None; workers];
    let mut first = Some(first);
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(workers);
        for worker in 0..workers {
            let conn = first.take();
            let thread = std::thread::Builder::new()
                .name(format!("check-{worker}"))
                .spawn_scoped(scope, move || work(shared, worker, conn))
                .doing(Kind::Internal, || "starting a thread")?;
            threads.push(thread);
        }
        let mut killed: Option<Instant> = None;
        while threads.iter().any(|thread| !thread.is_finished()) {
            if shared.cancel.is_stopping() && killed.is_none_or(|at| at.elapsed() >= KILL_EVERY) {
                end_queries(shared);
                killed = Some(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        match threads.into_iter().all(|thread| thread.join().is_ok()) {
            true => Ok(()),
            false => Err(Error::new(Kind::Internal, "a thread that looked at values has panicked")),
        }
    })
}

/// Takes table after table until none is left, the run stops or the source is gone.
fn work(shared: &Shared<'_>, worker: usize, mut conn: Option<MysqlConn>) {
    while !shared.cancel.is_stopping() {
        let connected = match conn.take() {
            Some(conn) => Ok(conn),
            None => MysqlConn::connect(shared.endpoint),
        };
        let mut source = match connected {
            Ok(source) => source,
            // The others go on with the tables; without others, those that are left get this error.
            Err(error) => {
                log::warn!("{error}");
                *lock(&shared.lost) = Some(ErrorReport::from(&error));
                return;
            }
        };
        let Some(asked) = shared.asked.get(shared.next.fetch_add(1, Ordering::SeqCst)) else { return };
        let started = Instant::now();
        let answer = ask(shared, worker, &mut source, asked);
        if shared.cancel.is_stopping() && answer.is_err() {
            return;
        }
        // After an error the connection may be of no use; a new one is.
        conn = answer.is_ok().then_some(source);
        let data = told(shared, asked, answer, started.elapsed());
        lock(&shared.answers).push(data);
    }
}

fn ask(shared: &Shared<'_>, worker: usize, source: &mut MysqlConn, asked: &Asked) -> Result<Answer> {
    let id = source.text("SELECT CONNECTION_ID()", "asking for the connection's id")?;
    let set = |id: Option<u64>| {
        if let Some(place) = lock(&shared.running).get_mut(worker) {
            *place = id;
        }
    };
    set(id.and_then(|id| id.parse().ok()));
    log::debug!("table {}: {}", asked.table.source.name.table, asked.query.sql);
    // Asked after the id is known to whoever ends queries: a request to stop is never missed.
    let answer = shared.cancel.check().and_then(|()| asked.query.ask(source, &asked.table.source.name.table));
    set(None);
    answer
}

fn end_queries(shared: &Shared<'_>) {
    let running: Vec<u64> = lock(&shared.running).iter().filter_map(|id| *id).collect();
    sessions::end_queries(shared.endpoint, &running);
}

fn told(shared: &Shared<'_>, asked: &Asked, answer: Result<Answer>, length: Duration) -> TableData {
    let table = asked.table.source.name.table.clone();
    let seconds = length.as_secs_f64();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return TableData { table, seconds, error: Some(ErrorReport::from(&error)), ..TableData::default() },
    };
    let found = answer.found.into_iter().map(|one| FoundValues {
        column: one.column,
        fault: one.wrong.word(),
        policy: one.policy.word(),
        count: one.count,
        exact: one.exact,
    });
    let data = TableData {
        table,
        seconds,
        rows: answer.rows,
        rejected: AtLeastMost { at_least: answer.rejected_least, at_most: answer.rejected_most },
        found: found.collect(),
        ..TableData::default()
    };
    data.judged(shared.rejected_rows_max)
}

/// The answers; when the source went away, an error stands for those that are missing.
fn answers(shared: Shared<'_>) -> Vec<TableData> {
    let mut answers = shared.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lost = shared.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = lost.filter(|_| !shared.cancel.is_stopping()) {
        let names = shared.asked.iter().map(|one| one.table.source.name.table.as_str());
        let missing: Vec<&str> = names.filter(|name| !answers.iter().any(|answer| answer.table == *name)).collect();
        let unknown = |name: &str| TableData { table: name.to_owned(), error: Some(error.clone()), ..TableData::default() };
        answers.extend(missing.into_iter().map(unknown));
    }
    answers
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
