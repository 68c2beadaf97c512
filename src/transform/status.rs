//! The lock of the transformation and its rows in `etl_transform_status`: one for the run, one per model, one per table that
//! models are made of. They are for people and dbt; no run decides by them, and what cannot be written is counted and fails nothing.

use super::tables::Loaded;
use super::{Node, Outcome, Verdict};
use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::track::schema::{self, TRANSFORM_STATUS};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a transformation waits for another one that may just be ending.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// Kinds that make a relation or are a file; tests make none.
const MAKERS: [&str; 4] = ["model", "seed", "snapshot", "file"];

/// What a status row is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `running`, `success`, `failed`, `skipped`.
    pub status: &'static str,
    /// Rows written, where known.
    pub rows: Option<u64>,
    /// Column and value up to which the one table that it is made of was loaded.
    pub mark: Option<(String, String)>,
}

impl Record {
    /// A status without more.
    #[must_use]
    pub const fn of(status: &'static str) -> Self {
        Self { status, rows: None, mark: None }
    }
}

/// Name of the run's own row: the reference's for dbt.
#[must_use]
pub fn run_row(tool: &str) -> String {
    format!("{tool}_transformation_run")
}

/// Holds the lock of transformations of a schema until the connection is dropped. It is not the run lock: loads may go on while
/// dbt works for an hour, and a run whose transformation is killed is no interrupted load.
///
/// # Errors
/// [`Kind::Locked`] while another transformation works; the classified error of the warehouse.
pub fn hold(endpoint: &Endpoint, watchdog: &Watchdog, schema: &str, cancel: &Cancel) -> Result<PostgresConn> {
    let mut conn = PostgresConn::connect(endpoint, "etl-sync/transform", watchdog)?;
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('etl-sync/transform/' || current_database() || '/' || $1, 0))";
    let until = Instant::now() + LOCK_WAIT;
    loop {
        if conn.rows(sql, &[&schema], "taking the lock of the transformation")?.first().is_some_and(|row| row.get(0)) {
            return Ok(conn);
        }
        if Instant::now() >= until {
            let text = format!("another transformation of schema {schema} works on {}", conn.what());
            return Err(Error::new(Kind::Locked, text).hint("wait for it to end, then run `etl-sync transform --changed`"));
        }
        cancel.sleep(Duration::from_millis(100))?;
    }
}

/// The rows that follow from an outcome: models, the tables of `schema` that they are made of, and the run.
#[must_use]
pub fn records(outcome: &Outcome, tool: &str, schema: &str, loaded: &[Loaded]) -> BTreeMap<String, Record> {
    let makers: Vec<&Node> = outcome.nodes.iter().filter(|node| MAKERS.contains(&node.kind.as_str())).collect();
    let ids = makers.iter().map(|node| node.unique_id.as_str());
    let above = outcome.lineage.as_ref().map(|lineage| lineage.tables_of(schema, ids)).unwrap_or_default();
    let of_name: BTreeMap<&str, &Loaded> = loaded.iter().map(|table| (table.name.as_str(), table)).collect();
    let mut out = BTreeMap::new();
    let mut ended_well: BTreeMap<&str, bool> = BTreeMap::new();
    let none = BTreeSet::new();
    for node in &makers {
        for table in above.get(node.unique_id.as_str()).unwrap_or(&none) {
            *ended_well.entry(table).or_insert(true) &= node.verdict == Verdict::Passed;
        }
    }
    for (name, is_well) in ended_well {
        if let Some(table) = of_name.get(name) {
            let record = Record { mark: table.mark.clone(), ..Record::of(if is_well { "success" } else { "failed" }) };
            out.insert(table.source.clone(), record);
        }
    }
    // A model goes before a table of its name: it is the model that is asked for there.
    for node in &makers {
        let mut tables = above.get(node.unique_id.as_str()).unwrap_or(&none).iter();
        let mark = match (tables.next(), tables.next()) {
            (Some(only), None) => of_name.get(only).and_then(|table| table.mark.clone()),
            _ => None,
        };
        out.insert(node.name.clone(), Record { status: word(node.verdict), rows: node.rows, mark });
    }
    let rows = makers.iter().filter_map(|node| node.rows).fold(0_u64, u64::saturating_add);
    let status = if outcome.is_well() { "success" } else { "failed" };
    out.insert(run_row(tool), Record { rows: Some(rows), ..Record::of(status) });
    out
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed | Verdict::Warned => "success",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    }
}

/// Writes rows on a connection of its own; how many were written and how many were lost.
#[must_use]
pub fn write(endpoint: &Endpoint, watchdog: &Watchdog, schema: &str, records: &BTreeMap<String, Record>) -> (u64, u64) {
    let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
    match try_write(endpoint, watchdog, schema, records) {
        Ok(()) => (count, 0),
        Err(error) => {
            log::warn!("{error}; the transformation goes on without its status rows");
            (0, count)
        }
    }
}

fn try_write(endpoint: &Endpoint, watchdog: &Watchdog, schema: &str, records: &BTreeMap<String, Record>) -> Result<()> {
    let mut conn = PostgresConn::connect(endpoint, "etl-sync/transform", watchdog)?;
    schema::ensure_status(&mut conn, schema)?;
    let shown = |text: &String| text.replace('\0', "");
    let names: Vec<String> = records.keys().map(shown).collect();
    let status: Vec<&str> = records.values().map(|record| record.status).collect();
    let rows: Vec<Option<i64>> =
        records.values().map(|record| record.rows.map(|rows| i64::try_from(rows).unwrap_or(i64::MAX))).collect();
    let columns: Vec<Option<String>> =
        records.values().map(|record| record.mark.as_ref().map(|(column, _)| shown(column))).collect();
    let marks: Vec<Option<String>> = records.values().map(|record| record.mark.as_ref().map(|(_, mark)| shown(mark))).collect();
    let sql = include_str!("transform_upsert.sql").replace("{status}", &schema::qualified(schema, TRANSFORM_STATUS));
    conn.execute(&sql, &[&names, &status, &rows, &columns, &marks], "writing the status rows of the transformation").map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::lineage::Lineage;
    use super::*;

    fn node(name: &str, kind: &str, verdict: Verdict, rows: Option<u64>) -> Node {
        let unique_id = format!("{kind}.p.{name}");
        let status = String::new();
        Node { name: name.into(), kind: kind.into(), status, seconds: 0.0, rows, message: None, unique_id, verdict }
    }

    #[test]
    fn models_tables_and_the_run_get_what_is_known_of_them() {
        let text = br#"{"nodes": {
            "model.p.one": {"depends_on": {"nodes": ["source.p.s.a"]}}, "model.p.two": {"depends_on": {"nodes": ["model.p.one", "source.p.s.b"]}},
            "test.p.t": {"depends_on": {"nodes": ["model.p.one"]}}},
          "sources": {"source.p.s.a": {"source_name": "s", "name": "a", "schema": "raw", "identifier": "a"},
            "source.p.s.b": {"source_name": "s", "name": "b", "schema": "raw", "identifier": "b_renamed"}}}"#;
        let mark = |value: &str| Some(("Stamp".to_owned(), value.to_owned()));
        let loaded = [("a", "a", "7"), ("B!", "b_renamed", "9")].map(|(source, name, value)| Loaded {
            source: source.into(),
            name: name.into(),
            has_loaded_at: true,
            mark: mark(value),
        });
        let nodes = vec![
            node("one", "model", Verdict::Passed, Some(3)),
            node("t", "test", Verdict::Failed, Some(5)),
            node("two", "model", Verdict::Skipped, None),
        ];
        let outcome = Outcome { nodes, lineage: Some(Lineage::parse(text).unwrap()), ..Outcome::default() };
        let all = records(&outcome, "dbt", "raw", &loaded);
        let wanted = [
            ("B!", Record { mark: mark("9"), ..Record::of("failed") }),
            ("a", Record { mark: mark("7"), ..Record::of("failed") }),
            ("dbt_transformation_run", Record { rows: Some(3), ..Record::of("failed") }),
            ("one", Record { status: "success", rows: Some(3), mark: mark("7") }),
            ("two", Record::of("skipped")),
        ];
        assert_eq!(all, wanted.map(|(name, record)| (name.to_owned(), record)).into());
    }
}
