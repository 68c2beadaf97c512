//! The step after the load: dbt, or plain SQL files, and what became of it.
//!
//! It reads the tables that a run has loaded and writes others. It changes nothing that a load decides by; what it did is
//! told in the report and in the status table.

pub mod dbt; // dbt as a process
pub mod generate; // sources.yml, and models over the status tables
pub mod lineage; // what is downstream of which table: manifest.json
pub mod pending; // tables that changed and were not transformed yet
pub mod process; // a child with a deadline, and its children
pub mod results; // run_results.json
pub mod shown; // a tool's lines without values
pub mod split; // SQL text to statements
pub mod sql; // SQL files in order
pub mod status; // its lock and its status rows
pub mod tables; // loaded tables, as the warehouse knows them

use crate::config::{Tool, Transform};
use crate::error::{Error, Kind, Result};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// What is to be transformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// What is downstream of these tables, by their names in the warehouse.
    Changed(BTreeSet<String>),
}

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum Verdict {
    /// Well.
    Passed,
    /// A test found something and is only to warn.
    Warned,
    /// Not well.
    Failed,
    /// It was not its turn, because something before it failed.
    Skipped,
}

/// One model, test, seed or snapshot of dbt, or one SQL file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `model`, `test`, `seed`, `snapshot`, … as dbt has them; `file` without dbt.
    pub kind: String,
    /// dbt's word: `success`, `pass`, `warn`, `fail`, `error`, `skipped`, …
    pub status: String,
    /// How long it took.
    pub seconds: f64,
    /// Rows that it wrote, or that a test found; none where the tool does not say.
    pub rows: Option<u64>,
    /// What the tool says of it, without values.
    pub message: Option<String>,
    /// What dbt knows it by; empty without dbt.
    #[serde(skip)]
    pub unique_id: String,
    /// What the word means.
    #[serde(skip)]
    pub verdict: Verdict,
}

/// What a transformation did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was run, without secrets.
    pub command: String,
    /// Its parts, in the order they ended.
    pub nodes: Vec<Node>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What is downstream of which table, where dbt tells.
    pub lineage: Option<lineage::Lineage>,
    /// Why it failed as a whole.
    pub error: Option<Error>,
}

impl Outcome {
    /// Parts with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        u64::try_from(self.nodes.iter().filter(|node| node.verdict == verdict).count()).unwrap_or(u64::MAX)
    }

    /// Nothing failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.error.is_none() && self.count(Verdict::Failed) == 0
    }
}

/// Whether a transformation could begin: asked before a load, so that a wrong path does not cost a night.
///
/// # Errors
/// [`Kind::Config`] with what is missing.
pub fn check(config: &Transform) -> Result<()> {
    match &config.tool {
        Tool::None => Err(Error::new(Kind::Config, "no transformation is configured")
            .hint("set transform.project_dir (dbt) or transform.sql_dir (SQL files) in pipeline.yml")),
        Tool::Dbt(project) => dbt::check(config, project),
        Tool::Sql(dir) => sql::files(dir).map(drop),
    }
}

/// A directory that has to be there.
fn directory(dir: &Path, key: &str) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let what = format!("transform.{key}: {} is not a directory", dir.display());
    Err(Error::new(Kind::Config, what).hint(format!("correct transform.{key} in pipeline.yml, or its variable")))
}
