//! The library as somebody uses it: `examples/own_pipeline.rs`, killed in the middle and started again.

use crate::hosts::{self, wait_for};
use crate::program::Running;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The example as a program. `cargo test --test it` alone does not build it; where it is built already this costs a moment.
fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--example", "own_pipeline"]).current_dir(hosts::project());
        if cfg!(feature = "faults") {
            build.args(["--features", "faults"]);
        }
        assert!(build.status().expect("cargo can be started").success(), "the example does not build");
        let program = Path::new(env!("CARGO_BIN_EXE_etl-sync"));
        program.parent().expect("the folder of the profile").join("examples/own_pipeline")
    })
}

/// The ids of a CSV file, in its order.
fn ids(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.split(',').next().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

#[test]
fn the_example_is_killed_and_goes_on_and_every_row_arrives_once() {
    let dir = tempfile::tempdir().unwrap();
    let start = |wait: &str| {
        let mut command = Command::new(example());
        command.current_dir(dir.path()).env("OWN_PIPELINE_SLOW_MS", wait);
        Running::start(command)
    };
    let out = dir.path().join("own_pipeline.csv");
    let checkpoint = dir.path().join("own_pipeline.checkpoint.json");
    let position = || {
        let text = std::fs::read_to_string(&checkpoint).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).expect("a checkpoint is whole at any moment")["position"]["loaded"]
            .as_u64()
    };
    let mut last = 0;
    for _ in 0..3 {
        let running = start("200");
        last = wait_for("another chunk is committed", || position().filter(|at| *at > last));
        running.kill();
    }
    // What was written beyond the mark and never committed.
    let mut text = std::fs::read_to_string(&out).unwrap();
    let committed = &text[..usize::try_from(last).unwrap()];
    assert!(ids(committed).len() >= 1000);
    text.push_str("99999,half a ro");
    std::fs::write(&out, text).unwrap();
    let outcome = start("0").wait(Duration::from_secs(60));
    outcome.expect(0).says("resumed: true").says("load       completed");
    let found = ids(&std::fs::read_to_string(&out).unwrap());
    let wanted: BTreeSet<u32> = (1..=20_000).filter(|id| id % 100 != 0).collect();
    assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(found.len(), wanted.len(), "a row is there twice");
    assert!(!checkpoint.exists());
    // With nothing to go on with it begins anew, and the file is the same.
    start("0").wait(Duration::from_secs(60)).expect(0).says("resumed: false");
    assert_eq!(ids(&std::fs::read_to_string(&out).unwrap()), found);
}

#[test]
fn the_example_says_what_is_wrong_with_an_export_and_shows_no_value() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.jsonl"), "{\"id\": 1, \"name\": \"a\"}\nsecret words\n").unwrap();
    let mut command = Command::new(example());
    command.current_dir(dir.path()).arg("bad.jsonl");
    let outcome = Running::start(command).wait(Duration::from_secs(60));
    outcome.expect(1).says("transform: a line that is no JSON object");
    assert!(!outcome.stderr.contains("secret"), "{outcome}");
}
