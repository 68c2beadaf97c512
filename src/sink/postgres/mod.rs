//! The PostgreSQL sink: a worker's connection, and the order of the statements in each transaction.

pub mod copy; // COPY … FROM STDIN, and the search for a row that it refuses
pub mod counts; // rows of a target and of its quarantine, by buckets of the key
pub mod definitions; // indexes, foreign keys, defaults, sequences: single statements
pub mod drift; // columns of a target change before a refresh
pub mod exchange; // a new table takes the place of an old one
pub mod finish; // first load: shadow to table
pub mod increments; // refresh by what is past the watermark, proved by counts of the whole table
pub mod leftovers; // what dead runs left in the warehouse
mod loaded_at; // when a row version was written
pub mod merge; // refresh: staging into the table, by content
pub mod read_back; // rows of a target as tuples, for proofs
mod same; // an unchanged small table, told without staging
pub mod traces; // what PostgreSQL has counted of writes to its tables

use self::read_back::Which;
use super::{Copied, Load, Merge, Outcome, Part, Proof, Proven, Rows, Sink};
use crate::catalog::ddl::{self, CreateOptions};
use crate::config::Endpoint;
use crate::conn::classify;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::encode::digest::ledger_fingerprint;
use crate::error::{Doing, Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::quote_postgres;
use crate::plan::Action;
use crate::plan::ledger::{self, Sum};
use crate::plan::reuse;
use crate::plan::strategy::Staging;
use crate::plan::traces::Traces;
use crate::track::RunIdentity;
use crate::track::chunk_ledger::{self, Held, Place};
use crate::track::lock::application_name;
use crate::track::quarantine::{self, Reject};
use crate::track::state::{self, Reached};
use crate::usage;
use postgres::SimpleQueryMessage;
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// One worker's side of the warehouse.
#[derive(Debug)]
pub struct PostgresSink {
    endpoint: Endpoint,
    application: String,
    watchdog: Watchdog,
    conn: Option<PostgresConn>,
}

/// Answer of one statement of a batch: rows as text, or the number of rows it touched.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Every row that came back, in order, its columns as text.
    pub rows: Vec<Vec<String>>,
    /// Rows touched, per statement.
    pub touched: Vec<u64>,
}

impl PostgresSink {
    /// A sink that connects at its first use.
    #[must_use]
    pub fn new(endpoint: &Endpoint, run_id: &str, watchdog: &Watchdog) -> Self {
        Self { endpoint: endpoint.clone(), application: application_name(run_id), watchdog: watchdog.clone(), conn: None }
    }

    /// Runs `work` on the connection and keeps it only when `work` succeeds: after an error nobody knows what state
    /// the protocol is in, and a refused COPY leaves a connection that says it is fine.
    fn with<T>(&mut self, work: impl FnOnce(&mut PostgresConn) -> Result<T>) -> Result<T> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => PostgresConn::connect(&self.endpoint, &self.application, &self.watchdog)?,
        };
        match work(&mut conn) {
            Ok(value) => {
                self.conn = Some(conn);
                Ok(value)
            }
            Err(error) => {
                let _guard =
                    self.watchdog.watch(self.endpoint.deadlines.stall, format!("closing a connection to {}", conn.what()));
                drop(conn);
                Err(error)
            }
        }
    }
}

impl PostgresSink {
    fn in_transaction(&mut self, load: &Load<'_>, sql: &str, doing: &str) -> Result<()> {
        self.with(|conn| {
            begin(conn, load.run, "SELECT WHERE false", doing)?;
            conn.batch(&format!("{sql}; COMMIT"), doing)
        })
    }
}

/// Runs a batch of statements in one round trip and collects what they answered.
pub(super) fn run(conn: &mut PostgresConn, sql: &str, doing: &str) -> Result<Answers> {
    let (client, _guard) = conn.watched(doing);
    let messages = client.simple_query(sql).map_err(|e| classify::postgres(&e, doing))?;
    let mut answers = Answers::default();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                answers.rows.push((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect());
            }
            SimpleQueryMessage::CommandComplete(rows) => answers.touched.push(rows),
            _ => {}
        }
    }
    Ok(answers)
}

/// Opens a transaction behind the fence. `question` may be answered with one row of copied and rejected rows: it means
/// that the work is in already, because the answer to an earlier COMMIT was lost.
fn begin(conn: &mut PostgresConn, run_id: &RunIdentity, question: &str, doing: &str) -> Result<Option<Copied>> {
    let answers = run(conn, &format!("{}; {question}", state::begin(run_id)), doing)?;
    match answers.rows.as_slice() {
        [] => Err(Error::new(Kind::Locked, format!("{doing}: another run took this job over"))),
        [_] => Ok(None),
        [_, done, ..] => {
            let number = |at: usize| count(done.get(at).map_or("", String::as_str), doing);
            let copied = Copied { rows: number(0)?, rejected: number(1)?, was_in: true };
            conn.batch("ROLLBACK", doing)?;
            Ok(Some(copied))
        }
    }
}

fn doing(load: &Load<'_>, what: &str) -> String {
    format!("{what} table {}", load.plan.name())
}

/// The shadow of a first load is what readers will see; staging of a refresh needs no constraint and no WAL.
fn create_staging(load: &Load<'_>) -> String {
    create_staging_as(load, load.plan.staging())
}

fn create_staging_as(load: &Load<'_>, staging: Staging) -> String {
    let nullable = load.nullable();
    let all: BTreeSet<usize>;
    let own = load.plan.own_columns();
    let options = match staging {
        Staging::Table | Staging::Shadow => {
            CreateOptions { logged: true, temporary: false, nullable: &nullable, own: &own, in_work: !load.plan.is_single() }
        }
        staging => {
            all = (0..load.plan.source.columns.len()).collect();
            let temporary = staging == Staging::Temporary;
            CreateOptions { logged: false, temporary, nullable: &all, own: &[], in_work: !temporary }
        }
    };
    let create = ddl::create_table(&load.staging, &load.plan.source, options);
    if options.temporary { format!("{create} ON COMMIT DROP") } else { create }
}

impl Sink for PostgresSink {
    fn prepare(&mut self, load: &Load<'_>) -> Result<()> {
        if let Some(reuse) = load.plan.reuse.as_ref().filter(|_| load.round == 0)
            && usage::TAKE_OVER.run(load.plan.shape(), || self.with(|conn| leftovers::take_over(conn, load, reuse)))?
        {
            load.is_taken_over.store(true, Ordering::SeqCst);
            return Ok(());
        }
        let sql = format!("{}; {}", drop_staging(load), create_staging(load));
        self.in_transaction(load, &sql, &doing(load, "preparing"))
    }

    fn keep(&mut self, load: &Load<'_>, chunk: usize, sum: Sum) -> Result<Copied> {
        let doing = doing(load, "keeping a chunk of");
        let place = place(load, chunk);
        let copied = Copied { rows: sum.rows, ..Copied::default() };
        let sql =
            format!("{}; {}; {}; COMMIT", leftovers::forget(load, chunk), place.insert(), fill(load, chunk, copied, Some(sum)));
        self.with(|conn| {
            if let Some(copied) = begin(conn, load.run, &place.asked(), &doing)? {
                return Ok(copied);
            }
            conn.batch(&sql, &doing)?;
            Ok(copied)
        })
    }

    fn chunk(&mut self, load: &Load<'_>, chunk: usize, rows: &mut dyn Rows) -> Result<Copied> {
        let doing = doing(load, "copying");
        let place = place(load, chunk);
        let insert = format!("SET LOCAL synchronous_commit = off; {}; {}", leftovers::remove(load, chunk), place.insert());
        self.with(|conn| {
            if let Some(copied) = begin(conn, load.run, &place.asked(), &doing)? {
                return Ok(copied);
            }
            conn.batch(&insert, &doing)?;
            let copied = copy::copy_in(conn, load, &load.staging.postgres(), rows)?;
            keep(conn, load, rows.rejects(), &doing)?;
            let sum = rows.sums().map(ledger::total).filter(|sum| copied.rejected == 0 && sum.rows == copied.rows);
            conn.batch(&format!("{}; COMMIT", fill(load, chunk, copied, sum)), &doing)?;
            Ok(copied)
        })
    }

    fn finish(&mut self, load: &Load<'_>, proof: &Proof) -> Result<Outcome> {
        let doing = doing(load, "finishing");
        proof.check(load)?;
        self.with(|conn| {
            if let Some(Copied { rows, rejected, .. }) = begin(conn, load.run, &finished(load, true), &doing)? {
                return Ok(Outcome { rows, rejected, ..Outcome::default() });
            }
            usage::CHECK_LEDGER.run(load.plan.shape(), || check_ledger(conn, load, proof, &doing))?;
            let outcome = install(conn, load, &load.staging.postgres(), proof, &doing)?;
            // The shadow has become the table and is not there any more under its old name.
            commit(conn, load, outcome, copied_by(load, &outcome, proof.sums.as_deref()), &drop_staging(load), &doing)
        })
    }

    fn whole(&mut self, load: &Load<'_>, source_count: Option<u64>, rows: &mut dyn Rows) -> Result<Outcome> {
        let doing = doing(load, "copying");
        let staging = match load.plan.staging() {
            Staging::Temporary => format!("pg_temp.{}", quote_postgres(&load.staging.table)),
            _ => load.staging.postgres(),
        };
        let create = create_staging(load);
        self.with(|conn| {
            if let Some(Copied { rows, rejected, .. }) = begin(conn, load.run, &finished(load, true), &doing)? {
                return Ok(Outcome { rows, rejected, ..Outcome::default() });
            }
            let none = Proof { source_count, ..Proof::default() };
            if load.plan.action == Action::Refresh && rows.are_none() && merge::is_empty(conn, load, &doing)? {
                none.check(load)?;
                let outcome = Outcome::default();
                return commit(conn, load, outcome, copied_by(load, &outcome, rows.sums()), "SELECT 1", &doing);
            }
            if load.plan.action == Action::Refresh
                && let Some(same) = usage::SAME.run(load.plan.shape(), || same::as_target(conn, load, rows, &doing))?
            {
                Proof { rows_read: same, rows_copied: same, ..none }.check(load)?;
                let outcome = Outcome { rows: same, ..Outcome::default() };
                return commit(conn, load, outcome, copied_by(load, &outcome, rows.sums()), "SELECT 1", &doing);
            }
            conn.batch(&create, &doing)?;
            let Copied { rows: rows_copied, rejected: rows_rejected, .. } = copy::copy_in(conn, load, &staging, rows)?;
            keep(conn, load, rows.rejects(), &doing)?;
            let proof = Proof { source_count, rows_read: rows_copied + rows_rejected, rows_copied, rows_rejected, sums: None };
            proof.check(load)?;
            let outcome = install(conn, load, &staging, &proof, &doing)?;
            commit(conn, load, outcome, copied_by(load, &outcome, rows.sums()), "SELECT 1", &doing)
        })
    }

    fn increments(&mut self, load: &Load<'_>, part: &Part, rows: &mut dyn Rows) -> Result<Merge> {
        let doing = doing(load, if part.again.is_some() { "mending" } else { "merging increments of" });
        let staging = format!("pg_temp.{}", quote_postgres(&load.staging.table));
        let create = create_staging_as(load, Staging::Temporary);
        self.with(|conn| {
            // In another round the table is looked at in another snapshot, and so its increments are those of that one.
            let anew = load.round > 0 && load.plan.audit.is_some() && part.again.is_none();
            let question = if anew { "SELECT WHERE false".to_owned() } else { finished(load, part.again.is_some()) };
            if let Some(Copied { rows, rejected, .. }) = begin(conn, load.run, &question, &doing)? {
                return Ok(Merge::Done(Outcome { rows, rejected, ..Outcome::default() }));
            }
            let (outcome, drift) = if part.ranges.is_empty() && rows.are_none() {
                increments::count_only(conn, load, part, &doing)?
            } else {
                conn.batch(&create, &doing)?;
                let copied = copy::copy_in(conn, load, &staging, rows)?;
                keep(conn, load, rows.rejects(), &doing)?;
                increments::install(conn, load, (part, &staging), (copied, rows), &doing)?
            };
            // Where PostgreSQL refused a row, nobody knows what the others add up to.
            let proven = match part.again.as_ref().zip(rows.sums()) {
                Some((again, sums)) => {
                    let (proven, sums) = again.proven(sums);
                    (proven, written(load, &sums)?)
                }
                None => {
                    let counted = if part.census.is_some() { Proof::COUNTS } else { Proof::NONE };
                    let is_known = load.plan.known.as_ref().is_some_and(|known| known.is_in_target);
                    let is_as_before = outcome.changed() == 0 && is_known;
                    let unknown = || written(load, &vec![None; load.plan.partition.len()]);
                    (Proven::of(counted, None), if is_as_before { state::Ledger::Keep } else { unknown()? })
                }
            };
            match drift {
                None => commit(conn, load, outcome, Ok(proven), "SELECT 1", &doing).map(Merge::Done),
                Some(drift) => conn.batch("ROLLBACK", &doing).map(|()| Merge::Drift(drift, outcome)),
            }
        })
    }

    fn read_back(
        &mut self,
        load: &Load<'_>,
        ranges: Option<&[KeyRange]>,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        self.with(|conn| read_back::tuples(conn, load.plan, Which::of(ranges), each))
    }

    fn count(&mut self, load: &Load<'_>) -> Result<u64> {
        let doing = doing(load, "counting");
        self.with(|conn| count(merge::first(&run(conn, &merge::total(load), &doing)?.rows), &doing))
    }

    fn confirm(&mut self, load: &Load<'_>, outcome: &Outcome, proven: &Proven, sums: &[Option<Sum>]) -> Result<Outcome> {
        let doing = doing(load, "confirming");
        self.with(|conn| {
            if begin(conn, load.run, &finished(load, true), &doing)?.is_some() {
                return Ok(*outcome);
            }
            let lock = merge::stands_still(conn, load, &doing)?;
            conn.batch(&lock, &doing)?;
            commit(conn, load, *outcome, written(load, sums).map(|ledger| (*proven, ledger)), "SELECT 1", &doing)
        })
    }

    fn make_nullable(&mut self, load: &Load<'_>, column: usize) -> Result<()> {
        let Some(name) = load.plan.source.columns.get(column).map(|c| c.target.as_str()) else {
            return Err(Error::new(Kind::Internal, "NULL by policy in a column that the plan does not have"));
        };
        // Staging has no NOT NULL, and a table with one chunk makes its shadow anew.
        if !load.plan.is_single() && load.plan.action.is_new_table() {
            // Chunks of other workers hold the table until they end.
            let sql = format!(
                "SET LOCAL lock_timeout = '15min'; ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL",
                load.staging.postgres(),
                quote_postgres(name)
            );
            self.in_transaction(load, &sql, &doing(load, "making a column nullable for a policy in"))?;
        }
        // Known to the other workers only now: before the ALTER has committed, their NULLs would be refused.
        load.nullable.lock().unwrap_or_else(PoisonError::into_inner).insert(column);
        Ok(())
    }

    fn discard(&mut self, load: &Load<'_>, is_loaded: bool) -> Result<()> {
        // Rows of a table that is loaded stay where its state says that they are.
        let rejects = if is_loaded { "SELECT 1".into() } else { quarantine::clear_own(load.run, load.plan.name()) };
        let sql = format!("{}; {}; {rejects}", leftovers::drop_left(load), drop_staging(load));
        self.in_transaction(load, &sql, &doing(load, "dropping the staging of"))
    }
}

/// Staging of a table with several chunks and its ledger rows.
fn drop_staging(load: &Load<'_>) -> String {
    format!("DROP TABLE IF EXISTS {}; {}", load.staging.postgres(), chunk_ledger::clear(load.run, load.plan.name()))
}

fn place<'a>(load: &'a Load<'_>, chunk: usize) -> Place<'a> {
    Place { run: load.run, round: load.round, table: load.plan.name(), chunk }
}

/// What the ledger says of a chunk. A later run may rely on its rows where the form of staging is still that of the plan.
fn fill(load: &Load<'_>, chunk: usize, copied: Copied, sum: Option<Sum>) -> String {
    let is_as_planned = !load.plan.action.is_new_table() || load.nullable().is_empty();
    let held = Held {
        rows: copied.rows,
        rejected: copied.rejected,
        staging: &load.staging.postgres(),
        ends: load.plan.chunks.get(chunk).map(reuse::ends).unwrap_or_default(),
        digest: sum.filter(|_| is_as_planned).map(|sum| sum.digest),
        form: &leftovers::form(load.plan, load.source_identity),
    };
    place(load, chunk).fill(&held)
}

/// Puts refused rows into the quarantine, in the transaction of the rows that were taken.
fn keep(conn: &mut PostgresConn, load: &Load<'_>, rejects: &[Reject], doing: &str) -> Result<()> {
    let statements = quarantine::insert(load.run, load.round, load.plan.name(), rejects);
    statements.iter().try_for_each(|sql| conn.batch(sql, doing))
}

/// Turns filled staging into the table's content, inside the open transaction.
fn install(conn: &mut PostgresConn, load: &Load<'_>, staging: &str, proof: &Proof, doing: &str) -> Result<Outcome> {
    let outcome = match load.plan.action {
        Action::FirstLoad => usage::INSTALL.run(load.plan.shape(), || finish::install(conn, load, proof, doing))?,
        Action::Exchange => usage::EXCHANGE.run(load.plan.shape(), || exchange::install(conn, load, proof, doing))?,
        Action::Refresh => usage::MERGE.run(load.plan.shape(), || merge::install(conn, load, staging, proof, doing))?,
    };
    Ok(Outcome { rejected: proof.rows_rejected, ..outcome })
}

/// Whether this run has finished the table: a table that is looked at afterwards is not when its increments are in.
fn finished(load: &Load<'_>, is_end: bool) -> String {
    let reached = match (load.plan.audit.is_some(), is_end) {
        (false, _) => Reached::End,
        (true, true) => Reached::Compared,
        (true, false) => Reached::Increments,
    };
    state::finished(load.run, load.plan.name(), reached)
}

/// How a table is proved whose rows were all copied, and what its buckets hold: a merge has compared them with what was
/// there, a new table holds what was sent.
fn copied_by(load: &Load<'_>, outcome: &Outcome, sums: Option<&[Sum]>) -> Result<(Proven, state::Ledger)> {
    let (proof, rows_compared) =
        if load.plan.action == Action::Refresh { (Proof::CONTENT, outcome.rows) } else { (Proof::SENT, 0) };
    // Of rows that are not those that are in, nobody wants to know.
    let sums = sums.filter(|sums| ledger::total(sums).rows == outcome.rows);
    let proven = Proven { rows_compared, ..Proven::of(proof, sums.map(ledger::total)) };
    let Some(sums) = sums else { return Ok((proven, state::Ledger::Drop)) };
    let sums: Vec<Option<Sum>> = sums.iter().copied().map(Some).collect();
    Ok((proven, written(load, &sums)?))
}

/// The ledger as it is kept.
fn written(load: &Load<'_>, sums: &[Option<Sum>]) -> Result<state::Ledger> {
    let plan = load.plan;
    let ledger =
        ledger::Ledger { fingerprint: ledger_fingerprint(plan), partition: (*plan.partition).clone(), sums: sums.to_vec() };
    let text = serde_json::to_string(&ledger).doing(Kind::Internal, || format!("writing the ledger of table {}", plan.name()))?;
    Ok(state::Ledger::Write(text))
}

/// The state row and COMMIT in one round trip; the data is durable together with it.
fn commit(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    outcome: Outcome,
    proven: Result<(Proven, state::Ledger)>,
    more: &str,
    doing: &str,
) -> Result<Outcome> {
    let (proven, ledger) = proven?;
    let target = load.plan.target.postgres();
    let strategy = load.plan.strategy.to_string();
    let watermark = load.watermark().map(|watermark| {
        let json = serde_json::to_string(&watermark).doing(Kind::Internal, || format!("{doing}: writing the watermark"));
        json.map(|json| (watermark.columns(), json))
    });
    let watermark = watermark.transpose()?;
    // A row that is marked as deleted is one that PostgreSQL counts as updated.
    let (deleted, marked) = if load.plan.marks_deletes() { (0, outcome.deleted) } else { (outcome.deleted, 0) };
    // What was only counted and is still to be looked at is not done: whoever goes on does it again, and has no evidence.
    let is_end = load.plan.audit.is_none() || ![Proof::COUNTS, Proof::NONE].contains(&proven.proof);
    let traces =
        load.traces.clone().filter(|_| is_end).map(|traces| traces.after(deleted, outcome.updated + marked, outcome.inserted));
    let part = u32::from(proven.proof == Proof::SAMPLE);
    let traces = traces.map(|traces| Traces { parts: traces.parts.saturating_add(part), ..traces });
    let traces = traces.map(|traces| serde_json::to_string(&traces));
    let traces = traces.transpose().doing(Kind::Internal, || format!("{doing}: writing the evidence"))?;
    let new = state::NewState {
        table: load.plan.name(),
        rows: outcome.rows,
        strategy: &strategy,
        snapshot: load.snapshot,
        fingerprint: &load.fingerprint,
        source_identity: load.source_identity,
        rejected: outcome.rejected,
        target: &target,
        watermark,
        traces,
        proof: proven.proof,
        digest: proven.digest,
        rows_compared: proven.rows_compared,
        ledger,
        is_end,
        has_turns: load.plan.has_turns,
    };
    let mut sql = format!("{}; {more}; ", state::upsert(load.run, &new));
    sql.push_str(&quarantine::clear_older(load.run, load.round, load.plan.name()));
    let renamed = load.plan.renamed();
    if !renamed.is_empty() {
        sql.push_str(&format!("; {}", state::name_map(load.run, load.plan.name(), &renamed)));
    }
    usage::COMMIT.run(load.plan.shape(), || conn.batch(&format!("{sql}; COMMIT"), doing))?;
    Ok(Outcome { proven: Some(proven), ..outcome })
}

fn check_ledger(conn: &mut PostgresConn, load: &Load<'_>, proof: &Proof, doing: &str) -> Result<()> {
    let answers = run(conn, &chunk_ledger::totals(load.run, load.round, load.plan.name()), doing)?;
    let row = answers.rows.first().map(Vec::as_slice).unwrap_or_default();
    let [chunks, rows, rejected] = row else {
        return Err(Error::new(Kind::Internal, format!("{doing}: no answer from the ledger")));
    };
    let (chunks, rows, rejected) = (count(chunks, doing)?, count(rows, doing)?, count(rejected, doing)?);
    let planned = u64::try_from(load.plan.chunks.len()).unwrap_or(u64::MAX);
    if chunks != planned || (rows, rejected) != (proof.rows_copied, proof.rows_rejected) {
        let found = format!("the ledger has {chunks} chunks with {rows} rows and {rejected} rejected");
        let wanted = format!("planned {planned} with {} and {}", proof.rows_copied, proof.rows_rejected);
        return Err(Error::new(Kind::Proof, format!("{doing}: {found}, {wanted}")));
    }
    Ok(())
}

/// A count that PostgreSQL printed.
pub(super) fn count(text: &str, doing: &str) -> Result<u64> {
    text.parse().map_err(|e| Error::with(Kind::Internal, format!("{doing}: not a count"), e))
}
