//! Loads by increments: what a watermark sees, what it cannot see, and what the counts find.

use crate::program::Outcome;
use crate::sandbox::Sandbox;
use serde_json::Value;

/// A table of 1,090 rows whose `updated` moves with every change, and its rule.
fn medication(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    let rows: Vec<String> =
        (1..=1086).chain(1542..=1545).map(|id| format!("({id}, 'drug {id}', '2024-01-01 00:00:00')")).collect();
    sandbox.source_sql(&[
        "CREATE TABLE medication (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(255) NOT NULL, \
         updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        &format!("INSERT INTO medication (id, name, updated) VALUES {}", rows.join(", ")),
    ]);
    sandbox.config("tables.yml", "tables:\n  medication: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM medication"), 1090);
    sandbox
}

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tables"].as_array().unwrap().iter().find(|t| t["table"] == name).unwrap()
}

fn run(sandbox: &Sandbox) -> (Outcome, Value) {
    let outcome = sandbox.run(&["--verbose"]);
    outcome.expect(0);
    let report = outcome.report();
    (outcome, report)
}

#[test]
fn only_what_changed_is_read_on_mysql() {
    let sandbox = medication("incr");
    let (_, report) = run(&sandbox);
    assert_eq!(table(&report, "medication")["rows_read"], 0);
    sandbox.source_sql(&[
        "UPDATE medication SET name = 'changed' WHERE id = 7",
        "INSERT INTO medication (name) VALUES ('new')",
        "DELETE FROM medication WHERE id IN (9, 1542)",
    ]);
    let (_, report) = run(&sandbox);
    let told = table(&report, "medication");
    assert_eq!((&told["inserted"], &told["updated"], &told["deleted"]), (&1.into(), &1.into(), &2.into()), "{told}");
    sandbox.assert_equal(&[]);
    let (_, report) = run(&sandbox);
    let told = table(&report, "medication");
    assert_eq!((&told["inserted"], &told["updated"], &told["deleted"]), (&0.into(), &0.into(), &0.into()), "{told}");
    assert!(told["healed"].is_null(), "{told}");
    sandbox.assert_clean();
}

/// The incident that the design goes back to: rows vanish from the warehouse, the state says that they are there.
#[test]
fn rows_that_vanished_come_back_in_one_run() {
    for one_new_row in [false, true] {
        let sandbox = medication(if one_new_row { "stalenew" } else { "stale" });
        sandbox.warehouse().batch_execute("DELETE FROM medication WHERE id NOT IN (171, 1542, 1543, 1544, 1545)").unwrap();
        assert_eq!(sandbox.count("SELECT count(*) FROM medication"), 5);
        if one_new_row {
            sandbox.source_sql(&["INSERT INTO medication (id, name) VALUES (2000, 'of today')"]);
        }
        let (outcome, report) = run(&sandbox);
        let (rows, read, left) = if one_new_row { (1091, 1, 6) } else { (1090, 0, 5) };
        outcome
            .says(&format!("Replication has {rows} rows vs analytics {left} rows for medication, analytics needs updating"))
            .says(&format!(
                "Incremental query returned {read} rows for medication, but analytics needs updating. Falling back to a full load"
            ))
            .says(&format!("HYBRID FIX: Successfully loaded {} rows for medication via a full load", rows - 5));
        assert_eq!(table(&report, "medication")["healed"]["target"], left);
        assert_eq!(sandbox.count("SELECT count(*) FROM medication"), rows);
        sandbox.assert_equal(&[]);
        let (_, report) = run(&sandbox);
        assert!(table(&report, "medication")["healed"].is_null(), "nothing is mended twice");
    }
}
