//! Tuples into `INSERT` statements of about a megabyte each.

use crate::conn::mysql::MysqlConn;
use crate::encode::tuples::LENGTH_BYTES;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, quote_mysql};
use crate::sink::Rows;
use std::io::{self, Write};

/// A statement is sent when it has as many bytes: far below the smallest `max_allowed_packet` that servers come with, and
/// longer ones gain nothing.
const STATEMENT_BYTES: usize = 1 << 20;

/// Writes all rows; returns how many there were.
///
/// # Errors
/// The classified server error, or what `rows` returned; [`Kind::Proof`] when the server took another number of rows.
pub fn insert(conn: &mut MysqlConn, table: &TableName, columns: &[&str], rows: &mut dyn Rows, doing: &str) -> Result<u64> {
    let names: Vec<String> = columns.iter().map(|name| quote_mysql(name)).collect();
    let head = format!("INSERT INTO {} ({}) VALUES ", table.mysql(), names.join(","));
    let mut out = Inserts {
        conn,
        doing,
        statement: head.clone().into_bytes(),
        head,
        length: Vec::with_capacity(LENGTH_BYTES),
        missing: 0,
        tuples: 0,
        taken: 0,
        failed: None,
    };
    let written = rows.write(None, &mut out);
    // The server's own words, not that a write failed.
    if let Some(error) = out.failed.take() {
        return Err(error);
    }
    let written = written?;
    out.send()?;
    if out.missing > 0 || !out.length.is_empty() || out.taken != written {
        return Err(Error::new(Kind::Proof, format!("{doing}: {written} rows were sent, the server took {}", out.taken)));
    }
    Ok(written)
}

/// Takes tuples in blocks that end anywhere.
struct Inserts<'a> {
    conn: &'a mut MysqlConn,
    doing: &'a str,
    head: String,
    statement: Vec<u8>,
    /// The bytes of a tuple's length, as far as they have come.
    length: Vec<u8>,
    /// Bytes of the present tuple that have not come.
    missing: usize,
    tuples: u64,
    taken: u64,
    failed: Option<Error>,
}

impl Inserts<'_> {
    fn take(&mut self, mut block: &[u8]) -> Result<()> {
        while !block.is_empty() {
            if self.missing == 0 {
                let (head, rest) = block.split_at(block.len().min(LENGTH_BYTES - self.length.len()));
                self.length.extend_from_slice(head);
                block = rest;
                self.begin()?;
                continue;
            }
            let (part, rest) = block.split_at(block.len().min(self.missing));
            self.statement.extend_from_slice(part);
            self.missing -= part.len();
            block = rest;
            if self.missing == 0 {
                self.tuples += 1;
            }
        }
        Ok(())
    }

    /// Begins a tuple when its length is whole, in a new statement when the present one is full.
    fn begin(&mut self) -> Result<()> {
        let Ok(length) = <[u8; LENGTH_BYTES]>::try_from(self.length.as_slice()) else { return Ok(()) };
        self.length.clear();
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.tuples > 0 && self.statement.len().saturating_add(length) > STATEMENT_BYTES {
            self.send()?;
        }
        if self.tuples > 0 {
            self.statement.push(b',');
        }
        self.missing = length;
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        if self.tuples == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&self.statement)
            .map_err(|error| Error::with(Kind::Internal, format!("{}: a statement that is no text", self.doing), error))?;
        self.conn.execute(text, self.doing)?;
        self.taken += self.conn.conn.affected_rows();
        self.tuples = 0;
        self.statement.clear();
        // A long row has made it long.
        self.statement.shrink_to(2 * STATEMENT_BYTES);
        self.statement.extend_from_slice(self.head.as_bytes());
        Ok(())
    }
}

impl Write for Inserts<'_> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        match self.take(block) {
            Ok(()) => Ok(block.len()),
            Err(error) => {
                self.failed.get_or_insert(error);
                Err(io::Error::other("the replica refused a statement"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
