//! What dead runs left in our schema. Staging tables carry the run's id in their name: one whose chunks may be kept is taken over,
//! and whatever else is not this run's is dropped. Called under the run lock.

use super::{begin, count, run};
use crate::conn::postgres::PostgresConn;
use crate::encode::digest::ledger_fingerprint;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, quote_postgres};
use crate::plan::TablePlan;
use crate::plan::ledger::Sum;
use crate::plan::reuse::{self, LeftChunk, LeftStaging, Reuse};
use crate::sink::Load;
use crate::track::chunk_ledger;
use crate::track::{RunIdentity, SCHEMA, quarantine};
use std::collections::BTreeMap;

/// First part of the name of every staging table.
const PREFIX: &str = "load_";

/// The staging table of the `index`th table of a round; unique in the schema and below 63 bytes.
#[must_use]
pub fn staging_name(run: &RunIdentity, round: u32, index: usize) -> TableName {
    TableName::new(SCHEMA, format!("{PREFIX}{}_{round}_{index}", run.run_id.replace('-', "")))
}

/// Drops staging tables, ledger rows and rejects of unfinished loads of runs that are no job's present one, so of dead runs and of
/// those before them; but for staging that is taken over, by its oid. Returns how many tables were dropped.
///
/// # Errors
/// The classified server error.
pub fn drop_all(conn: &mut PostgresConn, run: &RunIdentity, spared: &[u32]) -> Result<usize> {
    let doing = "dropping what earlier runs left";
    let rows = conn.rows(include_str!("leftovers.sql"), &[&SCHEMA, &PREFIX, &spared], doing)?;
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for table in &tables {
        conn.batch(&format!("DROP TABLE IF EXISTS {SCHEMA}.{}", quote_postgres(table)), doing)?;
    }
    let oids = spared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "DELETE FROM etl_sync.chunk_ledger l WHERE NOT EXISTS (SELECT FROM etl_sync.job j WHERE j.run_id = l.run_id) \
         AND (staging IS NULL OR staging <> ALL (ARRAY[{oids}]::bigint[]))"
    );
    conn.batch(&format!("{sql}; {}", quarantine::clear_unfinished(run)), doing)?;
    log::debug!("run {}: {} staging tables of earlier runs dropped", run.run_id, tables.len());
    Ok(tables.len())
}

/// What staging of a table and the rows in it look like, and where they are from: chunks under another text are not kept.
#[must_use]
pub fn form(plan: &TablePlan, source_identity: &str) -> String {
    let nullable: String = plan.source.columns.iter().map(|column| if column.nullable { '?' } else { '!' }).collect();
    format!("{source_identity};{:?};{};{nullable};{}", plan.staging(), plan.own_columns().join(","), ledger_fingerprint(plan))
}

/// Staging of dead runs of this job that is there as they left it, by table: of several, the latest.
///
/// # Errors
/// The classified server error; [`Kind::Internal`] for a ledger that says what no run of ours writes.
pub fn left(conn: &mut PostgresConn, run: &RunIdentity) -> Result<BTreeMap<String, LeftStaging>> {
    let doing = "reading what interrupted runs left in staging";
    let rows = conn.rows(include_str!("chunks_left.sql"), &[&run.job, &run.run_id], doing)?;
    let mut all: BTreeMap<String, LeftStaging> = BTreeMap::new();
    for row in &rows {
        let wrong = |what: &str| Error::new(Kind::Internal, format!("{doing}: {what} cannot be read"));
        let number = |at: usize, what: &str| {
            let text: Option<String> = row.get(at);
            text.map(|text| text.parse::<i128>().map_err(|_| wrong(what))).transpose()
        };
        let digest: Option<String> = row.get(7);
        let digest = digest.map(|text| u128::from_str_radix(&text, 16).map_err(|_| wrong("a digest"))).transpose()?;
        let rows = u64::try_from(row.get::<_, i64>(6)).map_err(|_| wrong("a count"))?;
        let (table, oid, name): (String, u32, String) = (row.get(0), row.get(1), row.get(2));
        let staging = all.entry(table).or_insert_with(|| LeftStaging { oid, name, form: row.get(3), chunks: Vec::new() });
        // Rows come with the latest run first.
        if staging.oid == oid {
            let sum = digest.map(|digest| Sum { rows, digest, bytes: 0 });
            staging.chunks.push(LeftChunk { ends: (number(4, "a key")?, number(5, "a key")?), rows, sum });
        }
    }
    Ok(all)
}

/// Makes staging of an interrupted run this load's own, when it holds as many rows as its ledger says; false when it is not there
/// as it was left. The ledger keeps what that run said until this one says it again.
///
/// # Errors
/// The classified server error.
pub fn take_over(conn: &mut PostgresConn, load: &Load<'_>, left: &Reuse) -> Result<bool> {
    let doing = format!("taking over the staging of table {}", load.plan.name());
    begin(conn, load.run, "SELECT WHERE false", &doing)?;
    let name = TableName::new(SCHEMA, left.name.clone());
    let there = format!("SELECT 1 FROM pg_class WHERE oid = {} AND relname = '{}'", left.oid, left.name);
    let is_there = !run(conn, &there, &doing)?.rows.is_empty();
    if is_there {
        let answers = run(conn, &format!("SELECT count(*) FROM {}", name.postgres()), &doing)?;
        let rows = count(answers.rows.first().and_then(|row| row.first()).map_or("", String::as_str), &doing)?;
        if rows == left.rows {
            let sql = format!("ALTER TABLE {} RENAME TO {}; COMMIT", name.postgres(), quote_postgres(&load.staging.table));
            conn.batch(&sql, &doing)?;
            return Ok(true);
        }
    }
    log::warn!("table {}: the staging of the interrupted run is not as it was left; all rows are copied", load.plan.name());
    let drop = if is_there { format!("DROP TABLE {}; ", name.postgres()) } else { String::new() };
    conn.batch(&format!("{drop}COMMIT"), &doing)?;
    Ok(false)
}

/// Drops the staging of an interrupted run that was not needed.
#[must_use]
pub fn drop_left(load: &Load<'_>) -> String {
    let left = load.plan.reuse.as_ref().filter(|_| load.is_left());
    left.map_or("SELECT 1".to_owned(), |left| format!("DROP TABLE IF EXISTS {SCHEMA}.{}", quote_postgres(&left.name)))
}

/// Takes what the interrupted run said of a chunk out of the ledger.
#[must_use]
pub fn forget(load: &Load<'_>, chunk: usize) -> String {
    let reuse = load.plan.reuse.as_ref().filter(|_| load.left(chunk).is_some());
    let range = load.plan.chunks.get(chunk);
    reuse.zip(range).map_or("SELECT 1".to_owned(), |(left, range)| chunk_ledger::forget(load.run, left.oid, reuse::ends(range)))
}

/// Takes a chunk of the interrupted run out of staging, because the source has other rows there now.
#[must_use]
pub fn remove(load: &Load<'_>, chunk: usize) -> String {
    let key = load.plan.source.key_columns().next().map(|column| quote_postgres(&column.target));
    let range = load.plan.chunks.get(chunk).filter(|_| load.left(chunk).is_some());
    match key.zip(range) {
        Some((key, range)) => {
            format!("DELETE FROM {} WHERE {}; {}", load.staging.postgres(), range.of_integers(&key), forget(load, chunk))
        }
        None => "SELECT 1".to_owned(),
    }
}
