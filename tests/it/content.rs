//! `verify --depth rows`: both sides by content. What a count does not see is found, named by key and column, and nothing
//! else is.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use crate::types;
use mysql::prelude::Queryable;
use serde_json::{Value, json};

fn verify(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut asked = sandbox.command();
    asked.args(["verify", "--depth", "rows", "--json", "--parallel", "2"]).args(more);
    Running::start(asked).wait(RUN_MAX)
}

/// Missing, surplus and changed rows of a table.
#[track_caller]
fn found(outcome: &Outcome, table: &str) -> (u64, u64, u64) {
    let content = &outcome.table(table)["content"];
    let rows = |name: &str| content[name].as_u64().unwrap_or_else(|| panic!("{table}: {content:#}"));
    (rows("missing_rows"), rows("surplus_rows"), rows("changed_rows"))
}

/// Kind, key and columns of each row that differs, sorted.
fn rows(outcome: &Outcome, table: &str) -> Vec<Value> {
    let differences = outcome.table(table)["content"]["differences"].as_array().expect("a list").clone();
    let mut rows: Vec<Value> = differences
        .iter()
        .map(|one| {
            let columns: Vec<&Value> = one["columns"].as_array().expect("a list").iter().map(|c| &c["column"]).collect();
            json!([one["kind"], one["key"], columns])
        })
        .collect();
    rows.sort_by_key(Value::to_string);
    rows
}

/// Every type and odd value: the row on its way and the row read back have one digest, whichever format it came in.
#[test]
fn every_type_has_one_digest_from_both_ends_on_mysql() {
    for format in ["binary", "csv"] {
        let sandbox = Sandbox::new(&format!("digest_{format}"));
        let mut source = sandbox.source();
        let version: String = source.query_first("SELECT VERSION()").expect("an answer").expect("a version");
        let mut tables = 0;
        for (number, case) in types::cases().iter().enumerate() {
            if types::skip(case, &version, version.contains("MariaDB")).is_none() {
                case.statements(&format!("t{number}")).iter().for_each(|sql| source.query_drop(sql).expect(sql));
                tables += 1;
            }
        }
        drop(source);
        sandbox.config("pipeline.yml", &format!("general: {{ copy_format: {format} }}\n"));
        let synced = sandbox.run(&[]);
        // Some cases are there to be refused; their rows are in quarantine and stand on neither side.
        assert!([Some(0), Some(3)].contains(&synced.code), "{synced:?}");
        let seen = verify(&sandbox, &[]);
        seen.expect(0);
        assert!(
            tables > 200 && seen.report()["totals"]["equal"] == json!(tables),
            "{tables} tables: {:#}",
            seen.report()["totals"]
        );
    }
}

/// Every kind of key and table with some thousand rows.
fn tables(sandbox: &Sandbox) {
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40), x FLOAT, doc JSON, at DATETIME(6))",
        "INSERT INTO t SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d, CONCAT('row ', a.d), 0.1, '{\"b\": 1, \"a\": [1.50, 1e2]}', \
         '2024-01-01 00:00:00.5' FROM digit a, digit b, digit c, digit e",
        "CREATE TABLE isam ENGINE = MyISAM AS SELECT id, name, x FROM t",
        "ALTER TABLE isam ADD PRIMARY KEY (id)",
        "CREATE TABLE word (k VARCHAR(20) PRIMARY KEY, v INT) AS SELECT CONCAT('k', id) AS k, id AS v FROM t",
        "CREATE TABLE pair (a BIGINT UNSIGNED, b DATETIME, v INT, PRIMARY KEY (a, b)) AS \
         SELECT 18446744073709551615 AS a, TIMESTAMPADD(SECOND, id, '2024-01-01') AS b, 1 AS v FROM t WHERE id < 100",
        "CREATE TABLE keyless (v INT, w VARCHAR(9))",
        "INSERT INTO keyless VALUES (1, 'a'), (1, 'a'), (1, NULL), (NULL, '')",
    ]);
}

#[test]
fn what_counts_do_not_see_is_found_and_named_on_mysql() {
    let sandbox = Sandbox::new("content");
    tables(&sandbox);
    sandbox.sync(&[]);
    let equal = verify(&sandbox, &[]);
    equal.expect(0);
    assert_eq!(equal.table("t")["compared_by"], json!("rows"));
    let digest = equal.table("t")["content"]["digest"].clone();
    assert_eq!(digest, verify(&sandbox, &["--tables", "t"]).table("t")["content"]["digest"], "the same rows, the same digest");

    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE t SET name = 'Row 5' WHERE id = 5;
             UPDATE t SET x = 0.10000001 WHERE id = 6;
             UPDATE t SET name = NULL, at = at + interval '1 microsecond' WHERE id = 7;
             UPDATE t SET doc = '{\"a\": [1.5, 100], \"b\": 1}' WHERE id = 8;
             DELETE FROM t WHERE id = 9999; INSERT INTO t (id) VALUES (10000);
             UPDATE isam SET name = CASE id WHEN 1 THEN 'row 2' ELSE 'row 1' END WHERE id IN (1, 2);
             UPDATE word SET v = 77 WHERE k = 'k5000';
             DELETE FROM word WHERE k = 'k1'; INSERT INTO word VALUES ('K1', 1);
             UPDATE pair SET v = 2 WHERE b = '2024-01-01 00:00:03';
             DELETE FROM keyless WHERE v = 1 AND w = 'a'; INSERT INTO keyless VALUES (2, 'b'), (2, 'b')",
        )
        .expect("the warehouse can be changed");
    let counted = sandbox.command_json("verify", &["--depth", "counts"]);
    assert_eq!(counted.status("isam"), "equal", "counts see nothing of it");
    let seen = verify(&sandbox, &[]);
    seen.expect(1);
    assert_eq!(found(&seen, "t"), (1, 1, 4));
    assert_eq!(
        rows(&seen, "t"),
        [
            json!(["changed", {"id": 5}, ["name"]]),
            json!(["changed", {"id": 6}, ["x"]]),
            json!(["changed", {"id": 7}, ["name", "at"]]),
            json!(["changed", {"id": 8}, ["doc"]]),
            json!(["missing", {"id": 9999}, []]),
            json!(["surplus", {"id": 10000}, []]),
        ]
    );
    assert_eq!(rows(&seen, "isam"), [json!(["changed", {"id": 1}, ["name"]]), json!(["changed", {"id": 2}, ["name"]])]);
    assert_eq!(
        rows(&seen, "word"),
        [json!(["changed", {"k": "k5000"}, ["v"]]), json!(["missing", {"k": "k1"}, []]), json!(["surplus", {"k": "K1"}, []])]
    );
    let key = json!({"a": "18446744073709551615", "b": "2024-01-01 00:00:03"});
    assert_eq!(rows(&seen, "pair"), [json!(["changed", key, ["v"]])]);
    assert_eq!(found(&seen, "keyless"), (2, 2, 0));
    assert_eq!(seen.status("digit"), "equal");
    assert!(!seen.stdout.contains("Row 5"), "no values unless they are asked for");
    let values = verify(&sandbox, &["--tables", "t", "--values", "--rows", "1"]);
    let told = values.table("t")["content"]["differences"].as_array().expect("a list").len();
    assert_eq!((told, found(&values, "t")), (1, (1, 1, 4)), "told are as many as asked, counted are all");
    let shown = verify(&sandbox, &["--tables", "t", "--values"]);
    assert!(shown.stdout.contains("\"Row 5\"") && shown.stdout.contains("\"row 5\""), "{}", shown.stdout);

    // Empty on one side.
    sandbox.warehouse().batch_execute("TRUNCATE t; TRUNCATE word; TRUNCATE keyless").expect("truncated");
    let empty = verify(&sandbox, &["--tables", "t,word,keyless"]);
    assert_eq!(
        (found(&empty, "t"), found(&empty, "word"), found(&empty, "keyless")),
        ((10_000, 0, 0), (10_000, 0, 0), (4, 0, 0))
    );
}

/// Rows that PostgreSQL refused and rows that a policy keeps out are in quarantine, and so not missing.
#[test]
fn rows_in_quarantine_are_not_missing() {
    let sandbox = Sandbox::new("content_quarantine");
    sandbox.source_sql(&[
        "CREATE TABLE doc (id INT, day DATE, j JSON, PRIMARY KEY (id, day))",
        "INSERT INTO doc VALUES (1, '2024-01-01', '1'), (2, '2024-01-02', '1e200000'), (3, '2024-01-03', '\"\\\\u0000\"')",
    ]);
    sandbox.run(&[]).expect(3);
    let seen = verify(&sandbox, &[]);
    seen.expect(0);
    assert_eq!((&seen.table("doc")["source_rows"], &seen.table("doc")["quarantined_rows"]), (&json!(3), &json!(2)));
    sandbox.warehouse().batch_execute("DELETE FROM doc WHERE id = 1").expect("deleted");
    let seen = verify(&sandbox, &[]);
    seen.expect(1);
    assert_eq!(rows(&seen, "doc"), [json!(["missing", {"id": 1, "day": "2024-01-01"}, []])]);
}

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
    why(&["pair", "7"]).expect(2).says("a row is told by its key: a, b");
    why(&["t", "five"]).expect(2);
    why(&["keyless", "1"]).expect(2).says("has no key");
    why(&["nowhere", "1"]).expect(2);
}
