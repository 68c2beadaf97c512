//! The environment as a value: variables, home and working directory, `.env` files, `${VAR}` in configuration text.
//!
//! The process environment is read once and never changed. Blank variables count as not set: an empty line in an
//! environment file once sent a run to the wrong server. Values are never shown.

use super::problem::{Findings, Problem, nearest};
use super::secret::others_may_read;
use super::yaml::{Kind, Node};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Prefix of every variable of ours.
pub(super) const PREFIX: &str = "ETL_SYNC_";

/// What the configuration takes from the process around it. Tests build their own.
#[derive(Clone, Default)]
pub struct Environment {
    /// Variables.
    pub vars: BTreeMap<String, String>,
    /// Home directory, for `~/.my.cnf`, `~/.pgpass` and `~/`.
    pub home: Option<PathBuf>,
    /// Directory that relative paths start from.
    pub cwd: PathBuf,
    /// Processor cores this process may use, for the default of `parallel`.
    pub cores: usize,
    /// Names of variables whose value is not UTF-8.
    pub unreadable: Vec<String>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let mut vars = BTreeMap::new();
        let mut unreadable = Vec::new();
        for (name, value) in std::env::vars_os() {
            match (name.to_str(), value.to_str()) {
                (Some(name), Some(value)) => {
                    vars.insert(name.to_owned(), value.to_owned());
                }
                (Some(name), None) => unreadable.push(name.to_owned()),
                // A name that is not UTF-8 is none of ours.
                (None, _) => {}
            }
        }
        let home = vars.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        // Without a working directory relative files are not found, and say so.
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { vars, home, cwd, cores, unreadable }
    }

    /// A path as written: `~/` is the home directory, anything relative starts at `base`.
    pub(super) fn path(&self, written: &str, base: &Path) -> PathBuf {
        match (written.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => base.join(written),
        }
    }

    /// A path as messages show it: without the working directory in front.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.cwd).map_or_else(|_| path.to_path_buf(), Path::to_path_buf)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.vars.keys().collect();
        f.debug_struct("Environment").field("vars", &names).field("home", &self.home).field("cwd", &self.cwd).finish()
    }
}

/// The variables in force: real environment, then `.env` beside the configuration, then `.env` in the working directory.
#[derive(Default)]
pub(super) struct Vars(BTreeMap<String, String>);

impl Vars {
    /// The process's variables; those of ours that cannot be read are problems.
    pub fn new(env: &Environment, findings: &mut Findings) -> Self {
        for name in env.unreadable.iter().filter(|name| name.starts_with(PREFIX) || name.starts_with("PG")) {
            findings.problem(Problem::new(format!("{name}: the value is not UTF-8")));
        }
        let mut vars = Self::default();
        vars.add_below(env.vars.clone());
        vars
    }

    /// Adds variables that are not set yet. Blank ones are dropped.
    pub fn add_below(&mut self, more: BTreeMap<String, String>) {
        for (name, value) in more {
            if !value.trim().is_empty() {
                self.0.entry(name).or_insert(value);
            }
        }
    }

    /// A variable's value, never blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Warns of variables with our prefix that look like a misspelt one. Others may belong to flags.
    pub fn warn_of_misspelt(&self, known: &[String], findings: &mut Findings) {
        for name in self.0.keys().filter(|name| name.starts_with(PREFIX) && !known.contains(name)) {
            let words: Vec<&str> = known.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
            let word = name.strip_prefix(PREFIX).unwrap_or(name);
            let close = nearest(word, words).filter(|other| strsim::damerau_levenshtein(word, other) <= 2);
            if let Some(other) = close {
                findings.warn(format!("{name} is not a variable of etl-sync; nearest: {PREFIX}{other}"));
            }
        }
    }
}

/// The variables of a `.env` file; empty when there is no such file.
pub(super) fn dotenv(path: &Path, shown: &Path, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return out,
        Err(error) => {
            findings.problem(Problem::new(format!("cannot be read: {error}")).at(shown, None));
            return out;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Some(line) = open_quote(text) {
        let what =
            "a backslash right before the closing ' keeps the quote open; write the value in double quotes, with \\\\ for \\";
        findings.problem(Problem::new(what).at(shown, Some(line)));
        return out;
    }
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok((name, value)) => {
                out.insert(name, value);
            }
            Err(error) => {
                // The error's own text repeats the line, so maybe a password: only the place is told.
                let line = match &error {
                    dotenvy::Error::LineParse(content, _) => text.find(content.as_str()).map(|at| line_at(text, at)),
                    _ => None,
                };
                findings
                    .problem(Problem::new("expected NAME=value; put a value with special characters in '...'").at(shown, line));
            }
        }
    }
    warn_of_dollars(text, shown, findings);
    let secret = out.iter().any(|(name, value)| !value.is_empty() && (name.ends_with("PASSWORD") || value.contains("://")));
    if secret && others_may_read(path) {
        findings.warn(format!("{} may hold passwords and other users can read it: chmod 600", shown.display()));
    }
    out
}

/// Line of a value such as `'x\'`. The parser reads its backslash as itself, but its search for the end of the line takes
/// the quote as escaped: the following lines would be lost without a word.
fn open_quote(text: &str) -> Option<usize> {
    let ends_in_backslash = |line: &str| {
        let quoted = line.split_once('=').and_then(|(_, value)| value.trim_start().strip_prefix('\''));
        let inside = quoted.and_then(|rest| rest.split_once('\'')).map_or("", |(inside, _)| inside);
        inside.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
    };
    text.lines().position(|line| !line.trim_start().starts_with('#') && ends_in_backslash(line)).map(|index| index + 1)
}

/// In a `.env` file `$x` is replaced even when x is not set, which would silently change a password.
fn warn_of_dollars(text: &str, shown: &Path, findings: &mut Findings) {
    for (i, line) in text.lines().enumerate() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let ours = name.trim().trim_start_matches("export ").starts_with(PREFIX) || name.trim().starts_with("PG");
        if ours && !value.trim_start().starts_with('\'') && value.contains('$') && !value.contains("\\$") {
            let place = format!("{}:{}", shown.display(), i + 1);
            findings.warn(format!("{place}: `$` begins a variable here; put the value in single quotes to keep it as it is"));
        }
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Puts variables into every text of the tree. Missing ones are all reported; their node becomes [`Kind::Bad`].
pub(super) fn expand(node: &mut Node, vars: &Vars, file: &Path, findings: &mut Findings) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| expand(item, vars, file, findings)),
        Kind::Map(entries) => entries.iter_mut().for_each(|(_, value)| expand(value, vars, file, findings)),
        Kind::Text { text, expanded } if text.contains("${") => match expand_text(text, vars) {
            Ok(new) => {
                *text = new;
                *expanded = true;
            }
            Err(missing) => {
                for text in missing {
                    findings.problem(Problem::new(text).at(file, Some(node.line)));
                }
                node.kind = Kind::Bad;
            }
        },
        _ => {}
    }
}

/// `${NAME}` and `${NAME:-default}`; `$${` is a literal `${`. A lone `$name` stays: passwords and SQL hold dollars.
fn expand_text(text: &str, vars: &Vars) -> Result<String, Vec<String>> {
    let mut out = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            problems.push("`${` without `}`".to_owned());
            rest = "";
            break;
        };
        rest = tail;
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        if !is_variable_name(name) {
            problems.push("`${...}` holds no variable name; write `$${` for a literal `${`".to_owned());
            continue;
        }
        match vars.get(name).or(default) {
            Some(value) => out.push_str(value),
            None => problems.push(format!("variable {name} is not set and has no default (`${{{name}:-default}}`)")),
        }
    }
    out.push_str(rest);
    if problems.is_empty() { Ok(out) } else { Err(problems) }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn vars(list: &[(&str, &str)]) -> Vars {
        let mut vars = Vars::default();
        vars.add_below(list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        vars
    }

    #[test]
    fn variables_in_text() {
        let vars = vars(&[("A", "1"), ("B_2", "two"), ("BLANK", " "), ("D", "${A}")]);
        for (text, want) in [
            ("x${A}y${B_2}", "x1ytwo"),
            ("${NONE:-d}-${NONE:-}", "d-"),
            ("${A:-d}", "1"),
            ("${BLANK:-d}", "d"),
            ("pa$word $A $", "pa$word $A $"),
            ("$${A}", "${A}"),
            ("${D}", "${A}"),
        ] {
            assert_eq!(expand_text(text, &vars).as_deref(), Ok(want), "{text}");
        }
        let missing = expand_text("${X} ${A} ${Y} ${BLANK} ${a b} ${", &vars).unwrap_err();
        let heads: Vec<&str> = missing.iter().map(|text| text.split(" is").next().unwrap()).collect();
        assert_eq!(heads[..3], ["variable X", "variable Y", "variable BLANK"]);
        assert_eq!(missing.len(), 5);
        assert!(!missing.iter().any(|text| text.contains("a b")));
    }

    #[test]
    fn dotenv_keeps_values_and_reports_lines_without_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        let text =
            "# head\nexport A=1\nETL_SYNC_SOURCE_PASSWORD='p$a#s'\nBLANK=\nnot a line sEcret\nPGPASSWORD=x$y\nQ=\"a b\" sEcret\n";
        std::fs::write(&path, text).unwrap();
        let mut found = Findings::default();
        let got = dotenv(&path, Path::new(".env"), &mut found);
        assert_eq!(got["A"], "1");
        assert_eq!(got["ETL_SYNC_SOURCE_PASSWORD"], "p$a#s");
        let lines: Vec<Option<usize>> = found.problems.iter().map(|p| p.line).collect();
        assert_eq!(lines, [Some(5), Some(7)]);
        assert!(!format!("{found:?}").contains("sEcret"));
        assert!(found.warnings.iter().any(|w| w.starts_with(".env:6:")), "{:?}", found.warnings);
        assert!(!found.warnings.iter().any(|w| w.starts_with(".env:3:")));
        assert!(dotenv(&dir.path().join("none"), Path::new("none"), &mut Findings::default()).is_empty());
    }

    #[test]
    fn a_quote_that_stays_open_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        for (value, told) in [(r"'a\'", true), (r"'a\\\' # '", true), (r"'a\\'", false), (r"'a\b'", false), (r#""a\'b""#, false)]
        {
            std::fs::write(&path, format!("A=1\nB={value} # c\nC='3'\n")).unwrap();
            let mut found = Findings::default();
            let got = dotenv(&path, Path::new(".env"), &mut found);
            let lines: Vec<Option<usize>> = found.problems.iter().map(|p| p.line).collect();
            assert_eq!((lines, got.contains_key("C")), if told { (vec![Some(2)], false) } else { (vec![], true) }, "{value}");
        }
    }

    #[test]
    fn readable_env_files_with_passwords_are_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        for (text, mode, warned) in [("X_PASSWORD=a\n", 0o644, true), ("X_PASSWORD=a\n", 0o600, false), ("A=b\n", 0o644, false)] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut found = Findings::default();
            dotenv(&path, Path::new(".env"), &mut found);
            assert_eq!(!found.warnings.is_empty(), warned, "{text} {mode:o}");
        }
    }

    #[test]
    fn misspelt_variables_are_named_once_and_foreign_ones_are_not() {
        let vars = vars(&[("ETL_SYNC_PARALEL", "4"), ("ETL_SYNC_PARALLEL", "4"), ("ETL_SYNC_LOG_LEVEL", "x"), ("OTHER", "x")]);
        let mut found = Findings::default();
        vars.warn_of_misspelt(&["ETL_SYNC_PARALLEL".to_owned(), "ETL_SYNC_CHUNK_MB".to_owned()], &mut found);
        assert_eq!(found.warnings, ["ETL_SYNC_PARALEL is not a variable of etl-sync; nearest: ETL_SYNC_PARALLEL"]);
    }

    #[test]
    fn debug_shows_no_values() {
        let mut env = Environment::of_process();
        env.vars.insert("ETL_SYNC_SOURCE_PASSWORD".into(), "sEcret".into());
        assert!(!format!("{env:?}").contains("sEcret"));
    }
}
