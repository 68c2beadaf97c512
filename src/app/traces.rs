//! What both sides show of the tables before any is read, and which tables a run need not read for it.

use super::increments::Since;
use crate::catalog::TargetTable;
use crate::catalog::loaded_at::NAME;
use crate::config::Verify;
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::error::Result;
use crate::plan::TablePlan;
use crate::plan::traces::{Moved, Traces, unmoved};
use crate::track::state::TableState;
use crate::usage;
use crate::{sink, source};

/// What both sides showed.
#[derive(Debug)]
pub struct Look {
    source: source::traces::Seen,
    warehouse: Option<sink::postgres::traces::Seen>,
    skips: bool,
}

/// Looks at both sides, whatever `verify` says but off: the next run may ask for evidence. Must come before any table is read.
///
/// # Errors
/// The classified error of a server.
pub fn look(
    source: &mut MysqlConn,
    warehouse: &mut PostgresConn,
    (database, schema): (&str, &str),
    verify: Verify,
) -> Result<Option<Look>> {
    if verify == Verify::Off {
        return Ok(None);
    }
    let call = usage::TRACES.attempt(usage::Shape::NONE);
    let look = Look {
        source: source::traces::look(source, database)?,
        warehouse: sink::postgres::traces::look(warehouse, schema)?,
        skips: verify == Verify::Evidence,
    };
    call.ends(Ok(Some(look)))
}

/// What of a table has not moved since it was loaded last, on evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Both sides: it is left out.
    Both,
    /// The source: what it holds is known, and only the target is looked at.
    Source,
    /// Nobody knows.
    Nothing,
}

impl Look {
    /// Puts the traces of the table into its plan, and says what stands on evidence, where that was asked for; why not everything
    /// goes into the reason.
    #[must_use]
    pub fn stands(
        &self,
        plan: &mut TablePlan,
        existing: Option<&TargetTable>,
        state: Option<&TableState>,
        since: Since<'_>,
    ) -> Stands {
        let _call = usage::STANDS.enter(plan.shape());
        let checked = match self.of(plan) {
            Err(why) => Err((why.to_owned(), Stands::Nothing)),
            Ok((now, why_not)) => {
                let checked = match why_not {
                    Some(why) => Err((why.to_owned(), Stands::Nothing)),
                    None => check(plan, existing.zip(state), since.source_identity, &now),
                };
                let parts = if checked.is_ok() { state.and_then(last).map_or(0, |last| last.parts) } else { 0 };
                plan.traces = Some(Traces { parts, ..now });
                checked
            }
        };
        if !self.skips || since.full || existing.is_none() || state.is_none() {
            return Stands::Nothing;
        }
        match checked {
            Ok(()) => Stands::Both,
            Err((why, stands)) => {
                plan.reason = format!("{}; counted: {why}", plan.reason);
                stands
            }
        }
    }

    /// The traces of a table, and why its source shows nothing.
    fn of(&self, plan: &TablePlan) -> Result<(Traces, Option<&'static str>), &'static str> {
        let Some(warehouse) = &self.warehouse else { return Err("PostgreSQL does not count writes reliably here") };
        // Time goes by without anybody writing.
        let source = if plan.filter.is_some() {
            Err("its filter may look at the clock")
        } else if plan.source.columns.iter().any(|column| column.generated) {
            Err("generated columns may look at the clock")
        } else {
            self.source.of(&plan.source)
        };
        let (source, why_not) = match source {
            Ok(source) => (Some(source), None),
            Err(why) => (None, Some(why)),
        };
        let warehouse = warehouse.of(&plan.target.table);
        Ok((Traces { shape: shape(plan), started: self.source.started, source, warehouse, parts: 0 }, why_not))
    }
}

/// What a table is beside its fingerprint, and what copies it: other code may write the same rows differently.
fn shape(plan: &TablePlan) -> String {
    let key: Vec<&str> = plan.source.key_columns().map(|column| column.name.as_str()).collect();
    format!("{};{};{};{:?}", env!("CARGO_PKG_VERSION"), plan.source.identity, key.join(","), plan.loaded_at)
}

/// Why a table does not stand, and which side of it does all the same.
fn check(
    plan: &TablePlan,
    before: Option<(&TargetTable, &TableState)>,
    source: &str,
    now: &Traces,
) -> Result<(), (String, Stands)> {
    let nothing = |why: String| Err((why, Stands::Nothing));
    let Some((existing, state)) = before else { return nothing(Moved::Unknown.to_string()) };
    if state.rejected > 0 {
        return nothing("rows are in quarantine".into());
    }
    if state.source_identity != source || state.fingerprint != plan.fingerprint() {
        return nothing(Moved::Shape.to_string());
    }
    let voided = plan.increments.as_ref().is_some_and(|increments| increments.since.is_none());
    if voided || plan.increments.is_some() != state.watermark.is_some() {
        return nothing("its watermark does not hold any more".into());
    }
    let stamped = existing.columns.iter().any(|column| column.name == NAME);
    if plan.drift.needs_all_rows() || plan.loaded_at.is_kept() && !stamped {
        return nothing("columns of the target change".into());
    }
    unmoved(last(state).as_ref(), now, is_as_left(state, existing)).map_err(|moved| {
        let is_target = matches!(moved, Moved::Storage | Moved::WarehouseRestarted | Moved::Warehouse);
        (moved.to_string(), if is_target { Stands::Source } else { Stands::Nothing })
    })
}

/// Whether the target is the table that was left, with the storage that it had.
pub fn is_as_left(state: &TableState, target: &TargetTable) -> bool {
    (i64::from(target.oid), i64::from(target.relfilenode)) == (state.target_oid, state.target_relfilenode)
}

/// What showed when the table was loaded last; none where nothing does.
pub fn last(state: &TableState) -> Option<Traces> {
    state.traces.as_deref().and_then(|text| serde_json::from_str::<Traces>(text).ok())
}
