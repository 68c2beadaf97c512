//! One chunk from the source into COPY, with its retries: the only place that tries again.
//!
//! A table with transactions streams row by row. One without is drained first: an open read holds the table's lock and
//! freezes the application, so COPY begins when the last row has left the source.

use super::Services;
use super::table::TableWork;
use crate::catalog::ddl::is_not_null;
use crate::encode::{EncodeError, Encoder, NullToken, copy_options, writer};
use crate::error::{Doing, Error, Kind, Result, Retry};
use crate::key::KeyRange;
use crate::plan::TablePlan;
use crate::sink::postgres::PostgresSink;
use crate::sink::{Outcome, Sink};
use crate::source::Source;
use std::io::{self, Read, Seek, Write};
use tempfile::SpooledTempFile;

/// Bytes per write of a drained chunk; larger blocks gain nothing, PostgreSQL reads its socket by 8 KB.
const BLOCK_BYTES: usize = 128 * 1024;

/// A cell equal to the NULL token is a matter of chance once; several times in a row it is a fault.
const TOKENS_MAX: usize = 4;

/// The two ends of one worker.
pub struct Worker<'a> {
    /// Where it reads.
    pub source: &'a mut dyn Source,
    /// Where it writes.
    pub sink: &'a mut PostgresSink,
}

/// Copies one chunk of a table with several chunks; returns its rows.
///
/// # Errors
/// The last error after all tries; [`Kind::SnapshotLost`] at once, because the worker has to leave its group.
pub fn copy_chunk(services: &Services<'_>, table: &TableWork<'_>, chunk: usize, worker: &mut Worker<'_>) -> Result<u64> {
    let plan = table.plan();
    let range = plan.chunks.get(chunk).ok_or_else(|| Error::new(Kind::Internal, "a chunk that is not in the plan"))?;
    attempt(services, table, worker, |job, worker| {
        job.run(range, worker, |worker, format, fill| worker.chunk(&table.load, chunk, format, fill)).map(|rows| (rows, rows))
    })
}

/// Copies a table with one chunk, from empty staging to its state row.
///
/// # Errors
/// As [`copy_chunk`].
pub fn copy_whole(services: &Services<'_>, table: &TableWork<'_>, worker: &mut Worker<'_>) -> Result<Outcome> {
    let everything = KeyRange::everything();
    attempt(services, table, worker, |job, worker| {
        let count = worker.source.count(table.plan())?;
        let outcome = job.run(&everything, worker, |sink, format, fill| sink.whole(&table.load, format, count, fill))?;
        Ok((outcome.rows, outcome))
    })
}

/// Runs the finish of a table with several chunks.
///
/// # Errors
/// As [`copy_chunk`].
pub fn finish(services: &Services<'_>, table: &TableWork<'_>, sink: &mut PostgresSink) -> Result<Outcome> {
    let again = |error: &Error, _| error.kind().policy().retry == Retry::Chunk;
    services.limits.retries.run(services.cancel, || sink.finish(&table.load, &table.proof()), again)
}

/// Tries a job until it is done or an error says that trying is no use. `work` gives the rows that are in, too: after a
/// lost answer to COMMIT they are known without reading them again.
fn attempt<T>(
    services: &Services<'_>,
    table: &TableWork<'_>,
    worker: &mut Worker<'_>,
    mut work: impl FnMut(&mut Job<'_>, &mut Worker<'_>) -> Result<(u64, T)>,
) -> Result<T> {
    let mut tokens = 0;
    let again = |error: &Error, tries: usize| {
        let waits = error.kind() == Kind::Timeout;
        let again = error.kind().policy().retry == Retry::Chunk && !waits && !services.cancel.is_aborting();
        if again {
            log::warn!("{error}; try {tries} of {}", services.limits.retries.count + 1);
        }
        again
    };
    let once = || loop {
        let mut job = Job::new(services, table);
        let result = work(&mut job, worker);
        match job.refused.take() {
            Some(EncodeError::NullToken { .. }) if tokens < TOKENS_MAX => tokens += 1,
            Some(EncodeError::ZeroDateInNotNull { column }) => worker.sink.make_nullable(&table.load, column)?,
            _ => {
                let (rows, value) = match result {
                    // The worker's connection is gone: others may try again, this worker cannot.
                    Err(error) if worker.source.is_lost() && error.kind() == Kind::Timeout => return Err(error),
                    Err(error) if worker.source.is_lost() && error.kind().policy().retry == Retry::Chunk => {
                        return Err(error.as_kind(Kind::SnapshotLost));
                    }
                    other => other?,
                };
                table.add(rows, job.bytes, job.encoder.zero_dates());
                return Ok(value);
            }
        }
        if worker.source.is_lost() {
            return Err(Error::new(Kind::SnapshotLost, format!("table {}: the source connection is gone", table.plan().name())));
        }
    };
    services.limits.retries.run(services.cancel, once, again)
}

/// One try.
struct Job<'a> {
    services: &'a Services<'a>,
    table: &'a TableWork<'a>,
    plan: &'a TablePlan,
    encoder: Encoder,
    refused: Option<EncodeError>,
    bytes: u64,
}

impl<'a> Job<'a> {
    fn new(services: &'a Services<'a>, table: &'a TableWork<'a>) -> Self {
        let (plan, nullable) = (table.plan(), table.load.nullable());
        let columns: Vec<_> = plan.source.columns.iter().enumerate().map(|(i, c)| (c.ty, is_not_null(i, c, &nullable))).collect();
        let encoder = Encoder::new(&columns, NullToken::random());
        Self { services, table, plan, encoder, refused: None, bytes: 0 }
    }

    /// Reads the range and hands the bytes to `put`, streamed or drained.
    fn run<T>(
        &mut self,
        range: &KeyRange,
        worker: &mut Worker<'_>,
        put: impl FnOnce(&mut PostgresSink, &str, &mut crate::sink::Fill<'_>) -> Result<T>,
    ) -> Result<T> {
        let names: Vec<&str> = self.plan.source.columns.iter().map(|c| c.name.as_str()).collect();
        let format = copy_options(&names, self.encoder.token());
        if self.plan.drains() {
            let mut spool = SpooledTempFile::new(self.services.limits.spool_bytes);
            let rows = self.encode(range, worker.source, &mut spool)?;
            return put(worker.sink, &format, &mut |out| self.pour(&mut spool, out, rows));
        }
        let source = &mut *worker.source;
        put(worker.sink, &format, &mut |out| self.encode(range, source, out))
    }

    /// Source rows → csv bytes in `out`.
    fn encode(&mut self, range: &KeyRange, source: &mut dyn Source, out: &mut dyn Write) -> Result<u64> {
        let plan = self.plan;
        let counted = Counted { out, bytes: 0, services: self.services };
        let mut csv = writer(plan.source.columns.len(), counted);
        let (encoder, refused) = (&mut self.encoder, &mut self.refused);
        let rows = source
            .read(plan, range, &mut |cells| encoder.write_row(cells, &mut csv).map_err(|error| refuse(plan, error, refused)))?;
        let doing = || format!("copying table {}", plan.name());
        csv.flush().map_err(|e| crate::conn::classify::copy_io(&e, doing()))?;
        self.table.stood_still()?;
        self.bytes = csv.get_ref().bytes;
        self.services.progress.add(rows, 0);
        Ok(rows)
    }

    /// A drained chunk → COPY. May run again after a failed try of the sink's.
    fn pour(&self, spool: &mut SpooledTempFile, out: &mut dyn Write, rows: u64) -> Result<u64> {
        let doing = || format!("reading the drained rows of table {}", self.plan.name());
        spool.rewind().doing(Kind::File, doing)?;
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let length = spool.read(&mut block).doing(Kind::File, doing)?;
            if length == 0 {
                return Ok(rows);
            }
            out.write_all(&block[..length])
                .map_err(|e| crate::conn::classify::copy_io(&e, format!("copying table {}", self.plan.name())))?;
        }
    }
}

/// Keeps what the encoder said, because the row callback can only pass the crate's own error through the source.
fn refuse(plan: &TablePlan, error: EncodeError, refused: &mut Option<EncodeError>) -> Error {
    let doing = format!("copying table {}", plan.name());
    if let EncodeError::Write(cause) = &error {
        return crate::conn::classify::copy_io(cause, doing);
    }
    let column =
        error.column().and_then(|i| plan.source.columns.get(i)).map_or(String::new(), |c| format!(", column {}", c.name));
    let shown = Error::new(Kind::Data, format!("{doing}{column}: {error}"));
    *refused = Some(error);
    shown
}

/// Counts bytes on their way and tells the progress.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
    services: &'a Services<'a>,
}

impl Write for Counted<'_> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        self.out.write_all(block)?;
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        self.bytes += length;
        self.services.progress.add(0, length);
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Blocks go out as they are; flushing the driver's buffer early would only make small ones.
        Ok(())
    }
}
