//! Dates, timestamps and durations: ISO text with exactly the declared number of fraction digits.
//!
//! Every function appends to the scratch buffer and says whether the value fits; out-of-range parts and digits beyond
//! the declared ones do not fit, because PostgreSQL would round or shift them.

use crate::value::{DateTime, Time};

/// Whether this is a day of the calendar that PostgreSQL can hold: no zero parts, no 30th of February.
#[inline]
pub(super) fn is_calendar_day(value: DateTime) -> bool {
    let days = match value.month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(value.year) => 29,
        2 => 28,
        _ => return false,
    };
    value.year >= 1 && value.day >= 1 && value.day <= days
}

/// No time of the day: the whole value is a date.
#[inline]
pub(super) const fn is_midnight(value: DateTime) -> bool {
    value.hour == 0 && value.minute == 0 && value.second == 0 && value.micro == 0
}

/// From 00:00:00 to 24:00:00, as PostgreSQL's `time`.
#[inline]
pub(super) const fn is_of_day(value: Time) -> bool {
    let end = value.hours == 24 && value.minutes == 0 && value.seconds == 0 && value.micros == 0;
    let zero = value.hours == 0 && value.minutes == 0 && value.seconds == 0 && value.micros == 0;
    (value.hours < 24 || end) && (!value.negative || zero)
}

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// `YYYY-MM-DD`. The caller has checked that the day exists.
#[inline]
pub(super) fn date(out: &mut Vec<u8>, value: DateTime) -> bool {
    let (Ok(century), Ok(year)) = (u8::try_from(value.year / 100), u8::try_from(value.year % 100)) else { return false };
    if century > 99 {
        return false;
    }
    let ([a, b], [c, d], [e, f], [g, h]) = (two(century), two(year), two(value.month), two(value.day));
    out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h]);
    true
}

/// `YYYY-MM-DD HH:MM:SS[.fraction]`.
#[inline]
pub(super) fn timestamp(out: &mut Vec<u8>, value: DateTime, digits: u8) -> bool {
    if value.hour > 23 || !date(out, value) {
        return false;
    }
    let [a, b] = two(value.hour);
    out.extend_from_slice(&[b' ', a, b]);
    minutes(out, value.minute, value.second, value.micro, digits)
}

/// `YYYY-MM-DD HH:MM:SS[.fraction]+00`: the source session runs in UTC.
#[inline]
pub(super) fn timestamp_utc(out: &mut Vec<u8>, value: DateTime, digits: u8) -> bool {
    let fits = timestamp(out, value, digits);
    out.extend_from_slice(b"+00");
    fits
}

/// `[-]HH:MM:SS[.fraction]`, hours as far as microseconds are counted. PostgreSQL applies the sign to all parts.
#[inline]
pub(super) fn interval(out: &mut Vec<u8>, value: Time, digits: u8) -> bool {
    if duration(value, digits).is_none() {
        return false;
    }
    if value.negative {
        out.push(b'-');
    }
    match u8::try_from(value.hours) {
        Ok(hours) if hours < 100 => out.extend_from_slice(&two(hours)),
        _ => out.extend_from_slice(itoa::Buffer::new().format(value.hours).as_bytes()),
    }
    minutes(out, value.minutes, value.seconds, value.micros, digits)
}

/// `:MM:SS[.fraction]`.
#[inline]
fn minutes(out: &mut Vec<u8>, minute: u8, second: u8, micro: u32, digits: u8) -> bool {
    if minute > 59 || second > 59 {
        return false;
    }
    let ([a, b], [c, d]) = (two(minute), two(second));
    out.extend_from_slice(&[b':', a, b, b':', c, d]);
    fraction(out, micro, digits)
}

/// `.` and the first `digits` of six digits; the others must be zero.
#[inline]
fn fraction(out: &mut Vec<u8>, micro: u32, digits: u8) -> bool {
    if digits == 0 || micro > 999_999 {
        return micro == 0;
    }
    let mut text = *b".000000";
    let mut rest = micro;
    for digit in text.iter_mut().skip(1).rev() {
        *digit = digit_of(rest % 10);
        rest /= 10;
    }
    let (kept, cut) = text.split_at(text.len().min(usize::from(digits) + 1));
    out.extend_from_slice(kept);
    cut.iter().all(|&digit| digit == b'0')
}

/// One digit; the argument is below 10.
#[inline]
fn digit_of(value: u32) -> u8 {
    u8::try_from(value).map_or(b'0', |digit| b'0' + digit)
}

/// Two digits; the argument is below 100.
#[inline]
const fn two(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}

/// Days from 2000-01-01, as the binary `date`. The caller has checked that the day exists.
///
/// Source of the formula: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
#[inline]
pub(super) fn days(value: DateTime) -> i32 {
    let (month, day) = (i32::from(value.month), i32::from(value.day));
    let year = i32::from(value.year) - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    // 2000-03-01 is day 5 * 146,097 of that count; 2000-01-01 lies 60 days before it.
    days - 730_485 + 60
}

/// Microseconds from 2000-01-01, as the binary `timestamp`; none when a part is out of range or has too many digits.
#[inline]
pub(super) fn microseconds(value: DateTime, digits: u8) -> Option<i64> {
    if value.hour > 23 {
        return None;
    }
    let of_day = of_day(u32::from(value.hour), value.minute, value.second, value.micro, digits)?;
    Some(i64::from(days(value)) * 86_400_000_000 + of_day)
}

/// Microseconds of a duration, as in the binary `interval`; none as for [`microseconds`].
#[inline]
pub(super) fn duration(value: Time, digits: u8) -> Option<i64> {
    let length = of_day(value.hours, value.minutes, value.seconds, value.micros, digits)?;
    Some(if value.negative { -length } else { length })
}

#[inline]
fn of_day(hours: u32, minutes: u8, seconds: u8, micros: u32, digits: u8) -> Option<i64> {
    const STEP: [u32; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let step = STEP.get(usize::from(digits))?;
    if minutes > 59 || seconds > 59 || micros > 999_999 || !micros.is_multiple_of(*step) {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    seconds.checked_mul(1_000_000)?.checked_add(i64::from(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: DateTime = DateTime { year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 5, micro: 120_000 };

    fn text(write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out).then(|| String::from_utf8(out).unwrap_or_default())
    }

    #[test]
    fn more_hours_than_microseconds_can_count_do_not_fit() {
        let long = Time { hours: u32::MAX, ..Time::default() };
        assert_eq!((duration(long, 0), text(|out| interval(out, long, 0))), (None, None));
    }

    #[test]
    fn only_days_of_the_calendar() {
        let day = |year, month, day| is_calendar_day(DateTime { year, month, day, ..DateTime::default() });
        assert!(day(2024, 2, 29) && day(2000, 2, 29) && day(1, 1, 1) && day(9999, 12, 31) && day(1582, 10, 10));
        for (year, month, of_month) in
            [(0, 0, 0), (2000, 1, 0), (2000, 0, 1), (0, 1, 1), (2024, 2, 30), (1900, 2, 29), (2023, 4, 31), (2023, 13, 1)]
        {
            assert!(!day(year, month, of_month), "{year}-{month}-{of_month}");
        }
    }

    #[test]
    fn as_many_digits_as_declared() {
        assert_eq!(text(|out| date(out, DAY)).as_deref(), Some("2024-02-29"));
        assert_eq!(text(|out| timestamp(out, DAY, 2)).as_deref(), Some("2024-02-29 23:59:05.12"));
        assert_eq!(text(|out| timestamp_utc(out, DAY, 6)).as_deref(), Some("2024-02-29 23:59:05.120000+00"));
        assert_eq!(text(|out| timestamp(out, DateTime { micro: 0, ..DAY }, 0)).as_deref(), Some("2024-02-29 23:59:05"));
        assert_eq!(text(|out| timestamp(out, DAY, 1)), None);
        assert_eq!(text(|out| timestamp(out, DateTime { year: 10_000, ..DAY }, 6)), None);
        assert_eq!(text(|out| timestamp(out, DateTime { hour: 24, ..DAY }, 6)), None);
        assert_eq!(text(|out| timestamp(out, DateTime { micro: 1_000_000, ..DAY }, 6)), None);
        assert_eq!(text(|out| date(out, DateTime { year: 18, month: 4, day: 1, ..DAY })).as_deref(), Some("0018-04-01"));
    }

    #[test]
    fn durations_keep_their_sign_under_an_hour() {
        let time = Time { negative: true, hours: 0, minutes: 30, seconds: 0, micros: 0 };
        assert_eq!(text(|out| interval(out, time, 0)).as_deref(), Some("-00:30:00"));
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 999_999 };
        assert_eq!(text(|out| interval(out, time, 6)).as_deref(), Some("-838:59:59.999999"));
        assert_eq!(text(|out| interval(out, Time { minutes: 60, ..time }, 6)), None);
    }
}
