//! What a run would not take as it is, asked of the source in its own SQL: the encoder's rules, value by value.
//!
//! Each column gives the faults that its declared type and its target allow, in the order in which the encoder meets
//! them: a value has one fault, unless a policy strips it and the rest has another. A column without a probe cannot
//! hold a fault. Portable between MariaDB (PCRE) and MySQL (ICU): whatever has to be searched as bytes is.

mod number;
mod query;
mod temporal;
mod text;

pub use query::{Answer, Query};

use crate::catalog::Column;
use crate::catalog::cast::Declared;
use crate::config::Policy;
use crate::name::quote_mysql;
use crate::value::{ColumnType, Fault};

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// What the encoder refuses.
    Fault(Fault),
    /// JSON that only PostgreSQL itself refuses.
    NotJson,
}

impl Wrong {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.word(),
            Self::NotJson => "not_json",
        }
    }
}

/// One fault that values of a column may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The fault.
    pub wrong: Wrong,
    /// What a run does about it.
    pub policy: Policy,
    /// SQL agrees with the encoder for every value; else its answer is an estimate.
    pub exact: bool,
    /// True for a value that has the fault. May be NULL for NULL.
    sql: String,
}

/// The faults that values of a column may have, in the encoder's order.
#[must_use]
pub fn of(column: &Column) -> Vec<Probe> {
    use ColumnType as T;
    let source = Source::of(column);
    match column.ty {
        T::Int16 | T::Int32 | T::Int64 | T::UInt64 | T::Decimal { .. } | T::Boolean | T::Bit { .. } => {
            number::probe(&source).into_iter().collect()
        }
        T::Varchar { .. } | T::Text if source.is_number() => number::length(&source).into_iter().collect(),
        T::Varchar { .. } | T::Text | T::Json | T::Jsonb => text::probes(&source),
        T::Uuid | T::UuidBytes => text::uuid(&source).into_iter().collect(),
        T::Inet => text::inet(&source),
        T::Date | T::Timestamp { .. } | T::TimestampTz { .. } => temporal::calendar(&source),
        T::Interval { .. } | T::TimeOfDay { .. } => temporal::time(&source).into_iter().collect(),
        // Their source types hold nothing else.
        T::Float32 | T::Float64 | T::Year | T::Bytes | T::Geometry | T::Vector => Vec::new(),
    }
}

/// Whether values of the column may fall under the policy of a fault.
#[must_use]
pub fn may_have(column: &Column, fault: Fault) -> bool {
    of(column).iter().any(|probe| match probe.wrong {
        Wrong::Fault(found) => found == fault,
        Wrong::NotJson => fault == Fault::OutOfRange,
    })
}

/// A column as probes see it.
struct Source<'c> {
    column: &'c Column,
    declared: Declared,
    /// Its name, quoted.
    name: String,
}

impl<'c> Source<'c> {
    fn of(column: &'c Column) -> Self {
        let declared = Declared::parse(&column.data_type, &column.declared, false);
        Self { column, declared, name: quote_mysql(&column.name) }
    }

    fn is_number(&self) -> bool {
        const NUMBERS: [&str; 12] = [
            "tinyint",
            "smallint",
            "mediumint",
            "int",
            "integer",
            "bigint",
            "year",
            "decimal",
            "numeric",
            "float",
            "double",
            "real",
        ];
        NUMBERS.contains(&self.declared.word())
    }

    fn probe(&self, fault: Fault, sql: String) -> Probe {
        Probe { wrong: Wrong::Fault(fault), policy: self.column.policies.of(fault), exact: true, sql }
    }
}

/// A literal of text; backslashes escape under the session's settings.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::{cast, names};
    use crate::config::Policies;

    /// A column of a declared type under its default rule, or with another target.
    pub(super) fn column(declared: &str, to: Option<ColumnType>) -> Column {
        let word: String = declared.chars().take_while(char::is_ascii_alphanumeric).collect();
        let (ty, rule) = cast::cast(&Declared::parse(&word, declared, false)).unwrap();
        let is_text = ["char", "text", "enum", "set"].iter().any(|end| word.ends_with(end));
        Column {
            name: "c".into(),
            target: names::column("c"),
            declared: declared.into(),
            data_type: word,
            nullable: true,
            comment: String::new(),
            ty: to.unwrap_or(ty),
            rule,
            policies: Policies::default(),
            invisible: false,
            generated: false,
            auto_increment: false,
            charset: is_text.then(|| "utf8mb4".into()),
            position: 1,
        }
    }

    fn words(declared: &str, to: Option<ColumnType>) -> String {
        of(&column(declared, to)).iter().map(|probe| probe.wrong.word()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn types_that_hold_no_fault_are_not_asked() {
        for declared in [
            "tinyint(1)",
            "int(11)",
            "int(10) unsigned",
            "bigint(20) unsigned",
            "decimal(10,2)",
            "float",
            "double",
            "bit(1)",
            "bit(20)",
            "binary(16)",
            "longblob",
            "time(6)",
            "year(4)",
            "point",
            "enum('a','b')",
            "uuid",
            "inet6",
            "vector(3)",
        ] {
            assert_eq!(words(declared, None), "", "{declared}");
        }
        for (declared, to) in [
            ("int(11)", ColumnType::Int64),
            ("tinyint(3) unsigned", ColumnType::Int16),
            ("int(11)", ColumnType::Decimal { precision: 12, scale: 2 }),
            ("decimal(10,2)", ColumnType::Decimal { precision: 12, scale: 4 }),
            ("int(11)", ColumnType::Text),
            ("double", ColumnType::Varchar { chars: 24 }),
            ("binary(16)", ColumnType::UuidBytes),
            ("uuid", ColumnType::Uuid),
            ("time(2)", ColumnType::Interval { digits: 6 }),
            ("bit(10)", ColumnType::Bit { bits: 12 }),
        ] {
            assert_eq!(words(declared, Some(to)), "", "{declared} to {to}");
        }
    }

    #[test]
    fn faults_come_in_the_order_of_the_encoder() {
        for (declared, to, expected) in [
            ("date", None, "zero_date"),
            ("varchar(20)", None, "nul_byte invalid_utf8"),
            ("varchar(20)", Some(ColumnType::Varchar { chars: 30 }), "nul_byte invalid_utf8"),
            ("varchar(20)", Some(ColumnType::Varchar { chars: 10 }), "nul_byte invalid_utf8 out_of_range"),
            ("enum('a','b')", Some(ColumnType::Varchar { chars: 1 }), "out_of_range"),
            ("json", None, "nul_byte out_of_range"),
            ("text", Some(ColumnType::Jsonb), "nul_byte invalid_utf8 nul_byte out_of_range not_json"),
            ("text", Some(ColumnType::Json), "nul_byte invalid_utf8 not_json"),
            ("datetime(3)", Some(ColumnType::Date), "zero_date out_of_range"),
            ("datetime(3)", Some(ColumnType::Timestamp { digits: 0 }), "zero_date out_of_range"),
            ("time", Some(ColumnType::TimeOfDay { digits: 6 }), "out_of_range"),
            ("char(36)", Some(ColumnType::Uuid), "out_of_range"),
            ("varchar(50)", Some(ColumnType::Inet), "invalid_utf8 out_of_range"),
            ("bigint(20) unsigned", Some(ColumnType::Int64), "out_of_range"),
            ("int(11)", Some(ColumnType::Boolean), "out_of_range"),
            ("bit(9)", Some(ColumnType::Bit { bits: 8 }), "out_of_range"),
            ("int(11)", Some(ColumnType::Varchar { chars: 5 }), "out_of_range"),
        ] {
            assert_eq!(words(declared, to), expected, "{declared} to {to:?}");
        }
    }

    #[test]
    fn only_unicode_columns_can_hold_invalid_text() {
        let mut latin = column("varchar(20)", None);
        latin.charset = Some("latin1".into());
        assert!(may_have(&latin, Fault::Nul) && !may_have(&latin, Fault::InvalidUtf8) && !may_have(&latin, Fault::OutOfRange));
    }

    #[test]
    fn literals_keep_backslashes_and_quotes() {
        assert_eq!(literal(r"\u'"), r"'\\u'''");
    }
}
