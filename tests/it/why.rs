//! `why`: one row on both sides, by every kind of key, and where the quarantine has it.

use crate::content::{differing, tables, verify};
use crate::program::Running;
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};

#[test]
fn why_tells_a_row_column_by_column() {
    let sandbox = Sandbox::new("why");
    tables(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE odd (id INT PRIMARY KEY, day DATE, v VARCHAR(9))",
        "INSERT INTO odd VALUES (-3, '0000-00-00', 'x')",
    ]);
    let run = sandbox.sync(&[]).report()["run_id"].clone();
    let why = |key: &[&str]| {
        let mut asked = sandbox.command();
        asked.arg("why").args(key).arg("--json");
        Running::start(asked).wait(RUN_MAX)
    };
    let same = why(&["t", "5"]);
    same.expect(0);
    let report = same.report();
    assert_eq!((&report["status"], &report["key"], &report["written_by"]), (&json!("same"), &json!({"id": 5}), &run));
    assert!(report["loaded_at"].is_string() && report["columns"][1].get("source").is_none(), "no values unless asked for");
    assert_eq!(report["last_proved"], Value::Null, "rows of a new table are sent, and not compared");
    sandbox.sync(&[]);
    let report = why(&["t", "5"]).report();
    let (loaded, proved) = (report["loaded_at"].as_str().expect("a time"), report["last_proved"].as_str().expect("a time"));
    assert!(loaded[..19] <= proved[..19] && report["written_by"] == run, "{report:#}");
    sandbox
        .warehouse()
        .batch_execute("UPDATE t SET name = 'by hand' WHERE id = 5; DELETE FROM word WHERE k = 'k7'")
        .expect("changed");
    let other = why(&["t", "5", "--values"]);
    other.expect(1);
    let name = other.report()["columns"][1].clone();
    assert_eq!((&name["is_same"], &name["source"], &name["target"]), (&json!(false), &json!("row 5"), &json!("by hand")));
    assert_eq!(name["declared"], json!("varchar(40)"));
    assert_eq!(why(&["word", "k7"]).report()["status"], json!("missing"));
    assert_eq!(why(&["word", "it's \\ not there"]).report()["status"], json!("absent"));
    let pair = why(&["pair", "18446744073709551615", "2024-01-01 00:00:03"]);
    assert_eq!(pair.report()["status"], json!("same"), "{pair:?}");
    let object = why(&["pair", r#"{"a": "18446744073709551615", "b": "2024-01-01 00:00:03"}"#]);
    assert_eq!(object.report()["status"], json!("same"));
    let zero = why(&["odd", "-3", "--values"]).report();
    assert_eq!((&zero["status"], &zero["columns"][1]["source"]), (&json!("same"), &Value::Null), "a zero date becomes NULL");
    sandbox
        .warehouse()
        .batch_execute("ALTER TABLE odd DROP CONSTRAINT odd_pkey; INSERT INTO odd SELECT * FROM odd")
        .expect("a key can be dropped");
    why(&["odd", "-3"]).expect(1).says("2 rows of the warehouse have this key");
    why(&["pair", "7"]).expect(2).says("a row is told by its key: a, b");
    why(&["t", "five"]).expect(2);
    why(&["keyless", "1"]).expect(2).says("has no key");
    why(&["nowhere", "1"]).expect(2);
}

/// No run is named that did not write the row, and no proof that is older than it.
#[test]
fn why_says_nothing_that_nobody_knows() {
    let sandbox = Sandbox::new("why_unknown");
    tables(&sandbox);
    let run = sandbox.sync(&[]).report()["run_id"].clone();
    sandbox.sync(&[]);
    let why = || sandbox.command_json("why", &["t", "5"]).report();
    assert_eq!((why()["written_by"].clone(), why()["last_proved"].is_string()), (run.clone(), true));
    let history = |sql: &str| {
        let changed = sandbox.warehouse().execute(sql, &[]).expect("our tables can be changed");
        assert!(changed > 0, "{sql}");
    };
    let of_first = format!("WHERE table_name = 't' AND run_id = {}", run.to_string().replace('"', "'"));
    history(&format!("UPDATE etl_sync.table_attempt SET outcome = 'failed' {of_first}"));
    assert_eq!(why()["written_by"], Value::Null, "the run that wrote it failed afterwards");
    let mut text = sandbox.command();
    text.args(["why", "t", "5"]);
    Running::start(text).wait(RUN_MAX).expect(0).says("written by run unknown");
    history(&format!("DELETE FROM etl_sync.table_attempt {of_first}"));
    assert_eq!(why()["written_by"], Value::Null, "the run that wrote it was killed, the next one began later");
    assert!(why()["last_proved"].is_string());
    history("UPDATE etl_sync.table_attempt SET ended_at = ended_at - interval '1 day'");
    assert_eq!(why()["last_proved"], Value::Null, "the row is younger");
}

/// Tables by kind of key, each with a row that a value other than its own would be mistaken for.
const KEYS: [&str; 15] = [
    "bits BIT(10)|b'0100000010', b'0100000011'",
    "truth BIT(1)|b'0', b'1'",
    "uuids BINARY(16)|x'00112233445566778899aabbccddeeff', x'00112233445566778899aabbccddeef0'",
    "money DECIMAL(30,2)|1234567890123456789.01, 1234567890123456789.02, 1234567890123456789.03",
    "bytes VARBINARY(20)|'\\\\x41', 'A', 'a\\\\b', x'6100', x'ff'",
    "short VARCHAR(3)|'abc', 'abd'",
    "moment TIMESTAMP(6)|'2024-01-02 03:04:05.5', '2024-01-02 03:04:05.6'",
    "whole DATETIME|'2024-01-02 03:04:05', '2024-01-02 03:04:06'",
    "day DATE|'2024-01-02', '2024-01-03'",
    "span TIME(1)|'-838:00:00.5', '01:00:00'",
    "big BIGINT UNSIGNED|18446744073709551615, 18446744073709551614",
    "single FLOAT|0.1, 1e30",
    "real8 DOUBLE|0.1, 1e300",
    "word ENUM('a', 'b')|'a', 'b'",
    "number DECIMAL(5,0)|10, 11",
];

/// Keys are taken as `verify --depth rows` shows them, and no other row is taken for the one that was meant.
#[test]
fn why_takes_every_key_as_it_is_shown_on_mysql() {
    let sandbox = Sandbox::new("why_keys");
    let mut tables = Vec::new();
    for case in KEYS {
        let (column, values) = case.split_once('|').expect("a column and its values");
        let table = column.split(' ').next().expect("a name");
        let rows: Vec<String> = values.split(", ").map(|value| format!("({value}, 'v')")).collect();
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} ({}, v VARCHAR(9), PRIMARY KEY ({table}_key))", column.replacen(' ', "_key ", 1)),
            &format!("INSERT INTO {table} VALUES {}", rows.join(", ")),
        ]);
        tables.push((table, rows.len()));
    }
    sandbox.config("tables.yml", "tables:\n  uuids: { column_rules: [{ column: uuids_key, to: uuid }] }\n");
    sandbox.sync(&[]);
    for (table, _) in &tables {
        sandbox.warehouse().batch_execute(&format!("UPDATE {table} SET v = 'w'")).expect("changed");
    }
    let seen = verify(&sandbox, &[]);
    for (table, count) in tables {
        let rows = differing(&seen, table);
        assert_eq!(rows.len(), count, "{table}");
        for row in rows {
            let key = &row[1];
            let plain = &key[format!("{table}_key")];
            let plain = plain.as_str().map_or_else(|| plain.to_string(), ToOwned::to_owned);
            for asked in [key.to_string(), plain] {
                let told = sandbox.command_json("why", &["--", table, &asked]);
                assert_eq!((&told.report()["status"], &told.report()["key"]), (&json!("different"), key), "{table} {asked}");
            }
        }
    }
    // A mistyped key is no other row's.
    for (table, key) in [
        ("money", "1234567890123456789.04"),
        ("bits", "0100000111"),
        ("whole", "2024-01-02 03:04:07"),
        ("whole", "2024-01-02 03:04:05.4"),
        ("big", "18446744073709551613"),
    ] {
        assert_eq!(sandbox.command_json("why", &[table, key]).report()["status"], json!("absent"), "{table} {key}");
    }
    for (table, key) in [("number", "10.4"), ("money", "1.234"), ("uuids", "x"), ("truth", "2")] {
        sandbox.command_json("why", &[table, key]).expect(2).says("as `verify --depth rows` shows it");
    }
}

/// A row that is in quarantine says so, with column and reason, whichever way its key is spelled there.
#[test]
fn why_finds_a_row_in_quarantine() {
    let sandbox = Sandbox::new("why_quarantine");
    let tables = [
        ("day DATE", "'2024-01-02'", "2024-01-02"),
        ("moment DATETIME(3)", "'2024-01-02 03:04:05.5'", "2024-01-02 03:04:05.5"),
        ("big BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("bits BIT(10)", "b'0100000010'", "0100000010"),
    ];
    for (column, value, _) in tables {
        let name = column.split(' ').next().expect("a name");
        sandbox.source_sql(&[
            &format!("CREATE TABLE {name}_ ({column}, v VARCHAR(20), PRIMARY KEY ({name}))"),
            &format!("INSERT INTO {name}_ VALUES ({value}, CONCAT('x', CHAR(0)))"),
        ]);
    }
    sandbox.source_sql(&[
        "CREATE TABLE doc (id INT, at DATETIME, j JSON, PRIMARY KEY (id, at))",
        "INSERT INTO doc VALUES (1, '2024-01-01', '1'), (2, '2024-01-02', '1e200000')",
        "CREATE TABLE old (id INT PRIMARY KEY, v VARCHAR(9))",
        "INSERT INTO old VALUES (1, 'a')",
    ]);
    sandbox.run(&[]).expect(3);
    let ask = |command: &[&str]| {
        let told = sandbox.command_json("why", command).report();
        (told["status"].clone(), told["quarantine"][0]["column"].clone(), told["quarantine"][0]["reason"].clone())
    };
    for (column, _, key) in tables {
        let name = column.split(' ').next().expect("a name");
        assert_eq!(ask(&[&format!("{name}_"), key]), (json!("quarantined"), json!("v"), json!("nul_byte")), "{name}");
    }
    let (status, _, reason) = ask(&["doc", "2", "2024-01-02"]);
    assert!(status == "quarantined" && reason.is_string(), "{status} {reason}");
    // The source has the row, in a form that is kept out; the warehouse has it as it was.
    sandbox.source_sql(&["UPDATE old SET v = CONCAT('x', CHAR(0))"]);
    assert_eq!(ask(&["old", "1"]).0, json!("quarantined"));
    // A load that has not come to its finish counts for nothing.
    sandbox
        .warehouse()
        .batch_execute(
            "INSERT INTO etl_quarantine.rejected_row (job, table_name, key, reason, run_id, round) \
             VALUES ('raw', 'old', '{\"id\": 7}', 'x', 'next', 0); UPDATE etl_sync.job SET run_id = 'next'",
        )
        .expect("our tables can be changed");
    assert_eq!(ask(&["old", "7"]).0, json!("absent"));
}
