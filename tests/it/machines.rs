//! For machines: the published form of the result, the last line, metrics, pings and webhooks, the window, the lock in `status`.
//! None of those who are told of a run can change how it ends.

use crate::hosts::{self, Hosts, project, wait_for};
use crate::listener::{Answer, Listener};
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::Value;
use std::time::Duration;

const PREFIX: &str = "###AIRFLOW_RESULT###";

fn sandbox(word: &str) -> Sandbox {
    filled(Sandbox::new(word))
}

fn filled(sandbox: Sandbox) -> Sandbox {
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_300"]);
    // Without any file a run warns, and warnings are looked at here.
    sandbox.config("pipeline.yml", "");
    sandbox
}

fn schema(of: &str) -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_etl-sync")).args(["schema", of]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The words of JSON Schema that ours uses.
const KNOWN: [&str; 15] = [
    "$schema",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "items",
    "$ref",
    "$defs",
    "anyOf",
    "oneOf",
    "enum",
    "const",
    "format",
    "minimum",
];

/// What of a document does not fit a schema: the parts of JSON Schema that ours use, and no others. Also what the schema does
/// not know, although it may be there: a field that is not published is a mistake of ours.
fn unfit(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(object) = schema.as_object() else { return found.push(format!("{at}: no schema")) };
    for word in object.keys().filter(|word| !KNOWN.contains(&word.as_str()) && *word != "maximum") {
        found.push(format!("{at}: the check does not know {word}"));
    }
    if let Some(name) = schema["$ref"].as_str() {
        let target = if name == "#" { Some(root) } else { root.pointer(name.trim_start_matches('#')) };
        return unfit(root, target.unwrap_or(&Value::Null), value, at, found);
    }
    // Where exactly one is to fit, ours differ in a constant, so that two never do.
    if let Some(any) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let fits = |one: &Value| {
            let mut wrong = Vec::new();
            unfit(root, one, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !any.iter().any(fits) {
            found.push(format!("{at}: none of those that are possible"));
        }
    }
    let is = |word: &str| match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    let types: Vec<&str> = schema["type"]
        .as_array()
        .map_or_else(|| schema["type"].as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect());
    if !types.is_empty() && !types.iter().any(|word| is(word)) {
        found.push(format!("{at}: not {types:?}"));
    }
    if object.get("const").is_some_and(|only| only != value) {
        found.push(format!("{at}: not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        found.push(format!("{at}: not one of {}", schema["enum"]));
    }
    if is_out_of_range(schema, value) {
        found.push(format!("{at}: out of range"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten().filter(|_| schema["properties"].is_object()) {
        match schema["properties"].get(name) {
            Some(schema) => unfit(root, schema, inner, &format!("{at}/{name}"), found),
            None => found.push(format!("{at}/{name}: not in the schema")),
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate().filter(|_| schema["items"].is_object()) {
        unfit(root, &schema["items"], inner, &format!("{at}/{index}"), found);
    }
}

fn is_out_of_range(schema: &Value, value: &Value) -> bool {
    let beyond = |name: &str, is_beyond: fn(f64, f64) -> bool| {
        schema[name].as_f64().zip(value.as_f64()).is_some_and(|(limit, value)| is_beyond(value, limit))
    };
    beyond("minimum", |value, least| value < least) || beyond("maximum", |value, most| value > most)
}

#[track_caller]
fn fits(document: &Value) {
    let (schema, mut found) = (schema("result"), Vec::new());
    unfit(&schema, &schema, document, "", &mut found);
    assert!(found.is_empty(), "{found:#?}\n{document:#}");
}

/// The last line of standard output, which nothing follows on standard error either.
#[track_caller]
fn line(outcome: &Outcome, code: i32) -> Value {
    outcome.expect(code);
    let last = outcome.stdout.lines().last().unwrap_or_default();
    let text = last.strip_prefix(PREFIX).unwrap_or_else(|| panic!("no last line\n{outcome}"));
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}\n{outcome}"));
    assert_eq!(value["exit_code"], code, "{outcome}");
    assert_eq!(value["schema_version"], 1);
    for name in ["success_count", "failure_count", "total_count", "skipped"] {
        assert!(value[name].is_u64(), "{name}\n{outcome}");
    }
    assert!(value["failed_tables"].is_array());
    value
}

fn run_lined(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(["run", "--json-line", PREFIX]).args(more);
    Running::start(command).wait(RUN_MAX)
}

/// The result on disk, which every exit leaves.
fn kept(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.state_dir().join("last_run.json")).unwrap()).unwrap()
}

#[test]
fn the_published_form_changes_only_on_purpose() {
    let path = project().join("docs/result.schema.json");
    let now = format!("{:#}\n", schema("result"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(before == now, "the form of the result has changed: UPDATE_EXPECT=1 writes it, the diff shows who must be told");
    assert!(schema("config")["properties"]["pipeline"]["properties"]["general"].is_object());
    // The check sees what it is for.
    let mut document = serde_json::json!({ "schema_version": 2, "exit_code": 300, "tables": [{}], "surprise": 1 });
    let mut found = Vec::new();
    let schema = schema("result");
    unfit(&schema, &schema, &document, "", &mut found);
    for words in ["/schema_version: not 1", "/exit_code: out of range", "/tables/0: table is missing", "/surprise: not in"] {
        assert!(found.iter().any(|line| line.contains(words)), "{words}: {found:#?}");
    }
    document["schema_version"] = Value::Null;
    found.clear();
    unfit(&schema, &schema, &document, "", &mut found);
    assert!(found.iter().any(|line| line.contains("/schema_version: not [\"integer\"]")), "{found:#?}");
}

#[test]
fn every_exit_ends_with_the_line_and_leaves_a_document_of_the_published_form() {
    let sandbox = sandbox("lines");
    sandbox.source_sql(&["CREATE TABLE bad (id INT PRIMARY KEY)", "INSERT INTO bad VALUES (1)"]);
    let good = line(&run_lined(&sandbox, &[]), 0);
    assert_eq!(
        (good["success_count"].as_u64(), good["total_count"].as_u64(), good["skipped"].as_u64()),
        (Some(2), Some(2), Some(0))
    );
    fits(&kept(&sandbox));
    // A table that cannot follow.
    sandbox.warehouse().batch_execute("CREATE VIEW leans AS SELECT id FROM bad").unwrap();
    sandbox.source_sql(&["ALTER TABLE bad MODIFY id VARCHAR(9) NOT NULL", "INSERT INTO bad VALUES ('x')"]);
    let failed = line(&run_lined(&sandbox, &[]), 1);
    assert_eq!((failed["failure_count"].as_u64(), &failed["failed_tables"]), (Some(1), &serde_json::json!(["bad"])));
    fits(&kept(&sandbox));
    // With --json, too, and behind the document.
    let outcome = run_lined(&sandbox, &["--json", "--tables", "t"]);
    let (document, _) = outcome.stdout.rsplit_once(PREFIX).unwrap();
    assert_eq!(serde_json::from_str::<Value>(document).unwrap()["run_id"], line(&outcome, 0)["run_id"]);
    // Usage, configuration, a server that is not there, a closed window, a stop.
    for (more, code) in [
        (&["--no-such-flag"][..], 2),
        (&["--tables", "no_such_table"][..], 2),
        (&["--source-url", "mysql://u@127.0.0.1:1/x"][..], 69),
        (&["--source-url", "nonsense"][..], 2),
    ] {
        let last = line(&run_lined(&sandbox, more), code);
        assert_eq!((last["status"].as_str(), last["error"].is_object()), (Some("failed"), true), "{more:?}");
        fits(&kept(&sandbox));
    }
    let mut command = sandbox.command();
    command.args(["replicate", "--json-line", PREFIX]);
    line(&Running::start(command).wait(RUN_MAX), 2);
    // The variable does the same; a blank one nothing.
    for (prefix, is_there) in [(PREFIX, true), (" ", false)] {
        let mut command = sandbox.command();
        command.args(["run", "--tables", "t"]).env("ETL_SYNC_JSON_LINE", prefix);
        let outcome = Running::start(command).wait(RUN_MAX);
        assert_eq!(outcome.stdout.contains(PREFIX), is_there, "{outcome}");
    }
}

/// On servers of their own: statements that last keep the snapshots of other tests waiting.
#[test]
fn runs_that_last() {
    let private = hosts::private();
    std::thread::scope(|scope| {
        for one in [a_stop_is_told_in_the_same_form, status_tells_who_holds_the_lock, the_end_of_the_window_stops_a_run] {
            let hosts = &private.hosts;
            scope.spawn(move || one(hosts));
        }
    });
}

fn a_stop_is_told_in_the_same_form(hosts: &Hosts) {
    let sandbox = filled(Sandbox::on(hosts.clone(), "lines2")).with_replica();
    let whole = line(&run_lined(&sandbox, &[]), 0);
    assert!(whole["replicate"]["totals"].is_object(), "{whole:#}");
    fits(&kept(&sandbox));
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.1) = 0\" }\n");
    for signals in [1, 2] {
        let mut command = sandbox.command();
        command.args(["run", "--full", "--json-line", PREFIX]);
        let running = Running::start(command);
        wait_for("the table is read", || {
            let sql = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND user <> 'root' AND info LIKE 'SELECT%SLEEP%'",
                sandbox.name
            );
            let count: Option<u64> = mysql::prelude::Queryable::query_first(&mut sandbox.source(), &sql).unwrap();
            (count != Some(0)).then_some(())
        });
        running.signal("TERM");
        if signals == 2 {
            std::thread::sleep(Duration::from_millis(300));
            running.signal("TERM");
        }
        let last = line(&running.wait(RUN_MAX), 143);
        assert_eq!(last["status"], "stopped");
        fits(&kept(&sandbox));
    }
}

#[test]
fn metrics_are_written_at_every_end_and_remember_the_last_success() {
    let sandbox = sandbox("metrics");
    let path = sandbox.folder().join("etl_sync.prom");
    sandbox.config("pipeline.yml", &format!("general: {{ metrics_file: {}, metrics_tables: true }}\n", path.display()));
    let value = |series: &str| -> Option<f64> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    };
    sandbox.sync(&[]);
    assert_eq!(value("etl_sync_run_exit_code{job=\"raw\"}"), Some(0.0));
    assert_eq!(value("etl_sync_rows{job=\"raw\",hop=\"warehouse\",operation=\"inserted\"}"), Some(300.0));
    assert_eq!(value("etl_sync_table_rows{job=\"raw\",table=\"t\"}"), Some(300.0));
    let success = value("etl_sync_last_success_timestamp_seconds{job=\"raw\"}").unwrap();
    sandbox.run(&["--tables", "no_such_table"]).expect(2);
    assert_eq!(value("etl_sync_run_exit_code{job=\"raw\"}"), Some(2.0));
    assert_eq!(value("etl_sync_last_success_timestamp_seconds{job=\"raw\"}"), Some(success));
    // The flag goes first, also where the command line is refused; a place that cannot be written is a warning.
    let other = sandbox.folder().join("other.prom");
    sandbox.run(&["--no-such-flag", "--metrics-file", other.to_str().unwrap()]).expect(2);
    assert!(std::fs::read_to_string(&other).unwrap().contains("etl_sync_run_exit_code{job=\"\"} 2"));
    let outcome = sandbox.run(&["--metrics-file", "/no/such/place/x.prom"]);
    outcome.expect(0);
    let warnings = outcome.report()["warnings"].to_string();
    assert!(warnings.contains("/no/such/place/x.prom"), "{outcome}");
}

#[test]
fn others_are_told_of_begin_and_end() {
    let sandbox = sandbox("ping");
    let listener = Listener::start(Answer::Status(200));
    let mut command = sandbox.run_command(&[]);
    command.env("ETL_SYNC_PING_URL", listener.url("/sEcret?a=b")).env("ETL_SYNC_WEBHOOK_URL", listener.url("/hook/sEcret"));
    let outcome = Running::start(command).wait(RUN_MAX);
    outcome.expect(0);
    assert_eq!(outcome.report()["warnings"], serde_json::json!([]), "{outcome}");
    let run_id = outcome.report()["run_id"].as_str().unwrap().to_owned();
    let heads: Vec<String> = listener.heard().iter().map(|one| one.head.clone()).collect();
    for head in [format!("GET /sEcret/start?a=b&rid={run_id} "), format!("GET /sEcret?a=b&rid={run_id} ")] {
        assert_eq!(heads.iter().filter(|one| one.starts_with(&head)).count(), 1, "{head}: {heads:#?}");
    }
    let hooks: Vec<Value> = listener
        .heard()
        .iter()
        .filter(|one| one.head.starts_with("POST /hook/sEcret "))
        .map(|one| serde_json::from_str(&one.body).unwrap())
        .collect();
    let events: Vec<&str> = hooks.iter().filter_map(|hook| hook["event"].as_str()).collect();
    assert_eq!(events, ["start", "end"]);
    assert_eq!((hooks[0]["status"].as_str(), hooks[1]["status"].as_str()), (Some("running"), Some("success")));
    assert_eq!(hooks[1]["totals"]["inserted"], 300);
    let everything = format!("{:?}{heads:?}", hooks);
    assert!(!everything.contains("aPwd") && !everything.contains("password"), "{everything}");
    // A failure takes another path.
    let mut command = sandbox.run_command(&["--tables", "no_such_table"]);
    command.env("ETL_SYNC_PING_URL", listener.url("/x"));
    Running::start(command).wait(RUN_MAX).expect(2);
    assert!(listener.heard().iter().any(|one| one.head.starts_with("GET /x/fail?rid=")), "{:#?}", listener.heard());
}

#[test]
fn a_receiver_that_does_not_work_is_a_warning_and_no_secret_is_told() {
    let sandbox = sandbox("pingbad");
    sandbox.sync(&[]);
    for (answer, words) in [
        (Answer::Status(500), "answered 500"),
        (Answer::Status(404), "answered 404"),
        (Answer::Redirect, "answered 302, which is not followed"),
        (Answer::Refuse, "onnection"),
        (Answer::Hang, "no answer within 5 s"),
    ] {
        let listener = Listener::start(answer);
        let mut command = sandbox.run_command(&["-vv"]);
        command.env("ETL_SYNC_PING_URL", listener.url("/sEcret")).env("RUST_LOG", "debug");
        let outcome = Running::start(command).wait(RUN_MAX);
        outcome.expect(0);
        let warnings = outcome.report()["warnings"].clone();
        let warnings: Vec<&str> = warnings.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(words) && warnings[0].contains("ping_url"), "{answer:?}\n{outcome}");
        assert!(!outcome.to_string().contains("sEcret"), "{answer:?}\n{outcome}");
        let tries = listener.heard().iter().filter(|one| one.head.contains("/start")).count();
        let wanted = if matches!(answer, Answer::Status(500)) { 2 } else { 1 };
        assert!(matches!(answer, Answer::Refuse | Answer::Hang) || tries == wanted, "{answer:?}: {tries} tries");
    }
    let mut command = sandbox.run_command(&[]);
    command.env("ETL_SYNC_PING_URL", "sEcret no address");
    let outcome = Running::start(command).wait(RUN_MAX);
    outcome.expect(2).says("ping_url");
    assert!(!outcome.to_string().contains("sEcret"), "{outcome}");
}

/// Hours around now, by minutes from it.
fn around_now(from: i64, to: i64) -> String {
    let now = chrono::Local::now().naive_local();
    let at = |minutes| (now + chrono::TimeDelta::minutes(minutes)).format("%H:%M").to_string();
    format!("{}-{}", at(from), at(to))
}

#[test]
fn outside_its_window_a_run_touches_nothing() {
    let sandbox = sandbox("window");
    let closed = around_now(120, 240);
    let outcome = sandbox.run(&["--window", &closed]);
    outcome.expect(4).says("outside the window").says("it opens at");
    assert_eq!((outcome.report()["status"].as_str(), outcome.report()["tables"].as_array().unwrap().len()), (Some("stopped"), 0));
    assert!(!sandbox.holds("SELECT to_regnamespace('etl_sync') IS NOT NULL"), "something was touched");
    sandbox.config("pipeline.yml", &format!("general: {{ window: \"{closed}\" }}\n"));
    sandbox.run(&[]).expect(4);
    sandbox.run(&["--window", "always"]).expect(0);
    sandbox.run_with("ETL_SYNC_WINDOW", &around_now(-60, 600), &[]).expect(0);
    sandbox.config("pipeline.yml", "general: { window: night }\n");
    sandbox.run(&[]).expect(2).says("general.window");
    sandbox.config("pipeline.yml", "");
}

fn status_tells_who_holds_the_lock(hosts: &Hosts) {
    let sandbox = filled(Sandbox::on(hosts.clone(), "lockstatus"));
    let status = || sandbox.command_json("status", &[]).expect(0).report()["lock"].clone();
    assert_eq!(status()["state"], "free");
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.2) = 0\" }\n");
    let running = sandbox.start(&[]);
    wait_for("the run holds the lock", || (status()["state"] == "alive").then_some(()));
    let lock = status();
    assert!(lock["pid"].as_i64() > Some(0) && lock["host"].is_string() && lock["since"].is_string(), "{lock:#}");
    assert!(lock["heartbeat_age_seconds"].as_f64() < Some(15.0), "{lock:#}");
    // A process that stands still renews nothing, and holds the lock all the same.
    running.signal("STOP");
    sandbox.warehouse().batch_execute("UPDATE etl_sync.job SET heartbeat_at = heartbeat_at - interval '1 min'").unwrap();
    assert_eq!(status()["state"], "stale");
    let mut command = sandbox.command();
    command.arg("status");
    Running::start(command).wait(RUN_MAX).expect(0).says("stale, it hangs");
    running.signal("CONT");
    running.signal("TERM");
    running.wait(RUN_MAX).expect(143);
    assert_eq!(status()["state"], "free");
}

/// In a zone whose minute ends in a few seconds, so that the test need not wait for the next one.
fn the_end_of_the_window_stops_a_run(hosts: &Hosts) {
    let sandbox = filled(Sandbox::on(hosts.clone(), "windowend"));
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.5) = 0\" }\n");
    let now = chrono::Utc::now();
    let ahead = (116 - chrono::Timelike::second(&now)) % 60;
    let local = now.naive_utc() + chrono::TimeDelta::seconds(ahead.into());
    let at = |minutes| (local + chrono::TimeDelta::minutes(minutes)).format("%H:%M").to_string();
    let mut command = sandbox.run_command(&["--window", &format!("{}-{}", at(-60), at(1))]);
    command.env("TZ", format!("TST-0:00:{ahead:02}"));
    let outcome = Running::start(command).wait(RUN_MAX);
    outcome.expect(4).says("the time is over");
    assert!(outcome.took < Duration::from_secs(40), "{outcome}");
}
