//! Tables that changed and that no transformation has seen yet: what a run leaves to the next one when its transformation
//! failed, was stopped or was not asked for.
//!
//! A file in the state directory, by target. A warehouse that has never been transformed has no entry, and none is begun by
//! runs that do not transform.

use crate::error::{Doing, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file.
const FILE: &str = "transform_pending.json";

/// Tables by target.
type Targets = BTreeMap<String, BTreeSet<String>>;

/// The file's part of one target.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    target: String,
}

impl Pending {
    /// Of a target, which is named by warehouse and schema.
    #[must_use]
    pub fn of(state_dir: &Path, warehouse: &str, schema: &str) -> Self {
        Self { path: state_dir.join(FILE), target: format!("{warehouse} {schema}") }
    }

    /// The tables, by their names in the warehouse; none when the target was never transformed.
    ///
    /// # Errors
    /// [`Kind::File`] when the file is there and cannot be read.
    pub fn read(&self) -> Result<Option<BTreeSet<String>>> {
        Ok(self.all()?.remove(&self.target))
    }

    /// Writes them; nothing when they are these already.
    ///
    /// # Errors
    /// [`Kind::File`] with the path.
    pub fn write(&self, tables: BTreeSet<String>) -> Result<()> {
        let mut all = self.all()?;
        if all.get(&self.target) == Some(&tables) {
            return Ok(());
        }
        all.insert(self.target.clone(), tables);
        let doing = || format!("writing {}", self.path.display());
        let dir = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).doing(Kind::File, doing)?;
        let text = serde_json::to_string_pretty(&all).doing(Kind::Internal, doing)? + "\n";
        let mut file = tempfile::NamedTempFile::new_in(dir).doing(Kind::File, doing)?;
        file.write_all(text.as_bytes()).doing(Kind::File, doing)?;
        file.as_file().sync_all().doing(Kind::File, doing)?;
        file.persist(&self.path).map_err(|error| error.error).doing(Kind::File, doing).map(drop)
    }

    fn all(&self) -> Result<Targets> {
        let doing = || format!("reading {}", self.path.display());
        match std::fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).doing(Kind::File, doing),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Targets::new()),
            Err(error) => Err(error).doing(Kind::File, doing),
        }
        .map_err(|error| error.hint("remove the file, then run `etl-sync transform --all`"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_target_has_its_own_and_a_broken_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let [one, two] = ["raw", "other"].map(|schema| Pending::of(&state, "warehouse postgresql://u@h/db", schema));
        assert_eq!(one.read().unwrap(), None);
        one.write(["b".to_owned(), "a".to_owned()].into()).unwrap();
        two.write(BTreeSet::new()).unwrap();
        assert_eq!(one.read().unwrap(), Some(["a".to_owned(), "b".to_owned()].into()));
        assert_eq!(two.read().unwrap(), Some(BTreeSet::new()));
        std::fs::write(state.join(FILE), "{").unwrap();
        let error = one.read().unwrap_err();
        assert!(error.kind() == Kind::File && error.what_to_do().contains("--all"));
        assert!(one.write(BTreeSet::new()).is_err());
    }
}
