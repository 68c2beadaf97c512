//! COPY … FROM STDIN: blocks go straight into the driver's writer, each of them proves that the server still reads. A row
//! that PostgreSQL refuses is found by halving.

use crate::conn::classify::{self, RowRefusal};
use crate::conn::postgres::{PostgresConn, Steps};
use crate::error::{Error, Kind, Result};
use crate::name::{column_list, quote_postgres};
use crate::sink::{Copied, Load, Rows};
use crate::usage;
use std::io::{self, Write};
use std::ops::Range;

/// Runs COPY into `table`; checks that the server took as many rows as were written. Inside an open transaction.
///
/// # Errors
/// [`Kind::RowRefused`] when PostgreSQL refuses a row and the rows are not kept apart; the classified server error, what
/// `rows` returned, or [`Kind::Proof`] when the counts differ.
pub fn copy_in(conn: &mut PostgresConn, load: &Load<'_>, table: &str, rows: &mut dyn Rows) -> Result<Copied> {
    let mut call = usage::COPY_IN.attempt(load.plan.shape());
    let copied = match rows.parts() {
        Some(count) => usage::ISOLATE.run(load.plan.shape(), || isolate(conn, load, table, rows, count))?,
        None => one(conn, load, table, rows, None)?.map_err(|refusal| refusal.into_error(load))?,
    };
    call.rows(copied);
    call.ends(Ok(Copied { rows: copied, rejected: u64::try_from(rows.rejects().len()).unwrap_or(u64::MAX), was_in: false }))
}

/// Copies what PostgreSQL takes: a part that holds a refused row is halved until the row is alone.
fn isolate(conn: &mut PostgresConn, load: &Load<'_>, table: &str, rows: &mut dyn Rows, count: usize) -> Result<u64> {
    let doing = format!("looking for refused rows of table {}", load.plan.name());
    let mut waiting: Vec<Range<usize>> = std::iter::once(0..count).collect();
    let mut copied = 0;
    while let Some(part) = waiting.pop() {
        conn.batch("SAVEPOINT part", &doing)?;
        match one(conn, load, table, rows, Some(part.clone()))? {
            Ok(taken) => {
                copied += taken;
                conn.batch("RELEASE SAVEPOINT part", &doing)?;
            }
            Err(refusal) => {
                conn.batch("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", &doing)?;
                if part.len() <= 1 {
                    rows.refused(part.start, &refusal)?;
                } else {
                    let middle = part.start + part.len() / 2;
                    waiting.push(middle..part.end);
                    waiting.push(part.start..middle);
                }
            }
        }
    }
    Ok(copied)
}

/// One COPY. The inner error is PostgreSQL's refusal of a row, after which the connection is usable.
fn one(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    table: &str,
    rows: &mut dyn Rows,
    part: Option<Range<usize>>,
) -> Result<Result<u64, RowRefusal>> {
    let columns = column_list(load.plan.source.columns.iter().map(|c| c.target.as_str()), quote_postgres);
    let sql = format!("COPY {table} ({columns}) FROM STDIN {}", rows.options());
    let doing = format!("copying table {}", load.plan.name());
    let (client, steps) = conn.streaming(&doing);
    let writer = {
        let _step = steps.step();
        client.copy_in(&sql).map_err(|e| classify::postgres(&e, &doing))?
    };
    let mut stream = Stream { writer, steps };
    // Dropping the writer on an error aborts the COPY; nothing of it stays.
    let written = rows.write(part, &mut stream)?;
    let _step = stream.steps.step();
    let taken = match stream.writer.finish() {
        Ok(taken) => taken,
        Err(error) => {
            return match classify::row_refusal(&error) {
                Some(refusal) => Ok(Err(refusal)),
                None => Err(classify::postgres(&error, &doing)),
            };
        }
    };
    if taken != written {
        return Err(Error::new(Kind::Proof, format!("{doing}: {written} rows were written, PostgreSQL took {taken}")));
    }
    Ok(Ok(taken))
}

impl RowRefusal {
    /// The refusal as the error of the whole COPY.
    fn into_error(self, load: &Load<'_>) -> Error {
        let column = self.column.map(|column| format!(", column {column}")).unwrap_or_default();
        Error::new(Kind::RowRefused, format!("copying table {}{column}: {}", load.plan.name(), self.reason))
    }
}

struct Stream<'a> {
    writer: postgres::CopyInWriter<'a>,
    steps: Steps,
}

impl Write for Stream<'_> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        let _step = self.steps.step();
        self.writer.write_all(block)?;
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
