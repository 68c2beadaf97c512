//! Generated transaction histories: no row may become visible below the point that an earlier run has stored.
#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, clippy::as_conversions)]

use super::*;
use proptest::prelude::*;

/// Seconds that a run waits for open transactions before it opens its snapshot.
const WAIT: i64 = 60 * SECOND;
/// The default lookback.
const HOUR: i64 = 3600 * SECOND;

/// One transaction that writes one row; real time.
#[derive(Debug, Clone, Copy)]
struct Writer {
    /// Its statement begins: the clock of its rows is fixed.
    fixed: i64,
    /// The transaction begins, after a wait for a lock of the table.
    begun: i64,
    /// The statement ends.
    ended: i64,
    /// COMMIT.
    committed: i64,
}

fn writers() -> impl Strategy<Value = Vec<Writer>> {
    let span = |max: i64| prop_oneof![4 => 0..SECOND, 2 => 0..90 * SECOND, 1 => 0..max];
    let one = (0..6 * HOUR, span(HOUR - MARGIN), span(HOUR), span(3 * HOUR)).prop_map(|(fixed, wait, runs, stays)| Writer {
        fixed,
        begun: fixed + wait,
        ended: fixed + wait + runs,
        committed: fixed + wait + runs + stays,
    });
    prop::collection::vec(one, 1..40)
}

/// What a run at `now` sees, and when its snapshot opens. `step` is added to the server's clock from `at` on.
struct Look {
    clock: Clock,
    /// Of the oldest transaction that was open at T0, whether it stayed or not: what one of the broken rules uses.
    oldest_transaction: Option<i64>,
    /// Largest clock that is in the snapshot.
    newest: Option<i64>,
    snapshot: i64,
}

#[derive(Debug, Clone, Copy)]
struct Server {
    at: i64,
    step: i64,
    zone: i64,
}

impl Server {
    fn clock(self, real: i64) -> i64 {
        real + if real >= self.at { self.step } else { 0 }
    }
}

fn look(writers: &[Writer], server: Server, now: i64, sees_everyone: bool) -> Look {
    let open = |w: &&Writer, at: i64| w.begun <= at && at < w.committed;
    let running = writers.iter().filter(|w| w.fixed <= now && now < w.ended);
    let snapshot = writers.iter().filter(|w| open(w, now)).map(|w| w.committed).max().unwrap_or(now).min(now + WAIT);
    let stayed = writers.iter().filter(|w| open(w, now) && open(w, snapshot));
    let age = |real: i64| server.clock(now) - server.clock(real);
    Look {
        clock: Clock {
            now: server.clock(now),
            oldest_statement: running.map(|w| age(w.fixed)).max().filter(|_| sees_everyone).unwrap_or(0),
            stayed: stayed.map(|w| age(w.begun)).max().filter(|_| sees_everyone),
            sees_everyone,
            lag: Some(0),
            zone: server.zone,
            ahead: server.clock(now) - now,
        },
        oldest_transaction: writers.iter().filter(|w| open(w, now)).map(|w| server.clock(w.begun)).min(),
        newest: writers.iter().filter(|w| w.committed <= snapshot).map(|w| server.clock(w.fixed)).max(),
        snapshot,
    }
}

/// Rows that no later run would read: committed after the snapshot, with a clock below the point.
fn missed(writers: &[Writer], server: Server, point: i64, snapshot: i64, strict: bool) -> bool {
    writers.iter().filter(|w| w.committed > snapshot).any(|w| {
        let value = server.clock(w.fixed);
        if strict { value <= point } else { value < point }
    })
}

const STILL: Server = Server { at: 0, step: 0, zone: 0 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_row_appears_below_the_safe_point(writers in writers(), now in 0..8 * HOUR) {
        let seen = look(&writers, STILL, now, true);
        prop_assert!(!missed(&writers, STILL, seen.clock.safe_point(HOUR), seen.snapshot, false));
    }

    /// Without PROCESS only the lookback is left: it holds for histories that stay within it.
    #[test]
    fn the_lookback_holds_where_sessions_are_not_seen(writers in writers(), now in 0..8 * HOUR) {
        let seen = look(&writers, STILL, now, false);
        let longest = writers.iter().map(|w| w.committed - w.fixed).max().unwrap_or(0);
        prop_assert!(!missed(&writers, STILL, seen.clock.safe_point(longest), seen.snapshot, false));
    }

    /// The clock is set at some time: reading begins earlier by as much, or the whole table is read. Not covered is a statement
    /// that waits while the clock is set forward, longer than the lookback together.
    #[test]
    fn a_clock_that_is_set_hides_nothing(writers in writers(), first in 0..4 * HOUR, gap in 0..4 * HOUR, at in 0..8 * HOUR,
                                         step in prop_oneof![-2 * HOUR..2 * HOUR, -30 * SECOND..30 * SECOND]) {
        let server = Server { at, step, zone: 0 };
        let columns = [column("updated_at", "timestamp(6)", Scale::Instant)];
        let waits = |w: &Writer| w.fixed < at && at <= w.begun && w.begun - w.fixed + step > HOUR - MARGIN;
        prop_assume!(!writers.iter().any(waits));
        let (one, two) = (look(&writers, server, first, true), look(&writers, server, first + gap, true));
        let stored = next(&columns, &one.clock, None, LOOKBACK, None).unwrap();
        let steps_small = step.abs() <= CLOCK_TOLERANCE;
        if let Ok(marks) = from(&stored, &columns, LOOKBACK, (two.clock.now, two.clock.ahead, 0)) && !steps_small {
            let later: Vec<Writer> = writers.iter().copied().filter(|w| w.committed <= two.snapshot).collect();
            prop_assert!(!missed(&later, server, marks[0].value, one.snapshot, false));
        }
    }

    /// Numbers are handed out when a statement runs, and appear at COMMIT in any order; every run keeps its counter.
    #[test]
    fn no_number_appears_below_the_safe_number(writers in writers(), runs in prop::collection::vec(0..2 * HOUR, 1..6)) {
        let columns = [column("id", "bigint(20)", Scale::Counter)];
        let mut order: Vec<Writer> = writers;
        order.sort_by_key(|w| w.begun);
        let (mut last, mut now) = (None, 0);
        for gap in runs {
            now += gap;
            let seen = look(&order, STILL, now, true);
            let counter = 1 + order.iter().filter(|w| w.begun <= now).count() as i64;
            let mark = next(&columns, &seen.clock, Some(counter), LOOKBACK, last.as_ref()).unwrap();
            let number = mark.marks[0].value;
            for (at, writer) in order.iter().enumerate() {
                prop_assert!(writer.committed <= seen.snapshot || at as i64 + 1 >= number, "{writer:?} {number}");
            }
            last = Some(mark);
        }
    }

    /// The server's zone changes by an hour once: a wall clock that repeats itself must not hide the second hour.
    #[test]
    fn an_hour_that_the_wall_clock_shows_twice_is_read(now in 0..4 * HOUR, change in 0..8 * HOUR, after in 0..4 * HOUR) {
        let zone = |at: i64| if at < change { 2 * HOUR } else { HOUR };
        // What the look at the server computes: the smaller offset within a day on either side.
        let clock = Clock { now, zone: HOUR, sees_everyone: true, lag: Some(0), ..Clock::default() };
        let columns = [column("at", "datetime", Scale::Wall)];
        let mark = next(&columns, &clock, None, LOOKBACK, None).unwrap();
        let written = now + after;
        prop_assert!(written + zone(written) >= mark.marks[0].value);
    }
}

const LOOKBACK: Lookback = Lookback { unknown: HOUR, always: 0, keys: 10_000 };

fn column(name: &str, declared: &str, scale: Scale) -> Incremental {
    Incremental { column: name.into(), declared: declared.into(), scale, nullable: false }
}

/// Whether a rule of thumb survives the histories; the ones in use elsewhere do not.
fn survives(point: impl Fn(&Look) -> Option<i64>, strict: bool) -> bool {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let histories = (writers(), 0..8 * HOUR);
    runner
        .run(&histories, |(writers, now)| {
            let seen = look(&writers, STILL, now, true);
            let missed = point(&seen).is_some_and(|point| missed(&writers, STILL, point, seen.snapshot, strict));
            prop_assert!(!missed);
            Ok(())
        })
        .is_ok()
}

#[test]
fn the_usual_rules_lose_rows() {
    assert!(survives(|seen| Some(seen.clock.safe_point(HOUR)), false), "the harness itself");
    assert!(!survives(|seen| seen.newest, false), "MAX of what was read");
    assert!(!survives(|seen| seen.newest, true), "more than MAX of what was read");
    assert!(!survives(|seen| Some(seen.clock.now), false), "the wall clock");
    assert!(!survives(|seen| Some(seen.clock.now.min(seen.oldest_transaction.unwrap_or(i64::MAX))), false), "trx_started");
    assert!(!survives(|seen| Some(seen.clock.now - 300 * SECOND), false), "a fixed overlap of five minutes");
    assert!(!survives(|seen| Some(Clock { stayed: None, ..seen.clock }.safe_point(HOUR)), false), "without those that stayed");
    assert!(
        !survives(|seen| Some(Clock { oldest_statement: 0, ..seen.clock }.safe_point(HOUR)), false),
        "without running statements"
    );
}

/// With values of whole seconds, `>` loses the rows of the second in which the run began.
#[test]
fn more_than_loses_ties() {
    let second = |micros: i64| micros.div_euclid(SECOND) * SECOND;
    let (run, written) = (10 * SECOND + 300_000, 10 * SECOND + 700_000);
    assert!(second(written) <= second(run), "`>` does not read it");
    let point = Clock { now: run, sees_everyone: true, lag: Some(0), ..Clock::default() }.safe_point(HOUR);
    assert!(second(written) >= second(point), "`>=` the safe point does");
}

#[test]
fn conditions_are_typed_and_rounded_down() {
    let mark =
        |column: &str, declared: &str, scale, value| Mark { column: column.into(), declared: declared.into(), scale, value };
    let at = 1_700_000_000_123_456;
    let marks = [
        mark("a", "timestamp(6)", Scale::Instant, at),
        mark("b", "datetime", Scale::Wall, at),
        mark("c", "datetime(3)", Scale::Wall, at),
        mark("d", "date", Scale::Day, at),
        mark("e", "bigint(20) unsigned", Scale::Counter, 7),
    ];
    let columns: Vec<Incremental> = marks.iter().map(|m| column(&m.column, &m.declared, m.scale)).collect();
    assert_eq!(
        condition(&marks, &columns, Join::Or),
        "`a` >= TIMESTAMP'2023-11-14 22:13:20.123456' OR `b` >= TIMESTAMP'2023-11-14 22:13:20.000000' OR \
         `c` >= TIMESTAMP'2023-11-14 22:13:20.123000' OR `d` >= DATE'2023-11-14' OR `e` >= 7"
    );
}

#[test]
fn null_is_never_left_out() {
    let marks = [("a", 1), ("b", 2)].map(|(name, value)| Mark {
        column: name.into(),
        declared: "int(11)".into(),
        scale: Scale::Counter,
        value,
    });
    let nullable = |names: &[&str]| -> Vec<Incremental> {
        let one =
            |m: &Mark| Incremental { nullable: names.contains(&m.column.as_str()), ..column(&m.column, &m.declared, m.scale) };
        marks.iter().map(one).collect()
    };
    assert_eq!(condition(&marks, &nullable(&["a"]), Join::Or), "`a` >= 1 OR `b` >= 2");
    assert_eq!(condition(&marks, &nullable(&["a", "b"]), Join::Or), "`a` >= 1 OR `b` >= 2 OR (`a` IS NULL AND `b` IS NULL)");
    assert_eq!(condition(&marks, &nullable(&["a"]), Join::And), "(`a` >= 1 OR `a` IS NULL) AND `b` >= 2");
}

#[test]
fn a_watermark_of_other_columns_or_of_a_later_clock_is_void() {
    let columns = [column("a", "timestamp", Scale::Instant)];
    let stored = next(&columns, &Clock { now: 1000 * SECOND, lag: Some(0), ..Clock::default() }, None, LOOKBACK, None).unwrap();
    assert!(from(&stored, &columns, LOOKBACK, (1000 * SECOND, 0, 0)).is_ok());
    assert_eq!(from(&stored, &[column("b", "timestamp", Scale::Instant)], LOOKBACK, (2000 * SECOND, 0, 0)), Err(Void::Columns));
    assert_eq!(from(&stored, &[column("a", "datetime", Scale::Wall)], LOOKBACK, (2000 * SECOND, 0, 0)), Err(Void::Columns));
    assert_eq!(from(&stored, &[], LOOKBACK, (2000 * SECOND, 0, 0)), Err(Void::Columns));
    assert_eq!(from(&stored, &columns, LOOKBACK, (999 * SECOND, 0, 0)), Err(Void::ClockBehind(SECOND)));
}

/// A wall clock that is set to a zone further west shows moments again that it has shown before.
#[test]
fn a_zone_further_west_lowers_wall_clocks_alone() {
    let columns =
        [column("a", "datetime", Scale::Wall), column("b", "timestamp", Scale::Instant), column("c", "date", Scale::Day)];
    let clock = Clock { now: 100 * HOUR, lag: Some(0), sees_everyone: true, zone: 13 * HOUR, ..Clock::default() };
    let stored = next(&columns, &clock, None, LOOKBACK, None).unwrap();
    let values = |stored: &Watermark, zone| -> Vec<i64> {
        let marks = from(stored, &columns, LOOKBACK, (101 * HOUR, 0, zone)).unwrap();
        marks.iter().map(|mark| (mark.value + MARGIN) / HOUR).collect()
    };
    assert_eq!(values(&stored, 13 * HOUR), [113, 100, 113]);
    assert_eq!(values(&stored, 14 * HOUR), [113, 100, 113]);
    assert_eq!(values(&stored, -6 * HOUR), [94, 100, 94]);
    let older = Watermark { zone: None, ..stored };
    assert_eq!(values(&older, -6 * HOUR), [113, 100, 113]);
}

#[test]
fn only_clocks_and_counters_carry_a_watermark() {
    assert_eq!(Scale::of("timestamp(3)", ColumnType::TimestampTz { digits: 3 }, false), Some(Scale::Instant));
    assert_eq!(Scale::of("datetime", ColumnType::Timestamp { digits: 0 }, false), Some(Scale::Wall));
    assert_eq!(Scale::of("int(11)", ColumnType::Int32, true), Some(Scale::Counter));
    assert_eq!(Scale::of("int(11)", ColumnType::Int32, false), None);
    assert_eq!(Scale::of("varchar(255)", ColumnType::Text, false), None);
}

/// What a replica applies carries older clocks; one that does not say how far it is behind gets no watermark.
#[test]
fn a_replica_lowers_the_point_by_its_lag() {
    let columns = [column("at", "timestamp", Scale::Instant)];
    let clock = |lag| Clock { now: 100 * HOUR, sees_everyone: true, lag, ..Clock::default() };
    let point = |lag| next(&columns, &clock(lag), None, LOOKBACK, None).map(|mark| mark.marks[0].value);
    assert_eq!(point(Some(0)), Some(100 * HOUR - MARGIN));
    assert_eq!(point(Some(5 * SECOND)), Some(99 * HOUR - 5 * SECOND - MARGIN));
    assert_eq!(point(None), None);
}
