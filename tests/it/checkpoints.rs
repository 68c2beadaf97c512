//! What a run leaves while it works: phases and memory in its result, checkpoints, and the next run after a kill in each phase. What a
//! checkpoint says is never the truth about rows, so a damaged one changes nothing but a warning.

use crate::hosts::wait_for;
use crate::program::Outcome;
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::Value;
use std::path::PathBuf;

/// The last rows of `slow` take half a second.
const RULES: &str = "tables:\n  slow: { filter: \"id < 90 OR SLEEP(0.05) = 0\" }\n";

fn world(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    for table in ["a", "b", "slow"] {
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} (id INT PRIMARY KEY, v INT NOT NULL)"),
            &format!("INSERT INTO {table} SELECT seq, 0 FROM seq_1_to_100"),
        ]);
    }
    sandbox.config("tables.yml", RULES);
    sandbox
}

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.state_dir().join("checkpoint.json")
}

/// The file; none where there is none. It is whole at any moment.
fn checkpoint(sandbox: &Sandbox) -> Option<Value> {
    let text = std::fs::read_to_string(file(sandbox)).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("a checkpoint is whole at any moment: {error}\n{text}")))
}

/// Name and state of each phase.
fn phases(report: &Value) -> Vec<(String, String)> {
    let text = |phase: &Value, name: &str| phase[name].as_str().unwrap_or_default().to_owned();
    report["phases"].as_array().expect("phases").iter().map(|phase| (text(phase, "name"), text(phase, "state"))).collect()
}

fn completed(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), "completed".to_owned())).collect()
}

fn warnings(outcome: &Outcome) -> String {
    outcome.report()["warnings"].to_string()
}

/// Starts a run, waits until its file says that `slow` is the only table that is not done, and kills it.
fn kill_in_load(sandbox: &Sandbox) {
    let running = sandbox.start(&[]);
    wait_for("the other tables are done", || {
        let marks = checkpoint(sandbox)?["tables"].clone();
        let done = ["a", "b"].iter().all(|table| marks[table] == "changed");
        (done && marks["slow"] == "planned").then_some(())
    });
    running.kill();
}

#[test]
fn a_run_tells_its_phases_and_its_memory_and_leaves_no_checkpoint() {
    let sandbox = world("phases");
    let outcome = sandbox.sync(&[]);
    let report = outcome.report();
    assert_eq!(phases(&report), completed(&["discover", "load", "verify", "report"]));
    let load = &report["phases"][1];
    assert_eq!((load["rows"].as_u64(), load["bytes"].as_u64() > Some(0)), (Some(300), true), "{load}");
    assert!(load["seconds"].as_f64() >= Some(0.5) && load["started_at"].as_str().is_some(), "{load}");
    let high = report["memory"]["high_mb"].as_u64().unwrap();
    assert!(high > 5 && load["memory_high_mb"].as_u64().unwrap() <= high, "{outcome}");
    assert!(report["memory"]["predicted_mb"].as_u64().unwrap() > 10);
    assert_eq!(checkpoint(&sandbox), None);
    let plan = sandbox.command_json("plan", &[]);
    assert!(plan.report()["memory"]["predicted_mb"].as_u64().unwrap() > 10, "{plan}");
    // A table that fails is a warning of its phase, and the file tells what was changed for as long as there is such a run.
    sandbox.source_sql(&["UPDATE a SET v = 1", "ALTER TABLE b ADD w INT"]);
    sandbox.warehouse().batch_execute("CREATE VIEW on_b AS SELECT v FROM b; ALTER TABLE b ALTER id TYPE bigint").unwrap();
    sandbox.source_sql(&["ALTER TABLE b MODIFY v VARCHAR(9) NOT NULL"]);
    let outcome = sandbox.run(&[]);
    outcome.expect(1);
    assert_eq!(phases(&outcome.report())[1], ("load".to_owned(), "warning".to_owned()));
    let left = checkpoint(&sandbox).unwrap();
    assert_eq!(
        (&left["has_ended"], &left["tables"]["a"], &left["tables"]["slow"]),
        (&true.into(), &"changed".into(), &"unchanged".into())
    );
}

#[test]
fn kill_9_while_tables_are_loaded() {
    let sandbox = world("kload");
    kill_in_load(&sandbox);
    let left = checkpoint(&sandbox).unwrap();
    assert_eq!((&left["phases"]["discover"], &left["phases"]["load"]), (&"completed".into(), &"running".into()), "{left}");
    let text = left.to_string();
    assert!(!text.contains("mysql://") && !text.contains("etl_sync@") && !text.contains(&sandbox.name), "{text}");
    let outcome = sandbox.sync(&[]);
    outcome.says("was not finished; phases done: discover");
    assert_eq!(outcome.report()["resumes"], left["run_id"], "{outcome}");
    assert_eq!(["a", "b", "slow"].map(|table| outcome.status(table)), ["kept", "kept", "loaded"]);
    assert_eq!(checkpoint(&sandbox), None);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

#[test]
fn no_resume_begins_anew() {
    let sandbox = world("noresume");
    kill_in_load(&sandbox);
    let plan = sandbox.command_json("plan", &["--no-resume"]);
    assert_eq!(plan.report()["resumes"], Value::Null, "{plan}");
    let outcome = sandbox.sync(&["--no-resume"]);
    assert_eq!(outcome.report()["resumes"], Value::Null, "{outcome}");
    assert_eq!(["a", "b", "slow"].map(|table| outcome.status(table)), ["loaded"; 3]);
    assert_eq!(checkpoint(&sandbox), None);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// Whatever became of the file, the warehouse knows which tables are done.
#[test]
fn a_checkpoint_that_cannot_be_used_is_ignored_with_a_warning() {
    let sandbox = world("damaged");
    type Damage = fn(&mut Value);
    let damages: [(&str, Damage); 3] = [
        ("version 9", |file| file["version"] = 9.into()),
        ("another configuration", |file| file["fingerprint"] = "0".into()),
        ("stale", |file| file["written_at"] = "2024-01-01T00:00:00Z".into()),
    ];
    for (why, damage) in damages {
        sandbox.source_sql(&["UPDATE a SET v = v + 1", "UPDATE b SET v = v + 1", "UPDATE slow SET v = v + 1"]);
        kill_in_load(&sandbox);
        let mut left = checkpoint(&sandbox).unwrap();
        damage(&mut left);
        std::fs::write(file(&sandbox), left.to_string()).unwrap();
        let outcome = sandbox.sync(&[]);
        assert!(warnings(&outcome).contains(why), "{why}: {outcome}");
        assert_eq!(["a", "b", "slow"].map(|table| outcome.status(table)), ["kept", "kept", "loaded"]);
        sandbox.assert_equal(&[]);
    }
    sandbox.source_sql(&["UPDATE a SET v = v + 1", "UPDATE b SET v = v + 1", "UPDATE slow SET v = v + 1"]);
    kill_in_load(&sandbox);
    let text = std::fs::read_to_string(file(&sandbox)).unwrap();
    std::fs::write(file(&sandbox), &text[..text.len() / 2]).unwrap();
    let outcome = sandbox.sync(&[]);
    assert!(warnings(&outcome).contains("cut short"), "{outcome}");
    sandbox.assert_equal(&[]);
    assert!(!warnings(&sandbox.sync(&[])).contains("checkpoint"), "told once");
    sandbox.assert_clean();
}

/// Holds a run by a lock on a table of ours, kills it there, and has the next one end equal.
fn kill_behind(sandbox: &Sandbox, table: &str, more: &[&str]) -> (Option<Value>, Outcome) {
    let mut other = sandbox.warehouse();
    other.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
    let running = sandbox.start(more);
    let waits = format!(
        "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND \
         relation = '{table}'::regclass AND application_name LIKE 'etl-sync%'"
    );
    wait_for(&format!("the run waits for {table}"), || sandbox.holds(&waits).then_some(()));
    running.kill();
    let left = checkpoint(sandbox);
    other.batch_execute("ROLLBACK").unwrap();
    let outcome = sandbox.run(&[]);
    outcome.expect(0);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    assert_eq!(checkpoint(sandbox), None);
    (left, outcome)
}

#[test]
fn kill_9_in_the_other_phases() {
    let sandbox = world("kphases");
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE a SET v = 7"]);
    let (left, outcome) = kill_behind(&sandbox, "etl_sync.etl_table_state", &[]);
    assert_eq!(left, None, "while it looks around there is nothing to know");
    assert_eq!(outcome.status("a"), "loaded");
    // Everything is proved, and the run's own end is not written yet.
    sandbox.source_sql(&["UPDATE a SET v = 8"]);
    let running = sandbox.start(&[]);
    wait_for("the tables are in work", || (checkpoint(&sandbox)?["phases"]["load"] == "running").then_some(()));
    let mut other = sandbox.warehouse();
    other.batch_execute("BEGIN; LOCK TABLE etl_sync.job IN SHARE MODE").unwrap();
    let left = wait_for("all is proved", || checkpoint(&sandbox).filter(|left| left["phases"]["verify"] == "completed"));
    running.kill();
    other.batch_execute("ROLLBACK").unwrap();
    let marks: Vec<_> = ["a", "b", "slow"].iter().map(|table| left["tables"][table].clone()).collect();
    assert_eq!(marks, ["changed", "unchanged", "unchanged"]);
    let outcome = sandbox.sync(&[]);
    outcome.says("phases done: discover, load, verify");
    assert_eq!(["a", "b", "slow"].map(|table| outcome.status(table)), ["kept"; 3]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

#[test]
fn kill_9_while_the_replica_is_filled() {
    let sandbox = world("kreplica").with_replica();
    let running = sandbox.start(&[]);
    let reads =
        format!("SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE '%SLEEP%'", sandbox.name);
    wait_for("the slow table is read", || {
        let reading: Option<u64> = mysql::prelude::Queryable::query_first(&mut sandbox.source(), &reads).unwrap();
        // The question itself stands in the list.
        (reading > Some(1)).then_some(())
    });
    running.kill();
    let outcome = sandbox.run(&[]);
    outcome.expect(0);
    assert_eq!(phases(&outcome.report()), completed(&["replicate", "discover", "load", "verify", "report"]));
    assert_eq!(outcome.report()["phases"][0]["state"], "completed");
    sandbox.assert_equal(&[]);
    assert_eq!(sandbox.start(&[]).wait(RUN_MAX).code, Some(0));
}
