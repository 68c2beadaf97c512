//! One aggregate query per table: how many values have which fault, how many rows a run would reject.

use super::{Probe, Wrong, of};
use crate::catalog::{Column, SourceTable};
use crate::config::Policy;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::name::quote_mysql;
use crate::value::Fault;

/// Numbers that stand before those of the probes: rows, rows rejected at least, at most, rows that are too long.
const LEADING: usize = 4;

/// The query of a table.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// What it counts behind the leading numbers.
    probes: Vec<(String, Probe)>,
}

/// What the source says about a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Rows under the filter.
    pub rows: u64,
    /// Rows that the run rejects for certain.
    pub rejected_least: u64,
    /// Rows that it may reject, with those where SQL cannot tell.
    pub rejected_most: u64,
    /// Values by column and fault, those that there are.
    pub found: Vec<Found>,
}

/// Values of a column with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Source column; empty for a row as a whole.
    pub column: String,
    /// The fault.
    pub wrong: Wrong,
    /// What a run does about it.
    pub policy: Policy,
    /// Counted as the encoder would.
    pub exact: bool,
    /// How many: of values that are nulled or stripped, those in rows that arrive.
    pub count: u64,
}

impl Query {
    /// The query of a table, its columns those wanted; none when its types cannot hold any fault.
    #[must_use]
    pub fn of(table: &SourceTable, filter: Option<&str>, row_bytes_max: u64) -> Option<Self> {
        let too_long = too_long(&table.columns, row_bytes_max);
        let by_column: Vec<(&Column, Vec<Probe>)> = table.columns.iter().map(|column| (column, of(column))).collect();
        let count: usize = by_column.iter().map(|(_, probes)| probes.len()).sum();
        if count == 0 && too_long.is_none() {
            return None;
        }
        let mut raw = vec![format!("({}) AS l", too_long.as_deref().unwrap_or("FALSE"))];
        let (mut chained, mut least, mut most) = (vec!["l".to_owned()], vec!["l".to_owned()], vec!["l".to_owned()]);
        let (mut sums, mut probes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (column, of_column) in by_column {
            let mut before = "NOT l".to_owned();
            for probe in of_column {
                let index = probes.len();
                raw.push(format!("(({}) AND {} IS NOT NULL) IS TRUE AS p{index}", probe.sql, quote_mysql(&column.name)));
                // A value has one fault, unless the earlier one is stripped.
                let flag = format!("({before} AND p{index})");
                chained.push(format!("{flag} AS f{index}"));
                if probe.policy != Policy::Strip {
                    before.push_str(&format!(" AND NOT p{index}"));
                }
                sums.push(match probe.policy {
                    Policy::Null | Policy::Strip => count_of(&format!("f{index} AND NOT m")),
                    Policy::Reject | Policy::Fail => count_of(&format!("f{index}")),
                });
                if probe.policy == Policy::Reject {
                    most.push(flag.clone());
                    if probe.exact {
                        least.push(flag);
                    }
                }
                probes.push((column.name.clone(), probe));
            }
        }
        chained.extend([format!("({}) AS s", least.join(" OR ")), format!("({}) AS m", most.join(" OR "))]);
        let leading = ["COUNT(1)".to_owned(), count_of("s"), count_of("m"), count_of("l")];
        let filter = filter.map_or_else(String::new, |filter| format!(" WHERE ({filter})"));
        let sql = format!(
            "SELECT {} FROM (SELECT {} FROM (SELECT {} FROM {}{filter}) AS a) AS b",
            leading.into_iter().chain(sums).collect::<Vec<_>>().join(", "),
            chained.join(", "),
            raw.join(", "),
            table.name.mysql()
        );
        Some(Self { sql, probes })
    }

    /// Asks the source. Takes as long as reading the table.
    ///
    /// # Errors
    /// The classified server error.
    pub fn ask(&self, conn: &mut MysqlConn, table: &str) -> Result<Answer> {
        let doing = format!("looking at the values of table {table}");
        let rows = conn.rows(&self.sql, &doing)?;
        let number = |index: usize| match rows.first().and_then(|row| row.get_opt::<u64, _>(index)) {
            Some(Ok(number)) => Ok(number),
            _ => Err(Error::new(Kind::Internal, format!("{doing}: number {index} of the answer is missing"))),
        };
        let mut answer = Answer { rows: number(0)?, rejected_least: number(1)?, rejected_most: number(2)?, found: Vec::new() };
        let too_long = Found {
            column: String::new(),
            wrong: Wrong::Fault(Fault::TooLong),
            policy: Policy::Reject,
            exact: true,
            count: number(3)?,
        };
        answer.add(too_long);
        for (index, (column, probe)) in self.probes.iter().enumerate() {
            let Probe { wrong, policy, exact, .. } = *probe;
            answer.add(Found { column: column.clone(), wrong, policy, exact, count: number(LEADING + index)? });
        }
        Ok(answer)
    }
}

impl Answer {
    /// Adds a count; JSON may have the same fault in two spellings.
    fn add(&mut self, found: Found) {
        let same = |one: &&mut Found| one.column == found.column && one.wrong == found.wrong;
        match self.found.iter_mut().find(same) {
            _ if found.count == 0 => {}
            Some(one) => {
                one.count += found.count;
                one.exact &= found.exact;
            }
            None => self.found.push(found),
        }
    }
}

fn count_of(condition: &str) -> String {
    format!("COUNT(IF({condition}, 1, NULL))")
}

/// Rows longer than the limit, as the reader measures them; none when no row can be.
fn too_long(columns: &[Column], row_bytes_max: u64) -> Option<String> {
    let long: Vec<&Column> = columns.iter().filter(|column| column.may_be_long()).collect();
    let most = |column: &&Column| if column.data_type.starts_with("medium") { 1_u64 << 24 } else { 1 << 32 };
    if long.iter().map(most).sum::<u64>() <= row_bytes_max {
        return None;
    }
    let lengths: Vec<String> =
        long.iter().map(|column| format!("COALESCE(OCTET_LENGTH({}), 0)", quote_mysql(&column.name))).collect();
    Some(format!("{} > {row_bytes_max}", lengths.join(" + ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::column;
    use super::*;
    use crate::catalog::{KeyKind, TableKind};
    use crate::name::TableName;

    fn table(declared: &[&str]) -> SourceTable {
        let columns = declared.iter().enumerate().map(|(i, d)| Column { name: format!("c{i}"), ..column(d, None) }).collect();
        SourceTable {
            name: TableName::new("d", "t"),
            kind: TableKind::Base,
            engine: "InnoDB".into(),
            transactional: true,
            comment: String::new(),
            rows_estimated: 0,
            bytes_estimated: 0,
            counter: None,
            columns,
            key: Vec::new(),
            key_kind: KeyKind::None,
            key_index: None,
            identity: String::new(),
        }
    }

    #[test]
    fn a_table_that_cannot_hold_faults_is_not_asked() {
        assert!(Query::of(&table(&["int", "bit(1)", "mediumblob"]), None, 64 << 20).is_none());
        let long = Query::of(&table(&["int", "mediumblob"]), None, 1 << 20).unwrap();
        assert!(long.sql.contains("COALESCE(OCTET_LENGTH(`c1`), 0) > 1048576"), "{}", long.sql);
    }

    #[test]
    fn values_that_become_null_count_in_rows_that_arrive() {
        let query = Query::of(&table(&["date", "varchar(9)"]), Some("c0 > 1"), 1).unwrap();
        assert!(query.sql.contains("COUNT(IF(f0 AND NOT m, 1, NULL))") && query.sql.contains("COUNT(IF(f1, 1, NULL))"));
        assert!(query.sql.contains("(l OR (NOT l AND p1) OR (NOT l AND NOT p1 AND p2)) AS m"), "{}", query.sql);
        assert!(query.sql.contains("FROM `d`.`t` WHERE (c0 > 1)) AS a"), "{}", query.sql);
    }

    #[test]
    fn the_same_fault_in_two_spellings_is_one() {
        let found =
            |count| Found { column: "c".into(), wrong: Wrong::Fault(Fault::Nul), policy: Policy::Strip, exact: true, count };
        let mut answer = Answer::default();
        [found(0), found(2), found(3)].into_iter().for_each(|one| answer.add(one));
        assert_eq!(answer.found, [found(5)]);
    }
}
