//! Result documents as the page reads them: every field may be missing, unknown ones are passed over, so documents of older
//! and newer versions can be shown. What cannot be read is named and skipped.

use crate::error::{Doing, Error, Kind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest document that is read, bytes; that of 5,000 tables has about 12 MB.
const DOCUMENT_MAX: u64 = 64 << 20;

/// Everything that a page is made of.
#[derive(Debug, Default)]
pub struct Documents {
    /// The run that the page is about.
    pub run: Run,
    /// All runs that are kept, the oldest first; that one included.
    pub history: Vec<Past>,
    /// Documents that could not be read, and why.
    pub skipped: Vec<String>,
}

/// A run in full.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Run {
    pub program: String,
    pub run_id: String,
    pub resumes: Option<String>,
    pub status: String,
    pub exit_code: u8,
    pub started_at: String,
    pub ended_at: String,
    pub seconds: f64,
    pub source: String,
    pub warehouse: String,
    pub schema: String,
    pub parallel: u64,
    /// The first hop of a run through a replica.
    pub replicate: Option<Box<Run>>,
    pub verify: String,
    pub totals: Totals,
    pub tables: Vec<Table>,
    pub warnings: Vec<String>,
    pub error: Option<Failure>,
    pub timeline: Timeline,
    pub samples: Vec<Sample>,
    pub phases: Vec<Phase>,
    pub memory: Option<Memory>,
    pub transform: Option<Transform>,
}

/// A run in the history.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Past {
    pub run_id: String,
    pub status: String,
    pub exit_code: u8,
    pub started_at: String,
    pub seconds: f64,
    pub totals: Totals,
    pub tables: Vec<PastTable>,
}

/// A table of a run in the history.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PastTable {
    pub table: String,
    pub status: String,
    pub seconds: f64,
}

/// Sums over the tables.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Totals {
    pub tables: u64,
    pub loaded: u64,
    pub kept: u64,
    pub unmoved: u64,
    pub failed: u64,
    pub not_reached: u64,
    pub rows_read: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    pub bytes: u64,
    pub rejected: u64,
    pub healed: u64,
    pub nulled: u64,
    pub stripped: u64,
    pub events_lost: u64,
}

/// A table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Table {
    pub table: String,
    pub target: String,
    pub status: String,
    pub proof: String,
    pub strategy: String,
    pub reason: String,
    pub chunks: u64,
    pub chunks_kept: u64,
    pub snapshot: String,
    pub rows: u64,
    pub rows_read: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub rounds: u64,
    pub rejected: u64,
    pub healed: Option<Healed>,
    pub certificate: Option<Certificate>,
    pub values: Vec<Value>,
    pub drift: Vec<String>,
    pub error: Option<Failure>,
}

/// What differed and was mended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Healed {
    pub source: u64,
    pub target: u64,
    pub via: String,
    pub drift: u64,
    pub cause: String,
    pub missed: Option<u64>,
    pub seconds: f64,
}

/// What a run proves of a table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Certificate {
    pub checked: String,
    pub position: Option<String>,
    pub rows_compared: u64,
    pub digest: Option<String>,
}

/// What a policy did to values of a column.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Value {
    pub column: String,
    pub fault: String,
    pub done: String,
    pub count: u64,
}

/// Why something failed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub hint: String,
}

/// What each worker did.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Timeline {
    pub spans: Vec<Span>,
    pub dropped: u64,
}

/// One job of one worker.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Span {
    pub worker: u64,
    pub table: String,
    pub what: String,
    pub at_ms: f64,
    pub ms: f64,
    pub rows: u64,
    pub bytes: u64,
    pub error: Option<String>,
}

/// One look at the counters.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Sample {
    pub at_ms: f64,
    pub rows: f64,
    pub bytes: f64,
    pub memory_mb: Option<f64>,
    pub workers_busy: f64,
}

/// A phase of the run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Phase {
    pub name: String,
    pub state: String,
    pub seconds: Option<f64>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub memory_high_mb: Option<f64>,
}

/// What the memory watch knew.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub limit_mb: Option<f64>,
    pub predicted_mb: Option<f64>,
    pub high_mb: Option<f64>,
}

/// What became of the transformation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Transform {
    pub tool: String,
    pub status: String,
    pub seconds: Option<f64>,
    pub models: Vec<Model>,
    pub passed: u64,
    pub warned: u64,
    pub failed: u64,
}

/// A model of the transformation, or only its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Model {
    Name(String),
    Told(ToldModel),
}

/// What is known of a model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ToldModel {
    #[serde(alias = "model", alias = "unique_id")]
    pub name: String,
    pub status: String,
    #[serde(alias = "execution_time")]
    pub seconds: Option<f64>,
    pub rows: Option<i64>,
    pub message: Option<String>,
}

/// Reads the run `id`, or the last one, and the history. An id may be shortened as long as one run has it.
///
/// # Errors
/// [`Kind::Config`] when there is no such run, or none at all; [`Kind::File`] when its document cannot be read.
pub fn read(state_dir: &Path, id: Option<&str>) -> Result<Documents> {
    let names = names(&state_dir.join("runs"))?;
    let last = state_dir.join("last_run.json");
    let path = match id {
        Some(id) => the_one(&names, id, state_dir)?,
        None if last.exists() => last,
        None => names.last().cloned().ok_or_else(|| {
            Error::new(Kind::Config, format!("no run has left a result document in {}", state_dir.display()))
                .hint("run `etl-sync` first, or name the directory with --state-dir")
        })?,
    };
    let (mut history, mut skipped) = (Vec::new(), Vec::new());
    let mut run: Option<Run> = note(one(&path), &mut skipped);
    if run.is_none() && id.is_none() {
        // The last document is broken: the newest one that is not.
        run = names.iter().rev().find_map(|path| one(path).ok());
    }
    let run = run.ok_or_else(|| Error::new(Kind::File, skipped.join("; ")))?;
    for path in &names {
        history.extend(note::<Past>(one(path), &mut skipped));
    }
    history.sort_by(|a, b| a.run_id.cmp(&b.run_id));
    skipped.dedup();
    Ok(Documents { run, history, skipped })
}

/// Documents by name; run ids sort by time.
fn names(runs: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("reading the directory {}", runs.display());
    let mut names = Vec::new();
    if runs.is_dir() {
        for entry in std::fs::read_dir(runs).doing(Kind::File, doing)? {
            names.push(entry.doing(Kind::File, doing)?.path());
        }
    }
    names.retain(|path| path.extension().is_some_and(|e| e == "json"));
    names.sort();
    Ok(names)
}

fn the_one(names: &[PathBuf], id: &str, state_dir: &Path) -> Result<PathBuf> {
    let stem = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with(id));
    let mut found = names.iter().filter(|path| stem(path));
    match (found.next(), found.count()) {
        (Some(path), 0) => Ok(path.clone()),
        (Some(_), more) => {
            Err(Error::new(Kind::Config, format!("{} runs have an id that begins with {id}", more + 1)).hint("give more of it"))
        }
        (None, _) => Err(Error::new(Kind::Config, format!("no run {id} in {}", state_dir.display()))
            .hint("the directory runs/ there has a document for each run that is kept")),
    }
}

fn note<T>(read: std::result::Result<T, String>, skipped: &mut Vec<String>) -> Option<T> {
    read.map_err(|why| skipped.push(why)).ok()
}

/// One document, or its name and why it cannot be read. The text of an error of the parser is left out: it may quote.
fn one<T: DeserializeOwned>(path: &Path) -> std::result::Result<T, String> {
    let name = path.file_name().map_or_else(String::new, |name| Path::new(name).display().to_string());
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(DOCUMENT_MAX).read_to_end(&mut text));
    match read {
        Err(error) => Err(format!("{name}: {}", error.kind())),
        Ok(_) => serde_json::from_slice(&text)
            .map_err(|error| format!("{name}: not a result document (line {}, column {})", error.line(), error.column())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::{RunReport, store};

    fn folder(documents: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("runs")).unwrap();
        for (name, text) in documents {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn documents_of_other_versions_are_read_and_broken_ones_are_named() {
        let dir = folder(&[
            ("last_run.json", r#"{"run_id": "c3", "status": "success", "from_the_future": {"a": [1]}, "error": null}"#),
            ("runs/a1.json", r#"{"run_id": "a1"}"#),
            ("runs/b2.json", r#"{"run_id": "b2", "tables": ["#),
            ("runs/c3.json", r#"{"run_id": "c3", "tables": [{"table": "t", "seconds": 1.5}]}"#),
            ("runs/notes.txt", "x"),
        ]);
        let documents = read(dir.path(), None).unwrap();
        assert_eq!((documents.run.run_id.as_str(), documents.run.status.as_str()), ("c3", "success"));
        let ids: Vec<_> = documents.history.iter().map(|run| run.run_id.as_str()).collect();
        assert_eq!(ids, ["a1", "c3"]);
        assert!(documents.skipped.len() == 1 && documents.skipped[0].starts_with("b2.json: "), "{:?}", documents.skipped);
    }

    #[test]
    fn a_run_is_found_by_the_begin_of_its_id_and_by_nothing_else() {
        let dir =
            folder(&[("runs/ab1.json", r#"{"run_id": "ab1"}"#), ("runs/ab2.json", r#"{"run_id": "ab2"}"#), ("x.json", "{}")]);
        assert_eq!(read(dir.path(), Some("ab2")).unwrap().run.run_id, "ab2");
        for (id, words) in [("ab", "2 runs"), ("zz", "no run zz"), ("../x", "no run")] {
            let error = read(dir.path(), Some(id)).unwrap_err();
            assert!(error.kind() == Kind::Config && error.to_string().contains(words), "{error}");
        }
        assert_eq!(read(dir.path(), None).unwrap().run.run_id, "ab2", "without last_run.json the newest one");
        std::fs::write(dir.path().join("last_run.json"), "{").unwrap();
        let documents = read(dir.path(), None).unwrap();
        assert_eq!((documents.run.run_id.as_str(), documents.skipped.len()), ("ab2", 1));
        assert_eq!(read(folder(&[]).path(), None).unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn what_a_run_writes_is_what_the_page_reads() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = RunReport::empty("r1".into());
        report.warnings.push("careful".into());
        store::save(dir.path(), &report).unwrap();
        let documents = read(dir.path(), None).unwrap();
        assert_eq!((documents.run.exit_code, documents.run.warnings.len(), documents.history.len()), (70, 1, 1));
        assert!(documents.skipped.is_empty());
    }

    #[test]
    fn models_come_with_and_without_more_than_their_name() {
        let text = r#"{"tool": "dbt", "models": ["a", {"name": "b", "status": "pass", "execution_time": 0.5}], "passed": 2}"#;
        let transform: Transform = serde_json::from_str(text).unwrap();
        assert!(matches!(&transform.models[0], Model::Name(name) if name == "a"));
        assert!(matches!(&transform.models[1], Model::Told(told) if told.name == "b" && told.seconds == Some(0.5)));
    }
}
