//! Which types of a target column become another one in place, and at what price.
//!
//! In place goes what keeps every value: each value of the old type is one of the new, and PostgreSQL's own cast leaves it as
//! it is in every time zone. Anything else makes the table anew.

/// What becomes of a target column whose source asks for a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It has that type.
    Same,
    /// `ALTER COLUMN … TYPE` keeps every value.
    Widens {
        /// PostgreSQL writes the whole table anew for it.
        rewrites: bool,
    },
    /// Values could be lost, or mean something else.
    Unlike,
}

/// A rule: from, to, and whether it holds for these numbers behind the names; true when the table is rewritten.
type Rule = (&'static str, &'static str, fn(&[u32], &[u32]) -> Option<bool>);

/// The one table. What is not here is [`Fit::Unlike`].
const RULES: &[Rule] = &[
    ("smallint", "integer", rewrites),
    ("smallint", "bigint", rewrites),
    ("smallint", "numeric", |_, to| holds_digits(5, to)),
    ("smallint", "real", rewrites),
    ("smallint", "double precision", rewrites),
    ("integer", "bigint", rewrites),
    ("integer", "numeric", |_, to| holds_digits(10, to)),
    ("integer", "double precision", rewrites),
    ("bigint", "numeric", |_, to| holds_digits(19, to)),
    ("real", "double precision", rewrites),
    ("numeric", "numeric", numeric),
    ("numeric", "smallint", |from, _| whole_digits(4, from)),
    ("numeric", "integer", |from, _| whole_digits(9, from)),
    ("numeric", "bigint", |from, _| whole_digits(18, from)),
    ("character varying", "character varying", longer),
    ("character varying", "text", |_, _| Some(false)),
    ("date", "timestamp without time zone", rewrites),
    ("timestamp without time zone", "timestamp without time zone", finer),
    ("timestamp with time zone", "timestamp with time zone", finer),
    ("time without time zone", "time without time zone", finer),
    ("interval", "interval", finer),
];

/// Decides by both types as `format_type` prints them.
#[must_use]
pub fn fit(found: &str, wanted: &str) -> Fit {
    if found == wanted {
        return Fit::Same;
    }
    let (Some((from, has)), Some((to, asks))) = (parse(found), parse(wanted)) else { return Fit::Unlike };
    let rules = RULES.iter().filter(|rule| rule.0 == from && rule.1 == to);
    rules.filter_map(|rule| rule.2(&has, &asks)).next().map_or(Fit::Unlike, |rewrites| Fit::Widens { rewrites })
}

/// Name and numbers of a type: `timestamp(3) without time zone` is the name without the numbers, and 3.
fn parse(ty: &str) -> Option<(String, Vec<u32>)> {
    let Some((before, rest)) = ty.split_once('(') else { return Some((ty.to_owned(), Vec::new())) };
    let (numbers, after) = rest.split_once(')')?;
    let numbers: Result<Vec<u32>, _> = numbers.split(',').map(str::parse).collect();
    Some((format!("{before}{after}"), numbers.ok()?))
}

const fn rewrites(_: &[u32], _: &[u32]) -> Option<bool> {
    Some(true)
}

/// A `numeric` that holds every integer of so many digits.
fn holds_digits(digits: u32, to: &[u32]) -> Option<bool> {
    let (precision, scale) = precision(to)?;
    (precision.checked_sub(scale)? >= digits).then_some(true)
}

/// A `numeric` without a fraction and with at most so many digits.
fn whole_digits(digits: u32, from: &[u32]) -> Option<bool> {
    let (precision, scale) = precision(from)?;
    (scale == 0 && precision <= digits).then_some(true)
}

/// As many digits on both sides of the point. Another scale is another image of every value.
fn numeric(from: &[u32], to: &[u32]) -> Option<bool> {
    let ((precision, scale), (new_precision, new_scale)) = (precision(from)?, precision(to)?);
    let whole = new_precision.checked_sub(new_scale)? >= precision.checked_sub(scale)?;
    (whole && new_scale >= scale).then_some(new_scale != scale)
}

/// A `numeric` without numbers has no limit, so nothing that has one is wider.
const fn precision(numbers: &[u32]) -> Option<(u32, u32)> {
    match numbers {
        [precision] => Some((*precision, 0)),
        [precision, scale] => Some((*precision, *scale)),
        _ => None,
    }
}

/// Without a length it has no limit.
fn longer(from: &[u32], to: &[u32]) -> Option<bool> {
    let ([from], [to]) = (from, to) else { return None };
    (to > from).then_some(false)
}

/// Without a number times have microseconds.
fn finer(from: &[u32], to: &[u32]) -> Option<bool> {
    let digits = |numbers: &[u32]| numbers.first().copied().unwrap_or(6);
    (digits(to) >= digits(from)).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type that the catalog makes, with neighbours, and some that only others make.
    const TYPES: &[&str] = &[
        "smallint",
        "integer",
        "bigint",
        "numeric(20,0)",
        "real",
        "double precision",
        "numeric",
        "numeric(4,0)",
        "numeric(5,0)",
        "numeric(9,0)",
        "numeric(18,0)",
        "numeric(10,2)",
        "numeric(12,2)",
        "numeric(12,4)",
        "boolean",
        "character varying(10)",
        "character varying(20)",
        "character varying",
        "character(10)",
        "text",
        "bytea",
        "bit(2)",
        "bit(8)",
        "date",
        "timestamp(0) without time zone",
        "timestamp(3) without time zone",
        "timestamp without time zone",
        "timestamp(3) with time zone",
        "timestamp(6) with time zone",
        "time(0) without time zone",
        "time(3) without time zone",
        "interval(0)",
        "interval(6)",
        "jsonb",
        "json",
        "inet",
        "uuid",
        "real[]",
        "interval day to second(2)",
    ];

    /// All that goes in place, `!` where the table is rewritten. Everything else does not.
    const IN_PLACE: &[&str] = &[
        "smallint > integer !",
        "smallint > bigint !",
        "smallint > numeric(20,0) !",
        "smallint > real !",
        "smallint > double precision !",
        "smallint > numeric(5,0) !",
        "smallint > numeric(9,0) !",
        "smallint > numeric(18,0) !",
        "smallint > numeric(10,2) !",
        "smallint > numeric(12,2) !",
        "smallint > numeric(12,4) !",
        "integer > bigint !",
        "integer > numeric(20,0) !",
        "integer > double precision !",
        "integer > numeric(18,0) !",
        "integer > numeric(12,2) !",
        "bigint > numeric(20,0) !",
        "real > double precision !",
        "numeric(4,0) > smallint !",
        "numeric(4,0) > integer !",
        "numeric(4,0) > bigint !",
        "numeric(4,0) > numeric(20,0)",
        "numeric(4,0) > numeric(5,0)",
        "numeric(4,0) > numeric(9,0)",
        "numeric(4,0) > numeric(18,0)",
        "numeric(4,0) > numeric(10,2) !",
        "numeric(4,0) > numeric(12,2) !",
        "numeric(4,0) > numeric(12,4) !",
        "numeric(5,0) > integer !",
        "numeric(5,0) > bigint !",
        "numeric(5,0) > numeric(20,0)",
        "numeric(5,0) > numeric(9,0)",
        "numeric(5,0) > numeric(18,0)",
        "numeric(5,0) > numeric(10,2) !",
        "numeric(5,0) > numeric(12,2) !",
        "numeric(5,0) > numeric(12,4) !",
        "numeric(9,0) > integer !",
        "numeric(9,0) > bigint !",
        "numeric(9,0) > numeric(20,0)",
        "numeric(9,0) > numeric(18,0)",
        "numeric(9,0) > numeric(12,2) !",
        "numeric(18,0) > bigint !",
        "numeric(18,0) > numeric(20,0)",
        "numeric(10,2) > numeric(12,2)",
        "numeric(10,2) > numeric(12,4) !",
        "character varying(10) > character varying(20)",
        "character varying(10) > text",
        "character varying(20) > text",
        "character varying > text",
        "date > timestamp(0) without time zone !",
        "date > timestamp(3) without time zone !",
        "date > timestamp without time zone !",
        "timestamp(0) without time zone > timestamp(3) without time zone",
        "timestamp(0) without time zone > timestamp without time zone",
        "timestamp(3) without time zone > timestamp without time zone",
        "timestamp(3) with time zone > timestamp(6) with time zone",
        "time(0) without time zone > time(3) without time zone",
        "interval(0) > interval(6)",
    ];

    #[test]
    fn every_pair_of_types_is_decided() {
        let mut found = Vec::new();
        for from in TYPES {
            for to in TYPES {
                match fit(from, to) {
                    Fit::Same => assert_eq!(from, to),
                    Fit::Unlike => assert_ne!(from, to),
                    Fit::Widens { rewrites } => found.push(format!("{from} > {to}{}", if rewrites { " !" } else { "" })),
                }
            }
        }
        let sorted = |mut lines: Vec<String>| {
            lines.sort_unstable();
            lines
        };
        assert_eq!(sorted(found), sorted(IN_PLACE.iter().map(ToString::to_string).collect()));
    }

    #[test]
    fn what_is_not_understood_is_unlike() {
        for odd in ["", "numeric(", "numeric(a,b)", "numeric(1,2,3)", "\"My Type\"(3)", "timestamp(3 without time zone"] {
            assert_eq!(fit(odd, "bigint"), Fit::Unlike, "{odd}");
            assert_eq!(fit("bigint", odd), Fit::Unlike, "{odd}");
        }
        assert_eq!(fit("timestamp without time zone", "timestamp(6) without time zone"), Fit::Widens { rewrites: false });
    }
}
