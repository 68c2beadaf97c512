//! `why`: one row of a table on both sides, column by column, the rule behind each, and what our own tables know of it. Writes
//! nothing.

use super::{planning, telling};
use crate::catalog::{Column, deleted_at, loaded_at};
use crate::config::{Config, Deletes};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::encode::image::Fields;
use crate::encode::{digest, show};
use crate::error::{Error, Kind, Result};
use crate::name::{literal_postgres, quote_mysql, quote_postgres};
use crate::plan::strategy::is_integer;
use crate::plan::{Slice, TablePlan};
use crate::report::SCHEMA_VERSION;
use crate::report::why::{ColumnWhy, Kept, WhyReport};
use crate::sink::postgres::read_back::{self, Which};
use crate::source::mysql::{LongRows, MysqlSource};
use crate::source::scan;
use crate::track::quarantine::hexadecimal;
use crate::value::ColumnType;
use serde_json::Value;

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
    let key = key_values(&table, asked.key)?;

    let mut reader = MysqlSource::new(source, Some(LongRows::own(config.settings.row_bytes_max)));
    let slice = Slice::Past { condition: at_source(&table, &key)?, ranges: Vec::new() };
    let mut there = None;
    let scanned = scan::tuples(&mut reader, &table, &slice, &mut |tuple| {
        there = Some(tuple.to_vec());
        Ok(())
    })?;
    let mut here = None;
    let comparable = existing.map(|existing| read_back::unlike(&table, existing));
    if let Some(None) = comparable {
        // The key as the row has it, which may not be how it was asked for.
        let shown = there.as_deref().and_then(|tuple| show::key(&table.source, tuple));
        let condition = in_warehouse(&table, &key, shown.as_ref());
        read_back::tuples(&mut warehouse, &table, Which::Where(&condition), &mut |tuple| {
            here = Some(tuple.to_vec());
            Ok(())
        })?;
    }
    let stamped = existing.is_some_and(|existing| existing.columns.iter().any(|column| column.name == loaded_at::NAME));
    let condition = in_warehouse(&table, &key, there.as_deref().and_then(|tuple| show::key(&table.source, tuple)).as_ref());
    let mut report = WhyReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        table: name,
        target: table.target.to_string(),
        key: there.as_deref().or(here.as_deref()).and_then(|tuple| show::key(&table.source, tuple)),
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
    known(&mut warehouse, &config.warehouse_schema, &mut report)?;
    Ok(report.judged((there.is_some(), here.is_some(), existing.is_some())))
}

/// What our own tables say, as far as this role may read them.
fn known(warehouse: &mut PostgresConn, job: &str, report: &mut WhyReport) -> Result<()> {
    let doing = "looking for what is known of the row";
    let may = "SELECT has_table_privilege(to_regclass('etl_sync.table_attempt'), 'SELECT') \
               AND has_schema_privilege('etl_sync', 'USAGE') WHERE to_regclass('etl_sync.table_attempt') IS NOT NULL";
    if warehouse.rows(may, &[], doing)?.first().is_some_and(|row| row.get(0)) {
        let table = &report.table;
        if let Some(at) = &report.loaded_at {
            let sql = "SELECT run_id FROM etl_sync.table_attempt WHERE job = $1 AND table_name = $2 AND outcome = 'loaded' \
                       AND ended_at >= $3::text::timestamptz ORDER BY id LIMIT 1";
            report.written_by = warehouse.rows(sql, &[&job, table, at], doing)?.first().map(|row| row.get(0));
        }
        let sql = "SELECT to_char(max(ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM etl_sync.table_attempt a \
                   WHERE job = $1 AND table_name = $2 AND outcome = 'loaded' AND to_jsonb(a) ->> 'checked' = 'content'";
        report.last_proved = warehouse.rows(sql, &[&job, table], doing)?.first().and_then(|row| row.get(0));
    }
    let may = "SELECT has_table_privilege(to_regclass('etl_quarantine.rejected_row'), 'SELECT') \
               AND has_schema_privilege('etl_quarantine', 'USAGE') WHERE to_regclass('etl_quarantine.rejected_row') IS NOT NULL";
    if let Some(key) = report.key.as_ref().map(ToString::to_string)
        && warehouse.rows(may, &[], doing)?.first().is_some_and(|row| row.get(0))
    {
        let sql = "SELECT column_name, reason, run_id FROM etl_quarantine.rejected_row \
                   WHERE job = $1 AND table_name = $2 AND key @> $3::text::jsonb ORDER BY id";
        let rows = warehouse.rows(sql, &[&job, &report.table, &key], doing)?;
        report.quarantine = rows.iter().map(|row| Kept { column: row.get(0), reason: row.get(1), run_id: row.get(2) }).collect();
    }
    Ok(())
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

/// One text per key column.
fn key_values(table: &TablePlan, asked: &[String]) -> Result<Vec<String>> {
    let columns: Vec<&Column> = table.source.key_columns().collect();
    let name = table.name();
    if columns.is_empty() {
        return Err(Error::new(Kind::Config, format!("table {name} has no key by which a row could be told")));
    }
    let object = match asked {
        [one] if one.starts_with('{') => serde_json::from_str::<Value>(one).ok(),
        _ => None,
    };
    let values: Option<Vec<String>> = match &object {
        Some(object) => columns.iter().map(|column| Some(text(object.get(&column.name)?))).collect(),
        None => (asked.len() == columns.len()).then(|| asked.to_vec()),
    };
    values.ok_or_else(|| {
        let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::new(Kind::Config, format!("table {name}: a row is told by its key: {names}"))
            .hint("give one value per key column, in this order, or a JSON object as `verify --depth rows` shows it")
    })
}

fn text(value: &Value) -> String {
    if let Value::String(text) = value { text.clone() } else { value.to_string() }
}

/// The key in the source's SQL. Bytes travel as hexadecimal digits, so nothing of them ends a literal.
fn at_source(table: &TablePlan, key: &[String]) -> Result<String> {
    let part = |(column, value): (&Column, &String)| {
        let name = quote_mysql(&column.name);
        if is_integer(column.ty) {
            let number: i128 = value.parse().map_err(|_| {
                Error::new(Kind::Config, format!("table {}: column {} of the key is an integer", table.name(), column.name))
            })?;
            return Ok(format!("{name} = {number}"));
        }
        let digits = match (column.ty, value.strip_prefix("\\x")) {
            (ColumnType::Bytes | ColumnType::UuidBytes | ColumnType::Bit { .. }, Some(digits)) => digits.to_owned(),
            (ColumnType::Bytes | ColumnType::UuidBytes | ColumnType::Bit { .. }, None) => hexadecimal(value.as_bytes()),
            _ => return Ok(format!("{name} = CONVERT(x'{}' USING utf8mb4)", hexadecimal(value.as_bytes()))),
        };
        if digits.len() % 2 == 1 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::new(Kind::Config, format!("table {}: no hexadecimal digits behind \\x", table.name())));
        }
        Ok(format!("{name} = x'{digits}'"))
    };
    let parts: Vec<String> = table.source.key_columns().zip(key).map(part).collect::<Result<_>>()?;
    Ok(parts.join(" AND "))
}

/// The key in the warehouse's SQL: as the source's row has it, else as it was asked for.
fn in_warehouse(table: &TablePlan, key: &[String], shown: Option<&Value>) -> String {
    let part = |(column, asked): (&Column, &String)| {
        let value = shown.and_then(|shown| shown.get(&column.name)).map_or_else(|| asked.clone(), text);
        format!("{} = {}::{}", quote_postgres(&column.target), literal_postgres(&value), column.ty)
    };
    table.source.key_columns().zip(key).map(part).collect::<Vec<_>>().join(" AND ")
}
