//! One COPY … FROM STDIN: blocks go straight into the driver's writer, each of them proves that the server still reads.

use crate::conn::classify;
use crate::conn::postgres::{PostgresConn, Steps};
use crate::error::{Error, Kind, Result};
use crate::name::{column_list, quote_postgres};
use crate::sink::{Fill, Load};
use std::io::{self, Write};

/// Runs COPY into `table`, filled by `fill`; checks that the server took as many rows as were written.
///
/// # Errors
/// The classified server error, what `fill` returned, or [`Kind::Proof`] when the counts differ.
pub fn copy_in(conn: &mut PostgresConn, load: &Load<'_>, table: &str, format: &str, fill: &mut Fill<'_>) -> Result<u64> {
    let columns = column_list(load.plan.source.columns.iter().map(|c| c.name.as_str()), quote_postgres);
    let sql = format!("COPY {table} ({columns}) FROM STDIN {format}");
    let doing = format!("copying table {}", load.plan.name());
    let (client, steps) = conn.streaming(&doing);
    let writer = {
        let _step = steps.step();
        client.copy_in(&sql).map_err(|e| classify::postgres(&e, &doing))?
    };
    let mut stream = Stream { writer, steps };
    // Dropping the writer on an error aborts the COPY; nothing of it stays.
    let written = fill(&mut stream)?;
    let _step = stream.steps.step();
    let taken = stream.writer.finish().map_err(|e| classify::postgres(&e, &doing))?;
    if taken != written {
        return Err(Error::new(Kind::Proof, format!("{doing}: {written} rows were written, PostgreSQL took {taken}")));
    }
    Ok(taken)
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
