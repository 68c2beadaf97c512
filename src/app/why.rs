//! `why`: one row of a table on both sides, column by column, the rule behind each, and what our own tables know of it. Writes
//! nothing.

use super::row_key::RowKey;
use super::verify::{OwnTables, unread};
use super::{planning, telling};
use crate::catalog::{Column, deleted_at, loaded_at};
use crate::config::{Config, Deletes};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::encode::image::Fields;
use crate::encode::{digest, show, spelled};
use crate::error::{Doing, Error, Kind, Result};
use crate::name::quote_postgres;
use crate::plan::{Slice, TablePlan};
use crate::report::SCHEMA_VERSION;
use crate::report::why::{ColumnWhy, Kept, WhyReport};
use crate::sink::postgres::counts;
use crate::sink::postgres::read_back::{self, Which};
use crate::source::mysql::{LongRows, MysqlSource};
use crate::source::scan;
use crate::usage;
use crate::verify::look::Without;
use serde_json::Value;

/// Rows in quarantine that are read at once.
const REJECTS_AT_ONCE: u32 = 10_000;

/// The history that tells which run wrote a row.
const ATTEMPTS: &str = "etl_sync.table_attempt";

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Source table, by exact name.
    pub table: &'a str,
    /// One value per key column, in key order; or all of them as one JSON object by source column.
    pub key: &'a [String],
    /// Values are told, too.
    pub values: bool,
}

/// Looks at one row.
///
/// # Errors
/// [`Kind::Config`] for a table that does not exist or has no key, and for another number of values; the classified error of a
/// server.
pub fn why(config: &Config, asked: Asked<'_>, watchdog: &Watchdog) -> Result<WhyReport> {
    let call = usage::WHY.attempt(usage::Shape::NONE);
    let name = asked.table.to_owned();
    let mut source = MysqlConn::connect(&config.source)?;
    let (selected, mut refused) = planning::selected(&mut source, config, std::slice::from_ref(&name))?;
    let Some(selected) = selected.into_iter().next() else {
        return Err(refused.pop().map_or_else(|| Error::new(Kind::Config, format!("no table {name:?}")), |(_, error)| error));
    };
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/why", watchdog)?;
    warehouse.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    let targets = planning::targets(config, &mut warehouse)?;
    let existing = targets.get(&selected.target.table);
    let marks = config.tables.rule(&name).deletes == Deletes::Mark && existing.is_some_and(deleted_at::is_in);
    let deletes = if marks { Deletes::Mark } else { Deletes::Apply };
    let table = TablePlan { deletes, ..TablePlan::whole(selected.source, selected.target, selected.filter) };
    let key = RowKey::asked(&table, asked.key)?;

    let mut reader = MysqlSource::new(source, Some(LongRows::own(config.settings.row_bytes_max)));
    let slice = Slice::Past { condition: key.at_source(), ranges: Vec::new() };
    let mut there = One::default();
    let scanned = scan::tuples(&mut reader, &table, &slice, &mut |tuple| there.add(tuple))?;
    let there = there.only("the source", &name, scanned.kept_out)?;
    // The key as the row has it, which may not be how it was asked for.
    let shown = there.as_deref().and_then(|tuple| show::key(&table.source, tuple));
    let own = shown.as_ref().map(|shown| RowKey::asked(&table, &[shown.to_string()])).transpose()?;
    let condition = own.as_ref().unwrap_or(&key).in_warehouse();
    let comparable = existing.map(|existing| read_back::unlike(&table, existing));
    let mut here = One::default();
    if let Some(None) = comparable {
        read_back::tuples(&mut warehouse, &table, Which::Where(&condition), &mut |tuple| here.add(tuple))?;
    }
    let here = here.only("the warehouse", &name, 0)?;
    let stamped = existing.is_some_and(|existing| existing.columns.iter().any(|column| column.name == loaded_at::NAME));
    let shown = shown.or_else(|| here.as_deref().and_then(|tuple| show::key(&table.source, tuple)));
    let mut report = WhyReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        table: name,
        target: table.target.to_string(),
        key: Some(shown.unwrap_or_else(|| key.shown())),
        unlike: comparable.and_then(|why| why),
        kept_out: scanned.kept_out > 0,
        columns: columns(&table, there.as_deref(), here.as_deref(), asked.values),
        ..WhyReport::default()
    };
    if stamped && here.is_some() {
        let sql = format!(
            "SELECT to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM ONLY {} WHERE {condition}",
            quote_postgres(loaded_at::NAME),
            table.target.postgres()
        );
        let rows = warehouse.rows(&sql, &[], "reading when the row was written")?;
        report.loaded_at = rows.first().and_then(|row| row.get(0));
    }
    known(&mut warehouse, config, &table, &mut report)?;
    call.ends(Ok(report.judged((there.is_some(), here.is_some(), existing.is_some()))))
}

/// The row that was asked for.
#[derive(Default)]
struct One {
    tuple: Option<Vec<u8>>,
    rows: u64,
}

impl One {
    /// Keeps the first row and counts them all.
    #[allow(clippy::unnecessary_wraps)] // As the readers want it.
    fn add(&mut self, tuple: &[u8]) -> Result<()> {
        self.rows += 1;
        self.tuple.get_or_insert_with(|| tuple.to_vec());
        Ok(())
    }

    /// The row; an error when there are several, of which none is the one that was meant.
    fn only(self, side: &str, table: &str, kept_out: u64) -> Result<Option<Vec<u8>>> {
        if self.rows + kept_out > 1 {
            let text = format!("table {table}: {} rows of {side} have this key", self.rows + kept_out);
            return Err(Error::new(Kind::Data, text).hint(
                "give the key as `verify --depth rows` shows it; where it is so, the key does not tell rows apart there: compare the \
                 table with `etl-sync verify --depth rows`",
            ));
        }
        Ok(self.tuple)
    }
}

/// What our own tables say, as far as this role may read them.
fn known(warehouse: &mut PostgresConn, config: &Config, table: &TablePlan, report: &mut WhyReport) -> Result<()> {
    let doing = "looking for what is known of the row";
    let (own, job) = (OwnTables::read(warehouse)?, config.warehouse_schema.as_str());
    report.warnings.extend(unread(own.quarantine(), config));
    if own.is_closed(ATTEMPTS) {
        let role = quote_postgres(&config.warehouse.user);
        report.warnings.push(format!(
            "which run wrote the row, and when it was proved, cannot be told; GRANT USAGE ON SCHEMA etl_sync TO {role}; GRANT SELECT \
             ON {ATTEMPTS} TO {role}"
        ));
    }
    if own.may_read(ATTEMPTS) {
        let (table, at) = (&report.table, &report.loaded_at);
        if let Some(at) = at {
            let sql = "SELECT run_id, outcome FROM etl_sync.table_attempt WHERE job = $1 AND table_name = $2 \
                       AND outcome IN ('loaded', 'failed') AND ended_at >= $3::text::timestamptz ORDER BY id LIMIT 1";
            let first = warehouse.rows(sql, &[&job, table, at], doing)?;
            // A run that failed may have written before, and one that was killed has left no attempt: then nobody knows.
            let is_writer = |row: &&postgres::Row| row.get::<_, &str>(1) == "loaded" && has_begun(row.get(0), at);
            report.written_by = first.first().filter(is_writer).map(|row| row.get(0));
        }
        let sql = "SELECT to_char(max(ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM etl_sync.table_attempt a \
                   WHERE job = $1 AND table_name = $2 AND outcome = 'loaded' AND to_jsonb(a) ->> 'checked' = 'content' \
                   AND ($3::text IS NULL OR ended_at >= $3::text::timestamptz)";
        report.last_proved = warehouse.rows(sql, &[&job, table, at], doing)?.first().and_then(|row| row.get(0));
    }
    if own.quarantine() == Without::Nothing
        && let Some(key) = &report.key
    {
        report.quarantine = quarantined(warehouse, job, table, &spelled::key(&table.source, key))?;
    }
    Ok(())
}

/// A run had begun at a moment: its id holds when it was made. Clocks that disagree make it unknown rather than wrong.
fn has_begun(run_id: &str, at: &str) -> bool {
    let began = uuid::Uuid::parse_str(run_id).ok().and_then(|id| id.get_timestamp()).map(|stamp| stamp.to_unix());
    let at = chrono::DateTime::parse_from_rfc3339(at).ok().map(|at| (at.timestamp(), at.timestamp_subsec_nanos()));
    let began = began.and_then(|(seconds, nanos)| Some((i64::try_from(seconds).ok()?, nanos)));
    began.zip(at).is_some_and(|(began, at)| began <= at)
}

/// The row's places in quarantine. Keys are compared here, because the quarantine has them as the source spells them.
fn quarantined(warehouse: &mut PostgresConn, job: &str, table: &TablePlan, key: &Value) -> Result<Vec<Kept>> {
    let doing = format!("reading the quarantine of table {}", table.name());
    let sql = counts::rejected_in_sql("r.id, r.key::text, r.column_name, r.reason, r.run_id", job, &table.source, None);
    let sql = format!("{sql} AND r.id > $1 ORDER BY r.id LIMIT {REJECTS_AT_ONCE}");
    let mut found = Vec::new();
    let mut after = i64::MIN;
    loop {
        let rows = warehouse.rows(&sql, &[&after], &doing)?;
        for row in &rows {
            after = row.get(0);
            let Some(text) = row.get::<_, Option<String>>(1) else { continue };
            let theirs: Value = serde_json::from_str(&text).doing(Kind::Internal, || doing.clone())?;
            if spelled::key(&table.source, &theirs) == *key {
                found.push(Kept { column: row.get(2), reason: row.get(3), run_id: row.get(4) });
            }
        }
        if rows.is_empty() {
            return Ok(found);
        }
    }
}

fn columns(table: &TablePlan, there: Option<&[u8]>, here: Option<&[u8]>, values: bool) -> Vec<ColumnWhy> {
    let fields =
        |tuple: Option<&[u8]>| tuple.map(|tuple| Fields::of(tuple).map(|field| field.map(<[u8]>::to_vec)).collect::<Vec<_>>());
    let (there, here) = (fields(there), fields(here));
    let told = telling::columns(&table.source);
    let one = |(index, (column, told)): (usize, (&Column, _))| {
        let at = |side: &Option<Vec<Option<Vec<u8>>>>| side.as_ref().and_then(|fields| fields.get(index).cloned());
        let (there, here) = (at(&there), at(&here));
        let shown = |side: &Option<Option<Vec<u8>>>| {
            side.as_ref().filter(|_| values).map(|field| show::value(column.ty, field.as_deref()))
        };
        ColumnWhy {
            is_same: there.as_ref().zip(here.as_ref()).map(|(a, b)| digest::is_same(column.ty, a.as_deref(), b.as_deref())),
            source: shown(&there),
            target: shown(&here),
            column: told,
        }
    };
    table.source.columns.iter().zip(told).enumerate().map(one).collect()
}
