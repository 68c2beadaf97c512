//! The one writer of the status tables and of the run log: workers send events over a bounded channel, one thread with its own
//! connection writes them. Telemetry never fails or blocks a sync; what was lost is counted.

use super::RunIdentity;
use super::attempts::{self, Attempt};
use super::runs::EngineLog;
use super::runs::engine::Entry;
use super::{records, schema};
use crate::conn::postgres::PostgresConn;
use crate::error::{Doing, Kind, Result};
use crate::usage;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events that may wait for the writer: some per table of a large database, far below a megabyte.
const CHANNEL_EVENTS: usize = 4_096;

/// Events written per round trip: all that may wait, because small tables end with five of them each.
const BATCH_EVENTS: usize = CHANNEL_EVENTS;

/// Pause between two batches. Small tables end by the hundred per second: a statement for each would cost as much as they do.
const PAUSE: Duration = Duration::from_millis(250);

/// Name and value, as text, of the column that tells how far a table is loaded. Only shown to people: a run reads its
/// watermark from the state row.
pub type Watermark = (String, String);

/// Something that happened to a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Its copy began.
    Started {
        /// Source table name.
        table: String,
    },
    /// Its finish was committed.
    Loaded {
        /// Source table name.
        table: String,
        /// Rows of the target.
        rows: u64,
        /// How far it is loaded; none after a full refresh.
        watermark: Option<Watermark>,
    },
    /// It was not read: nothing moved since its last success.
    Unmoved {
        /// Source table name.
        table: String,
    },
    /// It failed; its last success stays as it is.
    Failed {
        /// Source table name.
        table: String,
    },
    /// The source does not have it any more; its last success stays as it is.
    Gone {
        /// Source table name.
        table: String,
    },
    /// How an attempt went, for the history. Comes with `Loaded` or `Failed`.
    Attempt(Box<Attempt>),
    /// For the run log, which the writer keeps apart from its status rows.
    Log(Box<Entry>),
}

/// What the writer did, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events written.
    pub written: u64,
    /// Events lost, because the channel was full or a write failed.
    pub lost: u64,
}

impl Totals {
    fn add(&mut self, events: usize, are_written: bool) {
        let into = if are_written { &mut self.written } else { &mut self.lost };
        *into += u64::try_from(events).unwrap_or(u64::MAX);
    }
}

/// The sending side; clones feed the same writer.
#[derive(Debug, Clone)]
pub struct Tracker {
    sender: Sender<Event>,
    dropped: Arc<AtomicU64>,
    logs: bool,
}

impl Tracker {
    /// Whether there is a run log: entries for none need not be made.
    #[must_use]
    pub const fn logs(&self) -> bool {
        self.logs
    }

    /// Hands an event over without waiting.
    pub fn send(&self, event: Event) {
        let call = usage::STATUS.attempt(usage::Shape::NONE);
        call.ended(self.hand(event));
    }

    /// The same for the run log, where there is one.
    pub fn log(&self, entry: Entry) {
        let call = usage::LOG.attempt(usage::Shape::NONE);
        call.ended(self.hand(Event::Log(Box::new(entry))));
    }

    fn hand(&self, event: Event) -> bool {
        let is_taken = self.sender.try_send(event).is_ok();
        if !is_taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }

    /// A tracker and the receiving end, for a writer of one's own (tests, benches).
    #[must_use]
    pub fn channel() -> (Self, Receiver<Event>) {
        let (sender, receiver) = bounded(CHANNEL_EVENTS);
        (Self { sender, dropped: Arc::new(AtomicU64::new(0)), logs: true }, receiver)
    }
}

/// Where events become status rows.
pub trait Board {
    /// Writes a batch; false when its events are lost.
    fn write(&mut self, events: Vec<Event>) -> bool;

    /// Shortens what has grown too long; at the end.
    fn prune(&mut self) {}
}

/// The writer's thread; it ends when the last [`Tracker`] is dropped.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<Totals>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the writer for a warehouse, which first gives each of `tables`, all that are configured, its record. Status
    /// tables that cannot be made are logged, and the events count as lost.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn start(log: &EngineLog, run: &RunIdentity, tables: Vec<String>) -> Result<(Tracker, Self)> {
        let (run, session) = (run.clone(), log.clone());
        Self::start_with(log, move || StatusTable::open(session, run, tables))
    }

    /// Starts the writer for whatever `open` gives on the writer's thread.
    ///
    /// # Errors
    /// As [`Writer::start`].
    pub fn start_with<B: Board>(log: &EngineLog, open: impl FnOnce() -> B + Send + 'static) -> Result<(Tracker, Self)> {
        let (tracker, receiver) = Tracker::channel();
        let tracker = Tracker { logs: log.is_on(), ..tracker };
        let (dropped, log) = (Arc::clone(&tracker.dropped), log.clone());
        let thread = std::thread::Builder::new()
            .name("tracker".into())
            .spawn(move || drain(&receiver, |entries| log.write(entries), &mut open()));
        Ok((tracker, Self { thread: thread.doing(Kind::Internal, || "starting the tracker thread")?, dropped }))
    }

    /// Waits for the last event and returns what was written and lost.
    #[must_use]
    pub fn join(self) -> Totals {
        let mut totals = self.thread.join().unwrap_or_default();
        totals.lost += self.dropped.load(Ordering::Relaxed);
        totals
    }
}

fn drain(receiver: &Receiver<Event>, log: impl Fn(Vec<Entry>) -> bool, board: &mut dyn Board) -> Totals {
    let mut totals = Totals::default();
    let mut pause_ends = Instant::now();
    while let Ok(first) = receiver.recv() {
        let mut events = vec![first];
        while events.len() < BATCH_EVENTS {
            // Also after the pause what waits already is taken along. The last sender's end cuts the pause short.
            match receiver.recv_deadline(pause_ends) {
                Ok(event) => events.push(event),
                Err(_) => break,
            }
        }
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Log(entry) => entries.push(*entry),
                row => rows.push(row),
            }
        }
        totals.add(rows.len(), rows.is_empty() || board.write(rows));
        totals.add(entries.len(), entries.is_empty() || log(entries));
        pause_ends = Instant::now() + PAUSE;
    }
    board.prune();
    totals
}

/// The status tables of the target schema; after an error every event is lost.
struct StatusTable {
    log: EngineLog,
    run: RunIdentity,
    name: String,
    is_lost: bool,
}

impl StatusTable {
    fn open(log: EngineLog, run: RunIdentity, tables: Vec<String>) -> Self {
        let mut board = Self { name: schema::qualified(&run.job, schema::LOAD_STATUS), log, is_lost: false, run };
        let job = board.run.job.clone();
        board.do_with(move |conn| records::ensure(conn, &job, &tables).map(drop));
        board
    }

    fn do_with(&mut self, work: impl FnMut(&mut PostgresConn) -> Result<()> + Send + 'static) -> bool {
        if let Err(error) = self.log.session(work) {
            log::warn!("{error}; the run goes on without status rows");
            self.is_lost = true;
        }
        !self.is_lost
    }
}

impl Board for StatusTable {
    fn write(&mut self, events: Vec<Event>) -> bool {
        if self.is_lost {
            return false;
        }
        // The last event of a table wins, so one statement per batch is enough.
        let mut last: BTreeMap<String, Record> = BTreeMap::new();
        let mut history: Vec<Attempt> = Vec::new();
        for event in events {
            let (table, record) = match event {
                Event::Started { table } => (table, ("running", None, None)),
                Event::Failed { table } => (table, ("failed", None, None)),
                Event::Gone { table } => (table, ("missing", None, None)),
                Event::Unmoved { table } => (table, ("unmoved", None, None)),
                Event::Loaded { table, rows, watermark } => {
                    (table, ("success", Some(i64::try_from(rows).unwrap_or(i64::MAX)), watermark))
                }
                Event::Attempt(attempt) => {
                    history.push(*attempt);
                    continue;
                }
                Event::Log(_) => continue,
            };
            last.insert(table, record);
        }
        let (name, run) = (self.name.clone(), self.run.clone());
        let call = usage::STATUS_WRITE.attempt(usage::Shape::NONE);
        let is_written = self.do_with(move |conn| {
            write_records(conn, &name, &last)?;
            if history.is_empty() { Ok(()) } else { attempts::append(conn, &run, &history) }
        });
        call.ended(is_written);
        is_written
    }

    fn prune(&mut self) {
        if self.is_lost {
            return;
        }
        let job = self.run.job.clone();
        if let Err(error) = self.log.session(move |conn| attempts::prune(conn, &job)) {
            log::warn!("{error}; the next run shortens it");
        }
    }
}

/// Status word, rows, watermark.
type Record = (&'static str, Option<i64>, Option<Watermark>);

fn write_records(conn: &mut PostgresConn, name: &str, last: &BTreeMap<String, Record>) -> Result<()> {
    if last.is_empty() {
        return Ok(());
    }
    let tables: Vec<&String> = last.keys().collect();
    let status: Vec<&str> = last.values().map(|v| v.0).collect();
    let rows: Vec<Option<i64>> = last.values().map(|v| v.1).collect();
    // PostgreSQL text holds no NUL; the record is for people, the state row keeps the value as it is.
    let shown = |text: &String| text.replace('\0', "");
    let columns: Vec<Option<String>> = last.values().map(|v| v.2.as_ref().map(|(column, _)| shown(column))).collect();
    let marks: Vec<Option<String>> = last.values().map(|v| v.2.as_ref().map(|(_, mark)| shown(mark))).collect();
    let sql = include_str!("status_upsert.sql").replace("{status}", name);
    conn.execute(&sql, &[&tables, &status, &rows, &columns, &marks], "writing status rows")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_loses_events_and_says_so_but_never_waits() {
        let (tracker, receiver) = Tracker::channel();
        for i in 0..CHANNEL_EVENTS + 3 {
            tracker.send(Event::Started { table: i.to_string() });
        }
        assert_eq!(tracker.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(receiver.try_iter().count(), CHANNEL_EVENTS);
    }

    /// A board whose writes go where its name says.
    struct Nowhere(bool);

    impl Board for Nowhere {
        fn write(&mut self, _events: Vec<Event>) -> bool {
            self.0
        }
    }

    #[test]
    fn what_a_board_does_not_write_is_counted_as_lost() {
        for (is_written, totals) in [(false, Totals { written: 0, lost: 1 }), (true, Totals { written: 1, lost: 0 })] {
            let (tracker, receiver) = Tracker::channel();
            tracker.send(Event::Failed { table: "t".into() });
            drop(tracker);
            assert_eq!(drain(&receiver, |_| true, &mut Nowhere(is_written)), totals);
        }
    }
}
