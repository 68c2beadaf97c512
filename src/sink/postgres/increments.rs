//! Merge of rows past the watermark, and the proof that the whole table agrees afterwards.

use super::read_back::{self, Which};
use super::{counts, merge, run};
use crate::conn::postgres::PostgresConn;
use crate::encode::digest::{Digester, Layout};
use crate::error::{Error, Kind, Result};
use crate::name::quote_postgres;
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::census::Drift;
use crate::plan::ledger::Sum;
use crate::plan::strategy::is_integer;
use crate::plan::watermark::{Mark, Scale};
use crate::sink::{Again, Copied, Load, Outcome, Part, Rows};
use crate::track::quarantine::Reject;
use crate::usage;
use crate::value::ColumnType;
use std::sync::Arc;

/// Merges `staging` (a quoted name) inside the open transaction, counts, and says where the table differs then.
///
/// # Errors
/// As [`merge::install`].
pub fn install(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    (part, staging): (&Part, &str),
    (copied, rows): (Copied, &dyn Rows),
    doing: &str,
) -> Result<(Outcome, Option<Drift>)> {
    let source = &load.plan.source;
    let census = part.census.as_ref();
    let add = || merge::add(conn, load, staging, (&part.ranges, part.again.is_some()), copied.rows, doing);
    let Some(outcome) = usage::MERGE_ADD.run(load.plan.shape(), add)? else {
        // Rows cannot be told by key any more: the whole table is the answer.
        let rows = census.map_or(0, |census| census.after.rows);
        return Ok((Outcome::default(), Some(Drift { source: rows, target: 0, differing: Vec::new() })));
    };
    let missed = match &part.again {
        Some(again) => {
            prove(conn, load, (part, again), rows.sums(), doing)?;
            missed(conn, load, (again, staging), &outcome, doing)?
        }
        None => 0,
    };
    let rejected = copied.rejected;
    let known = part.again.as_ref().zip(rows.sums()).and_then(|(again, sums)| again.proven(sums).0.rows);
    if let Some((again, rows)) = part.again.as_ref().zip(known).filter(|(again, _)| again.proof.1) {
        // Every bucket was compared, so its rows need not be counted once more.
        return Ok((Outcome { rows, rejected, missed, ..outcome }.after(&again.before), None));
    }
    let buckets = census.and_then(|census| census.buckets);
    let sql = counts::target_sql(source, (&load.plan.target, load.plan.marks_deletes()), buckets);
    let mut target = counts::parse(&run(conn, &sql, doing)?.rows, doing)?;
    if let Some(source) = known.filter(|known| *known != target.rows) {
        // The other buckets are not what they were left as.
        return Ok((Outcome::default(), Some(Drift { source, target: target.rows, differing: Vec::new() })));
    }
    let outcome = Outcome { rows: target.rows, rejected, missed, ..outcome };
    let outcome = part.again.as_ref().map_or(outcome, |again| outcome.after(&again.before));
    for reject in rows.rejects() {
        target.add(&quarantined(load, buckets, reject, doing)?);
    }
    Ok((outcome, census.and_then(|census| census.drift(&target))))
}

/// As [`install`] for increments without a row: nothing is merged, the whole table is counted.
///
/// # Errors
/// As [`merge::install`].
pub fn count_only(conn: &mut PostgresConn, load: &Load<'_>, part: &Part, doing: &str) -> Result<(Outcome, Option<Drift>)> {
    let census = part.census.as_ref();
    let buckets = census.and_then(|census| census.buckets);
    let sql = format!(
        "{}{}",
        merge::stands_still(conn, load, doing)?,
        counts::target_sql(&load.plan.source, (&load.plan.target, load.plan.marks_deletes()), buckets)
    );
    let target = counts::parse(&run(conn, &sql, doing)?.rows, doing)?;
    Ok((Outcome { rows: target.rows, ..Outcome::default() }, census.and_then(|census| census.drift(&target))))
}

/// Reads the buckets that were merged again back, inside the open transaction.
fn prove(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    (part, again): (&Part, &Again),
    sums: Option<&[Sum]>,
    doing: &str,
) -> Result<()> {
    // Without the rows that PostgreSQL refused, nobody knows what they add up to.
    let Some(sums) = sums else { return Ok(()) };
    let plan = load.plan;
    let mut here = Digester::new(Arc::new(Layout::of(plan)), Arc::clone(&plan.partition));
    let ranges = plan.partition.ranges(&again.buckets).map(|_| part.ranges.as_slice());
    read_back::tuples(conn, plan, Which::of(ranges), &mut |tuple| {
        here.row(tuple).map(drop).map_err(|_| Error::new(Kind::Internal, format!("{doing}: not a row of the table")))
    })?;
    let none = Sum::default();
    let at = |sums: &[Sum], bucket: usize| sums.get(bucket).copied().unwrap_or(none);
    let other = |expected: &Vec<Sum>| again.buckets.iter().any(|bucket| !at(sums, *bucket).is_same(at(expected, *bucket)));
    if again.expected.as_ref().is_some_and(other) {
        return Err(Error::new(Kind::Proof, format!("{doing}: read again in one snapshot, the source has other rows")));
    }
    let unlike = again.buckets.iter().filter(|bucket| !at(sums, **bucket).is_same(at(here.sums(), **bucket))).count();
    if unlike == 0 {
        return Ok(());
    }
    let text = format!("{doing}: {unlike} of {} buckets are not as they were read, after their merge", again.buckets.len());
    Err(Error::new(Kind::Proof, text).hint("look for triggers on the table in the warehouse that change what is written"))
}

/// Of the rows that were changed, those that the increments should have brought: no column shows a delete. Without a snapshot that
/// is known of rows below the safe point only: the others may have been written since.
fn missed(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    (again, staging): (&Again, &str),
    outcome: &Outcome,
    doing: &str,
) -> Result<u64> {
    let Some(past) = &again.past else {
        return Ok(if load.plan.drains() { 0 } else { outcome.inserted + outcome.updated });
    };
    let below = |mark: &Mark| {
        let column = load.plan.source.column(&mark.column).and_then(|index| load.plan.source.columns.get(index))?;
        let at = format!("TIMESTAMP 'epoch' + INTERVAL '{} microseconds'", mark.value);
        let bound = match (mark.scale, column.ty) {
            (Scale::Instant, ColumnType::TimestampTz { .. }) => format!("({at}) AT TIME ZONE 'UTC'"),
            (Scale::Wall, ColumnType::Timestamp { .. }) => at,
            (Scale::Day, ColumnType::Date) => format!("({at})::date"),
            (Scale::Counter, ty) if is_integer(ty) => mark.value.to_string(),
            // A rule has made something else of the column.
            _ => return None,
        };
        Some(format!("s.{} < {bound}", quote_postgres(&column.target)))
    };
    let Some(below) = past.marks.iter().map(below).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty()) else {
        return Ok(0);
    };
    let sql = format!("SELECT count(*) FROM pg_temp.diff d JOIN {staging} s ON s.ctid = d.fresh WHERE {}", below.join(" AND "));
    super::count(merge::first(&run(conn, &sql, doing)?.rows), doing)
}

/// A row in quarantine stands for itself on the target's side.
fn quarantined(load: &Load<'_>, buckets: Option<Buckets>, reject: &Reject, doing: &str) -> Result<Counts> {
    let Some(buckets) = buckets else { return Ok(Counts { rows: 1, ..Counts::default() }) };
    let key = load.plan.source.key_columns().next().zip(reject.key.as_ref()).and_then(|(column, key)| {
        let object: serde_json::Value = serde_json::from_str(key).ok()?;
        let value = object.get(&column.name)?;
        value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
    });
    let key = key.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: a row in quarantine has no key")))?;
    Ok(Counts { rows: 1, buckets: [(buckets.of(key), 1)].into_iter().collect() })
}
