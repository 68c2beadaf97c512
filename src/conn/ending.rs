//! Ends statements that run at the servers, when a run that was asked to stop does not come to its end by itself.
//!
//! A statement goes on at its server when its client goes away, and a client that waits for it cannot look at anything else.
//! So a thread of its own asks both servers to end it: KILL QUERY by session, a cancel request by PostgreSQL's key.

use super::sessions;
use super::watchdog::Watchdog;
use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::error::{Doing, Kind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the state of the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often what still runs is ended again: a request that comes between two statements ends none.
const END_EVERY: Duration = Duration::from_millis(300);

/// Younger statements are left alone, so that the few short ones of a run's own end come through.
const SPARED: Duration = Duration::from_millis(300);

/// How one statement is ended from outside.
#[derive(Clone)]
pub enum End {
    /// Whatever the session of this number runs.
    Mysql(Arc<Endpoint>, u64),
    /// A cancel request; may take as long as a connection.
    Postgres(Arc<dyn Fn() + Send + Sync>),
}

/// Sessions of one server.
type Sessions = (Arc<Endpoint>, Vec<u64>);

/// Starts the thread. When the run has been asked to stop for `grace`, it aborts, and what runs at the servers is ended until
/// the watchdog is stopped. Never joined: it ends with the watchdog or the process.
///
/// # Errors
/// [`Kind::Internal`] when the thread cannot be started.
pub fn after(grace: Duration, cancel: &Cancel, watchdog: &Watchdog) -> Result<()> {
    let (cancel, watchdog) = (cancel.clone(), watchdog.clone());
    let body = move || {
        let (mut asked, mut ended): (Option<Instant>, Option<Instant>) = (None, None);
        let mut under_way: [Option<JoinHandle<()>>; 2] = [None, None];
        while !watchdog.is_stopped() {
            std::thread::sleep(LOOK_EVERY);
            if !cancel.is_stopping() || asked.get_or_insert_with(Instant::now).elapsed() < grace {
                continue;
            }
            if ended.is_none() {
                log::info!("what still runs at the servers is ended; the next run goes on");
                cancel.abort();
            }
            if ended.is_none_or(|at| at.elapsed() >= END_EVERY) {
                ended = Some(Instant::now());
                end(&watchdog, &mut under_way);
            }
        }
    };
    std::thread::Builder::new().name("ending".into()).spawn(body).map(drop).doing(Kind::Internal, || "starting a thread")
}

/// One request to each server, in a thread each: one of them may answer nobody. A server that has not taken the last request
/// yet gets no other.
fn end(watchdog: &Watchdog, under_way: &mut [Option<JoinHandle<()>>; 2]) {
    let mut mysql: BTreeMap<String, Sessions> = BTreeMap::new();
    let mut postgres = Vec::new();
    for one in watchdog.ends(SPARED) {
        match one {
            End::Mysql(endpoint, id) => mysql.entry(endpoint.to_string()).or_insert((endpoint, Vec::new())).1.push(id),
            End::Postgres(end) => postgres.push(end),
        }
    }
    let [at_mysql, at_postgres] = under_way;
    begin(at_mysql, mysql.is_empty(), move || mysql.values().for_each(|(endpoint, ids)| sessions::end_queries(endpoint, ids)));
    begin(at_postgres, postgres.is_empty(), move || postgres.iter().for_each(|end| end()));
}

fn begin(under_way: &mut Option<JoinHandle<()>>, nothing_to_do: bool, work: impl FnOnce() + Send + 'static) {
    if nothing_to_do || under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
        return;
    }
    match std::thread::Builder::new().name("end-queries".into()).spawn(work) {
        Ok(thread) => *under_way = Some(thread),
        Err(error) => log::warn!("what runs at the servers cannot be ended: {error}"),
    }
}
