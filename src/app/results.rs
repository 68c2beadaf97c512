//! What became of tables, as the report tells it.

use crate::catalog;
use crate::config::Verify;
use crate::error::Error;
use crate::name::TableName;
use crate::pipeline::table::{End, TableResult};
use crate::plan::TablePlan;
use crate::plan::traces::SourceTrace;
use crate::report::{Certificate, ErrorReport, Healed, IncrementalValues, Renamed, TableReport, ValueCount};
use crate::sink::{Outcome, Proof, Proven};
use crate::track::state::Left;
use std::time::Duration;

fn blank(schema: &str, table: &str, status: &str) -> TableReport {
    TableReport {
        table: table.to_owned(),
        target: format!("{schema}.{}", catalog::names::table(table)),
        status: status.into(),
        proof: "none".into(),
        strategy: String::new(),
        reason: String::new(),
        chunks: 0,
        chunks_kept: 0,
        snapshot: String::new(),
        rows: 0,
        rows_read: 0,
        inserted: 0,
        updated: 0,
        deleted: 0,
        bytes: 0,
        seconds: 0.0,
        rounds: 0,
        rejected: 0,
        healed: None,
        certificate: None,
        values: Vec::new(),
        incremental_values: Vec::new(),
        renamed: Vec::new(),
        drift: Vec::new(),
        error: None,
    }
}

/// A table that could not be planned.
#[must_use]
pub fn refused(schema: &str, table: &str, error: &Error) -> TableReport {
    TableReport { error: Some(ErrorReport::from(error)), ..blank(schema, table, "refused") }
}

/// A table that an interrupted run has finished, as that run has proved it.
#[must_use]
pub fn kept(schema: &str, table: &str, left: &Left) -> TableReport {
    let certificate = certified(left, left.proof.clone());
    let proof = if left.proof == Proof::NONE { Proof::NONE } else { Proof::COUNTS };
    TableReport {
        rows: left.rows,
        rejected: left.rejected,
        proof: proof.into(),
        certificate: Some(certificate),
        ..blank(schema, table, "kept")
    }
}

/// A table that is not read, because nothing moved.
#[must_use]
pub fn unmoved(schema: &str, table: &TablePlan, left: &Left) -> TableReport {
    let position = match table.traces.as_ref().and_then(|traces| traces.source.as_ref()) {
        Some(SourceTrace::Log { position, .. }) => Some(position.clone()),
        _ => None,
    };
    // Nothing of it was compared by this run.
    let certificate = Certificate { position, rows_compared: 0, ..certified(left, Proof::EVIDENCE.into()) };
    TableReport {
        rows: left.rows,
        reason: why_unmoved(table),
        proof: Proof::EVIDENCE.into(),
        certificate: Some(certificate),
        ..blank(schema, table.name(), "unmoved")
    }
}

/// On what evidence a table is not read.
#[must_use]
pub fn why_unmoved(table: &TablePlan) -> String {
    let evidence = table.traces.as_ref().and_then(|traces| traces.source.as_ref()).map(SourceTrace::evidence);
    let evidence = evidence.map(|evidence| format!(": {evidence}")).unwrap_or_default();
    format!("nothing moved on either side since it was counted last{evidence}")
}

/// What an earlier load has proved.
fn certified(left: &Left, checked: String) -> Certificate {
    Certificate {
        checked,
        snapshot: String::new(),
        position: None,
        rows: left.rows,
        rows_compared: left.rows_compared,
        digest: left.digest.clone(),
        drift: 0,
    }
}

impl Planned {
    /// Of a table, under what proves tables.
    #[must_use]
    pub fn of(table: &TablePlan, verify: Verify) -> Self {
        let proof = if table.reads_increments() && verify == Verify::Off { "none" } else { "counts" };
        Self { target: table.target.clone(), renamed: table.renamed(), drift: table.drift.lines(), proof }
    }
}

/// What the report needs of a plan, which is used up by then.
pub struct Planned {
    target: TableName,
    renamed: Vec<(String, String)>,
    drift: Vec<String>,
    /// What proves the table when it is loaded.
    proof: &'static str,
}

/// A table that was in work.
#[must_use]
pub fn told(facts: &Planned, result: &TableResult) -> TableReport {
    let (status, outcome, error) = match &result.end {
        Some(End::Loaded(outcome)) => ("loaded", *outcome, None),
        Some(End::Failed(error)) => ("failed", Outcome::default(), Some(ErrorReport::from(error))),
        None => ("not_reached", Outcome::default(), None),
    };
    TableReport {
        table: result.table.clone(),
        target: facts.target.to_string(),
        status: status.into(),
        proof: if status == "loaded" { facts.proof.into() } else { "none".into() },
        strategy: result.strategy.to_string(),
        reason: result.reason.clone(),
        chunks: result.chunks,
        chunks_kept: result.chunks_kept,
        snapshot: result.snapshot.into(),
        rows: outcome.rows,
        rows_read: result.rows_read,
        inserted: outcome.inserted,
        updated: outcome.updated,
        deleted: outcome.deleted,
        bytes: result.bytes,
        seconds: seconds(result.elapsed),
        rounds: result.rounds,
        rejected: if error.is_none() { outcome.rejected } else { result.rejected },
        values: result
            .values
            .iter()
            .map(|(column, fault, done, count)| ValueCount {
                column: column.clone(),
                fault: fault.word(),
                done: done.word(),
                count: *count,
            })
            .collect(),
        incremental_values: result.oddities.iter().map(IncrementalValues::from).collect(),
        healed: result.heal.as_ref().map(|heal| Healed {
            source: heal.source,
            target: heal.target,
            rows: heal.rows,
            via: heal.via.clone(),
            drift: heal.drift,
            cause: heal.cause.word(),
            missed: heal.missed,
            seconds: seconds(heal.elapsed),
        }),
        certificate: matches!(result.end, Some(End::Loaded(_))).then(|| certificate(facts, &outcome, result)),
        renamed: facts.renamed.iter().cloned().map(Renamed::from).collect(),
        drift: facts.drift.clone(),
        error,
    }
}

fn certificate(facts: &Planned, outcome: &Outcome, result: &TableResult) -> Certificate {
    let proven = outcome.proven.unwrap_or(Proven::of(facts.proof, None));
    Certificate {
        checked: proven.proof.into(),
        rows: outcome.rows,
        rows_compared: proven.rows_compared,
        digest: proven.digest.map(|digest| format!("{digest:032x}")),
        snapshot: result.snapshot.into(),
        position: result.position.clone(),
        drift: result.heal.as_ref().map_or(0, |heal| heal.drift),
    }
}

/// Whole milliseconds are all that is meant.
fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
