//! Which methods runs call: exact counts of a small run, what survives other processes, kills and damage, and what the answers say.

use crate::hosts::project;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use crate::source_text::{Keep, strip, without_tests};
use etl_sync::usage::{Document, METHODS, Run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.state_dir().join("method_usage.json")
}

fn document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `etl-sync methods …`, as JSON or text.
fn methods(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.arg("methods").args(more);
    Running::start(command).wait(RUN_MAX)
}

/// Calls of the run that was saved last, by method.
fn last_calls(path: &Path) -> BTreeMap<String, u64> {
    let document = document(path);
    let last = document["runs"].as_array().and_then(|runs| runs.last()).expect("a run");
    serde_json::from_value(last["calls"].clone()).expect("numbers by name")
}

/// One table each: tiny, cut into chunks, loaded by its increments, and one that will have a hole.
fn fixture(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    let rows = |many: u32| (1..=many).map(|id| format!("({id}, 'row {id}')")).collect::<Vec<_>>().join(", ");
    let columns = "id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL";
    let updated = "updated TIMESTAMP NOT NULL DEFAULT '2024-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP";
    sandbox.source_sql(&[
        &format!("CREATE TABLE tiny ({columns})"),
        &format!("CREATE TABLE several ({columns})"),
        &format!("CREATE TABLE grows ({columns}, {updated})"),
        &format!("CREATE TABLE hole ({columns}, {updated})"),
        &format!("INSERT INTO tiny VALUES {}", rows(5)),
        &format!("INSERT INTO several VALUES {}", rows(400)),
        &format!("INSERT INTO grows (id, name) VALUES {}", rows(50)),
        &format!("INSERT INTO hole (id, name) VALUES {}", rows(50)),
    ]);
    sandbox.config(
        "tables.yml",
        "tables:\n  several: { chunk_rows: 100 }\n  grows: { primary_incremental_column: updated }\n  \
         hole: { primary_incremental_column: updated }\n",
    );
    sandbox
}

/// A command that counts and needs no table.
fn check(sandbox: &Sandbox) -> Running {
    let mut command = sandbox.command();
    command.arg("check");
    Running::start(command)
}

/// What the file says of a method.
fn record(path: &Path, id: &str) -> Value {
    document(path)["methods"][id].clone()
}

/// Numbers are exact where the run had the source to itself: one that cannot have the read lock within its 2 s, because another
/// test's statement holds it, goes another way. Then all of it is done again.
fn undisturbed(test: fn() -> Option<()>) {
    assert!((0..5).any(|_| test().is_some()), "others held the source's read lock in each of five tries");
}

/// A run; none when it was disturbed.
fn sync(sandbox: &Sandbox) -> Option<()> {
    let report = sandbox.sync(&[]).report();
    let as_planned = |table: &Value| table["snapshot"] != "per_table" && table["rounds"].as_u64() <= Some(1);
    report["tables"].as_array().is_some_and(|tables| tables.iter().all(as_planned)).then_some(())
}

/// Calls of a first load, and of a night after it; methods that are not named were not called. In the order of the way of a row.
const COUNTS: [(&str, u64, u64); 38] = [
    ("Run.sync", 1, 1),
    ("Traces.look", 1, 1),
    ("Planning.plan", 1, 1),
    ("Strategy.choose", 4, 4),
    ("Increments.choose", 4, 4),
    ("Drift.decide", 0, 4),
    ("Traces.stands", 4, 4),
    // `grows` and `hole` have a watermark by then.
    ("Watermark.from", 0, 2),
    ("Watermark.condition", 0, 2),
    // Only `several` is cut: 4 chunks.
    ("Boundaries.ranges", 1, 1),
    ("Snapshot.open", 1, 1),
    ("TableWork.load", 4, 4),
    ("Chunk.copy_chunk", 4, 4),
    ("Chunk.finish", 1, 1),
    ("PostgresSink.check_ledger", 1, 1),
    // The others at first; then `tiny`, and `hole` after its increments.
    ("Chunk.copy_whole", 3, 2),
    ("Increments.load", 0, 2),
    ("Chunk.merge", 0, 2),
    ("MysqlSource.counts", 0, 2),
    // `hole` lacks rows below its watermark.
    ("Increments.announce", 0, 1),
    ("TableWork.healed", 0, 1),
    // A statement per chunk and table; increments and the look at `grows` read, too.
    ("MysqlSource.select", 7, 9),
    ("MysqlSource.read", 7, 9),
    ("MysqlSource.count", 4, 3),
    // `tiny` is as its image, and the increments of `hole` are empty.
    ("Copy.copy_in", 7, 6),
    ("Same.as_target", 0, 2),
    ("Finish.install", 4, 0),
    ("Merge.install", 0, 2),
    ("Merge.add", 0, 1),
    ("Proof.check", 4, 3),
    // `grows` after its increments and after the look.
    ("Looks.look", 0, 1),
    ("Looks.decide", 0, 1),
    ("Chunk.confirm", 0, 1),
    ("PostgresSink.commit", 4, 5),
    // Started, loaded, and the attempt for the history.
    ("Tracker.send", 12, 12),
    // A read and a table's end each.
    ("Tracker.log", 11, 13),
    ("Definitions.build", 1, 1),
    // Batches: as many as the writer's pauses make.
    ("StatusTable.write", 0, 0),
];

#[test]
fn a_run_counts_every_call_by_its_method() {
    undisturbed(|| {
        let sandbox = fixture("methods");
        let path = file(&sandbox);
        let check = |which: fn(&(&'static str, u64, u64)) -> u64| {
            let mut calls = last_calls(&path);
            assert!(calls.remove("StatusTable.write").is_some_and(|batches| batches > 0));
            let wanted = COUNTS.iter().map(|one| (one.0.to_owned(), which(one))).filter(|(_, calls)| *calls > 0);
            assert_eq!(calls, wanted.collect::<BTreeMap<_, _>>());
        };
        sync(&sandbox)?;
        check(|one| one.1);
        sandbox.source_sql(&[
            "UPDATE several SET name = 'changed' WHERE id = 7",
            "INSERT INTO grows (name, updated) VALUES ('new', NOW())",
        ]);
        sandbox.warehouse().batch_execute("DELETE FROM hole WHERE id < 40").expect("rows can be deleted");
        sync(&sandbox)?;
        check(|one| one.2);
        sandbox.assert_equal(&[]);

        let all = document(&path);
        assert_eq!(all["methods"].as_object().map(serde_json::Map::len), Some(METHODS.len()), "those never called, too");
        let never = record(&path, "Why.why");
        assert_eq!(
            (&never["call_count"], &never["first_seen"], &never["run_ids"]),
            (&0.into(), &Value::Null, &Value::Array(vec![]))
        );
        let chunks = record(&path, "Chunk.copy_chunk");
        assert_eq!((&chunks["call_count"], &chunks["failures"], &chunks["runs"]), (&8.into(), &0.into(), &2.into()));
        let ids: Vec<&str> = chunks["run_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(ids.len() == 2 && ids[0] < ids[1], "{ids:?}");
        // The first call, not the begin of the run; microseconds, UTC.
        let first = chunks["first_seen"].as_str().unwrap();
        assert!(first > ids[0] && first < ids[1] && first.len() == "2026-11-22T04:57:05.446757Z".len(), "{first} {ids:?}");
        assert!(chunks["last_seen"].as_str().unwrap() > ids[1]);
        let shapes: Vec<(&str, u64, u64)> = chunks["shapes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|shape| (shape["strategy"].as_str().unwrap(), shape["calls"].as_u64().unwrap(), shape["rows"].as_u64().unwrap()))
            .collect();
        assert_eq!(shapes, [("copy_csv", 4, 400), ("parallel", 4, 400)]);
        assert!(chunks["total_us"].as_u64() >= chunks["max_us"].as_u64() && chunks["max_us"].as_u64() > Some(0));
        assert!((1..=2).contains(&chunks["threads_max"].as_u64().unwrap()), "two workers: {chunks}");
        Some(())
    });
}

#[test]
fn answers_show_all_the_unused_the_trend_and_what_strategies_achieve() {
    undisturbed(|| {
        let sandbox = fixture("answers");
        methods(&sandbox, &["report"]).expect(0).says("0 runs and commands").says("Calls: 0");
        sync(&sandbox)?;
        check(&sandbox).wait(RUN_MAX).expect(0);
        let text = methods(&sandbox, &["report"]);
        let rule = "=".repeat(60);
        assert!(
            text.stdout
                .starts_with(&format!("{rule}\nMETHOD USAGE REPORT\n{rule}\n\nTracker.send\n  Calls: 12\n  First seen: 20")),
            "{text}"
        );
        let calls: Vec<(u64, String)> = text
            .stdout
            .split("\n\n")
            .filter_map(|part| {
                let (id, rest) = part.split_once("\n  Calls: ")?;
                Some((rest.lines().next()?.parse().ok()?, id.to_owned()))
            })
            .collect();
        assert_eq!(calls.len(), METHODS.len());
        assert!(calls.is_sorted_by(|a, b| a.0 > b.0 || a.0 == b.0 && a.1 < b.1), "by calls, then by name: {calls:?}");

        let unused = methods(&sandbox, &["unused", "--runs", "1", "--json"]).expect(0).report();
        let names: Vec<&str> = unused["methods"].as_array().unwrap().iter().filter_map(|one| one["method"].as_str()).collect();
        assert!(
            names.contains(&"Why.why") && names.contains(&"Increments.load") && !names.contains(&"Chunk.copy_chunk"),
            "{names:?}"
        );
        assert!(!names.contains(&"Check.check"), "another command has called it: {names:?}");
        assert_eq!((&unused["runs"], &unused["commands"]), (&1.into(), &1.into()));
        methods(&sandbox, &["unused", "--runs", "1", "--fail-on-unused"]).expect(1).says("candidates for removal");
        methods(&sandbox, &["unused", "--runs", "2", "--fail-on-unused"]).expect(3).says("only 1 of 2 runs are known");

        sync(&sandbox)?;
        let trend = methods(&sandbox, &["trend", "--json"]).expect(0).report();
        assert_eq!(trend["runs"].as_array().map(Vec::len), Some(2), "commands are no runs");
        assert_eq!(trend["methods"]["Finish.install"], serde_json::json!([4, 0]));
        methods(&sandbox, &["trend"]).expect(0).says("Finish.install");
        let effect = methods(&sandbox, &["effectiveness", "--json"]).expect(0).report();
        let loads = |strategy: &str| {
            let all = effect["strategies"].as_array().unwrap();
            let one = all.iter().find(|one| one["strategy"] == strategy && one["class"] == "all").unwrap();
            (one["loads"].as_u64().unwrap(), one["failures"].as_u64().unwrap())
        };
        assert_eq!(
            (loads("copy_csv"), loads("parallel"), loads("streaming"), loads("standard")),
            ((1, 0), (1, 0), (0, 0), (6, 0))
        );
        assert_eq!(effect["dominates"], "copy into a new table");
        methods(&sandbox, &["effectiveness"]).expect(0).says("copy_csv").says("Traces.stands");
        let csv = methods(&sandbox, &["export", "--format", "csv"]);
        assert_eq!(csv.expect(0).stdout.lines().count(), METHODS.len() + 1);
        assert_eq!(methods(&sandbox, &["export"]).report(), document(&file(&sandbox)));

        let archived = methods(&sandbox, &["archive", "--json"]).expect(0).report();
        let archived = archived["archived"].as_str().unwrap();
        assert!(!file(&sandbox).exists());
        methods(&sandbox, &["report", "--file", archived]).expect(0).says("3 runs and commands");
        methods(&sandbox, &["unused"]).expect(0).says("only 0 of 30 runs are known");
        Some(())
    });
}

#[test]
fn a_run_that_fails_or_counts_nothing() {
    let sandbox = fixture("failing");
    sandbox.run_with("ETL_SYNC_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/x", &[]).expect(69);
    let path = file(&sandbox);
    let sync = record(&path, "Run.sync");
    assert_eq!((&sync["call_count"], &sync["failures"]), (&1.into(), &1.into()));
    let said = sandbox.sync(&["-v"]);
    said.says("[METHOD_TRACK] Chunk.copy_chunk ok ").says(" ms tiny copy_csv");
    assert_eq!(record(&path, "Run.sync")["failures"], 1);
    let before = std::fs::read(&path).expect("the file");
    let plan = sandbox.run(&["--dry-run"]).expect(0).report();
    assert_eq!(plan["method_usage"]["methods"].as_array().map(Vec::len), Some(METHODS.len()));
    assert_eq!(plan["method_usage"]["file"].as_str(), path.to_str());
    let quiet = sandbox.run_with("ETL_SYNC_METHOD_USAGE", "off", &[]);
    assert!(!quiet.expect(0).stderr.contains("METHOD_TRACK"));
    assert_eq!(std::fs::read(&path).expect("the file"), before, "neither counts");
    sandbox.run_with("ETL_SYNC_METHOD_USAGE_TIMES", "false", &[]).expect(0);
    assert_eq!(record(&path, "Run.sync")["call_count"], 3);
    let elsewhere = sandbox.folder().join("logs/usage.json");
    sandbox.run_with("ETL_SYNC_METHOD_USAGE", "logs/usage.json", &[]).expect(0);
    assert_eq!(record(&elsewhere, "Run.sync")["call_count"], 1);
}

#[test]
fn a_file_that_cannot_be_kept_is_a_warning() {
    let sandbox = Sandbox::new("unkept");
    let path = file(&sandbox);
    // Damage is kept aside.
    std::fs::write(&path, "{\"schema_version\": 1, \"methods\": {\"Run.").expect("a file can be written");
    methods(&sandbox, &["report"]).expect(70).says("is damaged");
    check(&sandbox).wait(RUN_MAX).expect(0).says("was damaged; it was kept as");
    assert_eq!(record(&path, "Check.check")["call_count"], 1);
    let aside = std::fs::read_dir(sandbox.state_dir()).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<PathBuf> = aside.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(std::fs::read_to_string(&aside[0]).unwrap().ends_with("\"Run."));
    // A newer program's file is left alone.
    std::fs::write(&path, "{\"schema_version\": 2}").expect("a file can be written");
    check(&sandbox).wait(RUN_MAX).expect(0).says("method usage is not kept").says("a newer program wrote it");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"schema_version\": 2}");
    std::fs::remove_file(&path).unwrap();
    // Nobody waits for ever.
    let lock = File::create(sandbox.state_dir().join("method_usage.json.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    check(&sandbox).wait(RUN_MAX).expect(0).says("other processes hold it for more than 3 s");
    assert!(!path.exists());
    drop(lock);
    // A place that is none.
    let mut command = sandbox.command();
    command.arg("check").env("ETL_SYNC_METHOD_USAGE", "/dev/null/usage.json");
    Running::start(command).wait(RUN_MAX).expect(0).says("method usage is not kept");
}

/// A file as after so many nights, so that a save takes its time.
fn grown(path: &Path, runs: u32) {
    let mut document = Document::default();
    for night in 0..runs {
        let calls = METHODS.iter().map(|method| (method.id.to_owned(), 1)).collect();
        let run_id = format!("2020-01-01T00:{:02}:{:02}.000000Z", night / 60, night % 60);
        document.add(Run { run_id, token: night.to_string(), syncs: true, calls, ..Run::default() });
    }
    std::fs::write(path, serde_json::to_string_pretty(&document).unwrap()).expect("a file can be written");
}

#[test]
fn processes_that_save_at_once_lose_nothing() {
    let sandbox = Sandbox::new("atonce");
    grown(&file(&sandbox), 390);
    let all: Vec<Running> = (0..8).map(|_| check(&sandbox)).collect();
    for one in all {
        let outcome = one.wait(RUN_MAX);
        assert!(!outcome.expect(0).stderr.contains("method usage"), "{outcome}");
    }
    assert_eq!(record(&file(&sandbox), "Check.check")["call_count"], 8);
    assert_eq!(document(&file(&sandbox))["runs_total"], 398);
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_file() {
    let sandbox = Sandbox::new("killsave");
    let path = file(&sandbox);
    grown(&path, 390);
    let took = check(&sandbox).wait(RUN_MAX).took;
    let mut killed = 0;
    for part in 0..16 {
        let before = document(&path)["runs_total"].as_u64().unwrap();
        let mut running = check(&sandbox);
        // Over its life; the machine may have been slower when that was measured, so the first ones come early.
        std::thread::sleep(took.mul_f64(0.1) + took * part / 15);
        if !running.has_ended() {
            killed += 1;
        }
        running.kill();
        let after = document(&path)["runs_total"].as_u64().unwrap();
        assert!((before..=before + 1).contains(&after), "{before} {after}");
    }
    assert!(killed > 0, "every process had ended");
    // The lock went with its holder.
    check(&sandbox).wait(Duration::from_secs(30)).expect(0);
}

/// Complaints about methods that are not marked exactly once in the sources.
fn unmarked(sources: &BTreeMap<String, String>) -> Vec<String> {
    let list = sources.iter().find(|(path, _)| path.ends_with("usage/methods.rs")).map_or("", |(_, text)| text);
    let registered = list.lines().filter_map(|line| line.trim().split_once(" = \"").map(|(name, _)| name.to_owned()));
    let code: String = sources
        .iter()
        .filter(|(path, _)| !path.contains("/usage/"))
        .map(|(_, text)| strip(without_tests(text), Keep::Code).split_whitespace().collect::<String>())
        .collect();
    let marks = |name: &str| {
        let calls = ["enter(", "attempt(", "run(", "record("];
        calls.iter().map(|call| code.matches(&format!("usage::{name}.{call}")).count()).sum::<usize>()
    };
    let all: Vec<String> = registered.collect();
    assert!(all.len() >= METHODS.len(), "the list was not found: {all:?}");
    all.into_iter()
        .map(|name| (marks(&name), name))
        .filter(|(marks, _)| *marks != 1)
        .map(|(marks, name)| format!("{name}: {marks} marks"))
        .collect()
}

fn sources(folder: &Path, into: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.insert(path.display().to_string(), std::fs::read_to_string(&path).expect("a readable file"));
        }
    }
}

#[test]
fn every_registered_method_is_marked_once() {
    let mut tree = BTreeMap::new();
    sources(&project().join("src"), &mut tree);
    assert_eq!(unmarked(&tree), [""; 0]);
    tree.insert("src/planted.rs".into(), "fn f() { let _call = usage::WHY\n    .enter(x); }\n".into());
    assert_eq!(unmarked(&tree), ["WHY: 2 marks"]);
    tree.insert("src/planted.rs".into(), "// usage::NOT.enter(x)\n".into());
    let list = tree.iter_mut().find(|(path, _)| path.ends_with("usage/methods.rs")).expect("the list").1;
    list.push_str("    NOT = \"Planted.not\", \"x\";\n");
    assert_eq!(unmarked(&tree), ["NOT: 0 marks"]);
}

#[test]
fn what_a_plain_night_does_not_call_is_counted_where_it_occurs() {
    let sandbox = Sandbox::new("rarer").with_replica();
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, updated TIMESTAMP NOT NULL)",
        "INSERT INTO t VALUES (1, 1, NOW())",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    sandbox.source_sql(&["INSERT INTO t VALUES (2, 2, NOW())"]);
    sandbox.sync(&[]);
    let path = file(&sandbox);
    let calls = |id: &str| record(&path, id)["call_count"].as_u64().unwrap();
    assert_eq!(["Run.sync", "Run.replicate", "MysqlSink.fill", "MysqlMerge.add"].map(calls), [2, 2, 2, 1]);
    assert_eq!((calls("TableWork.load"), calls("Copy.isolate"), calls("Exchange.install")), (4, 0, 0), "of both hops");

    let sandbox = Sandbox::new("rarest");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO t VALUES (1, 1)",
        "CREATE TABLE refused (id INT PRIMARY KEY, doc LONGTEXT CHECK (json_valid(doc)))",
        "INSERT INTO refused VALUES (1, '[1e999999]'), (2, '[]')",
    ]);
    sandbox.run(&[]).expect(3);
    sandbox.source_sql(&["ALTER TABLE t MODIFY v VARCHAR(20)"]);
    sandbox.run(&[]).expect(3);
    let path = file(&sandbox);
    let outcome = |id: &str| ["call_count", "failures"].map(|what| record(&path, id)[what].as_u64().unwrap());
    assert_eq!(outcome("Exchange.install"), [1, 0]);
    // COPY is refused once, then tried again with its rows kept apart.
    assert_eq!((outcome("Copy.isolate"), outcome("Chunk.copy_whole")), ([2, 0], [4, 0]));
    assert_eq!(outcome("Copy.copy_in"), [6, 2]);
}
