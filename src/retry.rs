//! How often and how patiently something is tried again. Only chunk jobs, looks at both sides and the wait for a lost
//! server use it.

use crate::cancel::Cancel;
use crate::error::Result;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

/// The longest pause between two tries.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A capped exponential backoff with jitter.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Tries after the first one.
    pub count: usize,
    /// Pause before the first of them; doubles up to 10 s.
    pub wait: Duration,
}

impl Retries {
    /// Calls `work` until it succeeds, fails for good or the tries are used up; `again` decides from the error and
    /// the number of the try that failed (from 1).
    ///
    /// # Errors
    /// The last error of `work`, or [`crate::error::Kind::Stopped`] when the run stops during a pause.
    pub fn run<T>(
        &self,
        cancel: &Cancel,
        mut work: impl FnMut() -> Result<T>,
        mut again: impl FnMut(&crate::error::Error, usize) -> bool,
    ) -> Result<T> {
        let mut pauses = self.pauses();
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match work() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !again(&error, tries) {
                return Err(error);
            }
            match pauses.next() {
                Some(pause) => cancel.sleep(pause)?,
                None => return Err(error),
            }
        }
    }

    /// The pauses, in order.
    pub fn pauses(&self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::default()
            .with_min_delay(self.wait)
            .with_max_delay(WAIT_MAX)
            .with_max_times(self.count)
            .with_jitter()
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn tries_are_bounded_and_the_last_error_is_kept() {
        let retries = Retries { count: 3, wait: Duration::from_millis(1) };
        let mut calls = 0;
        let result: Result<()> = retries.run(
            &Cancel::new(),
            || {
                calls += 1;
                Err(Error::new(Kind::Transient, format!("try {calls}")))
            },
            |_, _| true,
        );
        assert_eq!(calls, 4);
        assert_eq!(result.map_err(|e| e.to_string()), Err("try 4".to_owned()));
    }

    #[test]
    fn a_final_error_is_not_tried_again() {
        let retries = Retries { count: 3, wait: Duration::from_millis(1) };
        let mut calls = 0;
        let result: Result<()> = retries.run(
            &Cancel::new(),
            || {
                calls += 1;
                Err(Error::new(Kind::Data, "no"))
            },
            |e, _| e.kind() == Kind::Transient,
        );
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }

    #[test]
    fn pauses_stay_under_the_cap() {
        let retries = Retries { count: 40, wait: Duration::from_millis(200) };
        assert!(retries.pauses().all(|p| p <= 2 * WAIT_MAX));
        assert_eq!(retries.pauses().count(), 40);
    }
}
