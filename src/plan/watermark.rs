//! Watermarks: typed values from which the next run reads, and the safe point they are made of. Pure: no I/O.
//!
//! A watermark is never the MAX of what was read. It is a moment (or a key) below which no row can still appear: rows are
//! written with the clock of their statement's begin and become visible at their COMMIT, in any order.
//!
//! Times are microseconds since 1970-01-01 00:00:00, of UTC or of a wall clock, as each name says.

use crate::name::quote_mysql;
use crate::usage;
use crate::value::ColumnType;
use chrono::Datelike;
use serde::{Deserialize, Serialize};

/// One second.
pub const SECOND: i64 = 1_000_000;

/// Taken off every safe point: servers round to whole seconds what we are told of their sessions.
pub const MARGIN: i64 = 2 * SECOND;

/// Former counters that are kept, one per run.
const HISTORY_MAX: usize = 16;

/// What the source's clock and sessions showed before the snapshot opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// T0: the source's clock, read before anything else. UTC.
    pub now: i64,
    /// Age at T0 of the oldest statement that was running then; 0 when none was.
    pub oldest_statement: i64,
    /// Age at T0 of the oldest transaction that had begun by T0 and was still open when the snapshot opened.
    pub stayed: Option<i64>,
    /// Other sessions can be seen; without the PROCESS privilege the servers show our own ones only, without a word.
    pub sees_everyone: bool,
    /// How far a source that is a replica itself is behind; 0 for one that is none, nothing when it does not say.
    pub lag: Option<i64>,
    /// Wall clock minus UTC of the server's own zone; around a clock change the smaller of both values.
    pub zone: i64,
    /// Source clock minus warehouse clock: shows a clock that was set.
    pub ahead: i64,
}

impl Clock {
    /// The moment below which every row that will ever exist exists in the snapshot, UTC. Rule 7 of the design.
    ///
    /// A statement fixes its clock when it begins, before its transaction shows up anywhere: hence the oldest statement.
    /// A transaction that stayed may have fixed the clock of a statement before it began: hence the lookback beyond its
    /// age. Where sessions cannot be seen, only the lookback is left.
    #[must_use]
    pub fn safe_point(&self, lookback: i64) -> i64 {
        let mut age = self.oldest_statement.max(0);
        if let Some(stayed) = self.stayed {
            age = age.max(stayed.saturating_add(lookback));
        }
        if !self.sees_everyone {
            age = age.max(lookback);
        }
        // What a replica applies carries the clock of its own source.
        if let Some(lag) = self.lag.filter(|lag| *lag > 0) {
            age = age.saturating_add(lag).max(lag.saturating_add(lookback));
        }
        self.now.saturating_sub(age).saturating_sub(MARGIN)
    }
}

/// How a column's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// `TIMESTAMP`: an instant, which our sessions see in UTC.
    Instant,
    /// `DATETIME`: a wall clock of the server's own zone.
    Wall,
    /// `DATE`: a day of the server's own zone.
    Day,
    /// An `AUTO_INCREMENT` column: numbers handed out in order.
    Counter,
}

impl Scale {
    /// The scale of a column, or none when it cannot carry a watermark.
    #[must_use]
    pub fn of(declared: &str, ty: ColumnType, auto_increment: bool) -> Option<Self> {
        match declared.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "timestamp" => Some(Self::Instant),
            "datetime" => Some(Self::Wall),
            "date" => Some(Self::Day),
            _ if auto_increment && super::strategy::is_integer(ty) => Some(Self::Counter),
            _ => None,
        }
    }
}

/// The watermark of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Source column.
    pub column: String,
    /// Declared source type: another one voids the watermark.
    pub declared: String,
    /// How it is compared.
    pub scale: Scale,
    /// Microseconds, or the number from which the next run reads.
    pub value: i64,
}

/// What the last success of a table left for the next run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// One per incremental column, in configured order.
    pub marks: Vec<Mark>,
    /// The marks as people read them, for the status tables.
    #[serde(default)]
    pub value: String,
    /// T0 of the run, UTC.
    pub now: i64,
    /// Source clock minus warehouse clock then.
    pub ahead: i64,
    /// Wall clock minus UTC of the source then; nothing in watermarks of older versions.
    #[serde(default)]
    pub zone: Option<i64>,
    /// Counters of earlier runs, oldest first: pairs of T0 and the `AUTO_INCREMENT` value then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<(i64, i64)>,
}

impl Watermark {
    /// The columns, for the status tables.
    #[must_use]
    pub fn columns(&self) -> String {
        self.marks.iter().map(|mark| mark.column.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// A column that a watermark is kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incremental {
    /// Source column.
    pub column: String,
    /// Declared source type.
    pub declared: String,
    /// How it is compared.
    pub scale: Scale,
    /// NULL may occur.
    pub nullable: bool,
}

/// How far below the safe point reading begins, beyond what the source's sessions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookback {
    /// For what cannot be known: sessions that are not seen, transactions that stay. Microseconds.
    pub unknown: i64,
    /// Always, because the application writes its own clock. Microseconds.
    pub always: i64,
    /// Numbers below the counter when it is not known which may still appear.
    pub keys: i64,
}

/// The watermark after a success whose snapshot was opened at `clock`; none for a replica that does not say how far it is
/// behind. `counter` is the table's `AUTO_INCREMENT` value,
/// read before the clock; `last` what the success before this one left.
#[must_use]
pub fn next(
    columns: &[Incremental],
    clock: &Clock,
    counter: Option<i64>,
    lookback: Lookback,
    last: Option<&Watermark>,
) -> Option<Watermark> {
    clock.lag?;
    let point = clock.safe_point(lookback.unknown);
    let mut counters: Vec<(i64, i64)> = last.map(|last| last.counters.clone()).unwrap_or_default();
    let marks: Vec<Mark> = columns
        .iter()
        .map(|column| Mark {
            column: column.column.clone(),
            declared: column.declared.clone(),
            scale: column.scale,
            value: match column.scale {
                Scale::Instant => point,
                Scale::Wall | Scale::Day => point.saturating_add(clock.zone),
                Scale::Counter => safe_number(clock, counter, lookback, &counters),
            },
        })
        .collect();
    if let Some(counter) = counter.filter(|_| columns.iter().any(|c| c.scale == Scale::Counter)) {
        counters.push((clock.now, counter));
        counters.drain(..counters.len().saturating_sub(HISTORY_MAX));
    }
    let value = marks.iter().map(shown).collect::<Vec<_>>().join(", ");
    Some(Watermark { marks, value, now: clock.now, ahead: clock.ahead, zone: Some(clock.zone), counters })
}

/// The number below which no row can still appear. Numbers are handed out before COMMIT; those of a transaction that is
/// still open were handed out after it began, so the counter of an earlier run that is older than that is safe.
fn safe_number(clock: &Clock, counter: Option<i64>, lookback: Lookback, history: &[(i64, i64)]) -> i64 {
    let Some(counter) = counter else { return 0 };
    let far = counter.saturating_sub(lookback.keys).max(0);
    let age = match (clock.sees_everyone, clock.stayed) {
        (false, _) => return far,
        _ if clock.lag != Some(0) => return far,
        (true, None) if clock.oldest_statement == 0 => return counter,
        (true, stayed) => stayed.map_or(0, |age| age.saturating_add(lookback.unknown)).max(clock.oldest_statement),
    };
    let begin = clock.now.saturating_sub(age).saturating_sub(MARGIN);
    history.iter().rev().find(|(at, _)| *at < begin).map_or(far, |(_, number)| (*number).min(counter))
}

/// Why a stored watermark cannot be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Void {
    /// Other columns, or other types.
    Columns,
    /// The source's clock is behind what it was, by so many microseconds.
    ClockBehind(i64),
}

/// The marks to read from, when the stored watermark fits these columns and the clocks: the source's, by how much it is
/// ahead of the warehouse's, and its wall clock minus UTC.
///
/// A clock that was set since then (against the warehouse's) has written some moments twice or not at all: reading begins
/// earlier by as much. So it does for wall clocks when the source's zone is west of what it was.
///
/// # Errors
/// Why it does not fit: the whole table is read then.
pub fn from(
    stored: &Watermark,
    columns: &[Incremental],
    lookback: Lookback,
    (now, ahead, zone): (i64, i64, i64),
) -> Result<Vec<Mark>, Void> {
    let call = usage::WATERMARK_FROM.attempt(usage::Shape::NONE);
    let fits = |(mark, column): (&Mark, &Incremental)| {
        mark.column == column.column && mark.declared == column.declared && mark.scale == column.scale
    };
    if stored.marks.len() != columns.len() || !stored.marks.iter().zip(columns).all(fits) {
        return Err(Void::Columns);
    }
    if now < stored.now {
        return Err(Void::ClockBehind(stored.now - now));
    }
    let step = ahead.saturating_sub(stored.ahead).saturating_abs();
    let back = lookback.always.saturating_add(if step > CLOCK_TOLERANCE { step } else { 0 });
    let west = stored.zone.map_or(0, |stored| stored.saturating_sub(zone).max(0));
    // Who writes an own clock may write own numbers, too.
    let keys = if lookback.always > 0 { lookback.keys } else { 0 };
    let earlier = |mark: &Mark| match mark.scale {
        Scale::Counter => Mark { value: mark.value.saturating_sub(keys), ..mark.clone() },
        Scale::Instant => Mark { value: mark.value.saturating_sub(back), ..mark.clone() },
        Scale::Wall | Scale::Day => Mark { value: mark.value.saturating_sub(back.saturating_add(west)), ..mark.clone() },
    };
    call.ends(Ok(stored.marks.iter().map(earlier).collect()))
}

/// Two servers' clocks may differ by so much between two runs without one having been set: drift, and the time of asking.
const CLOCK_TOLERANCE: i64 = 10 * SECOND;

/// How several columns combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// A row is read when any column is past its mark.
    Or,
    /// Only when all are.
    And,
}

/// The condition of the rows past the marks, in the source's SQL. Typed literals: compared as a string, `'2026-06-24'` is
/// the number 2026 for an integer column.
///
/// Rows that no column can show are always read: NULL in all of them (in one of them for [`Join::And`]).
#[must_use]
pub fn condition(marks: &[Mark], columns: &[Incremental], join: Join) -> String {
    let _call = usage::CONDITION.enter(usage::Shape::NONE);
    let nullable = |mark: &Mark| columns.iter().any(|c| c.column == mark.column && c.nullable);
    let null = |mark: &Mark| format!("{} IS NULL", quote_mysql(&mark.column));
    let past = |mark: &Mark| format!("{} >= {}", quote_mysql(&mark.column), literal(mark));
    match join {
        Join::Or => {
            let mut parts: Vec<String> = marks.iter().map(past).collect();
            if marks.iter().all(nullable) {
                parts.push(format!("({})", marks.iter().map(null).collect::<Vec<_>>().join(" AND ")));
            }
            parts.join(" OR ")
        }
        Join::And => {
            let part = |mark: &Mark| match nullable(mark) {
                true => format!("({} OR {})", past(mark), null(mark)),
                false => past(mark),
            };
            marks.iter().map(part).collect::<Vec<_>>().join(" AND ")
        }
    }
}

/// The value as a typed literal, rounded down to what the column can hold.
fn literal(mark: &Mark) -> String {
    match mark.scale {
        Scale::Counter => mark.value.to_string(),
        Scale::Day => format!("DATE'{}'", moment(mark.value).format("%Y-%m-%d")),
        Scale::Instant | Scale::Wall => {
            let unit = 10_i64.pow(6 - digits(&mark.declared));
            let value = mark.value.div_euclid(unit) * unit;
            format!("TIMESTAMP'{}'", moment(value).format("%Y-%m-%d %H:%M:%S%.6f"))
        }
    }
}

/// Fractional digits of `datetime(3)`.
fn digits(declared: &str) -> u32 {
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.and_then(|(digits, _)| digits.trim().parse().ok()).filter(|digits| *digits <= 6).unwrap_or(0)
}

/// The calendar form; times beyond what MySQL holds become its first moment, from which everything is read.
fn moment(micros: i64) -> chrono::NaiveDateTime {
    let first = chrono::DateTime::UNIX_EPOCH.naive_utc();
    chrono::DateTime::from_timestamp_micros(micros).map_or(first, |at| at.naive_utc()).max(first)
}

/// Year, month and day of a time.
#[must_use]
pub fn day_of(micros: i64) -> (u16, u8, u8) {
    let day = moment(micros).date();
    let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    (u16::try_from(day.year()).unwrap_or(u16::MAX), small(day.month()), small(day.day()))
}

/// The value as people and PostgreSQL read it.
pub(super) fn shown(mark: &Mark) -> String {
    match mark.scale {
        Scale::Counter => mark.value.to_string(),
        Scale::Day => moment(mark.value).format("%Y-%m-%d").to_string(),
        Scale::Instant | Scale::Wall => moment(mark.value).format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
    }
}

#[cfg(test)]
#[path = "watermark_tests.rs"]
mod tests;
