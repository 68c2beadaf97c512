//! The run log of the engine: a row per run, a request per read, and that none of it decides or delays anything.

use crate::hosts::wait_for;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};
use std::time::Duration;

/// Tables in several chunks by numbers and by text, and one that is a single chunk.
fn world(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        "CREATE TABLE numbers (id INT PRIMARY KEY, v CHAR(100) NOT NULL)",
        "INSERT INTO numbers SELECT seq, seq FROM seq_1_to_1000",
        "CREATE TABLE names (name VARCHAR(40) PRIMARY KEY, v INT)",
        "INSERT INTO names SELECT CONCAT('Miller', seq), seq FROM seq_1_to_600",
        "CREATE TABLE small (id INT PRIMARY KEY)",
        "INSERT INTO small VALUES (1), (2), (3)",
        "ANALYZE TABLE numbers, names, small",
    ]);
    sandbox.config("tables.yml", "tables:\n  numbers: { chunk_rows: 250 }\n  names: { chunk_rows: 200 }\n");
    sandbox
}

fn runs(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.arg("runs").args(args);
    Running::start(command).wait(RUN_MAX)
}

fn json_of(sandbox: &Sandbox, args: &[&str]) -> Value {
    runs(sandbox, &[args, &["--json"]].concat()).expect(0).report()
}

/// Texts of a query's first column.
fn texts(sandbox: &Sandbox, sql: &str) -> Vec<String> {
    sandbox.warehouse().query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}")).iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_run_and_each_of_its_reads_are_logged() {
    let sandbox = world("runlog");
    let report = sandbox.sync(&[]).report();
    assert_eq!(report["totals"]["events_lost"], 0);
    let logged = "SELECT run_uuid || ' ' || job || ' ' || status || ' ' || tables || ' ' || rows || ' ' || (finished_at >= started_at) \
                  FROM etl_meta.etl_run_log";
    assert_eq!(texts(&sandbox, logged), [format!("{} raw success 3 1603 true", report["run_id"].as_str().unwrap())]);
    let notes = texts(&sandbox, "SELECT notes FROM etl_meta.etl_run_log");
    assert!(
        notes[0].starts_with("success: 3 of 3 tables in ") && notes[0].ends_with(", 1,603 rows read, 1,603 inserted"),
        "{notes:?}"
    );

    let reads = "SELECT endpoint || ' ' || item_count || '/' || page_limit || ' ' || http_status FROM etl_meta.etl_request_log \
                 WHERE duration_ms >= 0 AND error IS NULL AND NOT throttled AND page_offset IS NULL \
                 AND created_at BETWEEN now() - interval '1 minute' AND clock_timestamp() ORDER BY endpoint COLLATE \"C\"";
    let reads = texts(&sandbox, reads);
    let of = |word: &str| reads.iter().filter(|line| line.starts_with(word)).cloned().collect::<Vec<_>>();
    let chunks = ["[.., 251) 250", "[251, 501) 250", "[501, 751) 250", "[751, ..) 250"];
    assert_eq!(of("numbers"), chunks.map(|range| format!("numbers{range}/250 200")));
    assert_eq!(of("small"), ["small 3/3 200"]);
    let names = of("names");
    assert!(names.iter().all(|line| line.starts_with("names, chunk ") && line.contains(" of ")), "{names:?}");
    assert_eq!(reads.len(), 5 + names.len(), "{reads:?}");
    let sums = "SELECT sum(item_count)::bigint FROM etl_meta.etl_request_log WHERE entity = 'names'";
    assert_eq!(sandbox.count(sums), 600);
    let values = "SELECT count(*) FROM etl_meta.etl_request_log q, etl_meta.etl_run_log r WHERE to_jsonb(q)::text || to_jsonb(r)::text LIKE '%Miller%'";
    assert_eq!(sandbox.count(values), 0, "a text key is a cell value");

    let counts = "SELECT entity || ' ' || items_retrieved FROM etl_meta.source_counts ORDER BY 1";
    assert_eq!(texts(&sandbox, counts), ["names 600", "numbers 1000", "small 3"]);
    let snapshots = "SELECT schema_name || '.' || table_name || ' ' || row_count || ' ' || checksum_md5 FROM etl_meta.table_snapshot ORDER BY 1";
    let certified = |table: &str| {
        let entry = report["tables"].as_array().unwrap().iter().find(|entry| entry["table"] == table).unwrap().clone();
        format!("raw.{table} {} {}", entry["rows"], entry["certificate"]["digest"].as_str().unwrap())
    };
    assert_eq!(texts(&sandbox, snapshots), ["names", "numbers", "small"].map(certified));
    sandbox.assert_clean();
}

#[test]
fn runs_are_shown_and_forgotten() {
    let sandbox = world("runscli");
    runs(&sandbox, &[]).expect(0).says("no run is logged");
    runs(&sandbox, &["show", "1"]).expect(2).says("no run 1 is logged");
    let first = sandbox.sync(&[]).report();
    sandbox.source_sql(&["INSERT INTO numbers VALUES (1001, 'x')", "UPDATE numbers SET v = 'y' WHERE id = 7"]);
    let second = sandbox.sync(&[]).report();
    let list = json_of(&sandbox, &[]);
    let ids: Vec<&Value> = list["runs"].as_array().unwrap().iter().map(|run| &run["run_id"]).collect();
    assert_eq!(ids, [&second["run_id"], &first["run_id"]], "newest first");
    assert_eq!(json_of(&sandbox, &["--limit", "1"])["runs"].as_array().map(Vec::len), Some(1));
    runs(&sandbox, &[]).expect(0).says("id  started").says("success").says("1,603");

    let detail = json_of(&sandbox, &["show", list["runs"][0]["id"].to_string().as_str()]);
    assert_eq!(detail["run"], list["runs"][0]);
    assert_eq!(json_of(&sandbox, &["show", second["run_id"].as_str().unwrap()])["run"], detail["run"]);
    let numbers = |list: &str, table: &str| {
        let found = detail[list].as_array().and_then(|all| all.iter().find(|line| line["table"] == table)).cloned();
        found.unwrap_or_else(|| panic!("{list} has no {table}: {detail:#}"))
    };
    assert_eq!(numbers("requests", "numbers")["errors"], 0);
    assert_eq!(numbers("source_counts", "numbers")["items"], 1001);
    let snapshot = numbers("snapshots", "raw.numbers");
    assert_eq!((&snapshot["rows"], &snapshot["before"]), (&json!(1001), &json!(1000)));
    let requests = sandbox.count("SELECT count(*) FROM etl_meta.etl_request_log");
    let of_first = json_of(&sandbox, &["show", "1"])["metrics"]["requests"].as_i64().unwrap();
    assert_eq!(detail["metrics"]["requests"], requests - of_first);
    runs(&sandbox, &["show", "2"]).expect(0).says("slowest requests").says("+1").says("source table");

    let older = "UPDATE etl_meta.etl_run_log SET started_at = started_at - interval '20 days' WHERE id = 1";
    sandbox.warehouse().batch_execute(older).unwrap();
    assert_eq!(json_of(&sandbox, &["prune"])["removed"], 0, "30 days");
    assert_eq!(json_of(&sandbox, &["prune", "--days", "19"])["removed"], 1);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_meta.source_counts WHERE run_id = 1"), 0);
    // Each run forgets by itself.
    sandbox.warehouse().batch_execute("UPDATE etl_meta.etl_run_log SET started_at = started_at - interval '3 days'").unwrap();
    sandbox.config("pipeline.yml", "general: { run_log_days: 2 }\n");
    sandbox.sync(&[]);
    assert_eq!(texts(&sandbox, "SELECT status || id FROM etl_meta.etl_run_log"), ["success3"]);
}

#[test]
fn what_is_switched_off_leaves_nothing() {
    let sandbox = world("runoff");
    let meta = "SELECT to_regnamespace('etl_meta') IS NOT NULL";
    let off = |outcome: Outcome| {
        assert_eq!(outcome.expect(0).report()["totals"]["events_lost"], 0, "{outcome}");
        assert!(!sandbox.holds(meta), "something was logged\n{outcome}");
    };
    for word in ["off", "0", "FALSE"] {
        off(sandbox.run_with("ETL_META", word, &[]));
    }
    off(sandbox.run_with("ETL_SYNC_RUN_LOG", "false", &[]));
    // The environment goes before the configuration.
    sandbox.config("pipeline.yml", "general: { run_log: true }\n");
    off(sandbox.run_with("ETL_META", "off", &[]));
    assert_eq!(
        sandbox.count("SELECT count(*) FROM etl_load_status WHERE load_status = 'success'"),
        3,
        "status rows are no part of it"
    );
    sandbox.sync(&[]);
    assert!(sandbox.holds(meta));
}

#[test]
fn a_role_that_may_not_make_the_run_log_loses_it_and_nothing_else() {
    let sandbox = world("runrights");
    let url = sandbox.warehouse_account("NOSUPERUSER");
    let create =
        ["raw", "etl_sync", "etl_quarantine"].map(|schema| format!("CREATE SCHEMA {schema} AUTHORIZATION {};", sandbox.name));
    sandbox.warehouse().batch_execute(&create.concat()).unwrap();
    let outcome = sandbox.run_with("ETL_SYNC_WAREHOUSE_URL", &url, &[]);
    assert_ne!(outcome.expect(0).report()["totals"]["events_lost"], 0, "{outcome}");
    assert_eq!(outcome.stderr.matches("the run log loses it").count(), 1, "told once\n{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_load_status WHERE load_status = 'success'"), 3, "{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_sync.table_attempt"), 3);
    sandbox.assert_equal(&[]);
    // With a schema of its own it is enough.
    sandbox.warehouse().batch_execute(&format!("CREATE SCHEMA etl_meta AUTHORIZATION {}", sandbox.name)).unwrap();
    let outcome = sandbox.run_with("ETL_SYNC_WAREHOUSE_URL", &url, &[]);
    assert_eq!(outcome.expect(0).report()["totals"]["events_lost"], 0, "{outcome}");
    assert_eq!(texts(&sandbox, "SELECT status FROM etl_meta.etl_run_log"), ["success"]);
}

/// A chunk that is slow enough to be met in the middle.
fn slow(sandbox: &Sandbox) {
    sandbox.config("tables.yml", "tables:\n  numbers: { filter: \"SLEEP(0.01) = 0\", chunk_rows: 50 }\n");
}

const IN_THE_MIDDLE: &str = "SELECT count(*) > 1 FROM etl_sync.chunk_ledger WHERE rows > 0";

#[test]
fn a_try_that_fails_is_a_request_with_its_error() {
    let sandbox = world("runtries");
    slow(&sandbox);
    let running = sandbox.start(&[]);
    wait_for("the table is in the middle", || sandbox.holds(IN_THE_MIDDLE).then_some(()));
    let worker = "SELECT pid::bigint FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync/%' \
                  AND query ~ 'COPY|ledger' ORDER BY query_start DESC LIMIT 1";
    let pid = wait_for("a worker's session", || Some(sandbox.count(worker)).filter(|pid| *pid > 0));
    sandbox.count(&format!("SELECT pg_terminate_backend({pid})::int::bigint"));
    running.wait(RUN_MAX).expect(0);
    let failed = "SELECT error || coalesce(http_status, 0) FROM etl_meta.etl_request_log WHERE error IS NOT NULL AND endpoint LIKE 'numbers[%'";
    assert_eq!(texts(&sandbox, failed), ["unreachable0"]);
    let again = "SELECT count(*) FROM etl_meta.etl_request_log q WHERE http_status = 200 AND EXISTS (SELECT FROM etl_meta.etl_request_log f \
                 WHERE f.error IS NOT NULL AND f.endpoint = q.endpoint AND f.created_at <= q.created_at)";
    assert_eq!(sandbox.count(again), 1, "the next try of the same chunk");
    let detail = json_of(&sandbox, &["show", "1"]);
    assert_eq!(detail["metrics"]["errors"], 1);
}

#[test]
fn a_run_that_fails_or_dies_is_closed() {
    let sandbox = world("rundead");
    slow(&sandbox);
    let running = sandbox.start(&[]);
    wait_for("the table is in the middle", || sandbox.holds(IN_THE_MIDDLE).then_some(()));
    let open = "SELECT status || (finished_at IS NULL) FROM etl_meta.etl_run_log";
    wait_for("the run is logged", || (texts(&sandbox, open) == ["runningtrue"]).then_some(()));
    running.kill();
    // A library's run, and a run into another schema whose session lives, are nobody's business.
    let others = "INSERT INTO etl_meta.etl_run_log (session) VALUES ('x'); INSERT INTO etl_meta.etl_run_log (job, session) VALUES ('other', 'y')";
    sandbox.warehouse().batch_execute(others).unwrap();
    sandbox.config("tables.yml", "tables:\n  numbers: { filter: \"no_such_column = 1\" }\n");
    let outcome = sandbox.run(&[]);
    outcome.expect(1);
    let all = "SELECT status || ' ' || split_part(coalesce(notes, '-'), ' ', 1) FROM etl_meta.etl_run_log ORDER BY id";
    assert_eq!(texts(&sandbox, all), ["abandoned its", "running -", "running -", "error failed:"], "{outcome}");
    let died = "SELECT count(*) FROM etl_meta.etl_run_log WHERE id = 1 AND finished_at >= started_at AND finished_at < now()";
    assert_eq!(sandbox.count(died), 1, "its last sign of life");

    // Stopped by a person, and refused because another run holds the lock: that one has no row.
    slow(&sandbox);
    let running = sandbox.start(&["--full"]);
    wait_for("the table is in the middle", || sandbox.holds(IN_THE_MIDDLE).then_some(()));
    sandbox.run(&[]).expect(75);
    running.signal("TERM");
    running.wait(RUN_MAX).expect(143);
    assert_eq!(texts(&sandbox, all).split_off(4), ["error stopped:"]);
}

#[test]
fn both_hops_of_a_replica_are_in_one_run() {
    let sandbox = world("runhops").with_replica();
    let report = sandbox.sync(&[]).report();
    let run = texts(&sandbox, "SELECT run_uuid::text FROM etl_meta.etl_run_log WHERE status = 'success'");
    assert_eq!(run, [report["run_id"].as_str().unwrap()]);
    let notes = texts(&sandbox, "SELECT notes FROM etl_meta.etl_run_log");
    assert!(notes[0].starts_with("replicate success: 3 of 3 tables") && notes[0].contains("; success: 3 of 3"), "{notes:?}");
    let reads = "SELECT entity || ' ' || sum(item_count) FROM etl_meta.etl_request_log GROUP BY entity ORDER BY 1";
    let wanted = ["names 600", "numbers 1000", "replicate/names 600", "replicate/numbers 1000", "replicate/small 3", "small 3"];
    assert_eq!(texts(&sandbox, reads), wanted);
    let targets = "SELECT schema_name || '.' || table_name FROM etl_meta.table_snapshot WHERE table_name = 'small' ORDER BY 1";
    assert_eq!(texts(&sandbox, targets), ["raw.small".to_owned(), format!("{}_r.small", sandbox.name)]);
    // One hop alone is a run of its own.
    sandbox.command_json("replicate", &[]).expect(0);
    sandbox.command_json("load", &[]).expect(0);
    let rows = "SELECT status FROM etl_meta.etl_run_log ORDER BY id";
    assert_eq!(texts(&sandbox, rows), ["success"; 3]);
    sandbox.assert_clean();
}

/// Somebody keeps the log locked: the run waits for it once, not for each of its rows.
#[test]
fn a_locked_log_loses_rows_and_keeps_nobody_waiting() {
    let sandbox = world("runlocked");
    sandbox.sync(&[]);
    let mut other = sandbox.warehouse();
    other.batch_execute("BEGIN; LOCK TABLE etl_meta.etl_run_log").unwrap();
    let outcome = sandbox.run(&[]);
    assert_ne!(outcome.expect(0).report()["totals"]["events_lost"], 0, "{outcome}");
    assert!(outcome.took < Duration::from_secs(30), "{outcome}");
    other.batch_execute("ROLLBACK").unwrap();
    let written = "SELECT count(*) FROM etl_sync.table_attempt";
    assert_eq!(sandbox.count(written), 6, "status rows and history do not suffer");
    assert_eq!(texts(&sandbox, "SELECT status FROM etl_meta.etl_run_log"), ["success"]);
    sandbox.sync(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_meta.etl_run_log"), 2);
}
