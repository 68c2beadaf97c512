//! Planted drift that no count and no watermark shows: the next run finds it by content, names it, mends it, and the judge
//! finds both sides equal.

use crate::program::Outcome;
use crate::sandbox::Sandbox;
use serde_json::json;

/// A table loaded by its increments, one without a watermark, and one without transactions; each of several buckets.
fn clinic(sandbox: &Sandbox) {
    sandbox.config("tables.yml", "tables:\n  'claim*': { primary_incremental_column: edited }\n");
    let columns = "id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(300), x FLOAT, edited DATETIME NOT NULL";
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        &format!("CREATE TABLE claim ({columns})"),
        "INSERT INTO claim (name, x, edited) SELECT CONCAT(REPEAT('x', 250), a.d + 10 * b.d), 0.1, '2024-01-01' \
         FROM digit a, digit b, digit c, digit d, digit e WHERE e.d < 4",
        &format!("CREATE TABLE claim_isam ({columns}) ENGINE = MyISAM"),
        "INSERT INTO claim_isam SELECT id, name, x, edited FROM claim WHERE id <= 20000",
        "CREATE TABLE plain (id INT PRIMARY KEY, name VARCHAR(300), x FLOAT)",
        "INSERT INTO plain SELECT id, name, x FROM claim",
        "CREATE TABLE word (k VARCHAR(20) PRIMARY KEY, name VARCHAR(300))",
        "INSERT INTO word SELECT CONCAT('k', id), name FROM claim WHERE id <= 10000",
        "ANALYZE TABLE claim, claim_isam, plain, word",
    ]);
}

/// Rows that the run says the increments had missed.
#[track_caller]
fn missed(outcome: &Outcome, table: &str) -> u64 {
    outcome.table(table)["healed"]["missed"].as_u64().unwrap_or_else(|| panic!("{table}: {:#}", outcome.table(table)))
}

#[track_caller]
fn changes(outcome: &Outcome, table: &str) -> (u64, u64, u64) {
    let table = outcome.table(table);
    let rows = |name: &str| table[name].as_u64().expect("a number");
    (rows("inserted"), rows("updated"), rows("deleted"))
}

#[test]
fn what_moves_no_count_and_no_column_is_mended_by_the_next_run_on_mysql() {
    let sandbox = Sandbox::new("audit");
    clinic(&sandbox);
    sandbox.sync(&[]);
    let quiet = sandbox.sync(&[]);
    for table in ["claim", "claim_isam"] {
        assert_eq!((quiet.table(table)["healed"].is_null(), changes(&quiet, table)), (true, (0, 0, 0)), "{table}");
        assert_eq!(quiet.table(table)["certificate"]["checked"], json!("content"), "{table}");
    }
    // Behind the watermark: an edit that does not move it, a delete and an insert that keep the count, two rows swapped.
    for table in ["claim", "claim_isam"] {
        sandbox.source_sql(&[
            &format!("UPDATE {table} SET name = 'edited', edited = edited WHERE id = 5"),
            &format!("DELETE FROM {table} WHERE id = 7000"),
            &format!("INSERT INTO {table} (id, name, edited) VALUES (-7000, 'older', '2024-01-01')"),
            &format!("UPDATE {table} SET name = CASE id WHEN 11 THEN 'b' ELSE 'a' END WHERE id IN (11, 12)"),
        ]);
    }
    sandbox.source_sql(&["UPDATE plain SET name = NULL WHERE id = 9", "UPDATE word SET name = 'w' WHERE k = 'k77'"]);
    let found = sandbox.sync(&[]);
    assert_eq!((missed(&found, "claim"), changes(&found, "claim")), (5, (1, 3, 1)));
    // Without a snapshot a row that is gone may have gone a moment ago.
    assert_eq!((missed(&found, "claim_isam"), changes(&found, "claim_isam")), (4, (1, 3, 1)));
    found.says("edited missed 5 changes of claim");
    assert_eq!(changes(&found, "plain"), (0, 1, 0));
    assert_eq!(changes(&found, "word"), (0, 1, 0));
    sandbox.assert_equal(&[]);
}

#[test]
fn what_a_hand_did_to_the_warehouse_is_mended_by_the_next_run() {
    let sandbox = Sandbox::new("audit_hand");
    clinic(&sandbox);
    sandbox.sync(&[]);
    for table in ["claim", "claim_isam", "plain", "word"] {
        let key = if table == "word" { "k = 'k5'" } else { "id = 5" };
        sandbox.warehouse().batch_execute(&format!("UPDATE {table} SET name = 'by hand' WHERE {key}")).expect(table);
    }
    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE plain SET x = 0.10000001 WHERE id = 30000; DELETE FROM claim WHERE id = 40000;
             INSERT INTO claim SELECT 40001, name, x, edited FROM claim WHERE id = 1",
        )
        .expect("the warehouse can be changed");
    let found = sandbox.sync(&[]);
    assert_eq!((missed(&found, "claim"), changes(&found, "claim")), (3, (1, 1, 1)));
    assert_eq!((missed(&found, "claim_isam"), changes(&found, "claim_isam")), (1, (0, 1, 0)));
    assert_eq!(changes(&found, "plain"), (0, 2, 0));
    assert_eq!(changes(&found, "word"), (0, 1, 0));
    sandbox.assert_equal(&[]);
    sandbox.warehouse().batch_execute("TRUNCATE claim; TRUNCATE plain").expect("truncated");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// With the audit off, a change that moves nothing stays unseen; a share of it finds it on its day.
#[test]
fn an_audit_that_is_off_sees_nothing() {
    let sandbox = Sandbox::new("audit_off");
    clinic(&sandbox);
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE claim SET name = 'edited' WHERE id = 5"]);
    let off = sandbox.sync(&["--audit", "off"]);
    assert!(off.table("claim")["healed"].is_null() && off.table("claim")["certificate"]["checked"] == json!("counts"));
    sandbox.judge(&[]).expect_err("the change is not seen");
    let all = sandbox.sync(&["--audit", "1/1"]);
    assert_eq!(missed(&all, "claim"), 1);
    sandbox.assert_equal(&[]);
    let part = sandbox.sync(&["--audit", "1/3"]);
    let certificate = &part.table("claim")["certificate"];
    assert_eq!(certificate["checked"], json!("sample"));
    let compared = certificate["rows_compared"].as_u64().expect("rows");
    assert!((5_000..30_000).contains(&compared), "{certificate:#}");
}
