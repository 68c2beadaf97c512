//! Merge of rows past the watermark, and the proof that the whole table agrees afterwards.

use super::{counts, merge, run};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::plan::buckets::Counts;
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
    let Some(outcome) = merge::add(conn, load, staging, &part.ranges, copied.rows, doing)? else {
        // Rows cannot be told by key any more: the whole table is the answer.
        let (source, target) = (part.census.after.rows, 0);
        return Ok((Outcome::default(), Some(Drift { source, target, differing: Vec::new() })));
    };
    let sql = counts::target_sql(source, &load.plan.target, part.census.buckets);
    let mut target = counts::parse(&run(conn, &sql, doing)?.rows, doing)?;
    let rows = target.rows;
    for reject in rejects {
        target.add(&quarantined(load, part, reject, doing)?);
    }
    let outcome = Outcome { rows, rejected: copied.rejected, ..outcome };
    Ok((outcome, part.census.drift(&target)))
}

/// A row in quarantine stands for itself on the target's side.
fn quarantined(load: &Load<'_>, part: &Part, reject: &Reject, doing: &str) -> Result<Counts> {
    let Some(buckets) = part.census.buckets else { return Ok(Counts { rows: 1, ..Counts::default() }) };
    let key = load.plan.source.key_columns().next().zip(reject.key.as_ref()).and_then(|(column, key)| {
        let object: serde_json::Value = serde_json::from_str(key).ok()?;
        let value = object.get(&column.name)?;
        value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
    });
    let key = key.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: a row in quarantine has no key")))?;
    Ok(Counts { rows: 1, buckets: [(buckets.of(key), 1)].into_iter().collect() })
}
