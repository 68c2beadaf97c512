//! The step after the load with a program in dbt's place: when it is due, what it gets, how it may fail, what stays known.

use crate::hosts::wait_for;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// Writes the results and the manifest of a dbt that built model `made_of_a` out of table a; its status, and its test's.
const RESULTS: &str = r#"
mkdir -p target
at=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
cat >target/run_results.json <<JSON
{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json", "generated_at": "$at"}, "results": [
 {"status": "MODEL", "unique_id": "model.p.made_of_a", "execution_time": 0.5, "message": "SELECT 7", "adapter_response": {"rows_affected": 7}},
 {"status": "TEST", "unique_id": "test.p.checked.a1b2", "execution_time": 0.1, "message": "Got 5 results, configured to warn if != 0", "failures": 5}]}
JSON
cat >target/manifest.json <<JSON
{"nodes": {"model.p.made_of_a": {"depends_on": {"nodes": ["source.p.raw.a"]}}},
 "sources": {"source.p.raw.a": {"source_name": "raw", "name": "a", "schema": "raw", "identifier": "a"}}}
JSON
"#;

/// Results of these words.
fn results(model: &str, test: &str) -> String {
    RESULTS.replace("MODEL", model).replace("TEST", test)
}

/// Two tables, and a program in dbt's place that notes its arguments and its environment first.
fn sandbox(word: &str, body: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        "CREATE TABLE a (id INT PRIMARY KEY, v INT, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "CREATE TABLE b (id INT PRIMARY KEY)",
        "INSERT INTO a (id, v, at) SELECT seq, 0, '2024-01-01' FROM seq_1_to_20",
        "INSERT INTO b SELECT seq FROM seq_1_to_20",
    ]);
    sandbox.config("tables.yml", "tables:\n  a: { primary_incremental_column: at }\n");
    std::fs::create_dir(sandbox.folder().join("project")).unwrap();
    std::fs::write(sandbox.folder().join("project/dbt_project.yml"), "name: p\n").unwrap();
    stub(&sandbox, body);
    configure(&sandbox, "");
    sandbox
}

fn stub(sandbox: &Sandbox, body: &str) {
    let path = sandbox.folder().join("dbt");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>../arguments\nenv >../environment\n{body}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn configure(sandbox: &Sandbox, more: &str) {
    let text = format!("transform:\n  command: ../dbt\n  project_dir: ../project\n{more}");
    sandbox.config("pipeline.yml", &text);
}

/// What the program noted, which is then forgotten; none when it was not started.
fn noted(sandbox: &Sandbox, file: &str) -> Option<String> {
    let path = sandbox.folder().join(file);
    let text = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(&path).unwrap();
    Some(text)
}

fn selected(sandbox: &Sandbox) -> Vec<String> {
    let arguments = noted(sandbox, "arguments").unwrap_or_default();
    arguments.lines().skip_while(|word| *word != "--select").skip(1).map(str::to_owned).collect()
}

fn transform(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    sandbox.command_json("transform", more)
}

/// A row of `etl_transform_status`: status, rows, whether it ever ended well, column and value.
fn row(sandbox: &Sandbox, name: &str) -> String {
    let sql = "SELECT concat_ws(' ', transformation_status, rows_transformed, last_transformed > '2000-01-01', primary_column_name, \
               last_primary_value IS NOT NULL) FROM raw.etl_transform_status WHERE table_name = $1";
    sandbox.warehouse().query(sql, &[&name]).unwrap().first().map_or_else(String::new, |row| row.get(0))
}

fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_run_transforms_what_is_made_of_tables_that_changed() {
    let sandbox = sandbox("transform", &results("success", "pass"));
    let outcome = sandbox.sync(&["--transform"]);
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"]);
    let report = outcome.report()["transform"].clone();
    assert_eq!(
        (report["status"].as_str(), report["tool"].as_str(), report["passed"].as_u64()),
        (Some("success"), Some("dbt"), Some(2))
    );
    assert_eq!(report["tables"], json!(["a", "b"]));
    let model =
        json!({"name": "made_of_a", "kind": "model", "status": "success", "seconds": 0.5, "rows": 7, "message": "SELECT 7"});
    assert_eq!(report["models"][0], model);
    assert_eq!([row(&sandbox, "made_of_a"), row(&sandbox, "a")], ["success 7 t at t", "success 0 t at t"]);
    assert_eq!(row(&sandbox, "dbt_transformation_run"), "success 7 t f");
    assert_eq!(row(&sandbox, "b"), "pending 0 f f", "nothing is made of it");
    assert_eq!(outcome.report()["totals"]["events_lost"], 0);

    let known = "no transformation of this schema is known here";
    assert!(outcome.report()["warnings"][0].as_str().is_some_and(|text| text.contains(known)), "{outcome}");
    // Nothing changed: nothing is run, and the report says so.
    let outcome = sandbox.sync(&["--transform"]);
    assert_eq!(noted(&sandbox, "arguments"), None);
    assert_eq!(
        (outcome.report()["transform"]["reason"].as_str(), outcome.report()["warnings"].clone()),
        (Some("nothing had changed"), json!([]))
    );
    sandbox.source_sql(&["UPDATE a SET v = 1 WHERE id = 3"]);
    sandbox.sync(&["--transform"]);
    assert_eq!(selected(&sandbox), ["source:raw.a+"]);
    // All models, also when nothing changed; and what a deleted row of b is worth.
    sandbox.sync(&["--transform-all"]);
    assert!(noted(&sandbox, "arguments").is_some_and(|arguments| !arguments.contains("--select")));
    sandbox.source_sql(&["DELETE FROM b WHERE id = 20"]);
    configure(&sandbox, "  select: tag:nightly +late\n  source_name: od\n");
    sandbox.sync(&["--transform"]);
    assert_eq!(selected(&sandbox), ["source:od.b+,tag:nightly", "source:od.b+,+late"]);
    sandbox.assert_clean();
}

#[test]
fn the_program_gets_the_run_and_the_connection_by_its_environment_alone() {
    let body = "cat \"$ETL_SYNC_RESULT\" >../result; echo \"my password is $PGPASSWORD\"";
    let sandbox = sandbox("transformenv", &format!("{body}\n{}", results("success", "pass")));
    let mut command = sandbox.run_command(&["--transform", "-v"]);
    command.env("ETL_SYNC_REPLICA_PASSWORD", "never-handed-on");
    let outcome = Running::start(command).wait(RUN_MAX);
    outcome.expect(0);
    let report = outcome.report();
    let environment = noted(&sandbox, "environment").unwrap();
    let has = |line: &str| environment.lines().any(|other| other == line);
    assert!(
        has(&format!("ETL_SYNC_RUN_ID={}", report["run_id"].as_str().unwrap())) && has("ETL_SYNC_STATUS=success"),
        "{environment}"
    );
    assert!(has("ETL_SYNC_CHANGED_TABLES=a") && has("b") && has(&format!("PGDATABASE={}", sandbox.name)), "{environment}");
    let password = environment.lines().find_map(|line| line.strip_prefix("PGPASSWORD=")).unwrap();
    assert!(!environment.contains("never-handed-on") && !environment.contains("ETL_SYNC_SOURCE_URL"), "{environment}");
    assert!(!outcome.stdout.contains(password) && !outcome.stderr.contains(password), "{outcome}");
    outcome.says("dbt: my password is *****");
    let result: Value = serde_json::from_str(&noted(&sandbox, "result").unwrap()).unwrap();
    assert_eq!((result["run_id"].clone(), result["totals"]["inserted"].clone()), (report["run_id"].clone(), json!(40)));
    let left: Vec<_> = std::fs::read_dir(sandbox.state_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("transform-")), "{left:?}");
}

#[test]
fn what_is_missing_is_told_before_anything_is_loaded() {
    let sandbox = sandbox("transformgone", "");
    for (text, words) in [
        ("transform: { command: no-such-dbt, project_dir: ../project }", "no-such-dbt was not found"),
        ("transform: { command: ../dbt, project_dir: ../nowhere }", "nowhere is not a directory"),
        ("transform: { command: ../dbt, project_dir: . }", "holds no dbt_project.yml"),
        ("transform: { sql_dir: ../project }", "holds no .sql file"),
        ("transform: { tool: dbt }", "transform.project_dir, which is not set"),
        ("", "no transformation is configured"),
    ] {
        sandbox.config("pipeline.yml", text);
        sandbox.run(&["--transform"]).expect(2).says(words);
        transform(&sandbox, &[]).expect(2).says(words);
    }
    assert_eq!(sandbox.count("SELECT count(*) FROM pg_namespace WHERE nspname IN ('raw', 'etl_sync')"), 0);
    sandbox.run(&["--transform", "--dry-run"]).expect(2);
}

#[test]
fn what_failed_stays_due_until_it_went_well() {
    let sandbox = sandbox("transformfail", "echo 'Compilation Error in model x'; exit 2");
    let outcome = sandbox.run(&["--transform"]);
    outcome.expect(1);
    let report = outcome.report();
    let message = report["transform"]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("exit code 2 before it had results") && message.contains("Compilation Error in model x"),
        "{message}"
    );
    assert_eq!((report["status"].as_str(), report["totals"]["loaded"].as_u64()), (Some("failed"), Some(2)), "the load is whole");
    assert_eq!(row(&sandbox, "dbt_transformation_run"), "failed 0 f f");
    noted(&sandbox, "arguments");

    // A model that fails: its word, its row, exit code 1; a load without --transform leaves its changes, too.
    stub(&sandbox, &format!("{}\nexit 1", results("error", "skipped")));
    let outcome = sandbox.run(&["--transform"]);
    outcome.expect(1).says("\"failed\": 1");
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"], "nothing changed meanwhile");
    assert_eq!(outcome.report()["transform"]["error"], Value::Null, "it says itself what failed");
    assert_eq!([row(&sandbox, "made_of_a"), row(&sandbox, "a")], ["failed 0 f f", "failed 0 f f"]);
    stub(&sandbox, &results("success", "warn"));
    let outcome = transform(&sandbox, &["--changed", "b"]);
    outcome.expect(0);
    assert_eq!(selected(&sandbox), ["source:raw.b+"]);
    let warnings = ["raw with any of the changed tables", "test checked warns: Got 5 results, configured to warn if != 0"];
    for words in warnings {
        outcome.says(words);
    }
    assert_eq!(
        (outcome.report()["transform"]["warned"].as_u64(), outcome.report()["status"].as_str()),
        (Some(1), Some("success"))
    );
    sandbox.source_sql(&["INSERT INTO b VALUES (99)"]);
    sandbox.sync(&[]);
    transform(&sandbox, &["--changed"]).expect(0);
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"]);
    assert_eq!(transform(&sandbox, &["--changed"]).expect(0).report()["transform"]["reason"], "nothing had changed");
    transform(&sandbox, &["--changed", "nothing"]).expect(2).says("no table nothing has been loaded");
    transform(&sandbox, &[]).expect(0);
    assert!(noted(&sandbox, "arguments").is_some_and(|arguments| !arguments.contains("--select")));
}

#[test]
fn a_program_that_hangs_is_ended_with_its_children_and_so_is_one_of_a_run_that_stops() {
    let sandbox = sandbox("transformhang", "sleep 600 & echo $! >../child; wait");
    configure(&sandbox, "  timeout_s: 1\n");
    let outcome = sandbox.run(&["--transform"]);
    outcome.expect(1).says("dbt had not ended after 1 s; it and its children were ended").says("transform.timeout_s");
    let child = noted(&sandbox, "child").unwrap();
    wait_for("the child has ended", || is_gone(&child).then_some(()));

    configure(&sandbox, "");
    let running = sandbox.start(&["--transform"]);
    let child = wait_for("the program works", || noted(&sandbox, "child").filter(|pid| pid.ends_with('\n')));
    // Another one is refused meanwhile, and a load is not.
    transform(&sandbox, &[]).expect(75).says("another transformation of schema raw works");
    sandbox.sync(&[]);
    running.signal("TERM");
    let outcome = running.wait(RUN_MAX);
    outcome.expect(143);
    assert_eq!(outcome.report()["transform"]["status"], "stopped");
    wait_for("the child has ended", || is_gone(&child).then_some(()));
    stub(&sandbox, &results("success", "pass"));
    noted(&sandbox, "arguments");
    sandbox.sync(&["--transform"]);
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"]);
}

#[test]
fn a_table_that_an_interrupted_run_had_loaded_is_transformed_by_the_one_that_goes_on() {
    let sandbox = sandbox("transformkept", &results("success", "pass"));
    sandbox.config("tables.yml", "tables:\n  b: { filter: \"SLEEP(0.5) = 0\" }\n");
    let running = sandbox.start(&["--transform", "--parallel", "1"]);
    wait_for("a is loaded", || sandbox.holds("SELECT true FROM etl_sync.etl_table_state WHERE table_name = 'a'").then_some(()));
    running.kill();
    assert_eq!(noted(&sandbox, "arguments"), None);
    sandbox.config("tables.yml", "");
    let outcome = sandbox.sync(&["--transform"]);
    assert_eq!(outcome.status("a"), "kept");
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"]);
}

/// The load has ended by then, so the next run reads the tables again, and what changed is not forgotten.
#[test]
fn a_run_that_is_killed_while_it_transforms_leaves_what_is_due() {
    let sandbox = sandbox("transformkill", "echo $$ >../child; exec sleep 600");
    let running = sandbox.start(&["--transform"]);
    let child = wait_for("the program works", || noted(&sandbox, "child").filter(|pid| pid.ends_with('\n')));
    running.kill();
    // Nobody is left to end it; its scheduler does.
    assert!(std::process::Command::new("kill").args(["-9", child.trim()]).status().unwrap().success());
    stub(&sandbox, &results("success", "pass"));
    noted(&sandbox, "arguments");
    let outcome = sandbox.sync(&["--transform"]);
    assert_eq!(outcome.written(), (0, 0, 0), "{outcome}");
    assert_eq!(selected(&sandbox), ["source:raw.a+", "source:raw.b+"]);
    let phases = outcome.report()["phases"].clone();
    let named: Vec<_> =
        phases.as_array().unwrap().iter().map(|phase| (phase["name"].as_str(), phase["state"].as_str())).collect();
    assert!(named.contains(&(Some("transform"), Some("completed"))), "{named:?}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

fn sql_files(sandbox: &Sandbox, files: &[(&str, &str)]) {
    let dir = sandbox.folder().join("sql");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
    sandbox.config("pipeline.yml", "transform:\n  sql_dir: ../sql\n");
}

#[test]
fn sql_files_run_in_order_and_one_that_fails_stops_the_rest() {
    let sandbox = sandbox("transformsql", "");
    sql_files(
        &sandbox,
        &[
            ("02_b.sql", "INSERT INTO mart SELECT -id FROM b;\nSELECT 1;\n\nINSERT INTO mart\nSELECT v::text::int / 0 FROM a;\n"),
            ("01_a.sql", "DROP TABLE IF EXISTS mart;\nCREATE TABLE mart AS SELECT id FROM a -- ;\n WHERE id < 4;\n"),
            ("03_c.sql", "DROP TABLE mart"),
        ],
    );
    let outcome = sandbox.run(&["--transform"]);
    outcome.expect(1).says("02_b.sql, line 4: this statement failed: PostgreSQL error 22012: division by zero");
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.mart WHERE id > 0"), 3, "01 is done, 02 left nothing, 03 did not run");
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.mart"), 3);
    let report = outcome.report()["transform"].clone();
    assert_eq!((report["passed"].as_u64(), report["failed"].as_u64(), report["skipped"].as_u64()), (Some(1), Some(1), Some(1)));
    let rows = ["01_a", "02_b", "03_c", "sql_transformation_run"].map(|name| row(&sandbox, name));
    assert_eq!(rows, ["success 3 t f", "failed 0 f f", "skipped 0 f f", "failed 0 f f"]);

    let settings = "INSERT INTO mart SELECT -1 WHERE current_setting('etl_sync.status') = 'success' AND current_setting('etl_sync.changed_tables') = 'a'";
    sql_files(&sandbox, &[("02_b.sql", settings), ("03_c.sql", "SELECT 1; COMMIT; SELECT 2")]);
    sandbox.sync(&[]);
    transform(&sandbox, &["--changed", "a"]).expect(1).says("03_c.sql, line 1: this ends the transaction of the file");
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.mart WHERE id = -1"), 1);

    std::fs::write(sandbox.folder().join("sql/03_c.sql"), "SELECT pg_sleep(600)").unwrap();
    sandbox.config("pipeline.yml", "transform:\n  sql_dir: ../sql\n  timeout_s: 1\n");
    transform(&sandbox, &[]).expect(1).says("03_c.sql, line 1").says("canceling statement due to statement timeout");
    sandbox.config("pipeline.yml", "transform:\n  sql_dir: ../sql\n");
    let mut command = sandbox.command();
    command.args(["transform", "--json"]);
    let running = Running::start(command);
    let sleeping =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(600)%'";
    wait_for("the statement runs", || sandbox.holds(sleeping).then_some(()));
    running.signal("TERM");
    running.wait(RUN_MAX).expect(143);
    wait_for("the statement has ended", || (!sandbox.holds(sleeping)).then_some(()));
    sandbox.assert_clean();
}
