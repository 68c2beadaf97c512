//! Result documents on disk: `last_run.json` and `runs/<run id>.json` of the state directory.
//!
//! Written whole or not at all (temporary file, fsync, rename), readable by their owner only. The newest runs are kept.

use super::RunReport;
use crate::error::{Doing, Kind, Result};
use crate::files;
use std::path::{Path, PathBuf};

/// Documents kept in `runs/`.
const RUNS_KEPT: usize = 100;

/// Writes both documents of a run and removes the oldest ones.
///
/// # Errors
/// [`Kind::File`] with the path.
pub fn save(state_dir: &Path, report: &RunReport) -> Result<()> {
    let runs = state_dir.join("runs");
    files::make_dir(&runs)?;
    let text = report.json() + "\n";
    files::replace(&runs.join(format!("{}.json", report.run_id)), &text)?;
    files::replace(&state_dir.join("last_run.json"), &text)?;
    prune(&runs)
}

/// Run ids sort by time, so the first names are the oldest runs.
fn prune(runs: &Path) -> Result<()> {
    let doing = || format!("removing old documents from {}", runs.display());
    let mut documents: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(runs).doing(Kind::File, doing)? {
        let path = entry.doing(Kind::File, doing)?.path();
        if path.extension().is_some_and(|e| e == "json") {
            documents.push(path);
        }
    }
    documents.sort();
    let surplus = documents.len().saturating_sub(RUNS_KEPT);
    documents.iter().take(surplus).try_for_each(|path| std::fs::remove_file(path).doing(Kind::File, doing))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn both_documents_are_private_and_the_newest_runs_stay() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        for i in 0..RUNS_KEPT + 2 {
            save(&state, &RunReport::empty(format!("run-{i:04}"))).unwrap();
        }
        let last = state.join("last_run.json");
        assert!(std::fs::read_to_string(&last).unwrap().contains("run-0101"));
        assert_eq!(std::fs::metadata(&last).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(state.join("runs")).unwrap().count(), RUNS_KEPT);
        assert!(!state.join("runs/run-0001.json").exists() && state.join("runs/run-0002.json").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = save(file.path(), &RunReport::empty("r".into())).unwrap_err();
        assert_eq!(error.kind(), Kind::File);
        assert!(error.to_string().contains("runs"));
    }
}
