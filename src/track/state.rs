//! The state row of a table: SQL that runs inside the transactions of the data.

use super::RunIdentity;
use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::name::literal_postgres;
use std::collections::BTreeMap;

/// What the last success of a table left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// The run that finished the table.
    pub run_id: String,
    /// The sync that run belonged to.
    pub sync_id: String,
    /// Rows of the target at that moment.
    pub rows: i64,
    /// Fingerprint of columns, types and filter.
    pub fingerprint: String,
    /// `pg_class.oid` of the target.
    pub target_oid: i64,
    /// `pg_class.relfilenode` of the target: another one after TRUNCATE.
    pub target_relfilenode: i64,
    /// Source rows that are in the quarantine.
    pub rejected: i64,
    /// Server identity and database of the source.
    pub source_identity: String,
    /// From where the next run may read, as JSON of `plan::watermark::Watermark`.
    pub watermark: Option<String>,
    /// What showed then whether anything was written, as JSON of `plan::traces::Traces`; none when it was not counted.
    pub traces: Option<String>,
    /// What the buckets held, as JSON of `plan::ledger::Ledger`.
    pub ledger: Option<String>,
    /// Times that a load was to compare the table by content: each compares another part of a large one.
    pub loads: i64,
    /// How it was proved.
    pub proof: String,
    /// What all rows added up to, hexadecimal.
    pub digest: Option<String>,
    /// Rows that were compared by content.
    pub rows_compared: i64,
}

impl Left {
    /// Of a table that both sides were counted of.
    #[must_use]
    pub fn counted(rows: u64) -> Self {
        Self { rows, rejected: 0, proof: "counts".into(), digest: None, rows_compared: 0 }
    }
}

impl TableState {
    /// What is told of the table where it is not loaded again.
    #[must_use]
    pub fn left(&self) -> Left {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Left {
            rows: number(self.rows),
            rejected: number(self.rejected),
            proof: self.proof.clone(),
            digest: self.digest.clone(),
            rows_compared: number(self.rows_compared),
        }
    }
}

/// What an earlier load left of a table that this run does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Rows of the target.
    pub rows: u64,
    /// Source rows that are in the quarantine.
    pub rejected: u64,
    /// How it was proved: one of the words of the certificate.
    pub proof: String,
    /// What all rows add up to, hexadecimal.
    pub digest: Option<String>,
    /// Rows that were compared by content.
    pub rows_compared: u64,
}

/// A success about to be written.
#[derive(Debug, Clone)]
pub struct NewState<'a> {
    /// Source table name.
    pub table: &'a str,
    /// Rows of the target.
    pub rows: u64,
    /// Strategy word.
    pub strategy: &'a str,
    /// Snapshot kind word.
    pub snapshot: &'a str,
    /// Fingerprint of columns, types and filter.
    pub fingerprint: &'a str,
    /// Server identity and database of the source.
    pub source_identity: &'a str,
    /// Source rows that are in the quarantine.
    pub rejected: u64,
    /// Quoted name of the target, for its oid.
    pub target: &'a str,
    /// From where the next run may read: the columns, and the watermark as JSON.
    pub watermark: Option<(String, String)>,
    /// What shows whether anything is written from now on, as JSON.
    pub traces: Option<String>,
    /// How it was proved.
    pub proof: &'a str,
    /// What its rows add up to, where all of them were added up.
    pub digest: Option<u128>,
    /// Rows that were compared by content.
    pub rows_compared: u64,
    /// What its buckets hold, as JSON of `plan::ledger::Ledger`.
    pub ledger: Ledger,
    /// The table is done with it. Otherwise it is still to be compared, and a run that goes on does not take it for done.
    pub is_end: bool,
    /// It was the table's turn to be compared by content, or to wait for it.
    pub has_turns: bool,
}

/// What becomes of a table's ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ledger {
    /// It is not known what the buckets hold.
    #[default]
    Drop,
    /// They hold what they held.
    Keep,
    /// They hold this, as JSON of `plan::ledger::Ledger`.
    Write(String),
}

/// Opens a transaction that writes data, with the fence: it gives one row, or none when another run took over.
///
/// FOR KEY SHARE lets heartbeats pass and makes a take-over wait until this transaction has ended.
#[must_use]
pub fn begin(run: &RunIdentity) -> String {
    format!(
        "BEGIN; SELECT 1 FROM etl_sync.job WHERE job = {} AND epoch = {} FOR KEY SHARE",
        literal_postgres(&run.job),
        run.epoch
    )
}

/// The upsert of a state row, for the finish transaction.
#[must_use]
pub fn upsert(run: &RunIdentity, state: &NewState<'_>) -> String {
    let quoted = |text: Option<&String>| text.map_or("NULL".to_owned(), |text| literal_postgres(text));
    let sync_id = if state.is_end { run.sync_id.as_str() } else { "" };
    let values: Vec<String> =
        [&run.job, state.table, &run.run_id, sync_id, state.strategy, state.snapshot, state.fingerprint, state.source_identity]
            .iter()
            .map(|text| literal_postgres(text))
            .collect();
    format!(
        include_str!("state_upsert.sql"),
        values = values.join(", "),
        rows = state.rows,
        rejected = state.rejected,
        target = literal_postgres(state.target),
        watermark_column = quoted(state.watermark.as_ref().map(|w| &w.0)),
        watermark = quoted(state.watermark.as_ref().map(|w| &w.1)),
        traces = quoted(state.traces.as_ref()),
        proof = literal_postgres(state.proof),
        digest = state.digest.map_or("NULL".to_owned(), |digest| format!("'\\x{digest:032x}'")),
        rows_compared = state.rows_compared,
        ledger = if let Ledger::Write(text) = &state.ledger { literal_postgres(text) } else { "NULL".into() },
        loads = i32::from(state.is_end && state.has_turns),
        kept = if state.ledger == Ledger::Keep { "etl_table_state.ledger" } else { "excluded.ledger" },
    )
}

/// How far this run has brought a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Its increments are in; it is still to be compared.
    Increments,
    /// It was compared.
    Compared,
    /// Its end, for a table that is not compared.
    End,
}

/// One row when this run has brought the table so far already: the answer to a COMMIT whose answer was lost.
#[must_use]
pub fn finished(run: &RunIdentity, table: &str, reached: Reached) -> String {
    let more = match reached {
        Reached::Increments => "",
        Reached::Compared => " AND proof NOT IN ('counts', 'none')",
        Reached::End => " AND sync_id <> ''",
    };
    format!(
        "SELECT rows, rejected FROM etl_sync.etl_table_state WHERE job = {} AND table_name = {} AND run_id = {}{more}",
        literal_postgres(&run.job),
        literal_postgres(table),
        literal_postgres(&run.run_id)
    )
}

/// The state rows of a job, by table.
///
/// # Errors
/// The classified server error.
pub fn of_job(conn: &mut PostgresConn, job: &str) -> Result<BTreeMap<String, TableState>> {
    // By jsonb, because a plan may read what an older version made: then there is no such column.
    let sql = "SELECT table_name, run_id, sync_id, rows, fingerprint, target_oid, target_relfilenode, rejected, source_identity, \
               watermark::text, to_jsonb(s) ->> 'traces', to_jsonb(s) ->> 'ledger', \
               coalesce((to_jsonb(s) ->> 'loads')::bigint, 0), coalesce(to_jsonb(s) ->> 'proof', 'counts'), \
               ltrim(to_jsonb(s) ->> 'digest', '\\x'), coalesce((to_jsonb(s) ->> 'rows_compared')::bigint, 0) FROM etl_sync.etl_table_state s WHERE job = $1";
    let rows = conn.rows(sql, &[&job], "reading the state of the tables")?;
    Ok(rows.iter().map(|row| (row.get(0), table_state(row))).collect())
}

fn table_state(row: &postgres::Row) -> TableState {
    TableState {
        run_id: row.get(1),
        sync_id: row.get(2),
        rows: row.get(3),
        fingerprint: row.get(4),
        target_oid: row.get(5),
        target_relfilenode: row.get(6),
        rejected: row.get(7),
        source_identity: row.get(8),
        watermark: row.get(9),
        traces: row.get(10),
        ledger: row.get(11),
        loads: row.get(12),
        proof: row.get(13),
        digest: row.get(14),
        rows_compared: row.get(15),
    }
}

/// Records the names of a table that are not the source's own; `names` are pairs of source column (empty: the table) and
/// target name.
#[must_use]
pub fn name_map(run: &RunIdentity, table: &str, names: &[(String, String)]) -> String {
    let (job, table) = (literal_postgres(&run.job), literal_postgres(table));
    let rows: Vec<String> = names
        .iter()
        .map(|(column, target)| format!("({job}, {table}, {}, {})", literal_postgres(column), literal_postgres(target)))
        .collect();
    format!(
        "DELETE FROM etl_sync.name_map WHERE job = {job} AND table_name = {table}; \
         INSERT INTO etl_sync.name_map (job, table_name, column_name, target_name) VALUES {}",
        rows.join(", ")
    )
}
