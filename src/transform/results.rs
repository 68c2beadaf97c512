//! dbt's `run_results.json`: what became of each model and test. Schema versions 4 to 6.

use super::shown::Shown;
use super::{Node, Verdict};
use crate::error::{Doing, Error, Kind, Result};
use serde::Deserialize;
use std::path::Path;

/// Versions of the document that are read (dbt 1.0 to 1.12).
const VERSIONS: std::ops::RangeInclusive<u32> = 4..=6;

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    #[serde(default)]
    results: Vec<One>,
}

#[derive(Deserialize)]
struct Metadata {
    dbt_schema_version: String,
    generated_at: String,
}

#[derive(Deserialize)]
struct One {
    unique_id: String,
    status: String,
    #[serde(default)]
    execution_time: f64,
    message: Option<String>,
    failures: Option<i64>,
    #[serde(default)]
    adapter_response: serde_json::Map<String, serde_json::Value>,
}

/// The results that were written at or after `since`, microseconds since 1970; none when there is no such document: dbt did
/// not come so far, and what is there is of another time.
///
/// # Errors
/// [`Kind::Transform`] when the document cannot be read or is of another version.
pub fn read(path: &Path, since: i64) -> Result<Option<Vec<Node>>> {
    let doing = || format!("reading {}", path.display());
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::with(Kind::Transform, doing(), error)),
    };
    parse(&text, since).map_err(|error| error.doing(doing()))
}

/// The same of a document in memory.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &[u8], since: i64) -> Result<Option<Vec<Node>>> {
    let document: Document = serde_json::from_slice(text).map_err(not_understood)?;
    let version = version(&document.metadata.dbt_schema_version);
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        let text = format!("its version is {}, not 4 to 6", Shown::default().text(&document.metadata.dbt_schema_version));
        return Err(Error::new(Kind::Transform, text).hint("use dbt 1.0 to 1.12, or a newer etl-sync"));
    }
    let at = chrono::DateTime::parse_from_rfc3339(&document.metadata.generated_at);
    let at = at.doing(Kind::Transform, || "its generated_at is no time")?.timestamp_micros();
    Ok((at >= since).then(|| document.results.into_iter().map(node).collect()))
}

/// An error that says only where, because the parser's own may quote the text.
pub(super) fn not_understood(error: serde_json::Error) -> Error {
    let text = format!("it is not understood, line {} column {}", error.line(), error.column());
    Error::new(Kind::Transform, text).hint("see whether dbt was ended while it wrote, or is newer than 1.12")
}

/// 6 of `https://schemas.getdbt.com/dbt/run-results/v6.json`.
fn version(url: &str) -> Option<u32> {
    url.rsplit_once("/run-results/v")?.1.strip_suffix(".json")?.parse().ok()
}

fn node(one: One) -> Node {
    let kind = one.unique_id.split('.').next().unwrap_or_default().to_owned();
    let affected = one.adapter_response.get("rows_affected").and_then(serde_json::Value::as_i64);
    // Of a view dbt says -1; of a test, how many rows its query gave: one.
    let rows = if kind == "test" || kind == "unit_test" { one.failures } else { affected };
    Node {
        name: name(&kind, &one.unique_id),
        verdict: verdict(&one.status),
        status: one.status,
        seconds: one.execution_time,
        rows: rows.and_then(|rows| u64::try_from(rows).ok()),
        message: one.message.map(|text| Shown::default().text(&text)).filter(|text| !text.is_empty()),
        kind,
        unique_id: one.unique_id,
    }
}

/// `model.project.orders` is `orders`, `model.project.orders.v2` is `orders.v2`; behind a test's name stands its hash.
fn name(kind: &str, unique_id: &str) -> String {
    let parts: Vec<&str> = unique_id.split('.').skip(2).collect();
    match (kind, parts.as_slice()) {
        (_, []) => unique_id.to_owned(),
        ("test", [name, .., _hash]) => (*name).to_owned(),
        (_, parts) => parts.join("."),
    }
}

/// Words of models, tests and snapshots of all versions. An unknown word is taken for a failure: unknown is not well.
fn verdict(status: &str) -> Verdict {
    match status {
        "success" | "pass" | "no-op" | "reused" => Verdict::Passed,
        "warn" => Verdict::Warned,
        "skipped" => Verdict::Skipped,
        _ => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document(version: &str, results: &str) -> Vec<u8> {
        format!(
            "{{\"metadata\": {{\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/run-results/{version}.json\", \
             \"generated_at\": \"2026-11-22T04:00:00.5Z\", \"env\": {{}}}}, \"results\": [{results}], \"elapsed_time\": 1.0}}"
        )
        .into_bytes()
    }

    const MODEL: &str = r#"{"status": "success", "execution_time": 0.5, "message": "SELECT 1090", "failures": null,
        "unique_id": "model.p.orders", "adapter_response": {"_message": "SELECT 1090", "rows_affected": 1090}}"#;

    #[test]
    fn versions_4_to_6_are_read_and_no_other() {
        for version in ["v4", "v5", "v6"] {
            let nodes = parse(&document(version, MODEL), 0).unwrap().unwrap();
            assert_eq!((nodes[0].name.as_str(), nodes[0].rows, nodes[0].verdict), ("orders", Some(1090), Verdict::Passed));
        }
        for version in ["v3", "v7", "v", "v6.1"] {
            let error = parse(&document(version, MODEL), 0).unwrap_err();
            assert!(error.kind() == Kind::Transform && error.to_string().contains("not 4 to 6"), "{error}");
        }
        let cut = document("v6", MODEL);
        for end in 0..cut.len() {
            assert!(parse(&cut[..end], 0).is_err(), "{end}");
        }
    }

    #[test]
    fn a_document_of_an_earlier_run_does_not_count() {
        let at = chrono::DateTime::parse_from_rfc3339("2026-11-22T04:00:00.5Z").unwrap().timestamp_micros();
        assert!(parse(&document("v6", MODEL), at).unwrap().is_some());
        assert_eq!(parse(&document("v6", MODEL), at + 1).unwrap(), None);
        assert_eq!(read(Path::new("/no/such/run_results.json"), 0).unwrap(), None);
    }

    #[test]
    fn every_status_has_a_verdict_and_every_kind_a_name() {
        let one = |status: &str, id: &str| {
            let text = format!("{{\"status\": \"{status}\", \"unique_id\": \"{id}\", \"failures\": 5, \"message\": null}}");
            parse(&document("v5", &text), 0).unwrap().unwrap().remove(0)
        };
        for (status, verdict) in [
            ("success", Verdict::Passed),
            ("pass", Verdict::Passed),
            ("no-op", Verdict::Passed),
            ("warn", Verdict::Warned),
            ("skipped", Verdict::Skipped),
            ("fail", Verdict::Failed),
            ("error", Verdict::Failed),
            ("runtime error", Verdict::Failed),
            ("partial success", Verdict::Failed),
            ("something new", Verdict::Failed),
        ] {
            assert_eq!(one(status, "model.p.m").verdict, verdict, "{status}");
        }
        let test = one("warn", "test.p.unique_orders_id.a1b2c3");
        assert_eq!((test.name.as_str(), test.rows), ("unique_orders_id", Some(5)));
        assert_eq!(one("success", "model.p.orders.v2").name, "orders.v2");
        assert_eq!(one("success", "test.p.singular").name, "singular");
        assert_eq!(one("success", "odd").name, "odd");
    }
}
