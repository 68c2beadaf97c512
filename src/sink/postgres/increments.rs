//! Merge of rows past the watermark, and the proof that the whole table agrees afterwards.

use super::{counts, merge, run};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::plan::buckets::{Buckets, Counts};
use crate::plan::census::Drift;
use crate::sink::{Copied, Load, Outcome, Part};
use crate::track::quarantine::Reject;

/// Merges `staging` (a quoted name) inside the open transaction, counts, and says where the table differs then.
///
/// # Errors
/// As [`merge::install`].
pub fn install(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    (part, staging): (&Part, &str),
    (copied, rejects): (Copied, &[Reject]),
    doing: &str,
) -> Result<(Outcome, Option<Drift>)> {
    let source = &load.plan.source;
    let census = part.census.as_ref();
    let Some(outcome) = merge::add(conn, load, staging, &part.ranges, copied.rows, doing)? else {
        // Rows cannot be told by key any more: the whole table is the answer.
        let rows = census.map_or(0, |census| census.after.rows);
        return Ok((Outcome::default(), Some(Drift { source: rows, target: 0, differing: Vec::new() })));
    };
    let buckets = census.and_then(|census| census.buckets);
    let sql = counts::target_sql(source, (&load.plan.target, load.plan.marks_deletes()), buckets);
    let mut target = counts::parse(&run(conn, &sql, doing)?.rows, doing)?;
    let outcome = Outcome { rows: target.rows, rejected: copied.rejected, ..outcome };
    for reject in rejects {
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
