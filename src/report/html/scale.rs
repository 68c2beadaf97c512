//! Numbers on axes: round ticks, places between 0 and 1, and words for people. Whatever comes in, no NaN and nothing outside
//! comes out.

/// Ticks that an axis aims at; the round step that is next to it decides.
const TICKS: f64 = 5.0;

/// Steps of seconds that a clock has.
const CLOCK: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 21_600.0];

/// What is on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things that are counted.
    Count,
    /// Bytes, in powers of two.
    Bytes,
    /// MiB, in powers of two.
    Megabytes,
    /// Seconds.
    Seconds,
}

/// An axis from 0 to a round number that is not smaller than everything on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    unit: Unit,
    high: f64,
    /// Values of the ticks, 0 first.
    pub ticks: Vec<f64>,
}

impl Scale {
    /// For values up to `max`, ending at a tick.
    #[must_use]
    pub fn round(max: f64, unit: Unit) -> Self {
        let (max, step) = (sane(max), step(sane(max), unit));
        let mut ticks = vec![0.0];
        let mut n = 0.0;
        while ticks.last().is_some_and(|last| *last < max) && ticks.len() < 12 {
            n += 1.0;
            ticks.push(n * step);
        }
        let high = ticks.last().copied().unwrap_or(max).max(max);
        Self { unit, high, ticks }
    }

    /// For values up to `max`, ending there: a time that is over.
    #[must_use]
    pub fn exact(max: f64, unit: Unit) -> Self {
        let round = Self::round(max, unit);
        let high = sane(max);
        // A tick too near to the end would have its words beyond it.
        let ticks = round.ticks.into_iter().filter(|tick| *tick <= high * 0.97).collect();
        Self { unit, high, ticks }
    }

    /// Where a value lies, 0 to 1.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let at = value / self.high;
        // Adding 0 makes -0 a 0.
        if at.is_nan() { 0.0 } else { at.clamp(0.0, 1.0) + 0.0 }
    }

    /// A tick in words.
    #[must_use]
    pub fn label(&self, tick: f64) -> String {
        words(tick, self.unit)
    }
}

/// Something above 0 that can be divided by.
fn sane(max: f64) -> f64 {
    if max.is_finite() && max > 1e-9 { max.min(1e18) } else { 1.0 }
}

fn step(max: f64, unit: Unit) -> f64 {
    let rough = max / TICKS;
    let decimal = |rough: f64| {
        let power = 10f64.powf(rough.log10().floor());
        [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
    };
    match unit {
        Unit::Count => decimal(rough).max(1.0),
        Unit::Bytes => 2f64.powf(rough.log2().ceil()).max(1.0),
        Unit::Megabytes => 2f64.powf(rough.log2().ceil()),
        Unit::Seconds if rough <= 1.0 => decimal(rough),
        Unit::Seconds => {
            CLOCK.into_iter().find(|step| *step >= rough * 0.999).unwrap_or_else(|| 3_600.0 * decimal(rough / 3_600.0))
        }
    }
}

/// A number in words, short enough for an axis.
#[must_use]
pub fn words(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => scaled(value, 1_000.0, &["", "k", "M", "G", "T", "P", "E"], ""),
        Unit::Bytes => scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], " "),
        Unit::Megabytes => scaled(value, 1_024.0, &["MiB", "GiB", "TiB", "PiB"], " "),
        Unit::Seconds => length(value),
    }
}

fn scaled(value: f64, base: f64, units: &[&str], gap: &str) -> String {
    let mut rest = if value.is_finite() { value.max(0.0) } else { 0.0 };
    let mut unit = 0;
    while rest >= base * 0.9995 && unit + 1 < units.len() {
        rest /= base;
        unit += 1;
    }
    format!("{}{gap}{}", short(rest), units.get(unit).copied().unwrap_or_default()).trim_end().to_owned()
}

/// At most one decimal, and none that is zero.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// A length of time: `340 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`.
#[must_use]
pub fn length(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if seconds == 0.0 {
        return "0 s".into();
    }
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1_000.0);
    }
    if seconds < 59.95 {
        return format!("{} s", short(seconds));
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds.round()).map_or(u64::MAX, |length| length.as_secs());
    let with = |big: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{big} {unit}"),
        rest => format!("{big} {unit} {rest} {small}"),
    };
    match whole {
        0..3_600 => with(whole / 60, "min", whole % 60, "s"),
        3_600..172_800 => with(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => with(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

/// Part of a whole as an attribute of SVG: `12.5%`.
#[must_use]
pub fn percent(part: f64) -> String {
    let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) * 100.0 + 0.0 };
    let text = format!("{part:.3}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A whole number for an axis; above 2^53 the nearest one.
#[must_use]
pub fn real(value: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits & 0xFFFF_FFFF).unwrap_or(u32::MAX));
    half(value >> 32) * 4_294_967_296.0 + half(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let labels = |max, unit| {
            let scale = Scale::round(max, unit);
            scale.ticks.iter().map(|tick| scale.label(*tick)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(447.0, Unit::Count), "0 100 200 300 400 500");
        assert_eq!(labels(3.0, Unit::Count), "0 1 2 3");
        assert_eq!(labels(2_600_000.0, Unit::Count), "0 1M 2M 3M");
        assert_eq!(labels(700.0 * 1_048_576.0, Unit::Bytes), "0 B 256 MiB 512 MiB 768 MiB");
        assert_eq!(labels(54.0, Unit::Megabytes), "0 MiB 16 MiB 32 MiB 48 MiB 64 MiB");
        assert_eq!(labels(0.84, Unit::Seconds), "0 s 200 ms 400 ms 600 ms 800 ms 1 s");
        assert_eq!(labels(75.0, Unit::Seconds), "0 s 15 s 30 s 45 s 1 min 1 min 15 s");
        assert_eq!(labels(9_000.0, Unit::Seconds), "0 s 30 min 1 h 1 h 30 min 2 h 2 h 30 min");
        let exact = Scale::exact(75.0, Unit::Seconds);
        assert_eq!((exact.ticks.len(), exact.at(75.0)), (5, 1.0));
    }

    #[test]
    fn lengths_and_sizes_are_short() {
        for (seconds, want) in [
            (0.0, "0 s"),
            (0.34, "340 ms"),
            (12.34, "12.3 s"),
            (250.0, "4 min 10 s"),
            (7_500.0, "2 h 5 min"),
            (200_000.0, "2 d 7 h"),
        ] {
            assert_eq!(length(seconds), want);
        }
        assert_eq!((words(1_500.0, Unit::Count), words(1_536.0, Unit::Bytes)), ("1.5k".into(), "1.5 KiB".into()));
        assert_eq!((percent(0.125), percent(1.0), percent(0.0)), ("12.5%".into(), "100%".into(), "0%".into()));
        assert_eq!((real(0), real(u64::from(u32::MAX) + 2)), (0.0, 4_294_967_297.0));
    }

    fn anything() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), 0.0..1e12, Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(-1.0)]
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_axis_and_nothing_is_nan(max in anything(), value in anything(), unit in 0..4usize, exact: bool) {
            let unit = [Unit::Count, Unit::Bytes, Unit::Megabytes, Unit::Seconds][unit];
            let scale = if exact { Scale::exact(max, unit) } else { Scale::round(max, unit) };
            prop_assert!((0.0..=1.0).contains(&scale.at(value)));
            prop_assert!(!scale.ticks.is_empty() && scale.ticks.len() <= 12, "{:?}", scale.ticks);
            for pair in scale.ticks.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1].is_finite());
            }
            for tick in &scale.ticks {
                prop_assert!(*tick <= scale.high && !scale.label(*tick).contains("NaN"));
            }
            let text = percent(value);
            let number: f64 = text.trim_end_matches('%').parse().unwrap_or(f64::NAN);
            prop_assert!((0.0..=100.0).contains(&number), "{}", text);
            prop_assert!(!words(value, unit).contains("NaN") && !words(value, unit).contains("inf"));
        }

        #[test]
        fn the_highest_value_fits_and_uses_the_height(max in 1e-3..1e15) {
            let scale = Scale::round(max, Unit::Seconds);
            prop_assert!(scale.high >= max && scale.at(max) > 0.45, "{} {:?}", max, scale);
        }
    }
}
