//! The history of attempts: what is written down, that it is bounded, that it fails no run, and the alarm made of it.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::Value;

fn status(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(["status", "--table", "t"]).args(more);
    let outcome = Running::start(command).wait(RUN_MAX);
    outcome.expect(0);
    outcome
}

fn attempts(sandbox: &Sandbox) -> Vec<Value> {
    status(sandbox, &["--json"]).report()["attempts"].as_array().unwrap().clone()
}

fn table(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, \
         updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO t (v, updated) SELECT 0, '2024-01-01' FROM seq_1_to_50",
        "CREATE TABLE other (id INT PRIMARY KEY)",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: updated }\n");
    sandbox
}

#[test]
fn every_attempt_is_kept_with_its_watermarks() {
    let sandbox = table("attempts");
    assert_eq!(status(&sandbox, &["--json"]).report()["attempts"], serde_json::json!([]));
    sandbox.sync(&[]);
    sandbox.source_sql(&["INSERT INTO t (v) VALUES (1)"]);
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("UPDATE etl_sync.etl_table_state SET fingerprint = 'x' WHERE table_name = 't'").unwrap();
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("ALTER TABLE t ALTER COLUMN v TYPE text; CREATE VIEW reads AS SELECT v FROM t").unwrap();
    sandbox.run(&[]).expect(1);
    sandbox.warehouse().batch_execute("DROP VIEW reads; ALTER TABLE t ALTER COLUMN v TYPE integer USING v::integer").unwrap();
    sandbox.warehouse().batch_execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()").unwrap();
    sandbox.source_sql(&["INSERT INTO t (v) VALUES (2)"]);
    sandbox.run(&[]).expect(1);

    let all = attempts(&sandbox);
    let told = |key: &str| all.iter().rev().map(|one| one[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("outcome"), ["loaded", "loaded", "loaded", "refused", "failed"]);
    assert_eq!(told("rows"), [50.into(), 51.into(), 51.into(), Value::Null, Value::Null]);
    assert_eq!(told("inserted"), [50, 1, 0, 0, 0]);
    assert_eq!(told("checked"), ["sent".into(), "content".into(), "content".into(), Value::Null, Value::Null]);
    assert_eq!(all[1]["error_kind"], "changed");
    assert!(all[0]["error_kind"].is_string(), "{:?}", all[0]);
    let [before, after] = ["watermark_before", "watermark_after"].map(told);
    assert_eq!((&before[0], &before[1], &before[2]), (&Value::Null, &after[0], &after[1]));
    assert!(after[..3].iter().all(|mark| mark.as_str().is_some_and(|text| text.starts_with("20"))), "{after:?}");
    assert!(after[3..].iter().all(Value::is_null), "a failure moves no watermark");
    assert_eq!(
        told("voided"),
        [Value::Null, Value::Null, "columns, types, policies or filter changed".into(), Value::Null, Value::Null]
    );
    let runs: std::collections::BTreeSet<String> = told("run_id").iter().map(ToString::to_string).collect();
    assert_eq!(runs.len(), 5);
    let text = status(&sandbox, &[]);
    text.says("all rows: columns, types, policies or filter changed").says("error: changed").says("refused");
    assert!(!text.stdout.contains("other"), "{text}");
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_sync.table_attempt WHERE table_name = 'other'"), 5);
    sandbox.assert_clean();
}

#[test]
fn the_history_is_bounded_and_fails_no_run() {
    let sandbox = table("bounded");
    sandbox.sync(&[]);
    let old = |table: &str, count: u32, age: &str| {
        let sql = format!(
            "INSERT INTO etl_sync.table_attempt (job, table_name, run_id, ended_at, outcome, rows_read, inserted, updated, deleted, seconds)
             SELECT 'raw', '{table}', 'r', now() - interval '{age}', 'loaded', 0, 0, 0, 0, 0 FROM generate_series(1, {count})"
        );
        sandbox.warehouse().batch_execute(&sql).unwrap();
    };
    old("t", 150, "1 day");
    old("gone", 3, "500 days");
    old("gone", 2, "300 days");
    let report = sandbox.sync(&[]).report();
    assert_eq!(report["totals"]["events_lost"], 0);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_sync.table_attempt WHERE table_name = 't'"), 100);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_sync.table_attempt WHERE table_name = 'gone'"), 2);
    assert_eq!(attempts(&sandbox)[0]["rows"], 50, "the latest is kept");

    sandbox.warehouse().batch_execute("ALTER TABLE etl_sync.table_attempt RENAME COLUMN healed_via TO other").unwrap();
    sandbox.source_sql(&["INSERT INTO t (v) VALUES (1)"]);
    let report = sandbox.sync(&[]).report();
    assert_ne!(report["totals"]["events_lost"], 0);
    sandbox.assert_equal(&[]);
}

/// Rule 14's last words: what has to be mended night after night is no accident.
#[test]
fn a_table_that_is_mended_every_night_raises_an_alarm() {
    let sandbox = table("alarm");
    sandbox.sync(&[]);
    let night = |id: u32, alarm: Option<&str>| {
        sandbox.warehouse().batch_execute(&format!("DELETE FROM t WHERE id = {id}")).unwrap();
        let outcome = sandbox.sync(&[]);
        assert!(!outcome.table("t")["healed"].is_null(), "{outcome}");
        let warnings = outcome.report()["warnings"].to_string();
        match alarm {
            Some(words) => assert!(warnings.contains(words), "{outcome}"),
            None => assert!(!warnings.contains("had to be mended"), "{outcome}"),
        }
    };
    night(1, None);
    night(2, None);
    night(3, Some("table t had to be mended in each of its last 3 loads"));
    night(4, Some("in each of its last 4 loads"));
    sandbox.sync(&[]);
    night(5, None);
    let last = attempts(&sandbox);
    assert_eq!([&last[0]["drift"], &last[1]["drift"]], [1, 0]);
    let as_text = || {
        let mut run = sandbox.command();
        run.arg("run");
        Running::start(run).wait(RUN_MAX)
    };
    sandbox.warehouse().batch_execute("DELETE FROM t WHERE id = 6").unwrap();
    sandbox.source_sql(&["UPDATE t SET v = 8 WHERE id = 30"]);
    let words =
        "t: at least 1 rows differed beyond the increments (by the counts of both sides); the source had 50 rows, the target 49;";
    as_text().says(words);
    // Behind the watermark, and the count stays.
    sandbox.source_sql(&["UPDATE t SET v = 7, updated = updated WHERE id < 4", "DELETE FROM t WHERE id = 40"]);
    sandbox.source_sql(&["INSERT INTO t (id, v, updated) VALUES (-1, 1, '2024-01-01')"]);
    let words =
        "t: 5 rows differed, 4 of them missed (the source has other rows than before); the source had 50 rows, the target 50;";
    as_text().says(words);
    let last = attempts(&sandbox);
    assert_eq!([&last[0]["checked"], &last[0]["missed"], &last[0]["drift"]], [&Value::from("content"), &4.into(), &5.into()]);
    status(&sandbox, &[]).says("missed").says("drift").says("content");
    // As an older version left it.
    sandbox.warehouse().batch_execute("ALTER TABLE etl_sync.table_attempt DROP COLUMN drift").unwrap();
    assert_eq!(attempts(&sandbox)[0]["drift"], Value::Null);
    assert_eq!(sandbox.sync(&[]).report()["totals"]["events_lost"], 0);
    assert_eq!(attempts(&sandbox)[0]["drift"], 0);
    assert_eq!(last[0]["healed_via"], "a full load");
    status(&sandbox, &[]).says("mended via a full load");
}
