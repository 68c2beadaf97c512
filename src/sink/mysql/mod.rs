//! The replica sink: a worker's connection, and the order of the statements in each transaction.
//!
//! A full load fills a table of its own and is renamed into place, so nobody ever sees half a table and nothing is dropped
//! before its replacement is proved. Increments are merged by content in one transaction, and so is a table that has to be
//! read whole to mend it: what did not change keeps its number, and the next load does not read it again.

mod inserts; // tuples into INSERT statements
mod merge; // staging into the table, by content

use super::{Copied, Load, Merge, Outcome, Part, Proof, Proven, Rows, Sink};
use crate::catalog::replica::{self as ddl, Form};
use crate::config::Endpoint;
use crate::conn::mysql::MysqlConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::TableName;
use crate::plan::Action;
use crate::plan::buckets::{Buckets, Counts, count_sql};
use crate::plan::ledger::Sum;
use crate::track::replica::{self, NewCopy};
use crate::usage;

/// Rows that may go without a question, however large their share is: as in the warehouse.
const DELETES_FREE: u64 = 1000;

/// One worker's side of the replica.
#[derive(Debug)]
pub struct MysqlSink {
    endpoint: Endpoint,
    watchdog: Watchdog,
    conn: Option<MysqlConn>,
}

/// The name of a table that a run fills, unique among all runs; below 64 characters.
#[must_use]
pub fn staging_name(database: &str, run_id: &str, round: u32, index: usize) -> TableName {
    TableName::new(database, format!("{}{}_{round}_{index}", ddl::STAGING, run_id.replace('-', "")))
}

/// Drops what dead runs left. Under the replica's lock, before anything is filled.
///
/// # Errors
/// The classified server error.
pub fn drop_leftovers(conn: &mut MysqlConn) -> Result<()> {
    let doing = "dropping what earlier runs left";
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' \
               AND table_comment LIKE 'etl-sync etl\\_sync\\_%' AND table_name LIKE 'etl\\_sync\\_%'";
    for row in conn.rows(sql, doing)? {
        let name: String = mysql::from_row_opt(row).doing(Kind::Internal, || format!("{doing}: not a name"))?;
        conn.execute(&format!("DROP TABLE IF EXISTS {}", crate::name::quote_mysql(&name)), doing)?;
    }
    conn.execute("DELETE FROM etl_chunk_ledger", doing)
}

impl MysqlSink {
    /// A sink that connects at its first use.
    #[must_use]
    pub fn new(endpoint: &Endpoint, watchdog: &Watchdog) -> Self {
        Self { endpoint: endpoint.clone(), watchdog: watchdog.clone(), conn: None }
    }

    /// Runs `work` on the connection and keeps it only when `work` succeeds: an open transaction ends with it.
    fn with<T>(&mut self, work: impl FnOnce(&mut MysqlConn) -> Result<T>) -> Result<T> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let mut conn = MysqlConn::connect(&self.endpoint)?.endable(&self.endpoint, &self.watchdog);
                conn.make_strict()?;
                conn
            }
        };
        // A lost connection to the replica says nothing of the source's snapshot.
        let value = work(&mut conn).map_err(|error| match error.kind() {
            Kind::SnapshotLost => error.as_kind(Kind::Unreachable),
            _ => error,
        })?;
        self.conn = Some(conn);
        Ok(value)
    }
}

fn doing(load: &Load<'_>, what: &str) -> String {
    format!("{what} table {} of the replica", load.plan.name())
}

fn begin(conn: &mut MysqlConn, load: &Load<'_>, doing: &str) -> Result<()> {
    conn.execute("START TRANSACTION", doing)?;
    replica::fence(conn, load.run, doing)
}

/// Makes the empty table that a full load fills; its name is its incarnation, for ever.
fn make_shadow(conn: &mut MysqlConn, load: &Load<'_>, doing: &str) -> Result<()> {
    let form = Form::Table { incarnation: &load.staging.table, number: load.run.epoch };
    let create = ddl::create_table(&load.staging, &load.plan.source, &conn.server, form)?;
    conn.execute(&format!("DROP TABLE IF EXISTS {}", load.staging.mysql()), doing)?;
    conn.execute(&create, doing)
}

/// Writes all rows into a table; none may be refused, because a replica has no quarantine.
fn fill(conn: &mut MysqlConn, load: &Load<'_>, rows: &mut dyn Rows, doing: &str) -> Result<u64> {
    let columns: Vec<&str> = load.plan.source.columns.iter().map(|c| c.name.as_str()).collect();
    let insert = || inserts::insert(conn, &load.staging, &columns, rows, doing);
    let written = usage::FILL_REPLICA.run(load.plan.shape(), insert)?;
    match rows.rejects() {
        [] => Ok(written),
        rejects => Err(Error::new(Kind::Data, format!("{doing}: {} rows are longer than row_bytes_max", rejects.len()))
            .hint("raise row_bytes_max, or leave the column out")),
    }
}

fn count(conn: &mut MysqlConn, table: &TableName, doing: &str) -> Result<u64> {
    let text = conn.text(&format!("SELECT CONCAT(COUNT(*)) FROM {}", table.mysql()), doing)?;
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: not a count")))
}

/// Proves the filled table, writes the state of its incarnation and puts it in the place of the one before.
fn install(conn: &mut MysqlConn, load: &Load<'_>, copied: u64, doing: &str) -> Result<Outcome> {
    begin(conn, load, doing)?;
    let held = count(conn, &load.staging, doing)?;
    if held != copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {copied} rows were copied, the table holds {held}")));
    }
    let before = replaced(conn, load, doing)?;
    if let Some(before) = before {
        guard(load, before.saturating_sub(copied), before, doing)?;
    }
    save(conn, load, &load.staging.table, copied, doing)?;
    conn.execute("COMMIT", doing)?;
    let (target, shadow) = (load.plan.target.mysql(), load.staging.mysql());
    if before.is_none() {
        conn.execute(&format!("RENAME TABLE {shadow} TO {target}"), doing)?;
        return Ok(Outcome { rows: copied, inserted: copied, ..Outcome::default() });
    }
    let old = TableName::new(load.staging.schema.clone(), format!("{}_old", load.staging.table)).mysql();
    conn.execute(&format!("RENAME TABLE {target} TO {old}, {shadow} TO {target}"), doing)?;
    conn.execute(&format!("DROP TABLE {old}"), doing)?;
    Ok(Outcome { rows: copied, inserted: copied, deleted: before.unwrap_or(0), ..Outcome::default() })
}

/// Rows of the table that stands in the way; none when there is none.
///
/// # Errors
/// [`Kind::Changed`] when it is not one of ours.
fn replaced(conn: &mut MysqlConn, load: &Load<'_>, doing: &str) -> Result<Option<u64>> {
    let sql = "SELECT table_comment FROM information_schema.tables WHERE table_schema = ? AND BINARY table_name = BINARY ?";
    let target = &load.plan.target;
    let rows = conn.ask(sql, vec![target.schema.as_str().into(), target.table.as_str().into()], doing)?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let comment: String = mysql::from_row_opt(row).doing(Kind::Internal, || format!("{doing}: not a comment"))?;
    if ddl::incarnation(&comment).is_none() {
        return Err(Error::new(Kind::Changed, format!("{doing}: {target} was not made by etl-sync"))
            .hint("rename or drop it in the replica, or use a database of its own as the replica"));
    }
    count(conn, target, doing).map(Some)
}

/// Refuses to lose most of a table: an empty or wrong source looks just like that.
fn guard(load: &Load<'_>, gone: u64, rows: u64, doing: &str) -> Result<()> {
    let allowed = load.deletes_percent_max >= 100 || gone <= DELETES_FREE;
    if allowed || gone.saturating_mul(100) <= rows.saturating_mul(load.deletes_percent_max) {
        return Ok(());
    }
    let text = format!("{doing}: {gone} of {rows} rows would be deleted, more than deletes_percent_max allows");
    Err(Error::new(Kind::Guarded, text))
}

fn save(conn: &mut MysqlConn, load: &Load<'_>, incarnation: &str, rows: u64, doing: &str) -> Result<()> {
    let watermark = load.watermark().map(|watermark| serde_json::to_string(&watermark)).transpose();
    let new = NewCopy {
        table: load.plan.name(),
        incarnation,
        rows,
        fingerprint: &load.fingerprint,
        source_identity: load.source_identity,
        watermark: watermark.doing(Kind::Internal, || format!("{doing}: writing the watermark"))?,
    };
    replica::upsert(conn, load.run, &new, doing)
}

/// Rows of a table of the replica, by buckets of its key.
fn counts(conn: &mut MysqlConn, load: &Load<'_>, buckets: Option<Buckets>, doing: &str) -> Result<Counts> {
    let sql = count_sql(&load.plan.source, &load.plan.target, None, buckets);
    let pairs = conn.integers(&sql, doing)?;
    Counts::of(&pairs).ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: not a count")))
}

impl Sink for MysqlSink {
    fn prepare(&mut self, load: &Load<'_>) -> Result<()> {
        let doing = doing(load, "preparing");
        self.with(|conn| make_shadow(conn, load, &doing))
    }

    fn count(&mut self, load: &Load<'_>) -> Result<u64> {
        Err(Error::new(Kind::Internal, format!("table {}: a replica is not looked at", load.plan.name())))
    }

    fn keep(&mut self, load: &Load<'_>, _: usize, _: Sum) -> Result<Copied> {
        Err(Error::new(Kind::Internal, format!("table {}: a replica keeps no chunks of another run", load.plan.name())))
    }

    fn chunk(&mut self, load: &Load<'_>, chunk: usize, rows: &mut dyn Rows) -> Result<Copied> {
        let doing = doing(load, "filling");
        let place = || vec![load.run.run_id.as_str().into(), load.round.into(), load.plan.name().into(), chunk.into()];
        self.with(|conn| {
            begin(conn, load, &doing)?;
            let sql = "SELECT rows_held FROM etl_chunk_ledger WHERE run_id = ? AND round = ? AND table_name = ? AND chunk = ?";
            if let Some(row) = conn.ask(sql, place(), &doing)?.into_iter().next() {
                conn.execute("ROLLBACK", &doing)?;
                let rows = mysql::from_row_opt(row).doing(Kind::Internal, || format!("{doing}: not a count"))?;
                return Ok(Copied { rows, rejected: 0, was_in: true });
            }
            conn.write("INSERT INTO etl_chunk_ledger (run_id, round, table_name, chunk) VALUES (?, ?, ?, ?)", place(), &doing)?;
            let written = fill(conn, load, rows, &doing)?;
            let sql = "UPDATE etl_chunk_ledger SET rows_held = ? WHERE run_id = ? AND round = ? AND table_name = ? AND chunk = ?";
            conn.write(sql, std::iter::once(written.into()).chain(place()).collect(), &doing)?;
            conn.execute("COMMIT", &doing)?;
            Ok(Copied { rows: written, ..Copied::default() })
        })
    }

    fn finish(&mut self, load: &Load<'_>, proof: &Proof) -> Result<Outcome> {
        let doing = doing(load, "finishing");
        proof.check(load)?;
        self.with(|conn| {
            if let Some(rows) = replica::finished(conn, load.run, load.plan.name(), &doing)? {
                return Ok(Outcome { rows, ..Outcome::default() });
            }
            let sql = "SELECT COUNT(*), COALESCE(SUM(rows_held), 0) FROM etl_chunk_ledger WHERE run_id = ? AND round = ? AND table_name = ?";
            let values = vec![load.run.run_id.as_str().into(), load.round.into(), load.plan.name().into()];
            let row = conn.ask(sql, values, &doing)?.into_iter().next();
            let totals: Option<(u64, u64)> = row.and_then(|row| mysql::from_row_opt(row).ok());
            let planned = u64::try_from(load.plan.chunks.len()).unwrap_or(u64::MAX);
            if totals != Some((planned, proof.rows_copied)) {
                let found = totals.map_or("no answer".into(), |(chunks, rows)| format!("{chunks} chunks with {rows} rows"));
                let text = format!("{doing}: the ledger has {found}, planned {planned} with {}", proof.rows_copied);
                return Err(Error::new(Kind::Proof, text));
            }
            install(conn, load, proof.rows_copied, &doing)
        })
    }

    fn whole(&mut self, load: &Load<'_>, source_count: Option<u64>, rows: &mut dyn Rows) -> Result<Outcome> {
        let doing = doing(load, "filling");
        self.with(|conn| {
            if let Some(rows) = replica::finished(conn, load.run, load.plan.name(), &doing)? {
                return Ok(Outcome { rows, ..Outcome::default() });
            }
            let proof = |rows| Proof { source_count, rows_read: rows, rows_copied: rows, ..Proof::default() }.check(load);
            if load.plan.action == Action::Refresh {
                let written = stage(conn, load, rows, &doing)?;
                proof(written)?;
                let (outcome, _) = merged(conn, load, (&[KeyRange::everything()], written), None, &doing)?;
                proof(outcome.rows)?;
                return keep(conn, load, outcome, &doing);
            }
            make_shadow(conn, load, &doing)?;
            begin(conn, load, &doing)?;
            let written = fill(conn, load, rows, &doing)?;
            conn.execute("COMMIT", &doing)?;
            proof(written)?;
            install(conn, load, written, &doing)
        })
    }

    fn increments(&mut self, load: &Load<'_>, part: &Part, rows: &mut dyn Rows) -> Result<Merge> {
        let doing = doing(load, "merging increments of");
        self.with(|conn| {
            if let Some(rows) = replica::finished(conn, load.run, load.plan.name(), &doing)? {
                return Ok(Merge::Done(Outcome { rows, ..Outcome::default() }));
            }
            let written = stage(conn, load, rows, &doing)?;
            let census = part.census.as_ref();
            let buckets = census.and_then(|census| census.buckets);
            let (outcome, target) = merged(conn, load, (&part.ranges, written), buckets, &doing)?;
            match census.and_then(|census| census.drift(&target)) {
                Some(drift) => conn.execute("ROLLBACK", &doing).map(|()| Merge::Drift(drift, outcome)),
                None => keep(conn, load, outcome, &doing).map(Merge::Done),
            }
        })
    }

    fn read_back(
        &mut self,
        load: &Load<'_>,
        _ranges: Option<&[KeyRange]>,
        _each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        Err(Error::new(Kind::Internal, format!("{}: a replica is compared by counts", doing(load, "comparing"))))
    }

    fn confirm(&mut self, load: &Load<'_>, _outcome: &Outcome, _proven: &Proven, _sums: &[Option<Sum>]) -> Result<Outcome> {
        Err(Error::new(Kind::Internal, format!("{}: a replica is compared by counts", doing(load, "comparing"))))
    }

    fn make_nullable(&mut self, load: &Load<'_>, _column: usize) -> Result<()> {
        Err(Error::new(Kind::Internal, format!("{}: a policy has no place in a replica", doing(load, "filling"))))
    }

    fn discard(&mut self, load: &Load<'_>, _is_loaded: bool) -> Result<()> {
        let doing = doing(load, "dropping the staging of");
        self.with(|conn| conn.execute(&format!("DROP TABLE IF EXISTS {}", load.staging.mysql()), &doing))
    }
}

/// Opens the transaction of a merge and fills its staging, which goes with the connection or with the next merge.
fn stage(conn: &mut MysqlConn, load: &Load<'_>, rows: &mut dyn Rows, doing: &str) -> Result<u64> {
    conn.execute(&format!("DROP TEMPORARY TABLE IF EXISTS {}", load.staging.mysql()), doing)?;
    conn.execute(&ddl::create_table(&load.staging, &load.plan.source, &conn.server, Form::Staging)?, doing)?;
    begin(conn, load, doing)?;
    fill(conn, load, rows, doing)
}

/// Merges what is staged, whole inside `ranges`, and counts the table.
fn merged(
    conn: &mut MysqlConn,
    load: &Load<'_>,
    (ranges, written): (&[KeyRange], u64),
    buckets: Option<Buckets>,
    doing: &str,
) -> Result<(Outcome, Counts)> {
    let outcome = usage::MERGE_REPLICA.run(load.plan.shape(), || merge::add(conn, load, ranges, written, doing))?;
    let target = counts(conn, load, buckets, doing)?;
    guard(load, outcome.deleted, target.rows + outcome.deleted, doing)?;
    Ok((Outcome { rows: target.rows, ..outcome }, target))
}

/// The state row and COMMIT. The incarnation stays, so it is the one that the plan saw.
fn keep(conn: &mut MysqlConn, load: &Load<'_>, outcome: Outcome, doing: &str) -> Result<Outcome> {
    let Some(incarnation) = &load.plan.incarnation else {
        return Err(Error::new(Kind::Internal, format!("{doing}: the plan knows no incarnation")));
    };
    save(conn, load, incarnation, outcome.rows, doing)?;
    conn.execute("COMMIT", doing)?;
    conn.execute(&format!("DROP TEMPORARY TABLE {}", load.staging.mysql()), doing)?;
    Ok(outcome)
}
