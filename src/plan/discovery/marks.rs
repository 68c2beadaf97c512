//! Which changes of a table's rows the columns in use do not show, and why.

use super::{Candidate, Facts, Moves};
use crate::config::SyncProfile;
use crate::plan::watermark::Join;

/// One line per reason; empty when every change is shown that a column can show. (Deleted rows no column shows.)
pub(super) fn of(facts: &Facts<'_>, in_use: &[String], join: Join, profile: Option<SyncProfile>) -> Vec<String> {
    let names = in_use.join(", ");
    let used: Vec<Option<&Candidate>> =
        in_use.iter().map(|name| facts.candidates.iter().find(|candidate| candidate.column == *name)).collect();
    let shows = |what: &dyn Fn(Moves) -> bool| {
        let one = |candidate: &Option<&Candidate>| candidate.is_some_and(|candidate| what(candidate.moves));
        if join == Join::And { used.iter().all(one) } else { used.iter().any(one) }
    };
    // Rows with NULL in all columns are read by every run.
    let null_is_read = used.iter().all(|candidate| candidate.is_some_and(|c| c.nullable && !c.default_now));
    let mut out = Vec::new();
    let unknown = used.iter().any(|candidate| candidate.is_none_or(|c| c.moves == Moves::Application));
    let (updates, inserts) = (shows(&Moves::shows_updates), shows(&Moves::shows_inserts) || null_is_read);
    if unknown && !(updates && inserts) {
        out.push(format!("{names}: written by the application, so nobody knows which changes move it"));
    } else {
        if !inserts {
            out.push(format!("{names} is not set when a row is inserted: no DEFAULT CURRENT_TIMESTAMP"));
        }
        if !updates {
            out.extend(inserts_only(facts, &names, profile));
        }
    }
    out.extend(facts.cascades.iter().map(|key| format!("{key} changes rows without moving {names}")));
    out
}

/// A column that shows inserted rows only is enough where nothing says that rows change.
fn inserts_only(facts: &Facts<'_>, names: &str, profile: Option<SyncProfile>) -> Option<String> {
    let moved: Vec<&str> = facts.candidates.iter().filter(|c| c.on_update).map(|c| c.column.as_str()).collect();
    let why = match (moved.is_empty(), profile) {
        (false, _) => format!(", but rows change: {} has ON UPDATE CURRENT_TIMESTAMP", moved.join(", ")),
        (true, Some(SyncProfile::InPlaceUpdates)) => ", but sync_profile is in_place_updates".to_owned(),
        (true, None) => ": no ON UPDATE CURRENT_TIMESTAMP".to_owned(),
        (true, Some(SyncProfile::AppendOnly)) => return None,
    };
    Some(format!("{names} shows inserted rows only{why}"))
}
