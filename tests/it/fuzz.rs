//! Every parser of ours against mutated inputs: no panic, no endless loop, no memory without a bound; and laws of what
//! is written and read back.
//!
//! A target runs in a process of its own, whose memory the shell limits and whose time the test. The input in work is
//! kept in a file, so that it is at hand whatever ends the process. `tests/fuzz/TARGET/` holds the inputs that mutation
//! starts from; one that has found something belongs there. `ETL_SYNC_TEST_SEED` repeats a campaign.

mod laws;
mod mutate;
mod targets;

use crate::notes;
use crate::random::Random;
use mutate::Mutator;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use targets::Target;

/// Names the target of a process that this test binary has started of itself.
const TARGET: &str = "ETL_SYNC_FUZZ_TARGET";

/// Kilobytes of address space for one process: threads and the binary itself take about half of it.
const MEMORY_KB: u32 = 1_500_000;

/// Longest time for one input in a debug build.
const INPUT_MAX: Duration = Duration::from_secs(5);

/// Fewest inputs of one target.
const INPUTS_MIN: u64 = 200;

/// How long one target is fed.
fn feeding_time() -> Duration {
    Duration::from_millis(if std::env::var_os("ETL_SYNC_TEST_ALL").is_some() { 60_000 } else { 1500 })
}

fn file_in_work(target: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}-{}", std::process::id()))
}

#[test]
fn no_input_stops_a_parser() {
    let seed = Random::of_environment().next();
    let mut fed = 0;
    // Two at a time, as most machines have more to do.
    for pair in targets::ALL.chunks(2) {
        let running: Vec<_> = pair.iter().map(|target| (target, start(target, seed))).collect();
        for (target, (child, keep)) in running {
            let output = child.wait_with_output().expect("the process can be waited for");
            let said = String::from_utf8_lossy(&output.stdout);
            let count = said.lines().find_map(|line| line.split_once("inputs=")?.1.parse::<u64>().ok());
            match count.filter(|_| output.status.success()) {
                Some(count) => fed += count,
                None => panic!(
                    "target {}: {:?}; the input is in {}; ETL_SYNC_TEST_SEED={seed}\n{said}\n{}",
                    target.name,
                    output.status,
                    keep.display(),
                    String::from_utf8_lossy(&output.stderr)
                ),
            }
            std::fs::remove_file(&keep).expect("the kept input can be removed");
        }
    }
    notes::add(&format!("fuzz: {fed} inputs in {} targets", targets::ALL.len()));
}

/// This binary once more, for one target. `timeout` ends what hangs, the shell's limit what eats memory.
fn start(target: &Target, seed: u64) -> (std::process::Child, PathBuf) {
    let keep = file_in_work(target.name);
    let exe = std::env::current_exe().expect("the test binary has a path");
    let seconds = (feeding_time() + 6 * INPUT_MAX).as_secs().to_string();
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY_KB}; exec timeout -s KILL \"$@\""), "sh", &seconds])
        .arg(exe)
        .args(["--exact", "fuzz::one_target_in_its_own_process", "--nocapture", "--test-threads", "1"])
        .env(TARGET, target.name)
        .env("ETL_SYNC_FUZZ_KEEP", &keep)
        .env("ETL_SYNC_TEST_SEED", seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh and timeout can be started");
    (child, keep)
}

/// Does nothing unless it was started for a target.
#[test]
fn one_target_in_its_own_process() {
    let Ok(name) = std::env::var(TARGET) else { return };
    let target = targets::ALL.iter().find(|target| target.name == name).expect("a known target");
    let keep = PathBuf::from(std::env::var_os("ETL_SYNC_FUZZ_KEEP").expect("a file for the input in work"));
    let mut mutator = Mutator::new(target.name, target.words, Random::of_environment().next());
    let mut feed = (target.make)();
    let until = Instant::now() + feeding_time();
    let mut inputs = 0_u64;
    let mut slowest = Duration::ZERO;
    // At least some, however busy the machine is.
    while Instant::now() < until || inputs < INPUTS_MIN {
        // The corpus itself first.
        let input = mutator.input(usize::try_from(inputs).unwrap());
        std::fs::write(&keep, &input).unwrap();
        let start = Instant::now();
        feed(&input);
        slowest = slowest.max(start.elapsed());
        assert!(slowest < INPUT_MAX, "one input took {slowest:?}");
        inputs += 1;
    }
    println!("\ninputs={inputs}\nslowest {slowest:?}");
}
