//! Every minute of two weeks against a plain list of what is open, and clock changes of a made-up zone.

#![allow(clippy::unwrap_used)]

use crate::config::window::{Window, instant};
use chrono::{Datelike, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn window(text: &str) -> Window {
    text.parse().unwrap()
}

#[test]
fn hours_and_days_are_read_or_refused() {
    for text in ["21:00-06:00", "08:00-20:00", "mon-fri 21:00-06:00", "sat,sun 00:00-23:59", "Fri-Mon,wed 1:00-2:30"] {
        assert!(text.parse::<Window>().is_ok(), "{text}");
    }
    for text in
        ["", "21:00", "21-06", "21:00-24:00", "21:00-06:60", "21:00-21:00", "day 21:00-06:00", "mon 21:00", "mon tue 1:00-2:00"]
    {
        assert!(text.parse::<Window>().is_err(), "{text}");
    }
    assert_eq!(window(" mon   21:00-06:00 ").to_string(), "mon 21:00-06:00");
}

#[test]
fn the_edges_of_a_night() {
    let night = window("21:00-06:00");
    assert_eq!(night.closes(at("2026-11-22 20:59")), None);
    assert_eq!(night.closes(at("2026-11-22 21:00")), Some(at("2026-11-23 06:00")));
    assert_eq!(night.closes(at("2026-11-23 05:59")), Some(at("2026-11-23 06:00")));
    assert_eq!(night.closes(at("2026-11-23 06:00")), None);
    assert_eq!(night.opens(at("2026-11-23 06:00")), Some(at("2026-11-23 21:00")));
    // Friday's window is open on Saturday morning, Sunday's does not exist.
    let week = window("mon-fri 21:00-06:00");
    assert_eq!(week.closes(at("2026-11-28 05:00")), Some(at("2026-11-28 06:00")));
    assert_eq!(week.closes(at("2026-11-23 05:00")), None);
    assert_eq!(week.opens(at("2026-11-28 06:00")), Some(at("2026-11-30 21:00")));
}

/// Each minute of two weeks, by another way: hours are counted on from each opening.
#[test]
fn every_minute_of_two_weeks() {
    for (text, days, from, length) in [
        ("21:00-06:00", "1234567", 21 * 60, 9 * 60),
        ("06:30-06:31", "1234567", 390, 1),
        ("00:00-23:59", "1234567", 0, 1439),
        ("mon-fri 21:00-06:00", "12345", 21 * 60, 9 * 60),
        ("sat,sun 08:00-20:00", "67", 480, 720),
        ("sun 23:59-23:58", "7", 1439, 1439),
        ("fri-mon 12:00-11:00", "5671", 720, 1380),
    ] {
        let window = window(text);
        let monday = at("2026-11-16 00:00");
        let minutes = 14 * 24 * 60;
        // From the week before on, so that a window that is open at the begin is known.
        let mut open = vec![None; usize::try_from(minutes).unwrap()];
        for day in -7..14_i64 {
            let date = monday + TimeDelta::days(day);
            if days.contains(&date.weekday().number_from_monday().to_string()) {
                let first = day * 1440 + from;
                for minute in first.max(0)..(first + length).clamp(0, minutes) {
                    open[usize::try_from(minute).unwrap()] = Some(monday + TimeDelta::minutes(first + length));
                }
            }
        }
        for (minute, expected) in (0..).zip(open) {
            let now = monday + TimeDelta::minutes(minute);
            assert_eq!(window.closes(now), expected, "{text} at {now}");
            let next = window.opens(now).unwrap();
            assert!(next > now && window.closes(next).is_some(), "{text} at {now}");
            assert_eq!((i64::from(next.hour()) * 60) + i64::from(next.minute()), from, "{text} at {now}");
        }
    }
}

/// One hour ahead from 2026-03-08 02:00 to 2026-11-01 02:00 of its own clock, as in Chicago.
#[derive(Debug, Clone, Copy)]
struct Zone;

impl Zone {
    fn offset(hours: i32) -> FixedOffset {
        FixedOffset::west_opt(hours * 3600).unwrap()
    }
}

impl TimeZone for Zone {
    type Offset = FixedOffset;

    fn from_offset(_: &FixedOffset) -> Self {
        Self
    }

    fn offset_from_local_date(&self, day: &NaiveDate) -> LocalResult<FixedOffset> {
        self.offset_from_local_datetime(&day.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, wall: &NaiveDateTime) -> LocalResult<FixedOffset> {
        match *wall {
            wall if wall < at("2026-03-08 02:00") || wall >= at("2026-11-01 02:00") => LocalResult::Single(Self::offset(6)),
            wall if wall < at("2026-03-08 03:00") => LocalResult::None,
            wall if wall < at("2026-11-01 01:00") => LocalResult::Single(Self::offset(5)),
            _ => LocalResult::Ambiguous(Self::offset(5), Self::offset(6)),
        }
    }

    fn offset_from_utc_date(&self, day: &NaiveDate) -> FixedOffset {
        self.offset_from_utc_datetime(&day.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        let summer = at("2026-03-08 08:00")..at("2026-11-01 07:00");
        Self::offset(if summer.contains(utc) { 5 } else { 6 })
    }
}

#[test]
fn clock_changes_move_the_end_and_nothing_else() {
    let utc = |text: &str| at(text).and_utc().timestamp();
    assert_eq!(instant(&Zone, at("2026-01-15 06:00")), utc("2026-01-15 12:00"));
    assert_eq!(instant(&Zone, at("2026-07-15 06:00")), utc("2026-07-15 11:00"));
    // 02:30 does not come in this night; 03:30 does, an hour later by the clock and half an hour after the jump.
    assert_eq!(instant(&Zone, at("2026-03-08 02:30")), utc("2026-03-08 08:30"));
    // 01:30 comes twice in this one: the first counts, so a run never works beyond its window.
    assert_eq!(instant(&Zone, at("2026-11-01 01:30")), utc("2026-11-01 06:30"));
    let night = window("21:00-06:00");
    let length = |begin: &str| {
        let end = instant(&Zone, night.closes(at(begin)).unwrap());
        (end - instant(&Zone, at(begin))) / 3600
    };
    assert_eq!([length("2026-03-06 21:00"), length("2026-03-07 21:00"), length("2026-10-31 21:00")], [9, 8, 10]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z,-]{0,12} ?[0-9:-]{0,12}|\\PC{0,20}") {
        if let Ok(window) = text.parse::<Window>() {
            proptest::prop_assert_eq!(window.to_string().parse::<Window>(), Ok(window));
        }
    }

    #[test]
    fn what_is_open_closes_within_a_day_and_opens_again_within_a_week(
        from in 0_u32..1440, to in 0_u32..1440, minute in 0_i64..1_000_000, day in 0_usize..7
    ) {
        proptest::prop_assume!(from != to);
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day];
        let window = format!("{days} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60).parse::<Window>().unwrap();
        let now = at("2026-01-01 00:00") + TimeDelta::minutes(minute);
        if let Some(end) = window.closes(now) {
            proptest::prop_assert!(end > now && end - now <= TimeDelta::days(1));
            proptest::prop_assert_eq!(window.closes(end), None);
        }
        let next = window.opens(now).unwrap();
        proptest::prop_assert!(next > now && next - now <= TimeDelta::days(7));
    }
}
