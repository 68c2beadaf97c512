//! The layers that settings come from: the file's text and `ETL_SYNC_*`, checked by one schema.

use super::check::{self, Marks};
use super::env::{PREFIX, Vars};
use super::pipeline::PipelineFile;
use super::problem::{Findings, Problem};
use super::yaml::Node;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Turns a checked JSON value into its struct.
pub(super) fn typed<T: for<'de> Deserialize<'de> + Default>(value: Value, file: &Path, findings: &mut Findings) -> T {
    if value.is_null() {
        return T::default();
    }
    match serde_json::from_value(value) {
        Ok(typed) => typed,
        // The schema comes from the same struct, so this is a fault of ours; serde's text may quote values.
        Err(_) => {
            findings.problem(Problem::new("the checked file does not fit its structure: please report this").at(file, None));
            T::default()
        }
    }
}

/// The file's content.
pub(super) fn from_file(root: &Node, file: &Path, findings: &mut Findings) -> (PipelineFile, Marks) {
    let schema = super::schema::of::<PipelineFile>();
    let (value, marks) = check::check(root, &schema, file, findings);
    (typed(value, file, findings), marks)
}

/// The same structure filled from `ETL_SYNC_*`, checked by the same ranges.
pub(super) fn from_vars(vars: &Vars, findings: &mut Findings) -> PipelineFile {
    let schema = super::schema::of::<PipelineFile>();
    let mut root = json!({});
    for (path, schema) in leaves(&schema, &[]) {
        let name = variable(&path);
        let Some(value) = vars.get(&name).and_then(|text| check::check_variable(&name, text, schema, findings)) else { continue };
        put(&mut root, &path, value);
    }
    typed(root, Path::new(""), findings)
}

fn put(root: &mut Value, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = root;
    for part in parents {
        at = &mut at[part.as_str()];
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
    }
    at[last.as_str()] = value;
}

/// Variable of a key: `connections.source.url` is ETL_SYNC_SOURCE_URL, `general.parallel` is ETL_SYNC_PARALLEL.
pub(super) fn variable(path: &[String]) -> String {
    let words: Vec<&str> =
        path.iter().map(String::as_str).filter(|part| !matches!(*part, "connections" | "general" | "policies")).collect();
    format!("{PREFIX}{}", words.join("_").to_uppercase())
}

/// Every variable of ours.
pub(super) fn variables() -> Vec<String> {
    let schema = super::schema::of::<PipelineFile>();
    let mut out: Vec<String> = leaves(&schema, &[]).iter().map(|(path, _)| variable(path)).collect();
    out.extend(
        ["SOURCE_PASSWORD", "REPLICA_PASSWORD", "WAREHOUSE_PASSWORD", "CONFIG_DIR", "JSON_LINE"]
            .map(|name| format!("{PREFIX}{name}")),
    );
    out
}

/// Paths of a schema's keys that hold a value, with their schemas.
pub(super) fn leaves<'a>(schema: &'a Value, above: &[String]) -> Vec<(Vec<String>, &'a Value)> {
    let schema = check::without_null(schema);
    let mut out = Vec::new();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return out };
    for (name, inner) in properties {
        let mut path = above.to_vec();
        path.push(name.clone());
        if check::without_null(inner).get("properties").is_some() {
            out.extend(leaves(inner, &path));
        } else {
            out.push((path, inner));
        }
    }
    out
}
