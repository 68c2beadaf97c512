//! A `tables.yml` of the original form is read as it is: what it says is done, or named as unused.

use crate::hosts::project;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// One table as a generator writes it; `more` replaces nothing, later keys only add.
fn entry(name: &str, extraction: &str, column: &str, rest: &str) -> String {
    format!(
        "  {name}:\n    table_name: {name}\n    extraction_strategy: {extraction}\n    estimated_rows: 14\n    estimated_size_mb: 0.0\n    \
         batch_size: 10000\n    incremental_columns:\n    - {column}\n    incremental_strategy: single_column\n    \
         primary_incremental_column: {column}\n    replicator_watermark_column: {column}\n    is_modeled: false\n    \
         dbt_model_types: []\n    column_names:\n    - Gone\n    - Other\n    time_gap_threshold_days: 7\n    \
         estimated_processing_time_minutes: 0.0\n    memory_requirements_mb: 14\n    monitoring:\n      alert_on_failure: false\n    \
         schema_hash: -5050988666268087760\n    last_analyzed: '2026-07-21T02:00:44.461468'\n    primary_key: Gone\n{rest}"
    )
}

fn asked(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(args);
    Running::start(command).wait(RUN_MAX)
}

fn tables(report: &Value) -> Vec<&str> {
    report["tables"].as_array().unwrap().iter().map(|one| one["table"].as_str().unwrap()).collect()
}

/// Five tables in the form of a file of 446.
fn clinic() -> Sandbox {
    let sandbox = Sandbox::new("file");
    let stamp = "DateTStamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP";
    let mut sql = Vec::new();
    for (name, engine, rows) in [
        ("adjustment", "MyISAM", 3000),
        ("patient", "InnoDB", 200),
        ("entrylog", "MyISAM", 20),
        ("sigtype", "InnoDB", 5),
        ("refund", "InnoDB", 30),
    ] {
        sql.push(format!("CREATE TABLE {name} (Num BIGINT PRIMARY KEY AUTO_INCREMENT, Note VARCHAR(100) NOT NULL, AdjDate DATE NOT NULL, {stamp}) ENGINE={engine}"));
        sql.push(format!(
            "INSERT INTO {name} (Note, AdjDate, DateTStamp) SELECT 'x', '2024-01-01', '2024-01-01' FROM seq_1_to_{rows}"
        ));
        sql.push(format!("ANALYZE TABLE {name}"));
    }
    sandbox.source_sql(&sql.iter().map(String::as_str).collect::<Vec<_>>());
    let text = ["metadata:\n  generated_at: '2026-07-21T02:00:41'\n  total_tables: 5\ntables:\n".to_owned(),
        entry("adjustment", "incremental", "DateTStamp", "    sync_profile: in_place_updates\n    performance_category: medium\n    processing_priority: low\n    lookback_resync:\n      enabled: true\n      window_days: 30\n      predicate_columns:\n      - AdjDate\n"),
        entry("patient", "incremental", "DateTStamp", "    sync_profile: in_place_updates\n    performance_category: tiny\n    processing_priority: high\n"),
        entry("entrylog", "incremental", "Num", "    sync_profile: append_only\n    performance_category: tiny\n    processing_priority: medium\n"),
        entry("sigtype", "full_table", "Gone", "    sync_profile: append_only\n    performance_category: tiny\n    processing_priority: high\n"),
        entry("refund", "incremental", "Num", "    sync_profile: in_place_updates\n    performance_category: tiny\n    processing_priority: low\n"),
    ].concat();
    sandbox.config("tables.yml", &text);
    sandbox
}

#[test]
fn an_excerpt_of_the_original_form_is_done() {
    let sandbox = clinic();
    let plan = asked(&sandbox, &["plan", "--json"]).expect(0).report();
    // High, medium, low; within one the biggest.
    let order = tables(&plan);
    assert_eq!((order[2], &order[3..]), ("entrylog", &["adjustment", "refund"][..]), "{order:?}");
    assert!(order[..2].contains(&"patient") && order[..2].contains(&"sigtype"), "{order:?}");
    let warnings = plan["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let ignored = "ignored, the live catalog decides: column_names, primary_key, estimated_rows, estimated_size_mb, schema_hash";
    assert!(warnings[0].as_str().unwrap().contains(ignored), "{warnings:?}");
    let unusable =
        "incremental columns that cannot be used: refund: Num shows new rows only, and sync_profile is in_place_updates";
    assert_eq!(warnings[1], unusable);

    let tiny = sandbox.sync(&["--category", "tiny"]).report();
    let mut names = tables(&tiny);
    names.sort_unstable();
    assert_eq!(names, ["entrylog", "patient", "refund", "sigtype"]);
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.source_sql(&[
        "UPDATE adjustment SET Note = 'changed' WHERE Num <= 10",
        "UPDATE adjustment SET AdjDate = CURDATE(), DateTStamp = '2024-01-01' WHERE Num = 20",
        "INSERT INTO entrylog (Note, AdjDate) VALUES ('new', '2024-01-02')",
        "UPDATE refund SET Note = 'changed', DateTStamp = '2024-01-01' WHERE Num = 7",
        "DELETE FROM patient WHERE Num = 3",
        "UPDATE sigtype SET Note = 'changed', DateTStamp = '2024-01-01'",
    ]);
    let second = sandbox.sync(&[]);
    let read = |table: &str| second.table(table)["rows_read"].as_u64().unwrap();
    assert_eq!((read("adjustment"), read("sigtype"), read("refund")), (11, 5, 30), "{second}");
    assert!(second.table("entrylog")["reason"].as_str().unwrap().starts_with("increments by Num"), "{second}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// Times that no clock has shown: they arrive, are counted, and the watermark does not follow them.
#[test]
fn odd_times_are_counted_and_move_no_watermark() {
    let sandbox = Sandbox::new("odd");
    sandbox.source_sql(&[
        "SET sql_mode = ''",
        "CREATE TABLE t (id INT PRIMARY KEY, entered DATETIME, day DATE NOT NULL) ENGINE=MyISAM",
        "INSERT INTO t SELECT seq, '2024-05-06 07:08:09', '2024-05-06' FROM seq_1_to_100",
        "INSERT INTO t VALUES (101, '0001-01-01', '1902-01-01'), (102, '1902-01-01', '9999-12-31'), (103, '2099-01-01', '2024-01-01'), \
         (104, NULL, '0001-01-01'), (105, NULL, '2024-01-01')",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { incremental_columns: [entered, day] }\n");
    let first = sandbox.sync(&[]);
    let wanted = serde_json::json!([
        {"column": "entered", "nulls": 2, "before_1970": 2, "future": 1}, {"column": "day", "nulls": 0, "before_1970": 2, "future": 1}
    ]);
    assert_eq!(first.table("t")["incremental_values"], wanted, "{first}");
    sandbox.assert_equal(&[]);
    sandbox.source_sql(&["INSERT INTO t VALUES (106, NOW(), '2024-01-01'), (107, '1980-01-01', '0001-01-01')"]);
    let second = sandbox.sync(&[]);
    let told = second.table("t");
    // What is in the future is past every watermark; what is before it is found by the counts.
    assert!(told["reason"].as_str().unwrap().starts_with("increments by entered, day"), "{told}");
    assert_eq!(told["incremental_values"][0]["future"], 1, "{told}");
    assert_eq!((&told["inserted"], &told["updated"]), (&2.into(), &0.into()), "{told}");
    sandbox.assert_equal(&[]);
    let mut command = sandbox.command();
    command.args(["run", "--parallel", "1"]);
    let text = Running::start(command).wait(RUN_MAX);
    text.expect(0).says("t.entered: of the times read, 1 in the future").says("the watermark does not follow them");
}

/// The model user's own file over the sample clinic, where both are at hand: two nights with changes in between.
#[test]
fn the_real_file_is_read_as_it_is() {
    let file = std::env::var_os("ETL_SYNC_CORPORA")
        .map_or_else(|| project().join("../shared/corpora"), PathBuf::from)
        .join("clinic_tables.yml");
    let Ok(text) = std::fs::read_to_string(&file) else {
        crate::notes::skip("the_real_file_is_read_as_it_is", &format!("{} is not there", file.display()));
        return;
    };
    let sandbox = Sandbox::new("clinic");
    let made = Command::new("/usr/bin/python3")
        .arg(project().join("scripts/clinic.py"))
        .args(["--scale", "0.001", "--database", &sandbox.name])
        .env("ETL_SYNC_ADMIN_SOURCE_URL", sandbox.hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", &sandbox.name))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    sandbox.config("tables.yml", &text);
    let plan = asked(&sandbox, &["plan", "--json"]);
    let plan = plan.expect(0).report();
    assert_eq!((tables(&plan).len(), plan["refused"].as_array().unwrap().len()), (446, 0));
    let priority = |table: &&str| {
        let entry = text.split(&format!("\n  {table}:\n")).nth(1).unwrap();
        entry.split("processing_priority: ").nth(1).unwrap().split('\n').next().unwrap().to_owned()
    };
    let words: Vec<String> = tables(&plan).iter().map(priority).collect();
    let wanted: Vec<&str> = [("high", 34), ("medium", 400), ("low", 12)].map(|(word, count)| vec![word; count]).concat();
    assert_eq!(words, wanted, "the order of the plan");
    let warnings: Vec<&str> = plan["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(warnings[0].contains("ignored, the live catalog decides: "), "{warnings:?}");
    assert!(!warnings.iter().any(|text| text.contains("replicator")), "{warnings:?}");
    let tiny = sandbox.sync(&["--category", "tiny"]).report();
    assert_eq!(tables(&tiny).len(), 381);
    let first = sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    for table in ["procedurelog", "payment", "paysplit", "claimproc"] {
        assert!(first.table(table)["reason"].as_str().unwrap().contains("watermark "), "{}", first.table(table));
    }
    sandbox.source_sql(&[
        "UPDATE procedurelog SET ProcFee = ProcFee + 1 WHERE ProcNum % 10 = 0",
        "DELETE FROM paysplit WHERE SplitNum % 50 = 0",
        "UPDATE patient SET LName = 'Changed' WHERE PatNum % 5 = 0",
        "UPDATE account SET Total = Total + 1",
    ]);
    let second = sandbox.sync(&[]);
    let procedures = second.table("procedurelog");
    assert!(procedures["reason"].as_str().unwrap().starts_with("increments by DateTStamp"), "{procedures}");
    assert!(procedures["rows_read"].as_u64() < first.table("procedurelog")["rows_read"].as_u64(), "{procedures}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}
