//! `scripts/nightly.sh`: one run at a time, a log and a result per run, the exit code passed through, silent when well.

use crate::hosts::{project, wait_for};
use crate::listener::{Answer, Listener};
use crate::program::Running;
use crate::sandbox::{RUN_MAX, Sandbox};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

fn sandbox(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_300"]);
    sandbox
}

fn nightly(sandbox: &Sandbox, more: &[(&str, &str)]) -> Running {
    let program = sandbox.command();
    let mut command = Command::new(project().join("scripts/nightly.sh"));
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("ETL_SYNC_BIN", program.get_program()).env("ETL_SYNC_PARALLEL", "2");
    command.env("ETL_SYNC_LOG_DIR", logs(sandbox)).envs(more.iter().copied()).current_dir(sandbox.folder());
    Running::start(command)
}

fn logs(sandbox: &Sandbox) -> PathBuf {
    sandbox.folder().join("logs")
}

fn files(sandbox: &Sandbox, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(logs(sandbox)).map(|all| all.map(|e| e.unwrap().path()).collect::<Vec<_>>());
    entries.unwrap_or_default().into_iter().filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

#[test]
fn a_good_night_is_silent_and_leaves_a_log_and_a_result() {
    let sandbox = sandbox("night");
    for _ in 0..3 {
        let outcome = nightly(&sandbox, &[("ETL_SYNC_LOG_KEEP", "2")]).wait(RUN_MAX);
        outcome.expect(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "cron mails every word");
    }
    let results = files(&sandbox, "json");
    assert_eq!((results.len(), files(&sandbox, "log").len()), (2, 2), "as many as are kept");
    let page = std::fs::read_to_string(sandbox.state_dir().join("report.html")).unwrap();
    assert!(page.contains("<!DOCTYPE html>") || page.contains("<!doctype html>"), "the page of the night");
    for result in results {
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap();
        assert_eq!((report["status"].as_str(), report["parallel"].as_u64()), (Some("success"), Some(2)));
    }
    sandbox.assert_equal(&[]);
}

#[test]
fn a_second_night_at_once_is_refused_with_75() {
    let sandbox = sandbox("nightlock");
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.01) = 0\" }\n");
    let first = nightly(&sandbox, &[]);
    wait_for("the first night has begun", || (!files(&sandbox, "log").is_empty()).then_some(()));
    nightly(&sandbox, &[]).wait(RUN_MAX).expect(75).says("nightly.lock");
    first.wait(RUN_MAX).expect(0);
    nightly(&sandbox, &[]).wait(RUN_MAX).expect(0);
}

#[test]
fn a_bad_night_says_one_line_and_passes_the_code_on() {
    let sandbox = sandbox("nightbad");
    let outcome = nightly(&sandbox, &[("ETL_SYNC_WAREHOUSE_SCHEMA", "pg_catalog")]).wait(RUN_MAX);
    outcome.expect(2).says("exit code 2");
    assert_eq!(outcome.stdout.lines().count() + outcome.stderr.lines().count(), 1, "{outcome}");
    let log = std::fs::read_to_string(&files(&sandbox, "log")[0]).unwrap();
    assert!(log.contains("pg_catalog") || log.contains("belongs to PostgreSQL"), "{log}");

    let secrets = sandbox.folder().join("secrets");
    std::fs::write(&secrets, "ETL_SYNC_PARALLEL=1\n").unwrap();
    let outcome = nightly(&sandbox, &[("ETL_SYNC_ENV_FILE", secrets.to_str().unwrap())]).wait(RUN_MAX);
    outcome.expect(2).says("chmod 600");
}

#[test]
fn a_night_that_is_asked_to_stop_passes_the_signal_on() {
    let sandbox = sandbox("nightstop");
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.03) = 0\", chunk_rows: 20 }\n");
    let running = nightly(&sandbox, &[]);
    wait_for("the run has begun", || sandbox.holds("SELECT true FROM etl_sync.job WHERE ended_at IS NULL").then_some(()));
    running.signal("TERM");
    running.wait(RUN_MAX).expect(143);
    // Chunks that were copied by then wait for the next run.
    sandbox.config("tables.yml", "");
    sandbox.sync(&[]);
    sandbox.assert_clean();
}

#[test]
fn a_tables_yml_that_nobody_has_looked_at_is_told_or_refused() {
    let sandbox = sandbox("nightage");
    sandbox.config("tables.yml", "tables: {}\n");
    let file = std::fs::File::options().append(true).open(sandbox.folder().join("config/tables.yml")).unwrap();
    let days = |days: u64| std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400 + 60);
    file.set_modified(days(31)).unwrap();
    let outcome = nightly(&sandbox, &[("ETL_SYNC_REPORT", "off")]).wait(RUN_MAX);
    outcome.expect(0);
    assert_eq!(outcome.stdout, "", "cron mails every word");
    assert!(!sandbox.state_dir().join("report.html").exists());
    let log = std::fs::read_to_string(&files(&sandbox, "log")[0]).unwrap();
    assert!(log.contains("tables.yml is 31 days old"), "{log}");
    file.set_modified(days(91)).unwrap();
    let max = [("ETL_SYNC_TABLES_AGE_MAX", "90")];
    nightly(&sandbox, &max).wait(RUN_MAX).expect(2).says("tables.yml is 91 days old, more than 90");
    file.set_modified(days(90)).unwrap();
    nightly(&sandbox, &max).wait(RUN_MAX).expect(0);
}

/// The last line of what it says, behind the prefix.
fn line(outcome: &crate::program::Outcome) -> serde_json::Value {
    let last = outcome.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last.strip_prefix("@@").unwrap_or_default()).unwrap_or_else(|e| panic!("{e}\n{outcome}"))
}

#[test]
fn outside_the_window_no_server_is_asked() {
    let sandbox = sandbox("nightclosed");
    let now = chrono::Local::now().naive_local();
    let at = |hours| (now + chrono::TimeDelta::hours(hours)).format("%H:%M").to_string();
    let window = format!("{}-{}", at(2), at(4));
    let nowhere = "mysql://u@127.0.0.1:1/x";
    let listener = Listener::start(Answer::Status(200));
    let (ping, hook) = (listener.url("/sEcret"), listener.url("/hook"));
    let more = [
        ("ETL_SYNC_WINDOW", window.as_str()),
        ("ETL_SYNC_SOURCE_URL", nowhere),
        ("ETL_SYNC_JSON_LINE", "@@"),
        ("ETL_SYNC_PING_URL", &ping),
        ("ETL_SYNC_WEBHOOK_URL", &hook),
    ];
    let outcome = nightly(&sandbox, &more).wait(RUN_MAX);
    outcome.expect(4).says("exit code 4 of check").says("outside the window");
    assert_eq!(line(&outcome)["exit_code"], 4, "{outcome}");
    let heard = listener.heard();
    assert!(heard.iter().any(|one| one.head.starts_with("GET /sEcret/fail?rid=")), "{heard:#?}");
    let hook = heard.iter().find(|one| one.head.starts_with("POST /hook")).expect("a webhook");
    assert!(hook.body.contains("check: exit code 4") && hook.body.contains("\"exit_code\": 4"), "{}", hook.body);
    // Inside it, the same server is asked, and is not there.
    let window = format!("{}-{}", at(-2), at(4));
    let outcome = nightly(&sandbox, &[("ETL_SYNC_WINDOW", &window), ("ETL_SYNC_SOURCE_URL", nowhere)]).wait(RUN_MAX);
    outcome.expect(69).says("exit code 69 of check");
}

#[test]
fn what_the_run_does_not_see_verify_finds_and_the_code_says_so() {
    let sandbox = sandbox("nightverify");
    let good = nightly(&sandbox, &[("ETL_SYNC_JSON_LINE", "@@")]).wait(RUN_MAX);
    good.expect(0);
    assert_eq!((good.stdout.lines().count(), line(&good)["success_count"].as_u64()), (1, Some(1)), "{good}");
    // Without proof and without a change to read, the run sees nothing of what a hand did.
    sandbox.source_sql(&["ALTER TABLE t ADD c TIMESTAMP NOT NULL DEFAULT '2024-01-01'"]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: c }\n");
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("DELETE FROM t WHERE id = 7").unwrap();
    let blind = [("ETL_SYNC_VERIFY", "off"), ("ETL_SYNC_AUDIT", "off"), ("ETL_SYNC_JSON_LINE", "@@")];
    let bad = nightly(&sandbox, &blind).wait(RUN_MAX);
    bad.expect(1).says("exit code 1 of verify");
    assert_eq!((line(&bad)["exit_code"].as_u64(), line(&bad)["status"].as_str()), (Some(1), Some("failed")), "{bad}");
    nightly(&sandbox, &[&blind[..], &[("ETL_SYNC_VERIFY_DEPTH", "off")]].concat()).wait(RUN_MAX).expect(0);
    nightly(&sandbox, &[("ETL_SYNC_VERIFY_DEPTH", "deep")]).wait(RUN_MAX).expect(2);
    nightly(&sandbox, &[]).wait(RUN_MAX).expect(0);
    sandbox.assert_equal(&[]);
}

/// A unit file's settings by `Section/Key`; a setting may stand there several times.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(project().join("config/systemd").join(name)).unwrap();
    let (mut section, mut all) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name.to_owned(),
            None => {
                let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
                all.entry(format!("{section}/{key}")).or_default().push(value.to_owned());
            }
        }
    }
    all
}

#[test]
fn the_units_are_what_systemd_takes_and_fit_the_program() {
    let service = unit("etl-sync.service");
    let one = |key: &str| service.get(key).map(|all| all.join(" ")).unwrap_or_default();
    let command = one("Service/ExecStart");
    let words: Vec<&str> = command.split(' ').collect();
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_etl-sync")).args(&words[1..]).arg("--help").output().unwrap();
    assert!(help.status.success(), "{command}");
    // A clean stop takes up to 10 s.
    assert!(one("Service/TimeoutStopSec").parse::<u64>().unwrap() > 10);
    for (key, value) in [
        ("Service/Type", "oneshot"),
        ("Service/StateDirectory", "etl-sync"),
        ("Service/EnvironmentFile", "/etc/etl-sync/etl-sync.env"),
        ("Service/KillSignal", "SIGTERM"),
        ("Service/NoNewPrivileges", "yes"),
        ("Service/ProtectSystem", "strict"),
    ] {
        assert_eq!(one(key), value, "{key}");
    }
    let timer = unit("etl-sync.timer");
    assert_eq!(timer["Timer/Unit"], ["etl-sync.service"]);
    // systemd's own opinion where it is there; the program stands in for an installed one.
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = ["etl-sync.service", "etl-sync.timer"].map(|name| {
        let text = std::fs::read_to_string(project().join("config/systemd").join(name)).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text.replace("/usr/local/bin/etl-sync", env!("CARGO_BIN_EXE_etl-sync"))).unwrap();
        path
    });
    let output = std::process::Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of this machine are not ours to judge.
    let wrong: Vec<&str> = said.lines().filter(|line| line.contains("etl-sync.")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_cron_file_has_one_job_and_variables_that_are_known() {
    let text = std::fs::read_to_string(project().join("config/cron/etl-sync")).unwrap();
    assert!(text.ends_with('\n'), "cron ignores a last line without its end");
    let script = std::fs::read_to_string(project().join("scripts/nightly.sh")).unwrap();
    let example = std::fs::read_to_string(project().join("config/pipeline.yml")).unwrap();
    let (mut jobs, lines) = (0, text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')));
    for line in lines {
        if let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.contains(' ')) {
            let known = ["SHELL", "PATH", "MAILTO", "ETL_SYNC_CONFIG_DIR"].contains(&name);
            assert!(known || script.contains(name) || example.contains(name), "{name}");
            // cron expands nothing in values.
            assert!(!value.contains('$') && !value.contains('~'), "{line}");
            continue;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields.len(), 7, "five fields of time, user, command: {line}");
        assert!(fields[..5].iter().all(|field| field.chars().all(|c| c.is_ascii_digit() || "*/,-".contains(c))), "{line}");
        assert!(fields[6].ends_with("/scripts/nightly.sh") && project().join("scripts/nightly.sh").is_file(), "{line}");
        jobs += 1;
    }
    assert_eq!(jobs, 1);
}
