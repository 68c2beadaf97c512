//! The type rules: one table from declared source type to [`ColumnType`]; the first rule that fits wins.
//!
//! A rule sees only the declaration (and the JSON check of MariaDB), never a value. A type without a rule is refused
//! by name: nothing falls through to text.

use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use crate::value::ColumnType;

/// PostgreSQL's longest `varchar(n)`.
pub(super) const VARCHAR_CHARS_MAX: u32 = 10_485_760;

/// A declared column type, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The type's word in lower case: `decimal`.
    word: String,
    /// The numbers in parentheses: `[10, 2]`; empty for the member lists of ENUM and SET.
    numbers: Vec<u32>,
    unsigned: bool,
    /// MariaDB: LONGTEXT under CHECK (json_valid(column)).
    json: bool,
}

impl Declared {
    /// Reads `DATA_TYPE` and `COLUMN_TYPE` of `information_schema.columns`; `json` tells of a `json_valid` check.
    #[must_use]
    pub fn parse(data_type: &str, column_type: &str, json: bool) -> Self {
        let word = data_type.to_ascii_lowercase();
        // The member list of ENUM and SET may hold anything, also `unsigned)`: nothing in it counts.
        if matches!(word.as_str(), "enum" | "set") {
            return Self { word, numbers: Vec::new(), unsigned: false, json: false };
        }
        let declared = column_type.to_ascii_lowercase();
        let (numbers, rest) = match declared.split_once('(').and_then(|(_, tail)| tail.split_once(')')) {
            Some((inside, rest)) => (inside.split(',').map_while(|n| n.trim().parse().ok()).collect(), rest),
            None => (Vec::new(), declared.as_str()),
        };
        let unsigned = rest.split_ascii_whitespace().any(|word| word == "unsigned" || word == "zerofill");
        Self { word, numbers, unsigned, json }
    }

    /// The type's word in lower case.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// A number in parentheses, from 0: length, precision, scale, fraction digits.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<u32> {
        self.numbers.get(index).copied()
    }

    /// UNSIGNED, which ZEROFILL brings along.
    #[must_use]
    pub const fn is_unsigned(&self) -> bool {
        self.unsigned
    }

    /// Fraction digits of a time type; none declared is 0, more than 6 does not exist.
    fn digits(&self) -> Option<u8> {
        u8::try_from(self.number(0).unwrap_or(0)).ok().filter(|&digits| digits <= 6)
    }
}

/// One row of the table.
struct Rule {
    /// Shown in the plan, stable.
    name: &'static str,
    /// The source's type words.
    words: &'static [&'static str],
    /// What else must hold.
    when: fn(&Declared) -> bool,
    /// The type, or none where the declaration makes no sense.
    to: fn(&Declared) -> Option<ColumnType>,
}

const fn rule(
    name: &'static str,
    words: &'static [&'static str],
    when: fn(&Declared) -> bool,
    to: fn(&Declared) -> Option<ColumnType>,
) -> Rule {
    Rule { name, words, when, to }
}

const GEOMETRIES: &[&str] = &[
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
];

/// The rule of TINYINT(1) where the configuration makes it boolean.
pub const TINYINT1_BOOLEAN: &str = "tinyint(1) as boolean";

/// The rules. Integers are widened by the unsigned range only, never by display width.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule("tinyint",            &["tinyint"],                  any,          |_| Some(ColumnType::Int16)),
    rule("smallint unsigned",  &["smallint"],                 unsigned,     |_| Some(ColumnType::Int32)),
    rule("smallint",           &["smallint"],                 any,          |_| Some(ColumnType::Int16)),
    rule("mediumint",          &["mediumint"],                any,          |_| Some(ColumnType::Int32)),
    rule("int unsigned",       &["int", "integer"],           unsigned,     |_| Some(ColumnType::Int64)),
    rule("int",                &["int", "integer"],           any,          |_| Some(ColumnType::Int32)),
    rule("bigint unsigned",    &["bigint"],                   unsigned,     |_| Some(ColumnType::UInt64)),
    rule("bigint",             &["bigint"],                   any,          |_| Some(ColumnType::Int64)),
    rule("decimal",            &["decimal", "numeric"],       any,          decimal),
    rule("float over 24 bits", &["float"],                    wide_float,   |_| Some(ColumnType::Float64)),
    rule("float",              &["float"],                    any,          |_| Some(ColumnType::Float32)),
    rule("double",             &["double", "real"],           any,          |_| Some(ColumnType::Float64)),
    rule("bit(1)",             &["bit"],                      one_bit,      |_| Some(ColumnType::Boolean)),
    rule("bit",                &["bit"],                      any,          bit),
    rule("char(0)",            &["char", "varchar"],          zero_chars,   |_| Some(ColumnType::Text)),
    rule("char",               &["char", "varchar"],          any,          varchar),
    rule("json check",         &["longtext"],                 |d| d.json,   |_| Some(ColumnType::Jsonb)),
    rule("text", &["tinytext", "text", "mediumtext", "longtext"], any,      |_| Some(ColumnType::Text)),
    rule("enum, set",          &["enum", "set"],              any,          |_| Some(ColumnType::Text)),
    rule("binary",             &["binary", "varbinary"],      any,          |_| Some(ColumnType::Bytes)),
    rule("blob", &["tinyblob", "blob", "mediumblob", "longblob"], any,      |_| Some(ColumnType::Bytes)),
    rule("date",               &["date"],                     any,          |_| Some(ColumnType::Date)),
    rule("datetime",           &["datetime"],                 any, |d| d.digits().map(|digits| ColumnType::Timestamp { digits })),
    rule("timestamp",          &["timestamp"],                any, |d| d.digits().map(|digits| ColumnType::TimestampTz { digits })),
    rule("time",               &["time"],                     any, |d| d.digits().map(|digits| ColumnType::Interval { digits })),
    rule("year",               &["year"],                     any,          |_| Some(ColumnType::Year)),
    rule("json",               &["json"],                     any,          |_| Some(ColumnType::Jsonb)),
    rule("geometry",           GEOMETRIES,                    any,          |_| Some(ColumnType::Geometry)),
    rule("inet",               &["inet4", "inet6"],           any,          |_| Some(ColumnType::Inet)),
    rule("uuid",               &["uuid"],                     any,          |_| Some(ColumnType::Uuid)),
    rule("vector",             &["vector"],                   any,          |_| Some(ColumnType::Vector)),
];

fn any(_: &Declared) -> bool {
    true
}

fn unsigned(declared: &Declared) -> bool {
    declared.unsigned
}

/// FLOAT(p) with p over 24 is a double; FLOAT(m,d) keeps single precision for every m.
fn wide_float(declared: &Declared) -> bool {
    matches!(declared.numbers[..], [bits] if bits > 24)
}

fn one_bit(declared: &Declared) -> bool {
    declared.number(0).unwrap_or(1) == 1
}

/// CHAR(0) and VARCHAR(0) exist on the source; PostgreSQL's `varchar` starts at 1.
fn zero_chars(declared: &Declared) -> bool {
    declared.number(0) == Some(0)
}

fn decimal(declared: &Declared) -> Option<ColumnType> {
    let precision = u16::try_from(declared.number(0).unwrap_or(10)).ok()?;
    let scale = u16::try_from(declared.number(1).unwrap_or(0)).ok()?;
    (scale <= precision && precision > 0).then_some(ColumnType::Decimal { precision, scale })
}

fn bit(declared: &Declared) -> Option<ColumnType> {
    let bits = u8::try_from(declared.number(0)?).ok()?;
    (2..=64).contains(&bits).then_some(ColumnType::Bit { bits })
}

fn varchar(declared: &Declared) -> Option<ColumnType> {
    let chars = declared.number(0).unwrap_or(1);
    (chars <= VARCHAR_CHARS_MAX).then_some(ColumnType::Varchar { chars })
}

/// What a declared type becomes, and the name of the rule that says so. None when no rule covers it.
#[must_use]
pub fn cast(declared: &Declared) -> Option<(ColumnType, &'static str)> {
    let rule = RULES.iter().find(|rule| rule.words.contains(&declared.word.as_str()) && (rule.when)(declared))?;
    Some(((rule.to)(declared)?, rule.name))
}

/// Whether a rule of this name is one of the table here, not of the configuration.
#[must_use]
pub fn is_default(name: &str) -> bool {
    RULES.iter().any(|rule| rule.name == name)
}

/// The error of a type without a rule.
#[must_use]
pub fn unknown(table: &TableName, column: &str, column_type: &str) -> Error {
    Error::new(Kind::Data, format!("table {table}: column {column:?} has type {column_type:?}, which no type rule covers"))
        .hint("leave this column's table out, or ask for a rule for this type")
}

/// [`cast`] for a named column.
///
/// # Errors
/// [`Kind::Data`] naming table, column and type when no rule covers it.
pub fn column(
    table: &TableName,
    column: &str,
    data_type: &str,
    column_type: &str,
    json: bool,
) -> Result<(ColumnType, &'static str)> {
    cast(&Declared::parse(data_type, column_type, json)).ok_or_else(|| unknown(table, column, column_type))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name_of(column_type: &str) -> String {
        let word: String = column_type.chars().take_while(char::is_ascii_alphanumeric).collect();
        cast(&Declared::parse(&word, column_type, false)).map_or_else(|| "none".into(), |(ty, _)| ty.to_string())
    }

    #[test]
    fn every_declared_type_has_its_rule() {
        for (source, target) in [
            ("tinyint(1)", "smallint"),
            ("tinyint(3) unsigned", "smallint"),
            ("smallint(6)", "smallint"),
            ("smallint unsigned", "integer"),
            ("mediumint(9)", "integer"),
            ("mediumint(8) unsigned", "integer"),
            ("int", "integer"),
            ("int(5) unsigned zerofill", "bigint"),
            ("bigint(20)", "bigint"),
            ("bigint(20) unsigned", "numeric(20,0)"),
            ("decimal(65,30)", "numeric(65,30)"),
            ("decimal(10,1) unsigned", "numeric(10,1)"),
            ("float", "real"),
            ("float(7,4)", "real"),
            ("float(30,5)", "real"),
            ("float(25)", "double precision"),
            ("double(10,3) unsigned", "double precision"),
            ("bit(1)", "boolean"),
            ("bit(20)", "bit(20)"),
            ("char(16)", "varchar(16)"),
            ("char(0)", "text"),
            ("varchar(100) /*M!100301 COMPRESSED*/", "varchar(100)"),
            ("longtext", "text"),
            ("enum('unsigned)','(25')", "text"),
            ("set('a')", "text"),
            ("varbinary(16)", "bytea"),
            ("mediumblob", "bytea"),
            ("date", "date"),
            ("datetime", "timestamp(0)"),
            ("datetime(3) /* mariadb-5.3 */", "timestamp(3)"),
            ("timestamp(6)", "timestamptz(6)"),
            ("time(2)", "interval(2)"),
            ("year(4)", "smallint"),
            ("json", "jsonb"),
            ("geomcollection", "bytea"),
            ("multipolygon", "bytea"),
            ("inet4", "inet"),
            ("uuid", "uuid"),
            ("vector(3)", "real[]"),
            ("xmltype", "none"),
            ("bit(65)", "none"),
        ] {
            assert_eq!(name_of(source), target, "{source}");
        }
    }

    #[test]
    fn default_rules_are_told_from_others() {
        assert!(is_default("json check") && is_default("date"));
        assert!(!is_default(TINYINT1_BOOLEAN) && !is_default("date kept"));
    }

    #[test]
    fn a_json_check_makes_longtext_jsonb_and_nothing_else() {
        let of = |word: &str| cast(&Declared::parse(word, word, true)).unwrap();
        assert_eq!(of("longtext"), (ColumnType::Jsonb, "json check"));
        assert_eq!(of("text").0, ColumnType::Text);
    }

    #[test]
    fn an_unknown_type_is_named() {
        let error = column(&TableName::new("d", "t"), "c", "xmltype", "xmltype", false).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        for part in ["d.t", "\"c\"", "xmltype"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
