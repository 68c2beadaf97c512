//! Lets the source's own work go first: no job is begun while more of its threads run than the configuration allows.

use crate::cancel::Cancel;
use crate::config::{Endpoint, Settings};
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the server is asked, whatever the number of workers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A run waits so long at most, all its jobs together: a source that is never quiet must not keep a night from its end, and
/// snapshots are open meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Counts the threads that run at the source, those of this run left out.
#[derive(Debug)]
pub struct Throttle {
    limit: u64,
    /// Jobs that this run has begun. Each runs one statement at the source at most, and none while it writes: then the others seem to
    /// be fewer than they are.
    own: AtomicUsize,
    told: AtomicBool,
    look: Mutex<Look>,
}

#[derive(Debug)]
struct Look {
    /// None when the server cannot be asked any more: then nobody waits.
    conn: Option<MysqlConn>,
    at: Option<Instant>,
    others: u64,
    /// How long jobs have waited, as a whole.
    waited: Duration,
}

/// A job that has been let in; its place is free when it is dropped.
#[derive(Debug)]
pub struct Admitted<'a> {
    throttle: Option<&'a Throttle>,
    has_waited: bool,
}

impl Admitted<'_> {
    /// The source was busy when the job wanted to begin.
    #[must_use]
    pub const fn has_waited(&self) -> bool {
        self.has_waited
    }
}

impl Throttle {
    /// Over a connection of its own; none without a limit that could be reached.
    ///
    /// # Errors
    /// The classified error of the connection.
    pub fn connect(endpoint: &Endpoint, limit: u64) -> Result<Option<Self>> {
        if limit >= Settings::THREADS_MAX {
            return Ok(None);
        }
        let look = Look { conn: Some(MysqlConn::connect(endpoint)?), at: None, others: 0, waited: Duration::ZERO };
        Ok(Some(Self { limit, own: AtomicUsize::new(0), told: AtomicBool::new(false), look: Mutex::new(look) }))
    }

    /// Waits until the source has room.
    ///
    /// # Errors
    /// [`Kind::Stopped`] when the run is to end.
    pub fn admit<'a>(throttle: Option<&'a Self>, cancel: &Cancel) -> Result<Admitted<'a>> {
        let mut has_waited = false;
        if let Some(throttle) = throttle {
            while throttle.is_busy() {
                has_waited = true;
                cancel.sleep(LOOK_EVERY)?;
            }
            throttle.own.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Admitted { throttle, has_waited })
    }

    fn is_busy(&self) -> bool {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        if look.waited >= WAIT_MAX {
            return false;
        }
        if look.at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            let own = u64::try_from(self.own.load(Ordering::SeqCst)).unwrap_or(u64::MAX);
            look.others = match look.conn.as_mut().map(running) {
                // Our own question is one of them.
                Some(Ok(running)) => running.saturating_sub(own).saturating_sub(1),
                Some(Err(error)) => {
                    log::warn!("{error}; jobs begin without a look at the source's load");
                    look.conn = None;
                    0
                }
                None => 0,
            };
            look.at = Some(Instant::now());
            if look.others > self.limit {
                look.waited += LOOK_EVERY;
                if look.waited >= WAIT_MAX {
                    log::warn!(
                        "jobs have waited {} s for a busy source; they begin all the same from now on",
                        WAIT_MAX.as_secs()
                    );
                }
            }
        }
        let is_busy = look.others > self.limit;
        if is_busy && !self.told.swap(true, Ordering::SeqCst) {
            log::info!("{} threads run at the source, more than threads_running_max {}: waiting", look.others, self.limit);
        }
        is_busy
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(throttle) = self.throttle {
            throttle.own.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn running(conn: &mut MysqlConn) -> Result<u64> {
    let doing = "asking how busy the source is";
    let rows = conn.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'", doing)?;
    let value = rows.first().and_then(|row| row.get_opt::<String, _>(1)?.ok());
    value.and_then(|value| value.parse().ok()).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))
}
