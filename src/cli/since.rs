//! `--since`: a moment, as a date, a date and time of this machine's zone, or a length back from now.

use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

/// A moment, microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(pub i64);

/// Reads `2026-11-01`, `2026-11-01 22:30`, `36h`, `7d`.
///
/// # Errors
/// What is expected instead.
pub fn parse(text: &str) -> Result<Since, String> {
    at(text, Local::now().timestamp_micros())
}

fn at(text: &str, now: i64) -> Result<Since, String> {
    let expected = || "expected a date such as 2026-11-01, with a time such as 2026-11-01 22:30, or a length such as 36h or 7d";
    let moment = match (date_time(text), length(text)) {
        // Of a time that the clock shows twice, the first one; of one that it skips, the hour before: more rows, never fewer.
        (Some(wall), _) => Local
            .from_local_datetime(&wall)
            .earliest()
            .or_else(|| Local.from_local_datetime(&(wall - chrono::TimeDelta::hours(1))).earliest())
            .map(|moment| moment.timestamp_micros()),
        (None, Some(length)) => now.checked_sub(length),
        (None, None) => None,
    };
    match moment.ok_or_else(expected)? {
        moment if moment >= now => Err("this moment has not come yet: no row would be compared".to_owned()),
        moment => Ok(Since(moment)),
    }
}

fn date_time(text: &str) -> Option<NaiveDateTime> {
    let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let Some((day, time)) = text.split_once([' ', 'T']) else { return Some(date(text)?.and_time(NaiveTime::MIN)) };
    let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|form| NaiveTime::parse_from_str(time, form).ok())?;
    Some(date(day)?.and_time(time))
}

/// Microseconds of `1d12h`.
fn length(text: &str) -> Option<i64> {
    let (mut micros, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let seconds = match rest.get(digits..)?.chars().next()? {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        micros = number.checked_mul(seconds)?.checked_mul(1_000_000)?.checked_add(micros)?;
        rest = rest.get(digits + 1..)?;
    }
    Some(micros).filter(|micros| *micros > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_lengths() {
        let now = 1_800_000_000_000_000;
        for (text, seconds) in [("36h", 129_600), ("7d", 604_800), ("1d12h", 129_600), ("90m", 5_400), ("5s", 5)] {
            assert_eq!(at(text, now), Ok(Since(now - seconds * 1_000_000)), "{text}");
        }
        let local = |text: &str| {
            let wall = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
            wall.and_then(|wall| Local.from_local_datetime(&wall).earliest()).map(|moment| Since(moment.timestamp_micros()))
        };
        assert_eq!(at("2026-11-01", now).ok(), local("2026-11-01 00:00:00"));
        assert_eq!(at("2026-11-01 22:30", now).ok(), local("2026-11-01 22:30:00"));
        assert_eq!(at("2026-11-01T22:30:05", now).ok(), local("2026-11-01 22:30:05"));
        for text in ["", "7", "d", "0d", "-7d", "2026-13-01", "2026-11-01 25:00", "yesterday", "7w", "99999999999999999d", "7µ"]
        {
            assert!(at(text, now).is_err(), "{text}");
        }
        assert!(at("2099-01-01", now).is_err_and(|text| text.contains("not come yet")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9dhms:. T+-]{0,20}|\\PC{0,20}") {
            if let Ok(Since(moment)) = at(&text, 1_800_000_000_000_000) {
                proptest::prop_assert!(moment < 1_800_000_000_000_000);
            }
        }
    }
}
