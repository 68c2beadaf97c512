//! The shipped examples: harmless as they are, complete and true when every key is taken in.

use super::{Place, load};
use crate::config::layers;
use crate::config::pipeline::PipelineFile;
use crate::config::tables::TablesFile;
use crate::config::{Config, Overrides, Settings, schema};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const PIPELINE: &str = include_str!("../../../config/pipeline.yml");
const TABLES: &str = include_str!("../../../config/tables.yml");

/// The file with the `#` taken off in front of every key; remarks have a blank behind theirs.
fn uncommented(text: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        match line[indent..].strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{}{rest}\n", &line[..indent]),
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

fn value(text: &str) -> Value {
    serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(text).unwrap()).unwrap()
}

/// Paths of a schema's keys; `*` is any name of a map.
fn keys_of_schema(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    let schema = crate::config::check::without_null(schema);
    if let Some(all) = schema.get("properties").and_then(Value::as_object) {
        for (name, inner) in all {
            out.insert(format!("{path}/{name}"));
            keys_of_schema(inner, &format!("{path}/{name}"), out);
        }
    }
    if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        keys_of_schema(inner, &format!("{path}/*"), out);
    }
}

fn keys_of_example(value: &Value, path: &str, any: &[&str], out: &mut BTreeSet<String>) {
    for (name, inner) in value.as_object().into_iter().flat_map(|all| all.iter()) {
        let name = if any.contains(&path) { "*" } else { name };
        let path = format!("{path}/{name}");
        if name != "*" {
            out.insert(path.clone());
        }
        keys_of_example(inner, &path, any, out);
    }
}

#[test]
fn every_key_of_the_structs_is_in_the_examples_and_vice_versa() {
    for (text, schema) in [(PIPELINE, schema::of::<PipelineFile>()), (TABLES, schema::of::<TablesFile>())] {
        let (mut wanted, mut got) = (BTreeSet::new(), BTreeSet::new());
        keys_of_schema(&schema, "", &mut wanted);
        keys_of_example(&value(&uncommented(text)), "", &["/tables"], &mut got);
        assert_eq!(wanted, got);
        assert!(wanted.len() > 20, "{wanted:?}");
    }
}

#[test]
fn every_variable_is_named_in_the_example() {
    for name in layers::variables() {
        let here = PIPELINE.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
        assert!(here || name == "ETL_SYNC_CONFIG_DIR", "{name}");
    }
}

#[test]
fn the_examples_change_nothing_where_they_are_found() {
    let place = Place::new();
    let alone = place.good();
    let place = place.file("config/pipeline.yml", PIPELINE).file("config/tables.yml", TABLES);
    let found = place.good();
    let all = |config: &Config| {
        let Config { source, replica, warehouse, warehouse_schema, settings, tables, tables_file: _, .. } = config;
        let Config { state_dir, window, outlets, transform, warnings, .. } = config;
        let places = format!("{source:?} {replica:?} {warehouse:?} {warehouse_schema} {state_dir:?}");
        format!("{places} {settings:?} {transform:?} {tables:?} {window:?} {outlets:?} {warnings:?}")
    };
    assert_eq!(all(&alone), all(&found));
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn the_values_shown_are_the_defaults() {
    let shown = value(&uncommented(PIPELINE));
    let general = serde_json::from_value(shown["general"].clone()).unwrap();
    assert_eq!(Settings::of_cores(16).over(&general), Settings::of_cores(16));
    assert_eq!(shown["warehouse_schema"], "raw");
    let place = Place::new();
    let deadlines = place.good().source.deadlines;
    for role in ["source", "replica", "warehouse"] {
        let seconds = |key: &str| shown["connections"][role][key].as_u64().unwrap();
        assert_eq!(seconds("connect_timeout_s"), deadlines.connect.as_secs());
        assert_eq!(seconds("stall_timeout_s"), deadlines.stall.as_secs());
        assert_eq!(seconds("statement_timeout_s"), deadlines.statement.as_secs());
    }
}

#[test]
fn the_examples_are_accepted_with_every_key_taken_in() {
    // `only` and `except` exclude each other; the password and CA files have to be there.
    let tables = uncommented(TABLES).replace("      except: [card_number]\n", "");
    let mut place = Place::bare().file("config/pipeline.yml", &uncommented(PIPELINE)).file("config/tables.yml", &tables);
    for name in ["source.password", "replica.password", "warehouse.password", "ca.pem"] {
        place = place.file(&format!("config/{name}"), "x\n");
    }
    let config = load(&Overrides::default(), &place.env).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.source.to_string(), "source mysql://etl@db.example.com:3306/app");
    assert_eq!(config.tables.rule("orders_example").key.as_deref(), Some(&["id".to_owned()][..]));
    assert!(!config.tables.selects("tmp_x") && config.tables.selects("x"));
    let lines = config.warnings.iter().filter(|line| line.starts_with("config/tables.yml: ")).count();
    assert_eq!(lines, 1, "{:?}", config.warnings);
}

#[test]
fn schemas_are_json_with_descriptions_and_ranges() {
    let both: Value = serde_json::from_str(&schema::config()).unwrap();
    for (file, schema) in [("pipeline", schema::pipeline()), ("tables", schema::tables())] {
        assert_eq!(both["properties"][file], serde_json::from_str::<Value>(&schema).unwrap());
    }
    let pipeline: Value = serde_json::from_str(&schema::pipeline()).unwrap();
    let general = &pipeline["properties"]["general"].to_string();
    assert!(general.contains("\"maximum\":64") && general.contains("Workers"), "{general}");
    let tables: Value = serde_json::from_str(&schema::tables()).unwrap();
    assert!(tables.to_string().contains("copy_csv"));
    for schema in [&pipeline, &tables] {
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        assert!(!schema.to_string().contains("$ref"));
    }
}

#[test]
fn the_original_file_loads_fast_and_quietly() {
    // The original form, generated: 446 tables with every field of it.
    let mut text = String::from("metadata:\n  total_tables: 446\ntables:\n");
    for i in 0..446 {
        text.push_str(&format!(
            "  table{i}:\n    table_name: table{i}\n    extraction_strategy: incremental_chunked\n    estimated_rows: {i}\n    \
             estimated_size_mb: 0.5\n    batch_size: 10000\n    incremental_columns:\n    - Id\n    - DateTStamp\n    \
             incremental_strategy: none\n    primary_incremental_column: null\n    sync_profile: append_only\n    \
             replicator_watermark_column: null\n    is_modeled: false\n    dbt_model_types: []\n    column_names:\n    - Id\n    \
             - DateTStamp\n    performance_category: tiny\n    processing_priority: medium\n    time_gap_threshold_days: 7\n    \
             estimated_processing_time_minutes: 0.0\n    memory_requirements_mb: 14\n    monitoring:\n      \
             alert_on_failure: false\n    schema_hash: -50509886682\n    last_analyzed: '2026-07-21T02:00:44'\n    primary_key: Id\n    \
             lookback_resync:\n      enabled: true\n      window_days: 30\n      predicate_columns:\n      - PayDate\n"
        ));
    }
    quick_and_quiet(&text);
    // The real one, where it is at hand.
    if let Ok(path) = std::env::var("ETL_SYNC_TEST_TABLES_YML") {
        quick_and_quiet(&std::fs::read_to_string(Path::new(&path)).unwrap());
    }
}

fn quick_and_quiet(text: &str) {
    let place = Place::new().file("config/tables.yml", text);
    let begin = std::time::Instant::now();
    let config = place.good();
    let took = begin.elapsed();
    // A quarter of a second unoptimised; the margin is for a busy machine.
    assert!(took.as_millis() < 2000, "{took:?}");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("ignored") && config.warnings[0].contains("column_names, primary_key"));
}
