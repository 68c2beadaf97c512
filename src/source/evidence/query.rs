//! One aggregate query per table. Nothing in it depends on the order in which a server happens to return rows.

use super::{COUNT_MAX, Evidence, SAMPLE_ROWS};
use crate::catalog::SourceTable;
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::name::{column_list, quote_mysql};
use crate::plan::discovery::{Candidate, Moves};
use mysql::Row;
use mysql::prelude::FromValue;

/// A row may carry a clock that is ahead of the statement's by the time that the statement has waited.
const CLOCK_SLACK: &str = "INTERVAL 1 MINUTE";

/// Columns of the answer for each column of a table.
const ANSWERS: usize = 9;

/// Which part of the table the query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// All rows.
    No,
    /// So many rows on either end of the key, and by index what an index shows.
    Ends(u64),
    /// There is no key to sample by: only what an index shows.
    Indexes,
}

/// The query of a table.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// Which part of the table it sees.
    pub sampled: Sampled,
    columns: Vec<String>,
}

/// Rows of a table, up to a bound: one more than `most` is never looked at.
///
/// # Errors
/// The classified server error.
pub fn count(conn: &mut MysqlConn, table: &SourceTable, most: u64) -> Result<u64> {
    let doing = format!("counting the rows of table {}", table.name.table);
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT {most}) AS a", table.name.mysql());
    let rows = conn.rows(&sql, &doing)?;
    rows.first().map_or_else(|| Err(missing(&doing, 0)), |row| get(row, 0, &doing))
}

impl Query {
    /// The query for these columns of a table that has `rows` rows; it is read whole up to `rows_max`.
    #[must_use]
    pub fn of(table: &SourceTable, candidates: &[Candidate], rows: u64, rows_max: u64) -> Option<Self> {
        if candidates.is_empty() {
            return None;
        }
        let sampled = match table.key_index {
            _ if rows <= rows_max => Sampled::No,
            Some(_) => Sampled::Ends(SAMPLE_ROWS.min(rows_max / 2).max(1)),
            None => Sampled::Indexes,
        };
        let columns: Vec<Column> = candidates.iter().enumerate().map(|(i, c)| Column::of(table, c, i, sampled)).collect();
        let answers: Vec<[Answer; ANSWERS]> = columns.iter().map(|column| column.answers(table)).collect();
        let last: Vec<String> = columns.iter().map(|column| format!("MAX({}) AS m{}", column.good(), column.index)).collect();
        // What indexes show stands outside: an aggregate over no row would make NULL of it.
        let (mut inner, mut outer) = (vec!["COUNT(*) AS n".to_owned()], vec!["a.n".to_owned()]);
        for (index, answer) in answers.iter().flat_map(|all| all.iter()).enumerate() {
            match answer {
                Answer::OfRows(sql) => {
                    inner.push(format!("{sql} AS x{index}"));
                    outer.push(format!("a.x{index}"));
                }
                Answer::ByIndex(sql) => outer.push(sql.clone()),
            }
        }
        let from = rows_of(table, candidates, sampled);
        let sql = format!(
            "SELECT {} FROM (SELECT {} FROM {from} AS s CROSS JOIN (SELECT {} FROM {from} AS s) AS l) AS a",
            outer.join(", "),
            inner.join(", "),
            last.join(", "),
        );
        Some(Self { sql, sampled, columns: candidates.iter().map(|candidate| candidate.column.clone()).collect() })
    }

    /// Asks the source, column by column in the order of the candidates.
    ///
    /// # Errors
    /// The classified server error.
    pub fn ask(&self, conn: &mut MysqlConn, table: &str) -> Result<Vec<Evidence>> {
        let doing = format!("looking at the times of table {table}");
        let rows = conn.rows(&self.sql, &doing)?;
        let row = rows.first().ok_or_else(|| missing(&doing, 0))?;
        let seen = get(row, 0, &doing)?;
        let one = |(index, column): (usize, &String)| {
            let at = |n: usize| 1 + index * ANSWERS + n;
            Ok(Evidence {
                column: column.clone(),
                seen,
                nulls: get(row, at(0), &doing)?,
                zero: get(row, at(1), &doing)?,
                before_1900: get(row, at(2), &doing)?,
                future: get(row, at(3), &doing)?,
                far_future: get(row, at(4), &doing)?,
                first: get(row, at(5), &doing)?,
                last: get(row, at(6), &doing)?,
                ties: get(row, at(7), &doing)?,
                span: get(row, at(8), &doing)?,
            })
        };
        self.columns.iter().enumerate().map(one).collect()
    }
}

fn get<T: FromValue>(row: &Row, index: usize, doing: &str) -> Result<T> {
    row.get_opt(index).and_then(std::result::Result::ok).ok_or_else(|| missing(doing, index))
}

fn missing(doing: &str, index: usize) -> Error {
    Error::new(Kind::Internal, format!("{doing}: number {index} of the answer is missing"))
}

/// The rows that the query sees, their columns called `c0`, `c1`, ….
fn rows_of(table: &SourceTable, candidates: &[Candidate], sampled: Sampled) -> String {
    let columns = candidates.iter().enumerate().map(|(i, c)| format!("{} AS c{i}", quote_mysql(&c.column)));
    let select = format!("SELECT {} FROM {}", columns.collect::<Vec<_>>().join(", "), table.name.mysql());
    match sampled {
        Sampled::No => format!("({select})"),
        Sampled::Indexes => format!("({select} WHERE 1 = 0)"),
        Sampled::Ends(rows) => {
            let index = table.key_index.as_deref().map_or_else(String::new, |i| format!(" FORCE INDEX ({})", quote_mysql(i)));
            let key = || table.key_columns().map(|column| column.name.as_str());
            let down: Vec<String> = key().map(|name| format!("{} DESC", quote_mysql(name))).collect();
            let end = |order: &str| format!("({select}{index} ORDER BY {order} LIMIT {rows})");
            format!("({} UNION ALL {})", end(&column_list(key(), quote_mysql)), end(&down.join(", ")))
        }
    }
}

/// A candidate as SQL sees it.
struct Column {
    index: usize,
    /// Its name in the sample.
    name: String,
    /// The source's clock as the column would show it; none for a counter.
    clock: Option<String>,
    /// The first value that counts, a literal.
    from: &'static str,
    /// The table, when the column leads an index and the table is not read whole.
    by_index: Option<String>,
    /// Its name at the source, quoted.
    quoted: String,
}

impl Column {
    fn of(table: &SourceTable, candidate: &Candidate, index: usize, sampled: Sampled) -> Self {
        let is_instant = candidate.declared.to_ascii_lowercase().starts_with("timestamp");
        let clock = match candidate.moves {
            Moves::Counter => None,
            _ if is_instant => Some(format!("(NOW(6) + {CLOCK_SLACK})")),
            // Nobody knows whether a wall clock shows the server's zone or UTC: the later one counts.
            _ => Some(format!(
                "(GREATEST(NOW(6), COALESCE(CONVERT_TZ(NOW(6), '+00:00', @@global.time_zone), NOW(6))) + {CLOCK_SLACK})"
            )),
        };
        Self {
            index,
            name: format!("s.c{index}"),
            clock,
            from: if is_instant { "TIMESTAMP'1970-01-01 00:00:01'" } else { "TIMESTAMP'1900-01-01 00:00:00'" },
            by_index: (sampled != Sampled::No && candidate.indexed).then(|| table.name.mysql()),
            quoted: quote_mysql(&candidate.column),
        }
    }

    /// The values that a watermark can be made of, else NULL.
    fn good(&self) -> String {
        let (name, from) = (&self.name, self.from);
        match &self.clock {
            Some(clock) => format!("IF({name} >= {from} AND {name} <= {clock}, {name}, NULL)"),
            None => name.clone(),
        }
    }

    /// SQL of each answer, in the order in which they are read.
    fn answers(&self, table: &SourceTable) -> [Answer; ANSWERS] {
        let (name, index, quoted) = (&self.name, self.index, &self.quoted);
        let count = |condition: String| Answer::OfRows(format!("COUNT(IF({condition}, 1, NULL))"));
        let nulls = Answer::OfRows(format!("COUNT(*) - COUNT({name})"));
        let ties = count(format!("{name} = l.m{index}"));
        let none = || Answer::OfRows("NULL".to_owned());
        let zero = || Answer::OfRows("0".to_owned());
        let Some(clock) = &self.clock else {
            let span = |largest: &str, smallest: &str| format!("CAST(LEAST({largest} - {smallest} + 1, {}) AS CHAR)", u64::MAX);
            let wide = |value: &str| format!("CAST({value} AS DECIMAL(30))");
            let by_index = |which: &str| format!("(SELECT {} FROM {})", wide(&format!("{which}({quoted})")), table.name.mysql());
            let span = match self.by_index {
                Some(_) => Answer::ByIndex(span(&by_index("MAX"), &by_index("MIN"))),
                None => Answer::OfRows(span(&wide(&format!("MAX({name})")), &wide(&format!("MIN({name})")))),
            };
            return [nulls, count(format!("{name} < 1")), zero(), zero(), zero(), none(), none(), ties, span];
        };
        let month = |value: String| format!("DATE_FORMAT({value}, '%Y-%m')");
        let good = self.good();
        let mut answers = [
            nulls,
            count(format!("YEAR({name}) = 0")),
            count(format!("YEAR({name}) BETWEEN 1 AND 1899")),
            count(format!("{name} > {clock} AND {name} <= {clock} + INTERVAL 1 YEAR")),
            count(format!("{name} > {clock} + INTERVAL 1 YEAR")),
            Answer::OfRows(month(format!("MIN({good})"))),
            Answer::OfRows(month(format!("MAX({good})"))),
            ties,
            none(),
        ];
        if let Some(table) = &self.by_index {
            let from = self.from;
            let good = format!("{quoted} >= {from} AND {quoted} <= {clock}");
            let end = |which: &str| format!("(SELECT {which}({quoted}) FROM {table} WHERE {good})");
            let bounded = |condition: String| {
                Answer::ByIndex(format!(
                    "(SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {condition} LIMIT {COUNT_MAX}) AS b)"
                ))
            };
            answers[3] = bounded(format!("{quoted} > {clock} AND {quoted} <= {clock} + INTERVAL 1 YEAR"));
            answers[4] = bounded(format!("{quoted} > {clock} + INTERVAL 1 YEAR"));
            answers[5] = Answer::ByIndex(month(end("MIN")));
            answers[6] = Answer::ByIndex(month(end("MAX")));
            answers[7] = bounded(format!("{quoted} = {}", end("MAX")));
        }
        answers
    }
}

/// SQL of one answer.
enum Answer {
    /// An aggregate over the rows that are looked at.
    OfRows(String),
    /// What an index shows of the whole table.
    ByIndex(String),
}
