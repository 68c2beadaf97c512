//! The hours in which a run may work: `21:00-06:00`, with days in front where not every day is one.
//!
//! A wall clock decides, as people mean it; the day is that on which the window opens. Only the moment of its end is an
//! instant, and there a clock change counts: a time that is skipped is an hour later, of one that comes twice it is the first.

use chrono::{Datelike, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use std::fmt;
use std::str::FromStr;

/// What is expected.
const EXPECTED: &str =
    "expected local hours such as 21:00-06:00, or with days such as mon-fri 21:00-06:00 or sat,sun 08:00-20:00";

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// Hours of a wall clock, the last of them left out; they may pass midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    text: String,
    /// By days from Monday: whether the window opens on that day.
    days: [bool; 7],
    from: NaiveTime,
    to: NaiveTime,
}

impl Window {
    /// When the window that is open at `now` closes; none when none is open.
    #[must_use]
    pub fn closes(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        // One that opened yesterday may still be open.
        let opened = [now.date().pred_opt(), Some(now.date())];
        opened.into_iter().filter_map(|day| self.of_day(day?)).find(|(from, to)| *from <= now && now < *to).map(|(_, to)| to)
    }

    /// When the next window opens after `now`; none beyond the calendar.
    #[must_use]
    pub fn opens(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        now.date().iter_days().take(8).filter_map(|day| self.of_day(day)).map(|(from, _)| from).find(|from| *from > now)
    }

    fn of_day(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let opens = usize::try_from(day.weekday().num_days_from_monday()).is_ok_and(|at| self.days.get(at) == Some(&true));
        let last = if self.from < self.to { Some(day) } else { day.succ_opt() };
        last.filter(|_| opens).map(|last| (day.and_time(self.from), last.and_time(self.to)))
    }
}

/// The instant at which a wall clock shows this, in seconds since 1970: the first of two, and an hour later where the clock
/// skips it.
#[must_use]
pub fn instant<Z: TimeZone>(zone: &Z, wall: NaiveDateTime) -> i64 {
    let seconds = |found: LocalResult<chrono::DateTime<Z>>| found.earliest().map(|at| at.timestamp());
    let later = || seconds(zone.from_local_datetime(&(wall + TimeDelta::hours(1))));
    seconds(zone.from_local_datetime(&wall)).or_else(later).unwrap_or(i64::MAX)
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || EXPECTED.to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, hours) = match words.as_slice() {
            [hours] => ([true; 7], *hours),
            [days, hours] => (days_of(days).ok_or_else(expected)?, *hours),
            _ => return Err(expected()),
        };
        let (from, to) = hours.split_once('-').ok_or_else(expected)?;
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| expected());
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err("the window closes when it opens; leave it out to allow every hour".into());
        }
        Ok(Self { text: words.join(" "), days, from, to })
    }
}

/// `mon-fri`, `sat,sun`, `fri-mon,wed`.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let place = |word: &str| DAYS.iter().position(|(name, _)| *name == word.to_ascii_lowercase());
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        let count = (last + 7 - first) % 7;
        for day in first..=first + count {
            *days.get_mut(day % 7)? = true;
        }
    }
    Some(days)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
