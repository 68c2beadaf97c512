//! What is wrong with a configuration: every problem with its file, line and the nearest valid name.
//!
//! A problem's text never repeats a value that may be a password; it names keys, parameters and variables only.

use crate::error::{Error, Kind};
use std::fmt;
use std::path::{Path, PathBuf};

/// Below this similarity (Jaro-Winkler, 0 to 1) a name is not offered as the one that was meant.
const SIMILAR_ENOUGH: f64 = 0.8;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong, one line.
    pub text: String,
    /// The valid name that was probably meant.
    pub nearest: Option<String>,
}

impl Problem {
    /// A problem that belongs to no file.
    pub fn new(text: impl Into<String>) -> Self {
        Self { file: None, line: None, text: text.into(), nearest: None }
    }

    /// The same problem in a file, at a line when it is known.
    #[must_use]
    pub fn at(mut self, file: &Path, line: Option<usize>) -> Self {
        self.file = Some(file.to_path_buf());
        self.line = line;
        self
    }

    /// The same problem with the name that was probably meant.
    #[must_use]
    pub fn near(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.text)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; nearest: `{nearest}`"),
            None => Ok(()),
        }
    }
}

/// Every problem of one configuration; never empty when returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// All problems, in the order of files and lines.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Self(problems)
    }

    /// The single problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        Self::new(Kind::Config, format!("{count} {noun} in the configuration\n{problems}"))
    }
}

/// What the reading of a configuration finds on its way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Each of them stops the run.
    pub problems: Vec<Problem>,
    /// Said once, then the run goes on.
    pub warnings: Vec<String>,
}

impl Findings {
    /// Adds a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a warning.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// The candidate most like `word`, when one is like it at all, else the only one that holds it as a part.
/// A difference of case alone is the best match.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    let mut holding = Vec::new();
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let score = strsim::jaro_winkler(&word, &lower);
        if score >= SIMILAR_ENOUGH && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, candidate));
        }
        if word.len() > 2 && lower.contains(&word) {
            holding.push(candidate);
        }
    }
    let part = if holding.len() == 1 { holding.pop() } else { None };
    best.map(|(_, name)| name).or(part).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_problem_reads_like_a_compiler_message() {
        let problem = Problem::new("unknown key `chunk_sise`").at(Path::new("config/tables.yml"), Some(12));
        let problem = problem.near(Some("chunk_mb".into()));
        assert_eq!(problem.to_string(), "config/tables.yml:12: unknown key `chunk_sise`; nearest: `chunk_mb`");
        assert_eq!(Problem::new("no source").to_string(), "no source");
    }

    #[test]
    fn all_problems_are_in_the_error_in_file_order() {
        let file = Path::new("a.yml");
        let problems = Problems::new(vec![
            Problem::new("third").at(file, Some(9)),
            Problem::new("first"),
            Problem::new("second").at(file, Some(2)),
        ]);
        let error = Error::from(problems);
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(error.to_string(), "3 problems in the configuration\nfirst\na.yml:2: second\na.yml:9: third");
    }

    #[test]
    fn nearest_names() {
        let keys = ["parallel", "chunk_mb", "chunk_rows_max", "retries"];
        for (word, want) in [
            ("paralel", Some("parallel")),
            ("Parallel", Some("parallel")),
            ("chunk_sise", Some("chunk_mb")),
            ("retry", Some("retries")),
            ("rows", Some("chunk_rows_max")),
            ("zzz", None),
            ("ks", None),
        ] {
            assert_eq!(nearest(word, keys).as_deref(), want, "{word}");
        }
    }
}
