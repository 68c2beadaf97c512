//! Where it is kept which methods runs call.

use super::Environment;
use super::pipeline::PipelineFile;
use crate::usage::Level;
use std::path::{Path, PathBuf};

/// Name of the file in the state directory.
const FILE: &str = "method_usage.json";

/// What is counted of the program's methods, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodUsage {
    /// The file; none when nothing is counted.
    pub file: Option<PathBuf>,
    /// Whether calls are timed.
    pub times: bool,
}

impl MethodUsage {
    /// What the process counts.
    #[must_use]
    pub const fn level(&self) -> Level {
        match (&self.file, self.times) {
            (None, _) => Level::Off,
            (Some(_), false) => Level::Calls,
            (Some(_), true) => Level::Times,
        }
    }

    /// Variable, file, then the state directory.
    pub(super) fn resolve(vars: &PipelineFile, file: &PipelineFile, env: &Environment, base: &Path, state_dir: &Path) -> Self {
        let layers = [(vars, env.cwd.as_path()), (file, base)];
        let written = layers.iter().find_map(|(layer, base)| {
            let word = layer.general.as_ref()?.method_usage.as_deref().filter(|word| !word.is_empty())?;
            Some(if word == "off" { None } else { Some(env.path(word, base)) })
        });
        let times = layers.iter().find_map(|(layer, _)| layer.general.as_ref()?.method_usage_times);
        Self { file: written.unwrap_or_else(|| Some(state_dir.join(FILE))), times: times.unwrap_or(true) }
    }
}
