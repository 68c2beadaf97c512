//! Dates that no calendar has, times beyond a day, digits that would be cut.

use super::{Probe, Source};
use crate::value::{ColumnType, Fault};

/// Zero and partial dates, and days that no calendar has; then what the target would cut.
pub(super) fn calendar(source: &Source<'_>) -> Vec<Probe> {
    let name = &source.name;
    let mut probes = vec![source.probe(Fault::ZeroDate, not_a_day(name))];
    let has_time = source.declared.word() != "date";
    let cut = match source.column.ty {
        ColumnType::Date if has_time => {
            Some(format!("(HOUR({name}) > 0 OR MINUTE({name}) > 0 OR SECOND({name}) > 0 OR MICROSECOND({name}) > 0)"))
        }
        ColumnType::Timestamp { digits } | ColumnType::TimestampTz { digits } if has_time => digits_cut(source, digits),
        _ => None,
    };
    probes.extend(cut.map(|sql| source.probe(Fault::OutOfRange, sql)));
    probes
}

/// What TIME holds and the target does not.
pub(super) fn time(source: &Source<'_>) -> Option<Probe> {
    let name = &source.name;
    let sql = match source.column.ty {
        ColumnType::TimeOfDay { digits } => {
            let beyond = format!("{name} < CAST('00:00:00' AS TIME) OR {name} > CAST('24:00:00' AS TIME)");
            match digits_cut(source, digits) {
                Some(cut) => format!("({beyond} OR {cut})"),
                None => format!("({beyond})"),
            }
        }
        ColumnType::Interval { digits } => digits_cut(source, digits)?,
        _ => return None,
    };
    Some(source.probe(Fault::OutOfRange, sql))
}

/// The parts are compared one by one: the servers' own checks of a date depend on their mode.
fn not_a_day(name: &str) -> String {
    let (year, month, day) = (format!("YEAR({name})"), format!("MONTH({name})"), format!("DAYOFMONTH({name})"));
    let leap = format!("({year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0))");
    format!(
        "({year} = 0 OR {month} = 0 OR {day} = 0 OR ({day} > 28 AND {day} > \
         CASE {month} WHEN 2 THEN 28 + {leap} WHEN 4 THEN 30 WHEN 6 THEN 30 WHEN 9 THEN 30 WHEN 11 THEN 30 ELSE 31 END))"
    )
}

/// Digits behind the last one that is kept; none when the source has no more.
fn digits_cut(source: &Source<'_>, kept: u8) -> Option<String> {
    let declared = source.declared.number(0).unwrap_or(0);
    let step = 10_u32.checked_pow(6_u32.checked_sub(u32::from(kept))?)?;
    (declared > u32::from(kept)).then(|| format!("MICROSECOND({}) % {step} <> 0", source.name))
}
