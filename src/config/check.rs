//! A YAML tree against a JSON Schema: every unknown key, wrong type, duplicate, bad word and number at once.
//!
//! The schema is the one that editors get, made from the structs of the files, so both can never differ. Only what those
//! structs produce is understood: objects, lists, text, whole numbers with a range, booleans and words.
//! What is wrong is reported and left out; the rest comes back ready for serde.

use super::problem::{Findings, Problem, nearest};
use super::yaml::{Key, Kind, Node};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where every key and list item stands, and what was left out as wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    file: PathBuf,
    lines: HashMap<Vec<String>, (usize, usize)>,
    bad: Vec<Vec<String>>,
}

impl Marks {
    /// The marks of a file of which nothing could be read.
    pub fn unreadable() -> Self {
        Self { bad: vec![Vec::new()], ..Self::default() }
    }

    /// Line of a path, or of the nearest part above it.
    pub fn line(&self, path: &[&str]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|n| self.at(&path[..n])).map(|(line, _)| line)
    }

    /// Place in the file's order, for maps whose order has a meaning.
    pub fn order(&self, path: &[&str]) -> usize {
        self.at(path).map_or(usize::MAX, |(_, order)| order)
    }

    /// Whether this value, or one above it, was there but wrong.
    pub fn is_bad(&self, path: &[&str]) -> bool {
        self.bad.iter().any(|bad| bad.len() <= path.len() && bad.iter().zip(path).all(|(a, b)| a == b))
    }

    /// A problem at a path of this file.
    pub fn problem(&self, path: &[&str], text: impl Into<String>) -> Problem {
        let problem = Problem::new(text);
        if self.file.as_os_str().is_empty() {
            return problem;
        }
        problem.at(&self.file, self.line(path))
    }

    /// The file, as messages show it; empty when there is none.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn at(&self, path: &[&str]) -> Option<(usize, usize)> {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        self.lines.get(&path).copied()
    }
}

/// Checks a file's tree. Returns the valid part as JSON, and the places.
pub(super) fn check(root: &Node, schema: &Value, file: &Path, findings: &mut Findings) -> (Value, Marks) {
    let marks = Marks { file: file.to_path_buf(), ..Marks::default() };
    let mut walk = Walk { root: schema, marks, findings, path: Vec::new(), variable: None };
    let value = walk.value(root, schema).unwrap_or(Value::Null);
    (value, walk.marks)
}

/// Checks one value that came from an environment variable.
pub(super) fn check_variable(name: &str, text: &str, schema: &Value, findings: &mut Findings) -> Option<Value> {
    let mut walk = Walk { root: schema, marks: Marks::default(), findings, path: Vec::new(), variable: Some(name) };
    walk.value(&Node { line: 0, kind: Kind::Text { text: text.to_owned(), expanded: true } }, schema)
}

/// A name as a message may show it: something that is no plain name might be a misplaced password or URL.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.*?[]{}$ ,".contains(c);
    if name.chars().count() <= 64 && !name.is_empty() && name.chars().all(plain) {
        return format!("`{name}`");
    }
    "(a key that is no plain name)".to_owned()
}

struct Walk<'a> {
    root: &'a Value,
    marks: Marks,
    findings: &'a mut Findings,
    path: Vec<String>,
    variable: Option<&'a str>,
}

impl Walk<'_> {
    /// The checked value, or `None` when it was wrong and reported.
    fn value(&mut self, node: &Node, schema: &Value) -> Option<Value> {
        let schema = without_null(schema);
        let words = words(schema);
        if !words.is_empty() {
            return self.word(node, &words);
        }
        match (&node.kind, type_of(schema)) {
            (Kind::Bad, _) => self.left_out(),
            (Kind::Null, _) => Some(Value::Null),
            (_, None) => Some(Value::Bool(true)),
            (Kind::Map(entries), Some("object")) => Some(self.object(entries, schema)),
            (Kind::List(items), Some("array")) => Some(self.list(items, schema)),
            (Kind::Bool(v), Some("boolean")) => Some(Value::Bool(*v)),
            (Kind::Int(v), Some("integer")) => self.number(*v, schema, node.line),
            (Kind::Text { text, expanded: true }, Some("integer")) if text.trim().parse::<i128>().is_ok() => {
                text.trim().parse().ok().and_then(|v| self.number(v, schema, node.line))
            }
            (Kind::Text { text, expanded: true }, Some("boolean")) if boolean(text).is_some() => boolean(text).map(Value::Bool),
            (Kind::Text { text, .. }, Some("string")) => Some(Value::String(text.clone())),
            (_, Some(wanted)) => {
                let text = format!("expected {}, found {}", type_words(wanted), kind_words(&node.kind, wanted));
                self.wrong(node.line, text, None)
            }
        }
    }

    fn object(&mut self, entries: &[(Key, Node)], schema: &Value) -> Value {
        let mut out = Map::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (key, node) in entries {
            if let Some(first) = seen.insert(&key.text, key.line) {
                let text = format!("{} is given twice, first in line {first}", shown(&key.text));
                self.problem(key.line, text, None);
                seen.insert(&key.text, first);
                continue;
            }
            let known = schema.get("properties").and_then(|all| all.get(&key.text));
            let other = schema.get("additionalProperties").filter(|more| more.is_object());
            let Some(inner) = known.or(other) else {
                self.unknown(key, schema);
                continue;
            };
            self.path.push(key.text.clone());
            self.mark(key.line);
            if let Some(value) = self.value(node, inner) {
                out.insert(key.text.clone(), value);
            }
            self.path.pop();
        }
        Value::Object(out)
    }

    fn list(&mut self, items: &[Node], schema: &Value) -> Value {
        let any = Value::Bool(true);
        let inner = schema.get("items").unwrap_or(&any);
        let mut out = Vec::new();
        for (i, node) in items.iter().enumerate() {
            self.path.push(i.to_string());
            self.mark(node.line);
            match (&node.kind, self.value(node, inner)) {
                (Kind::Null, _) => drop(self.wrong(node.line, "an empty list item".into(), None)),
                (_, Some(value)) => out.push(value),
                // Kept as an empty place, so that the numbers of the items after it stay right.
                (_, None) if type_of(inner) == Some("object") => out.push(Value::Object(Map::new())),
                (_, None) => out.push(Value::String(String::new())),
            }
            self.path.pop();
        }
        Value::Array(out)
    }

    fn number(&mut self, number: i128, schema: &Value, line: usize) -> Option<Value> {
        let bound = |name| schema.get(name).and_then(Value::as_i64).map(i128::from);
        let (low, high) = (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(i128::from(i64::MAX)));
        if number < low || number > high {
            return self.wrong(line, format!("{number} is not in {low} to {high}"), None);
        }
        i64::try_from(number).ok().map(Value::from)
    }

    fn word(&mut self, node: &Node, words: &[&str]) -> Option<Value> {
        match &node.kind {
            Kind::Bad => self.left_out(),
            // YAML's own null, where the word null is a choice.
            Kind::Null if words.contains(&"null") => Some(Value::String("null".into())),
            Kind::Null => Some(Value::Null),
            Kind::Text { text, .. } if words.contains(&text.as_str()) => Some(Value::String(text.clone())),
            Kind::Text { text, expanded } => {
                let said = if *expanded { "the value".to_owned() } else { shown(text) };
                let near = nearest(text, words.iter().copied());
                self.wrong(node.line, format!("{said} is not one of {}", words.join(", ")), near)
            }
            other => {
                self.wrong(node.line, format!("expected one of {}, found {}", words.join(", "), kind_words(other, "")), None)
            }
        }
    }

    fn unknown(&mut self, key: &Key, schema: &Value) {
        let names =
            schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().map(String::as_str));
        let near = nearest(&key.text, names);
        let mut text = format!("unknown key {}", shown(&key.text));
        if key.text == "password" {
            text.push_str(": a password goes into password_file, the URL or a variable such as ETL_SYNC_SOURCE_PASSWORD");
        } else if let (None, Some(home)) = (&near, home_of(self.root, &key.text)) {
            text.push_str(&format!("; it belongs under `{home}`"));
        }
        self.problem(key.line, text, near);
    }

    fn mark(&mut self, line: usize) {
        let order = self.marks.lines.len();
        self.marks.lines.insert(self.path.clone(), (line, order));
    }

    /// Reports the value of the current path.
    fn wrong(&mut self, line: usize, text: String, near: Option<String>) -> Option<Value> {
        let place = match self.variable {
            Some(name) => name.to_owned(),
            None if self.path.is_empty() => "the file".to_owned(),
            None => dotted(&self.path),
        };
        self.problem(line, format!("{place}: {text}"), near);
        self.left_out()
    }

    fn left_out(&mut self) -> Option<Value> {
        self.marks.bad.push(self.path.clone());
        None
    }

    fn problem(&mut self, line: usize, text: String, near: Option<String>) {
        let problem = Problem::new(text).near(near);
        let problem = if self.variable.is_some() { problem } else { problem.at(&self.marks.file.clone(), Some(line)) };
        self.findings.problem(problem);
    }
}

/// `tables.patient.key[2]`, in one pair of backticks.
fn dotted(path: &[String]) -> String {
    let mut out = String::new();
    for part in path {
        if part.chars().all(|c| c.is_ascii_digit()) && !out.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            out.push_str(if out.is_empty() { "" } else { "." });
            out.push_str(shown(part).trim_matches('`'));
        }
    }
    format!("`{out}`")
}

/// The branch of an `Option` that is not null.
pub(super) fn without_null(schema: &Value) -> &Value {
    let branches = schema.get("anyOf").and_then(Value::as_array);
    let real = branches.and_then(|all| all.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null")));
    real.unwrap_or(schema)
}

fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => Some(one),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

/// The words an enum allows: `enum: [..]`, or `oneOf` with a `const` or `enum` each when variants are documented.
fn words(schema: &Value) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    out.extend(schema.get("const").and_then(Value::as_str));
    out.extend(schema.get("enum").and_then(Value::as_array).into_iter().flat_map(|all| all.iter().filter_map(Value::as_str)));
    for one in schema.get("oneOf").and_then(Value::as_array).into_iter().flat_map(|all| all.iter()) {
        out.extend(words(one));
    }
    out
}

/// The section of the schema that has this key, as `general` or `connections.source`.
fn home_of(schema: &Value, name: &str) -> Option<String> {
    let schema = without_null(schema);
    for (section, inner) in schema.get("properties").and_then(Value::as_object)? {
        let inner = without_null(inner);
        if inner.get("properties").is_some_and(|all| all.get(name).is_some()) {
            return Some(section.clone());
        }
        if let Some(deeper) = home_of(inner, name) {
            return Some(format!("{section}.{deeper}"));
        }
    }
    None
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn type_words(name: &str) -> &str {
    match name {
        "object" => "a map (key: value)",
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "text",
    }
}

fn kind_words(kind: &Kind, wanted: &str) -> &'static str {
    match kind {
        Kind::Null | Kind::Bad => "nothing",
        Kind::Bool(_) if wanted == "string" => "true or false (put it in quotes)",
        Kind::Int(_) | Kind::Float(_) if wanted == "string" => "a number (put it in quotes)",
        Kind::Bool(_) => "true or false",
        Kind::Int(_) => "a whole number",
        Kind::Float(_) => "a number with a fraction",
        Kind::Text { .. } => "text",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
    }
}
