//! Days, moments and durations; chrono says which days exist.

use super::copying::{Kind, Sample};
use chrono::{Datelike, NaiveDate, NaiveTime};
use etl_sync::value::{ColumnType, Fault};
use mysql::Value;
use proptest::prelude::*;

type Parts = (u16, u8, u8, u8, u8, u8, u32);

/// Years 0 to 9999, months and days from zero on, sometimes parts that no clock has; a third of them without a time.
fn parts() -> impl Strategy<Value = Parts> {
    let year = prop_oneof![6 => 1_u16..=9999, 2 => prop::sample::select(vec![0, 1, 4, 100, 400, 1900, 2000, 2024, 9999]), 2 => 1970_u16..2040];
    let month = prop_oneof![12 => 1_u8..=12, 1 => prop::sample::select(vec![0_u8, 2, 13])];
    let day = prop_oneof![12 => 1_u8..=31, 3 => 28_u8..=32, 1 => Just(0_u8)];
    let time = prop_oneof![
        4 => Just((0_u8, 0_u8, 0_u8)),
        8 => (0_u8..24, 0_u8..60, 0_u8..60),
        1 => (22_u8..26, 58_u8..62, 58_u8..62)
    ];
    // Of all days the last ones of February are the least regular.
    let leap = (prop::sample::select(vec![4_u16, 100, 400, 1600, 1900, 2000, 2023, 2024]), Just(2_u8), 28_u8..=30);
    let day = prop_oneof![8 => (year, month, day), 1 => leap];
    (day, time, micros()).prop_map(|((year, month, day), (h, m, s), micro)| (year, month, day, h, m, s, micro))
}

/// Microseconds that fill from none to all six digits, and the last ones.
fn micros() -> impl Strategy<Value = u32> {
    let digits =
        (0_u32..=6, 0_u32..1_000_000).prop_map(|(digits, micros)| micros / 10_u32.pow(6 - digits) * 10_u32.pow(6 - digits));
    prop_oneof![6 => Just(0_u32), 12 => digits, 1 => Just(999_999_u32), 1 => Just(1_000_000_u32)]
}

fn value((year, month, day, hour, minute, second, micro): Parts) -> Value {
    Value::Date(year, month, day, hour, minute, second, micro)
}

fn day_of((year, month, day, ..): Parts) -> Result<NaiveDate, Fault> {
    let day = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day)).filter(|_| year > 0);
    day.ok_or(Fault::ZeroDate)
}

/// A time of the day that fits so many digits. chrono would take a leap second, which MySQL does not have.
fn time_of((_, _, _, hour, minute, second, micro): Parts, digits: u8) -> Result<NaiveTime, Fault> {
    let fits = micro < 1_000_000 && micro.is_multiple_of(10_u32.pow(6 - u32::from(digits)));
    let time = NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micro);
    time.filter(|_| fits).ok_or(Fault::OutOfRange)
}

const MICROS: &str = "(extract(epoch FROM {c}) * 1000000)::bigint";

fn day_kinds() -> Vec<Kind> {
    let dates = parts().prop_map(|parts| {
        let midnight = |day: NaiveDate| {
            if (parts.3, parts.4, parts.5, parts.6) == (0, 0, 0, 0) { Ok(day) } else { Err(Fault::OutOfRange) }
        };
        Sample::new(value(parts), day_of(parts).and_then(midnight).map(|day| (day.num_days_from_ce() - 1).to_string()))
    });
    let moments = |digits: u8| {
        parts().prop_map(move |parts| {
            let moment = day_of(parts).and_then(|day| Ok(day.and_time(time_of(parts, digits)?)));
            Sample::new(value(parts), moment.map(|moment| moment.and_utc().timestamp_micros().to_string()))
        })
    };
    let mut kinds = vec![Kind::new(ColumnType::Date, "{c} - DATE '0001-01-01'", dates)];
    for digits in 0..=6 {
        kinds.push(Kind::new(ColumnType::Timestamp { digits }, MICROS, moments(digits)).sharing(3));
        kinds.push(Kind::new(ColumnType::TimestampTz { digits }, MICROS, moments(digits)).sharing(3));
    }
    kinds
}

/// Microseconds of a duration, or why it does not fit so many digits.
fn length(hours: u32, minutes: u8, seconds: u8, micros: u32, digits: u8) -> Result<i64, Fault> {
    let fits = minutes < 60 && seconds < 60 && micros < 1_000_000 && micros.is_multiple_of(10_u32.pow(6 - u32::from(digits)));
    let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
    if fits { Ok(seconds * 1_000_000 + i64::from(micros)) } else { Err(Fault::OutOfRange) }
}

fn duration_kinds() -> Vec<Kind> {
    let hours = prop_oneof![6 => 0_u32..=838, 4 => 0_u32..26, 1 => Just(838_u32)];
    let clock = prop_oneof![8 => (0_u8..60, 0_u8..60), 1 => Just((59, 59)), 2 => Just((0, 0)), 1 => (58_u8..62, 58_u8..62)];
    let parts = (any::<bool>(), hours, clock, micros()).boxed();
    // As the driver splits them: whole days apart from hours.
    let value = |negative: bool, hours: u32, (minutes, seconds): (u8, u8), micros: u32| {
        Value::Time(negative, hours / 24, u8::try_from(hours % 24).unwrap(), minutes, seconds, micros)
    };
    let mut kinds = Vec::new();
    for digits in 0..=6 {
        let intervals = parts.clone().prop_map(move |(negative, hours, clock, micros)| {
            let length = length(hours, clock.0, clock.1, micros, digits).map(|micros| if negative { -micros } else { micros });
            Sample::new(value(negative, hours, clock, micros), length.map(|micros| format!("{micros} 0 0")))
        });
        let ask = "(extract(epoch FROM {c}) * 1000000)::bigint || ' ' || extract(day FROM {c}) || ' ' || extract(month FROM {c})";
        kinds.push(Kind::new(ColumnType::Interval { digits }, ask, intervals).sharing(3));
        let times = parts.clone().prop_map(move |(negative, hours, clock, micros)| {
            let day = 24 * 3600 * 1_000_000;
            let length = length(hours, clock.0, clock.1, micros, digits);
            let length = length
                .and_then(|length| if length > day || (negative && length > 0) { Err(Fault::OutOfRange) } else { Ok(length) });
            Sample::new(value(negative, hours, clock, micros), length.map(|length| length.to_string()))
        });
        kinds.push(Kind::new(ColumnType::TimeOfDay { digits }, MICROS, times).sharing(3));
    }
    kinds
}

pub fn kinds() -> Vec<Kind> {
    day_kinds().into_iter().chain(duration_kinds()).collect()
}
