//! The jobs of one round. Workers pull; the list only shrinks, but for a job that a leaving worker puts back, and for what
//! follows from a job that was done.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a waiting worker may overlook a stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One unit of work. `table` is the index in the round's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// A table with one chunk, from start to state row.
    Whole {
        /// Which table.
        table: usize,
    },
    /// One chunk of a table with several.
    Chunk {
        /// Which table.
        table: usize,
        /// Which chunk.
        chunk: usize,
    },
    /// Some buckets of a table, on both sides.
    Look {
        /// Which table.
        table: usize,
        /// Which look.
        look: usize,
    },
    /// What differs of a table that was looked at.
    Mend {
        /// Which table.
        table: usize,
    },
    /// COUNT(*) of a table with several chunks, in the snapshot.
    Count {
        /// Which table.
        table: usize,
    },
}

impl Job {
    /// Which table it belongs to.
    #[must_use]
    pub const fn table(self) -> usize {
        match self {
            Self::Whole { table }
            | Self::Chunk { table, .. }
            | Self::Look { table, .. }
            | Self::Mend { table }
            | Self::Count { table } => table,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    in_hand: usize,
}

/// The queue; bounded by the number of chunks and looks planned.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    /// A queue of all jobs, first one first.
    #[must_use]
    pub fn new(jobs: impl IntoIterator<Item = Job>) -> Self {
        let state = State { waiting: jobs.into_iter().collect(), in_hand: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The next job; waits while others may still put one back. `None` when all work is done or `stop` says so.
    pub fn take(&self, stop: impl Fn() -> bool) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if stop() {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.in_hand += 1;
                return Some(job);
            }
            if state.in_hand == 0 {
                return None;
            }
            state = self.changed.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The job that was taken has ended, well or not; `next` follow it at once.
    pub fn done(&self, next: Vec<Job>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_hand -= 1;
        state.waiting.extend(next);
        drop(state);
        self.changed.notify_all();
    }

    /// The worker leaves; somebody else does the job it had taken.
    pub fn put_back(&self, job: Job) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_hand -= 1;
        state.waiting.push_front(job);
        drop(state);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_put_back_is_done_by_a_waiting_worker() {
        let queue = Queue::new([Job::Whole { table: 7 }]);
        let job = queue.take(|| false);
        assert_eq!(job, Some(Job::Whole { table: 7 }));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| queue.take(|| false));
            queue.put_back(Job::Whole { table: 7 });
            assert!(other.join().is_ok_and(|job| job == Some(Job::Whole { table: 7 })));
        });
        queue.done(Vec::new());
        assert_eq!(queue.take(|| false), None);
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let queue = Queue::new([Job::Count { table: 0 }, Job::Whole { table: 1 }]);
        assert!(queue.take(|| false).is_some());
        assert_eq!(queue.take(|| true), None);
    }
}
