//! tables.yml: selection, merging of rules, and the check against a catalog.

use super::Place;
use crate::config::{
    Category, ColumnSelection, Extraction, IncrementalStrategy, Lookback, Priority, Strategy, SyncProfile, TableRule, TableRules,
};

fn rules(text: &str) -> TableRules {
    Place::new().file("config/tables.yml", text).good().tables
}

#[test]
fn include_and_exclude() {
    let all = ["patient", "Patient", "visit", "tmp_visit", "a*b"];
    for (text, want) in [
        ("", &["patient", "Patient", "visit", "tmp_visit", "a*b"][..]),
        ("tables: {patient: {}}", &["patient", "Patient", "visit", "tmp_visit", "a*b"]),
        ("include: [patient]", &["patient"]),
        ("include: ['*visit']", &["visit", "tmp_visit"]),
        ("exclude: ['tmp_*', Patient]", &["patient", "visit", "a*b"]),
        ("include: ['*visit', patient]\nexclude: ['tmp_*']", &["patient", "visit"]),
        ("include: ['[Pp]atient', 'a\\*?']", &["patient", "Patient", "a*b"]),
        ("include: ['{visit,patient}']", &["patient", "visit"]),
    ] {
        let rules = rules(text);
        let got: Vec<&str> = all.into_iter().filter(|table| rules.selects(table)).collect();
        assert_eq!(got, want, "{text}");
    }
    let got = Place::new().file("config/tables.yml", "include: []\nexclude: ['']\n").problems();
    assert_eq!(got.len(), 2, "{got:?}");
}

#[test]
fn exact_names_beat_globs_and_later_globs_beat_earlier() {
    let rules = rules(
        "tables:\n  patient: {chunk_mb: 1}\n  'z*': {chunk_mb: 7}\n  '*': {chunk_mb: 2, chunk_rows: 20, filter: 'a > 1'}\n  'p*': {chunk_rows: 30, strategy: chunked, columns: {except: [x]}}\n  Patient:\n",
    );
    let patient = rules.rule("patient");
    assert_eq!((patient.chunk_bytes, patient.chunk_rows), (Some(1 << 20), Some(30)));
    assert_eq!((patient.filter.as_deref(), patient.strategy), (Some("a > 1"), Some(Strategy::Chunked)));
    assert_eq!(patient.columns, ColumnSelection::Except(vec!["x".into()]));
    let other = rules.rule("Patient");
    assert_eq!((other.chunk_bytes, other.chunk_rows, other.strategy), (Some(2 << 20), Some(20), None));
    assert_eq!(rules.rule("zoo").chunk_bytes, Some(2 << 20), "`*` stands after `z*`");
    assert_eq!(TableRules::default().rule("x"), TableRule::default());
}

#[test]
fn the_original_fields_are_typed() {
    let text = "tables:\n  payment:\n    extraction_strategy: incremental_chunked\n    incremental_columns: [PayNum, SecDateTEdit]\n    incremental_strategy: or_logic\n    primary_incremental_column: SecDateTEdit\n    sync_profile: in_place_updates\n    replicator_watermark_column: PayNum\n    lookback_resync: {enabled: true, window_days: 15, predicate_columns: [PayDate]}\n    performance_category: large\n    processing_priority: high\n    columns: {only: [PayNum]}\n    key: [PayNum]\n  off: {lookback_resync: {window_days: 3}, incremental_strategy: none}\n";
    let rules = rules(text);
    let want = TableRule {
        key: Some(vec!["PayNum".into()]),
        columns: ColumnSelection::Only(vec!["PayNum".into()]),
        extraction: Some(Extraction::IncrementalChunked),
        incremental_columns: Some(vec!["PayNum".into(), "SecDateTEdit".into()]),
        incremental_strategy: Some(IncrementalStrategy::OrLogic),
        primary_incremental_column: Some("SecDateTEdit".into()),
        sync_profile: Some(SyncProfile::InPlaceUpdates),
        replicator_watermark_column: Some("PayNum".into()),
        lookback: Some(Lookback { window_days: 15, columns: vec!["PayDate".into()] }),
        category: Some(Category::Large),
        priority: Some(Priority::High),
        ..TableRule::default()
    };
    assert_eq!(rules.rule("payment"), want);
    let off = rules.rule("off");
    assert_eq!((off.lookback, off.incremental_strategy), (None, Some(IncrementalStrategy::None)));
}

#[test]
fn unused_fields_are_named_in_one_line_each() {
    let text = "tables:\n  a: {batch_size: 5, sync_profile: append_only, table_name: a, primary_incremental_column: x, replicator_watermark_column: x}\n  b: {batch_size: 6, schema_hash: -1, key: [x], primary_incremental_column: none, replicator_watermark_column: y}\n  c: {replicator_watermark_column: none}\n";
    let config = Place::new().file("config/tables.yml", text).good();
    assert_eq!(
        config.warnings,
        [
            "config/tables.yml: replicator_watermark_column is ignored where it is not the primary_incremental_column, because both hops read by one watermark: b",
            "config/tables.yml: ignored, the live catalog decides: schema_hash, batch_size",
        ]
    );
}

#[test]
fn the_catalog_decides_what_exists() {
    let text = "\
include: [patient, visit, 'x*', payments, gone]
exclude: [visitt, wholly_other, 'tmp_*']
tables:
  patient:
    key: [PatNum, patnum2]
    columns: {except: [SSN, ssn]}
    primary_incremental_column: gone
  Patient: {}
  visit: {columns: {only: [id]}}
  notes: {key: [nope]}
  '*':
    columns: {except: [id, nowhere]}
  'none*': {key: [nope]}
  other: {}
";
    let catalog =
        [("patient", vec!["PatNum", "SSN"]), ("visit", vec!["id", "note"]), ("payment", vec!["id"]), ("notes", vec!["n"])];
    let got: Vec<String> = rules(text).check_against(catalog.into_iter()).iter().map(ToString::to_string).collect();
    let want = [
        "config/tables.yml:1: no table matches `x*`",
        "config/tables.yml:1: table `payments` does not exist; nearest: `payment`",
        "config/tables.yml:1: table `gone` does not exist",
        "config/tables.yml:2: table `visitt` does not exist; nearest: `visit`",
        "config/tables.yml:5: column `patnum2` does not exist in `patient`; nearest: `PatNum`",
        "config/tables.yml:6: column `ssn` does not exist in `patient`; nearest: `SSN`",
        "config/tables.yml:8: table `Patient` does not exist; nearest: `patient`",
        "config/tables.yml:12: column `nowhere` does not exist in `*`",
        "config/tables.yml:13: table `other` does not exist",
    ];
    // `other` stands in line 14: `'none*'` is in 13.
    let want: Vec<String> = want.iter().map(|line| line.replace(":13: table `other`", ":14: table `other`")).collect();
    assert_eq!(got, want);
    assert!(rules("").check_against(std::iter::empty()).is_empty());
}
