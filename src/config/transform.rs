//! `transform` of pipeline.yml: the step after the load, dbt or plain SQL files.

use super::env::Environment;
use super::pipeline::PipelineFile;
use super::problem::{Findings, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The step after the load.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TransformFile {
    /// What transforms: dbt, sql (plain files), none, or auto (dbt where project_dir is set, else sql where sql_dir is). Default auto.
    pub tool: Option<ToolWord>,
    /// The program, by name or path. Default dbt. Relative to this file.
    pub command: Option<String>,
    /// Its arguments, blanks between them; those for directories, target and selection are added. Default build.
    pub args: Option<String>,
    /// Directory of dbt_project.yml. Relative to this file.
    pub project_dir: Option<String>,
    /// Directory of profiles.yml. Default: dbt's own. Relative to this file.
    pub profiles_dir: Option<String>,
    /// Target of the profile. Default: the profile's own.
    pub target: Option<String>,
    /// dbt selection that narrows every run, such as tag:nightly; several with blanks between them. Default: everything.
    pub select: Option<String>,
    /// Name of the dbt source that holds the tables. Default: the warehouse schema.
    pub source_name: Option<String>,
    /// Directory of SQL files that are run in order of their names. Relative to this file.
    pub sql_dir: Option<String>,
    /// Seconds until a transformation that has not ended is stopped. Default 7200.
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_s: Option<u64>,
    /// Hours after which `dbt source freshness` warns of a table, in the sources.yml that `dbt sources` writes. Default 24.
    #[schemars(range(min = 1, max = 87_600))]
    pub freshness_warn_h: Option<u64>,
    /// Hours after which it fails. Default 720.
    #[schemars(range(min = 1, max = 87_600))]
    pub freshness_error_h: Option<u64>,
}

/// What transforms, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolWord {
    /// What the directories say.
    Auto,
    /// dbt.
    Dbt,
    /// Plain SQL files.
    Sql,
    /// Nothing.
    None,
}

/// What transforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// dbt, with the directory of its project.
    Dbt(PathBuf),
    /// The SQL files of a directory.
    Sql(PathBuf),
    /// Nothing.
    None,
}

impl Tool {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Dbt(_) => "dbt",
            Self::Sql(_) => "sql",
            Self::None => "none",
        }
    }
}

/// The step after the load, complete and in range. Whether the directories are there is asked when it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// What transforms.
    pub tool: Tool,
    /// dbt by name or path.
    pub command: String,
    /// Its first arguments.
    pub args: Vec<String>,
    /// Directory of profiles.yml, where it is not dbt's own.
    pub profiles_dir: Option<PathBuf>,
    /// Target of the profile, where it is not the profile's own.
    pub target: Option<String>,
    /// What every selection is narrowed to; everything when empty.
    pub select: Vec<String>,
    /// Name of the dbt source that holds the tables.
    pub source_name: String,
    /// Deadline of the whole step.
    pub timeout: Duration,
    /// Age of a table in hours that dbt warns of.
    pub freshness_warn_h: u64,
    /// Age of a table in hours that is an error for dbt.
    pub freshness_error_h: u64,
}

/// The step out of file and variables; `base` is the file's directory, `schema` that of the tables.
pub(super) fn resolve(
    env: &Environment,
    vars: &PipelineFile,
    file: &PipelineFile,
    (base, schema): (&Path, &str),
    findings: &mut Findings,
) -> Transform {
    let none = TransformFile::default();
    let [vars, file] = [vars, file].map(|layer| layer.transform.as_ref().unwrap_or(&none));
    // The layer that gives a text, and where its relative paths start.
    let text = |of: fn(&TransformFile) -> Option<&String>| {
        let given = |layer, base| of(layer).filter(|text| !text.trim().is_empty()).map(|text| (text.clone(), base));
        given(vars, env.cwd.as_path()).or_else(|| given(file, base))
    };
    let path = |of| text(of).map(|(text, base)| env.path(&text, base));
    let word = |of| text(of).map(|(text, _)| text);
    let words = |of, default: &str| -> Vec<String> {
        word(of).unwrap_or_else(|| default.to_owned()).split_whitespace().map(str::to_owned).collect()
    };
    let number = |of: fn(&TransformFile) -> Option<u64>, default| of(vars).or_else(|| of(file)).unwrap_or(default);
    let (project, sql) = (path(|layer| layer.project_dir.as_ref()), path(|layer| layer.sql_dir.as_ref()));
    let (freshness_warn_h, freshness_error_h) =
        (number(|layer| layer.freshness_warn_h, 24), number(|layer| layer.freshness_error_h, 720));
    if freshness_error_h < freshness_warn_h {
        findings.problem(Problem::new("transform.freshness_error_h is below transform.freshness_warn_h"));
    }
    Transform {
        tool: tool(vars.tool.or(file.tool).unwrap_or(ToolWord::Auto), project, sql, findings),
        command: match text(|layer| layer.command.as_ref()) {
            Some((path, base)) if path.contains('/') => env.path(&path, base).display().to_string(),
            Some((name, _)) => name,
            None => "dbt".to_owned(),
        },
        args: words(|layer| layer.args.as_ref(), "build"),
        profiles_dir: path(|layer| layer.profiles_dir.as_ref()),
        target: word(|layer| layer.target.as_ref()),
        select: words(|layer| layer.select.as_ref(), ""),
        source_name: word(|layer| layer.source_name.as_ref()).unwrap_or_else(|| schema.to_owned()),
        timeout: Duration::from_secs(number(|layer| layer.timeout_s, 7200)),
        freshness_warn_h,
        freshness_error_h,
    }
}

fn tool(word: ToolWord, project: Option<PathBuf>, sql: Option<PathBuf>, findings: &mut Findings) -> Tool {
    let mut lacking = |key: &str| {
        findings.problem(Problem::new(format!("transform.tool needs transform.{key}, which is not set")));
        Tool::None
    };
    match (word, project, sql) {
        (ToolWord::Dbt | ToolWord::Auto, Some(dir), _) => Tool::Dbt(dir),
        (ToolWord::Sql | ToolWord::Auto, _, Some(dir)) => Tool::Sql(dir),
        (ToolWord::Dbt, None, _) => lacking("project_dir"),
        (ToolWord::Sql, _, None) => lacking("sql_dir"),
        (ToolWord::Auto | ToolWord::None, _, _) => Tool::None,
    }
}
