//! From the watermark of the last success to the rows that this run reads, or to the reason for reading all.

use crate::catalog::replica::NUMBER;
use crate::catalog::{KeyKind, TargetTable};
use crate::config::{Extraction, SyncProfile, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::plan::increments::{self, Choice};
use crate::plan::watermark::{self, Incremental, Join, Lookback, Mark, SECOND, Scale, Void, Watermark};
use crate::plan::{Increments, TablePlan};
use crate::source::clock;
use crate::track::replica::CopyState;
use crate::track::state::TableState;

/// What a watermark has to fit.
#[derive(Debug, Clone, Copy)]
pub struct Since<'a> {
    /// The source's clock, UTC, microseconds since 1970.
    pub now: i64,
    /// The source's clock minus the warehouse's.
    pub ahead: i64,
    /// The source's wall clock minus UTC.
    pub zone: i64,
    /// Server and database that are read.
    pub source_identity: &'a str,
    /// Read every table whole.
    pub full: bool,
}

/// Reads both clocks, and the source's zone.
///
/// # Errors
/// The classified error of either server.
pub fn clocks(source: &mut MysqlConn, warehouse: &mut PostgresConn) -> Result<(i64, i64, i64)> {
    let now = clock::now(source)?;
    let (zone, _) = clock::zone(source, now)?;
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let rows = warehouse.rows(sql, &[], "reading the warehouse's clock")?;
    let Some(row) = rows.first() else {
        return Err(Error::new(Kind::Internal, "reading the warehouse's clock: no row"));
    };
    Ok((now, now - row.get::<_, i64>(0), zone))
}

/// What the last success of a table left, and whether it is still about that table.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    /// The watermark as JSON.
    pub watermark: Option<&'a str>,
    /// Server and database that were read.
    pub source_identity: &'a str,
    /// Why the target is not what was left, or cannot take a part of a table.
    pub unfit: Option<&'static str>,
}

impl<'a> Stored<'a> {
    /// Of a table of the warehouse.
    #[must_use]
    pub fn in_warehouse(plan: &TablePlan, existing: &TargetTable, state: &'a TableState) -> Self {
        let unfit = [
            (plan.drift.needs_all_rows(), "columns of the target change"),
            (state.target_oid != i64::from(existing.oid), "the target is not the table that was loaded"),
            (state.fingerprint != plan.fingerprint(), "columns, types, policies or filter changed"),
            (state.rejected > 0, "rows are in quarantine"),
            (!existing.keeps_key(&plan.source), "the target does not keep the key unique"),
        ];
        let unfit = unfit.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why);
        Self { watermark: state.watermark.as_deref(), source_identity: &state.source_identity, unfit }
    }

    /// Of a table of the replica whose incarnation is the one that is there; somebody may have altered it all the same.
    #[must_use]
    pub fn in_replica(plan: &TablePlan, state: &'a CopyState, altered: bool) -> Self {
        let changed = state.fingerprint != plan.replica_fingerprint();
        let unfit = match (changed, altered) {
            (true, _) => Some("columns, types, key or filter changed"),
            (false, true) => Some("the replica's table was altered"),
            (false, false) => None,
        };
        Self { watermark: state.watermark.as_deref(), source_identity: &state.source_identity, unfit }
    }
}

/// Decides whether the table keeps a watermark, and whether this run reads from the last one. Both go into the reason. Gives
/// back which of the configured columns cannot be used, and why.
///
/// # Errors
/// [`Kind::Config`] for a lookback over columns that cannot be compared with a date; the classified error of the source.
pub fn apply(
    conn: &mut MysqlConn,
    plan: &mut TablePlan,
    rule: &TableRule,
    stored: Option<Stored<'_>>,
    since: Since<'_>,
) -> Result<Option<String>> {
    let (columns, join, unused) = match increments::choose(&plan.source, rule) {
        Choice::Increments { columns, join, unused } => (columns, join, unused),
        Choice::Full(why) => return Ok(full(plan, rule, &why)),
    };
    if rule.sync_profile == Some(SyncProfile::InPlaceUpdates) && columns.iter().all(|c| c.scale == Scale::Counter) {
        let names = columns.iter().map(|c| c.column.as_str()).collect::<Vec<_>>().join(", ");
        return Ok(full(plan, rule, &format!("{names} shows new rows only, and sync_profile is in_place_updates")));
    }
    let names = columns.iter().map(|c| c.column.as_str()).collect::<Vec<_>>().join(", ");
    let lookback = increments::lookback(rule);
    let before = stored.as_ref().and_then(|stored| stored.watermark).map(shown);
    let (from, voided) = match usable(stored, (&columns, lookback), since) {
        Ok((watermark, marks)) => {
            plan.reason = format!("increments by {names}");
            (Some((watermark, marks)), None)
        }
        Err(why) => {
            plan.reason = format!("{}; watermark {names}; all rows: {why}", plan.reason);
            (None, before.is_some().then_some(why))
        }
    };
    let text = match &from {
        Some((_, marks)) => {
            if join == Join::And {
                warn_of_missed(conn, plan, &columns, marks)?;
            }
            Some(condition(plan, rule, &columns, marks, join, since)?)
        }
        None => None,
    };
    let last = from.map(|(watermark, _)| watermark);
    plan.increments = Some(Increments { columns, lookback, last, since: text, known: None, before, voided });
    Ok((!unused.is_empty()).then(|| format!("{}: {}", plan.name(), unused.join(", "))))
}

/// Every run reads all rows of the table; told when incremental columns are configured and cannot be used.
fn full(plan: &mut TablePlan, rule: &TableRule, why: &str) -> Option<String> {
    let several = rule.incremental_columns.as_ref().is_some_and(|columns| !columns.is_empty());
    let one = rule.primary_incremental_column.as_deref().is_some_and(|column| !crate::config::is_none(column));
    if rule.primary_incremental_column.is_some() || rule.incremental_columns.is_some() {
        plan.reason = format!("{}; all rows: {why}", plan.reason);
    }
    let is_wanted = !rule.extraction.is_some_and(Extraction::is_whole);
    ((one || several) && is_wanted).then(|| format!("{}: {why}", plan.name()))
}

/// A stored watermark as people read it.
fn shown(text: &str) -> String {
    serde_json::from_str::<Watermark>(text).map_or_else(|_| "of another version".to_owned(), |watermark| watermark.value)
}

/// Reads from what the last load of the warehouse left, of a replica: rows carry the number of the run that wrote them, so
/// no clock and no column of the source is asked.
///
/// A table that was made anew since then is another incarnation, and read whole.
pub fn of_replica(plan: &mut TablePlan, stored: Option<Stored<'_>>, copy: &CopyState, since: Since<'_>) {
    if plan.source.key_kind == KeyKind::None {
        return;
    }
    let column =
        Incremental { column: NUMBER.into(), declared: copy.incarnation.clone(), scale: Scale::Counter, nullable: false };
    let columns = vec![column];
    let lookback = Lookback { unknown: 0, always: 0, keys: 0 };
    let next = Mark { column: NUMBER.into(), declared: copy.incarnation.clone(), scale: Scale::Counter, value: copy.number + 1 };
    let known = Watermark {
        value: copy.number.to_string(),
        marks: vec![next],
        now: since.now,
        ahead: since.ahead,
        zone: Some(since.zone),
        counters: Vec::new(),
    };
    let before = stored.as_ref().and_then(|stored| stored.watermark).map(shown);
    let (text, voided) = match usable(stored, (&columns, lookback), since) {
        Ok((_, marks)) => {
            plan.reason = "what the replica got since the last load".into();
            (Some(watermark::condition(&marks, &columns, Join::Or)), None)
        }
        Err(why) => {
            plan.reason = format!("{}; all rows: {why}", plan.reason);
            (None, before.is_some().then_some(why))
        }
    };
    plan.increments = Some(Increments { columns, lookback, last: None, since: text, known: Some(known), before, voided });
}

/// The stored watermark, when it is one of this table, this source and these columns.
fn usable(
    stored: Option<Stored<'_>>,
    (columns, lookback): (&[Incremental], Lookback),
    since: Since<'_>,
) -> Result<(Watermark, Vec<Mark>), String> {
    let Some(stored) = stored else { return Err("nothing was loaded before".into()) };
    if since.full {
        return Err("--full".into());
    }
    let Some(text) = stored.watermark else { return Err("the last load left no watermark".into()) };
    let watermark: Watermark =
        serde_json::from_str(text).map_err(|_| "the watermark of the last load is of another version".to_owned())?;
    if stored.source_identity != since.source_identity {
        return Err("the last load was from another source".into());
    }
    if let Some(why) = stored.unfit {
        return Err(why.into());
    }
    match watermark::from(&watermark, columns, lookback, (since.now, since.ahead, since.zone)) {
        Ok(marks) => Ok((watermark, marks)),
        Err(Void::Columns) => Err("other incremental columns than in the last load".into()),
        Err(Void::ClockBehind(by)) => Err(format!("the source's clock is {} s behind the last load's", by / SECOND)),
    }
}

/// Tells how many rows are past one mark, but not past all: `and_logic` does not read them.
fn warn_of_missed(conn: &mut MysqlConn, plan: &TablePlan, columns: &[Incremental], marks: &[Mark]) -> Result<()> {
    let one = |join| watermark::condition(marks, columns, join);
    let sql = format!(
        "SELECT CONCAT(COUNT(*)) FROM {} WHERE ({}) AND NOT COALESCE(({}), FALSE)",
        plan.source.name.mysql(),
        one(Join::Or),
        one(Join::And)
    );
    let missed = conn.text(&sql, &format!("counting what and_logic misses of table {}", plan.name()))?.unwrap_or_default();
    if missed != "0" {
        log::warn!("table {}: incremental_strategy and_logic misses {missed} rows that or_logic reads", plan.name());
    }
    Ok(())
}

/// Rows past the marks, and rows whose business date lies in the window of `lookback_resync`.
fn condition(
    plan: &TablePlan,
    rule: &TableRule,
    columns: &[Incremental],
    marks: &[Mark],
    join: Join,
    since: Since<'_>,
) -> Result<String> {
    let mut parts = vec![watermark::condition(marks, columns, join)];
    if let Some(window) = &rule.lookback {
        for name in &window.columns {
            let column = plan.source.column(name).and_then(|index| plan.source.columns.get(index));
            let scale = column.and_then(|c| Scale::of(&c.declared, c.ty, false));
            if scale.is_none() {
                let text = format!("table {}: lookback_resync: {name} is not copied, or no date", plan.name());
                return Err(Error::new(Kind::Config, text));
            }
            let days = i64::try_from(window.window_days).unwrap_or(i64::MAX / (86_400 * SECOND));
            let value = since.now.saturating_sub(days.saturating_add(1).saturating_mul(86_400 * SECOND));
            let mark = Mark { column: name.clone(), declared: "date".into(), scale: Scale::Day, value };
            parts.push(watermark::condition(&[mark], &[], Join::Or));
        }
    }
    Ok(parts.join(" OR "))
}
