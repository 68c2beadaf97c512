//! Which rows of a table are of late, by its incremental columns that hold a time: a condition in the SQL of either server.

use super::increments::{self, Choice};
use super::watermark::{self, Join, Mark, SECOND, Scale};
use crate::catalog::SourceTable;
use crate::config::TableRule;
use crate::name::quote_postgres;
use crate::value::ColumnType;

/// No wall clock is farther from UTC: so far a column without a zone is looked at earlier.
const ZONE_MAX: i64 = 14 * 3600 * SECOND;

/// Rows at or after a moment, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The columns that say so: a row is one of these when any of them does.
    pub columns: Vec<String>,
    /// In the source's SQL.
    pub source: String,
    /// In the warehouse's SQL.
    pub warehouse: String,
}

impl Since {
    /// Of a table, microseconds since 1970, UTC; none for a table without such a column, which is compared whole.
    #[must_use]
    pub fn of(table: &SourceTable, rule: &TableRule, at: i64) -> Option<Self> {
        let Choice::Increments { columns, .. } = increments::choose(table, rule) else { return None };
        let mut since = Self { columns: Vec::new(), source: String::new(), warehouse: String::new() };
        // No column is coarser than a second but a date, so both sides round alike.
        let at = at.div_euclid(SECOND) * SECOND;
        let (mut marks, mut there) = (Vec::new(), Vec::new());
        for one in columns.iter().filter(|one| one.scale != Scale::Counter) {
            let column = table.columns.get(table.column(&one.column)?)?;
            let value = if one.scale == Scale::Instant { at } else { at.saturating_sub(ZONE_MAX) };
            let mark = Mark { column: one.column.clone(), declared: one.declared.clone(), scale: one.scale, value };
            // A column that a rule makes something else is not compared with a time.
            let (ty, zone) = match column.ty {
                ColumnType::Date => ("date", ""),
                ColumnType::Timestamp { .. } => ("timestamp", ""),
                ColumnType::TimestampTz { .. } => ("timestamptz", "+00"),
                _ => continue,
            };
            there.push(format!("{} >= '{}{zone}'::{ty}", quote_postgres(&column.target), watermark::shown(&mark)));
            since.columns.push(one.column.clone());
            marks.push(mark);
        }
        since.source = watermark::condition(&marks, &[], Join::Or);
        since.warehouse = there.join(" OR ");
        (!marks.is_empty()).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::catalog::ddl::tests::table;

    #[test]
    fn both_sides_are_asked_for_the_same_rows_and_earlier_where_there_is_no_zone() {
        let mut source = table(&["id", "wall", "instant", "day", "text"]);
        let kinds = [
            ("datetime", ColumnType::Timestamp { digits: 0 }),
            ("timestamp(3)", ColumnType::TimestampTz { digits: 3 }),
            ("date", ColumnType::Date),
            ("datetime", ColumnType::Text),
        ];
        for (column, (declared, ty)) in source.columns.iter_mut().skip(1).zip(kinds) {
            (column.declared, column.ty) = (declared.into(), ty);
        }
        source.columns[0].auto_increment = true;
        let of = |columns: &[&str]| {
            let names = columns.iter().map(|name| (*name).to_owned()).collect();
            // 2026-11-01 10:00:00.0005
            Since::of(&source, &TableRule { incremental_columns: Some(names), ..TableRule::default() }, 1_793_527_200_000_500)
        };
        let all = of(&["id", "wall", "instant", "day", "text"]).unwrap();
        assert_eq!(all.columns, ["wall", "instant", "day"]);
        assert_eq!(
            all.source,
            "`wall` >= TIMESTAMP'2026-10-31 20:00:00.000000' OR `instant` >= TIMESTAMP'2026-11-01 10:00:00.000000' \
             OR `day` >= DATE'2026-10-31'"
        );
        assert_eq!(
            all.warehouse,
            "\"wall\" >= '2026-10-31 20:00:00.000000'::timestamp OR \"instant\" >= '2026-11-01 10:00:00.000000+00'::timestamptz \
             OR \"day\" >= '2026-10-31'::date"
        );
        assert_eq!([of(&["id"]), of(&["text"]), of(&[])], [None, None, None]);
    }
}
