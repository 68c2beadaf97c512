//! `--until`: a time of day or a length, and the thread that asks the run to stop then.

use crate::cancel::Cancel;
use crate::config::window;
use crate::error::{Doing, Kind, Result};
use chrono::{Local, NaiveDate, NaiveTime};
use std::time::Duration;

/// Longest length taken: more than a week is a mistake.
const LENGTH_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often the clock is looked at. A wall clock may be set, so one long sleep would not do.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At this local time of day, today or tomorrow.
    At(NaiveTime),
    /// After this length.
    After(Duration),
    /// At this moment, seconds since 1970: the window closes.
    Closes(i64),
}

/// Reads `05:00`, `90m`, `2h30m`, `45s`.
///
/// # Errors
/// What is expected instead.
pub fn parse(text: &str) -> Result<Until, String> {
    let expected = || "expected a local time such as 05:00, or a length such as 90m or 2h30m".to_owned();
    if text.contains(':') {
        return NaiveTime::parse_from_str(text, "%H:%M").map(Until::At).map_err(|_| expected());
    }
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
        let number: u64 = rest[..digits].parse().map_err(|_| expected())?;
        let unit = match rest[digits..].chars().next() {
            Some('h') => 3600,
            Some('m') => 60,
            Some('s') => 1,
            _ => return Err(expected()),
        };
        seconds = number.checked_mul(unit).and_then(|n| seconds.checked_add(n)).ok_or_else(expected)?;
        rest = &rest[digits + 1..];
    }
    match Duration::from_secs(seconds) {
        Duration::ZERO => Err(expected()),
        length if length > LENGTH_MAX => Err("at most 7 days".to_owned()),
        length => Ok(Until::After(length)),
    }
}

impl Until {
    /// The moment in seconds since 1970. A time of day that has passed is tomorrow's; one that the clock change skips
    /// is an hour later.
    fn moment(self) -> i64 {
        let now = Local::now();
        let at = match self {
            Self::After(length) => return now.timestamp().saturating_add(i64::try_from(length.as_secs()).unwrap_or(i64::MAX)),
            Self::At(at) => at,
            Self::Closes(moment) => return moment,
        };
        let moment = |day: NaiveDate| window::instant(&Local, day.and_time(at));
        let today = moment(now.date_naive());
        if today > now.timestamp() { today } else { now.date_naive().succ_opt().map_or(i64::MAX, moment) }
    }

    /// Asks for a stop when the moment has come. The thread is never joined: it ends with the process.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the thread cannot be started.
    pub fn watch(self, cancel: Cancel) -> Result<()> {
        let moment = self.moment();
        let body = move || {
            while !cancel.is_stopping() {
                if Local::now().timestamp() >= moment {
                    log::info!("the time is over: finishing the chunks in hand, then stopping");
                    cancel.ask(0);
                    return;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        };
        std::thread::Builder::new()
            .name("until".into())
            .spawn(body)
            .map(drop)
            .doing(Kind::Internal, || "starting the clock thread")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths() {
        for (text, seconds) in [("90m", 5400), ("2h30m", 9000), ("45s", 45), ("1h", 3600)] {
            assert_eq!(parse(text), Ok(Until::After(Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!(parse("05:00").ok(), NaiveTime::from_hms_opt(5, 0, 0).map(Until::At));
        for text in ["", "0m", "5", "25:00", "05:60", "m", "5d", "-1h", "8h5", "999999999999999999999h", "200h", "5µ"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9hms:. +-]{0,12}|\\PC{0,20}") {
            if let Ok(Until::After(length)) = parse(&text) {
                proptest::prop_assert!(length > Duration::ZERO && length <= LENGTH_MAX);
            }
        }

        #[test]
        fn lengths_and_times_are_read_back(hours in 0_u64..100, minutes in 0_u64..1000, seconds in 1_u64..1000) {
            let length = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
            proptest::prop_assert_eq!(parse(&format!("{hours}h{minutes}m{seconds}s")), Ok(Until::After(length)));
            let (hour, minute) = (hours % 24, minutes % 60);
            let at = parse(&format!("{hour:02}:{minute:02}"));
            proptest::prop_assert!(matches!(at, Ok(Until::At(_))), "{:?}", at);
        }
    }

    #[test]
    fn a_time_of_day_lies_within_the_next_day() {
        let now = Local::now().timestamp();
        for text in ["00:00", "12:00", "23:59"] {
            let moment = parse(text).map_or(0, Until::moment);
            assert!(moment > now && moment <= now + 25 * 3600 + 1, "{text}");
        }
    }
}
