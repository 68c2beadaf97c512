//! `scripts/nightly.sh`: one run at a time, a log and a result per run, the exit code passed through, silent when well.

use crate::hosts::{project, wait_for};
use crate::program::Running;
use crate::sandbox::{RUN_MAX, Sandbox};
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
    wait_for("the first night has begun", || (!files(&sandbox, "json").is_empty()).then_some(()));
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
