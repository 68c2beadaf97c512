//! The rows of one chunk attempt on their way: streamed, drained, or kept apart.
//!
//! A table with transactions streams row by row. One without is drained first: an open read holds the table's lock and
//! freezes the application, so COPY begins when the last row has left the source. Rows are kept apart when PostgreSQL
//! has refused one of them.

use super::Services;
use super::chunk::Job;
use super::oddities::Oddities;
use crate::catalog::Column;
use crate::config::Policy;
use crate::conn::classify::{self, RowRefusal};
use crate::encode::{EncodeError, Fate, Format, RowWriter};
use crate::error::{Doing, Error, Kind, Result};
use crate::plan::ledger::Sum;
use crate::plan::{Action, Slice, TablePlan};
use crate::sink::{COMPARED_BYTES_MAX, Rows};
use crate::source::Source;
use crate::track::quarantine::{Reject, hexadecimal};
use crate::value::{Cell, DateTime, Fault, Row};
use serde_json::{Map, Value};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use tempfile::SpooledTempFile;

/// Bytes per write of a drained chunk; larger blocks gain nothing, PostgreSQL reads its socket by 8 KB.
const BLOCK_BYTES: usize = 128 * 1024;

/// The rows of one attempt.
pub(super) struct ChunkRows<'j, 'a> {
    job: &'j mut Job<'a>,
    source: &'j mut dyn Source,
    slice: &'j Slice,
    kept: Option<Kept>,
    read: u64,
}

/// Rows that have left the source: in memory up to a bound, then in a temporary file.
struct Kept {
    spool: SpooledTempFile,
    rows: u64,
    /// The single rows, when they are kept apart.
    apart: Option<Apart>,
}

/// Where each row ends in the spool, and its key.
struct Apart {
    ends: Vec<u64>,
    keys: SpooledTempFile,
    key_ends: Vec<u64>,
}

impl<'j, 'a> ChunkRows<'j, 'a> {
    /// The rows of a slice; drains them first when the plan or the attempt asks for it.
    pub fn new(job: &'j mut Job<'a>, source: &'j mut dyn Source, slice: &'j Slice) -> Result<Self> {
        let mut rows = Self { job, source, slice, kept: None, read: 0 };
        // Of increments there are few or none, and without any the warehouse needs no staging.
        let few = matches!(slice, Slice::Past { ranges, .. } if ranges.is_empty());
        if rows.job.plan.drains() || rows.job.apart || few || is_small(rows.job.plan) {
            rows.drain()?;
        }
        Ok(rows)
    }

    /// The reader, between two reads.
    pub fn source(&mut self) -> &mut dyn Source {
        self.source
    }

    /// Rows that the source gave.
    pub const fn read(&self) -> u64 {
        self.read
    }

    fn drain(&mut self) -> Result<()> {
        let services = self.job.services;
        let limit = services.context.memory.buffer(services.limits.spool_bytes);
        let mut spool = SpooledTempFile::new(limit);
        let mut apart =
            self.job.apart.then(|| Apart { ends: Vec::new(), keys: SpooledTempFile::new(limit), key_ends: Vec::new() });
        let rows = self.encode(&mut spool, apart.as_mut())?;
        self.kept = Some(Kept { spool, rows, apart });
        Ok(())
    }

    /// Source rows → COPY bytes in `out`; returns how many were written.
    fn encode(&mut self, out: &mut dyn Write, mut apart: Option<&mut Apart>) -> Result<u64> {
        let (plan, services) = (self.job.plan, self.job.services);
        let job = &mut *self.job;
        let counted = Counted { out, bytes: 0, services: job.services };
        let mut writer = RowWriter::new(&job.format, job.targets.clone(), counted).digested(job.digester.clone());
        let (stopped_by, rejects, most) = (&mut job.stopped_by, &mut job.rejects, job.table.rejects_left());
        let raw = job.services.limits.quarantine_raw;
        let mut oddities = Oddities::of(plan, job.table.load.clock.as_ref());
        let mut written = 0;
        let read = self.source.read(plan, self.slice, &mut |row: &Row<'_>| {
            services.check_memory()?;
            oddities.row(row.cells);
            let fate = match row.too_long {
                Some(_) => Fate::Rejected { column: usize::MAX, fault: Fault::TooLong },
                None => writer.row(row.cells).map_err(|error| stop(plan, error, stopped_by))?,
            };
            match fate {
                Fate::Rejected { column, fault } => {
                    rejects.push(reject(plan, row, column, fault, raw)?);
                    check_number(plan, rejects.len(), most)
                }
                Fate::Written => {
                    written += 1;
                    match apart.as_deref_mut() {
                        Some(apart) => {
                            writer.flush().map_err(|error| stop(plan, error, stopped_by))?;
                            apart.push(plan, writer.sink().bytes, row.cells)
                        }
                        None => Ok(()),
                    }
                }
            }
        })?;
        writer.flush().map_err(|error| stop(plan, error, stopped_by))?;
        job.table.stood_still()?;
        job.bytes = writer.sink().bytes;
        job.tally = writer.tally().clone();
        job.sums = writer.digester().map(|digester| digester.sums().to_vec());
        job.oddities = oddities;
        job.services.progress.add(read, 0);
        self.read = read;
        job.read = Some(read);
        Ok(written)
    }
}

impl Rows for ChunkRows<'_, '_> {
    fn options(&self) -> String {
        let names: Vec<&str> = self.job.plan.source.columns.iter().map(|c| c.target.as_str()).collect();
        self.job.format.copy_options(&names)
    }

    fn parts(&self) -> Option<usize> {
        self.kept.as_ref().and_then(|kept| kept.apart.as_ref()).map(|apart| apart.ends.len())
    }

    fn are_none(&self) -> bool {
        self.job.rejects.is_empty() && self.kept.as_ref().is_some_and(|kept| kept.rows == 0)
    }

    fn tuples(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        let is_binary = matches!(self.job.format, Format::Binary) && self.job.rejects.is_empty();
        match self.kept.as_mut().filter(|kept| is_binary && kept.apart.is_none()) {
            Some(kept) => kept.bytes(bytes_max, self.job.plan.name()),
            None => Ok(None),
        }
    }

    fn write(&mut self, part: Option<Range<usize>>, out: &mut dyn Write) -> Result<u64> {
        let doing = format!("copying table {}", self.job.plan.name());
        let put = |out: &mut dyn Write, bytes: &[u8]| out.write_all(bytes).map_err(|e| classify::copy_io(&e, doing.clone()));
        put(out, self.job.format.prologue())?;
        let written = match &mut self.kept {
            None => self.encode(out, None)?,
            Some(kept) => kept.pour(part, out, &doing)?,
        };
        put(out, self.job.format.epilogue())?;
        Ok(written)
    }

    fn refused(&mut self, row: usize, refusal: &RowRefusal) -> Result<()> {
        let plan = self.job.plan;
        let column = plan.source.columns.iter().find(|c| Some(&c.target) == refusal.column.as_ref());
        if column.is_some_and(|column| column.policies.out_of_range == Policy::Fail) {
            let column = column.map_or("", |column| column.name.as_str());
            return Err(Error::new(Kind::Data, format!("copying table {}, column {column}: {}", plan.name(), refusal.reason)));
        }
        let apart = self.kept.as_mut().and_then(|kept| kept.apart.as_mut());
        let key = match apart {
            Some(apart) => apart.key(row, plan.name())?,
            None => None,
        };
        let column = column.map(|column| column.name.clone());
        self.job.rejects.push(Reject { key, column, reason: refusal.reason.clone(), raw: None });
        check_number(plan, self.job.rejects.len(), self.job.table.rejects_left())
    }

    fn rejects(&self) -> &[Reject] {
        &self.job.rejects
    }

    fn sums(&self) -> Option<&[Sum]> {
        // A row that PostgreSQL refused is among them.
        self.job.sums.as_deref().filter(|_| self.kept.as_ref().is_none_or(|kept| kept.apart.is_none()))
    }
}

impl Kept {
    /// The whole spool, unless it is longer.
    fn bytes(&mut self, most: usize, table: &str) -> Result<Option<Vec<u8>>> {
        let doing = || format!("copying table {table}: reading its drained rows");
        let length = self.spool.seek(SeekFrom::End(0)).doing(Kind::File, doing)?;
        if usize::try_from(length).map_or(true, |length| length > most) {
            return Ok(None);
        }
        self.spool.rewind().doing(Kind::File, doing)?;
        let mut bytes = Vec::new();
        self.spool.read_to_end(&mut bytes).doing(Kind::File, doing)?;
        Ok(Some(bytes))
    }

    /// Rows of the spool → COPY. May run again after a failed try of the sink's.
    fn pour(&mut self, part: Option<Range<usize>>, out: &mut dyn Write, doing: &str) -> Result<u64> {
        let (bytes, rows) = match (part, &self.apart) {
            (Some(part), Some(apart)) => (bytes_of(&apart.ends, &part), u64::try_from(part.len()).unwrap_or(u64::MAX)),
            _ => (0..u64::MAX, self.rows),
        };
        let reading = || format!("{doing}: reading its drained rows");
        self.spool.seek(SeekFrom::Start(bytes.start)).doing(Kind::File, reading)?;
        let mut rest = (&mut self.spool).take(bytes.end - bytes.start);
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let length = rest.read(&mut block).doing(Kind::File, reading)?;
            if length == 0 {
                return Ok(rows);
            }
            out.write_all(&block[..length]).map_err(|e| classify::copy_io(&e, doing))?;
        }
    }
}

impl Apart {
    fn push(&mut self, plan: &TablePlan, end: u64, cells: &[Cell<'_>]) -> Result<()> {
        let key = key_of(plan, cells).unwrap_or_default();
        self.keys.write_all(key.as_bytes()).doing(Kind::File, || format!("keeping the keys of table {}", plan.name()))?;
        let before = self.key_ends.last().copied().unwrap_or(0);
        self.key_ends.push(before + u64::try_from(key.len()).unwrap_or(u64::MAX));
        self.ends.push(end);
        Ok(())
    }

    fn key(&mut self, row: usize, table: &str) -> Result<Option<String>> {
        let doing = || format!("reading a key of table {table} back");
        let bytes = bytes_of(&self.key_ends, &(row..row + 1));
        self.keys.seek(SeekFrom::Start(bytes.start)).doing(Kind::File, doing)?;
        let mut key = String::new();
        (&mut self.keys).take(bytes.end - bytes.start).read_to_string(&mut key).doing(Kind::File, doing)?;
        Ok(Some(key).filter(|key| !key.is_empty()))
    }
}

/// A refresh so small that the sink compares it before it stages anything; the estimate decides nothing else.
fn is_small(plan: &TablePlan) -> bool {
    let most = u64::try_from(COMPARED_BYTES_MAX).unwrap_or(u64::MAX);
    plan.action == Action::Refresh && plan.is_single() && plan.source.bytes_estimated <= most
}

/// Bytes that a range of rows takes, of where each row ends.
fn bytes_of(ends: &[u64], rows: &Range<usize>) -> Range<u64> {
    let end = |count: usize| count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
    end(rows.start)..end(rows.end)
}

/// Keeps what the encoder said, for the next try.
fn stop(plan: &TablePlan, error: EncodeError, stopped_by: &mut Option<EncodeError>) -> Error {
    let doing = format!("copying table {}", plan.name());
    if let EncodeError::Write(cause) = &error {
        return classify::copy_io(cause, doing);
    }
    let column =
        error.column().and_then(|i| plan.source.columns.get(i)).map_or(String::new(), |c| format!(", column {}", c.name));
    let shown = Error::new(Kind::Data, format!("{doing}{column}: {error}"));
    *stopped_by = Some(error);
    shown
}

/// More rejected rows than the cap are no accident any more.
fn check_number(plan: &TablePlan, rejected: usize, most: u64) -> Result<()> {
    if u64::try_from(rejected).unwrap_or(u64::MAX) <= most {
        return Ok(());
    }
    Err(Error::new(Kind::Data, format!("table {}: more rows are refused than rejected_rows_max allows", plan.name()))
        .hint("look at the values with `etl-sync check --data`, then choose a policy for them or raise rejected_rows_max"))
}

fn reject(plan: &TablePlan, row: &Row<'_>, column: usize, fault: Fault, raw: bool) -> Result<Reject> {
    let reason = match row.too_long {
        Some(bytes) => format!("{}: {bytes} bytes", fault.word()),
        None => fault.word().to_owned(),
    };
    let raw = match row.cells.get(column) {
        Some(Cell::Bytes(bytes)) if raw => Some(bytes.to_vec()),
        _ => None,
    };
    let column = plan.source.columns.get(column).map(|column| column.name.clone());
    Ok(Reject { key: key_of(plan, row.cells), column, reason, raw })
}

/// The key of a row as a JSON object by source column; none for a table without a key.
fn key_of(plan: &TablePlan, cells: &[Cell<'_>]) -> Option<String> {
    if plan.source.key.is_empty() {
        return None;
    }
    let column = |&index: &usize| {
        let column: &Column = plan.source.columns.get(index)?;
        Some((column.name.clone(), value_of(cells.get(index).copied()?)))
    };
    let object: Map<String, Value> = plan.source.key.iter().filter_map(column).collect();
    Some(Value::Object(object).to_string())
}

/// A cell as JSON that jsonb takes: bytes that are no text as hexadecimal digits.
fn value_of(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(value) => value.into(),
        Cell::UInt(value) => value.into(),
        Cell::Float(value) => f64::from(value).into(),
        Cell::Double(value) => value.into(),
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.into(),
            _ => format!("\\x{}", hexadecimal(bytes)).into(),
        },
        Cell::DateTime(DateTime { year, month, day, hour, minute, second, micro }) => {
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micro:06}").into()
        }
        Cell::Time(time) => {
            let sign = if time.negative { "-" } else { "" };
            format!("{sign}{:02}:{:02}:{:02}.{:06}", time.hours, time.minutes, time.seconds, time.micros).into()
        }
    }
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
