//! The phases of a run: which ones it has, and how those that move rows end.

use super::results::{self, Planned};
use super::sync::{Hops, Run};
use super::transform::After;
use crate::config::Verify;
use crate::context::phases::Running;
use crate::error::Result;
use crate::pipeline::round::Moved;
use crate::report::RunReport;
use crate::sink::Proof;
use crate::track::writer::Totals;
use std::collections::BTreeMap;

impl Run<'_> {
    /// What this run is going to do.
    pub(super) fn phases(&self) -> Vec<&'static str> {
        let mut phases = match (self.config.replica.is_some(), self.options.hops) {
            (_, Hops::Replicate) => vec!["replicate"],
            (true, Hops::All) => vec!["replicate", "discover", "load", "verify"],
            (false, _) | (true, Hops::Load) => vec!["discover", "load", "verify"],
        };
        if self.options.transform != After::Nothing {
            phases.push("transform");
        }
        phases.push("report");
        phases
    }

    /// What became of the tables that were in work, and of the phase that moved them.
    pub(super) fn tell_moved(
        &self,
        report: &mut RunReport,
        phase: Running<'_>,
        facts: &BTreeMap<String, Planned>,
        (moved, events): (Moved, Totals),
    ) -> Result<()> {
        (report.totals.events_written, report.totals.events_lost) = (events.written, events.lost);
        report.warnings.extend(moved.warnings);
        let told = moved.results.iter().filter_map(|result| facts.get(&result.table).map(|facts| results::told(facts, result)));
        report.tables.extend(told);
        phase.add_progress();
        if report.tables.iter().any(|table| matches!(table.status.as_str(), "failed" | "refused" | "not_reached")) {
            phase.warn();
        }
        if let Some(error) = moved.ended_by.or(self.context.memory.check().err()) {
            phase.fail();
            return Err(error);
        }
        phase.complete();
        Ok(())
    }

    /// What the proofs of all tables come to. Each table is proved inside its own finish; here nothing is asked again.
    pub(super) fn tell_proofs(&self, report: &RunReport) {
        let phase = self.context.phase("verify");
        let proofs = report.tables.iter().filter_map(|table| table.certificate.as_ref());
        for certificate in proofs {
            phase.add(certificate.rows_compared, 0);
            if certificate.checked == Proof::NONE && self.verify() != Verify::Off {
                phase.warn();
            }
        }
        phase.complete();
    }
}
