//! The program as a process: started, watched, signalled, and what it said at its end. Every wait has a deadline.

use crate::hosts;
use std::fmt;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A process that runs.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
}

/// What a process said and how it ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, signal, stdout, stderr, took } = self;
        write!(f, "exit {code:?}, signal {signal:?}, {took:.1?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Running {
    /// Starts a command with its output collected.
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Self { child, stdout, stderr, started: Instant::now() }
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        hosts::kill(self.child.id(), name);
    }

    /// The most memory that it has had until now, KiB; none when it has ended.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the process can be asked").is_some()
    }

    /// Waits for its end. A process over its deadline is killed and fails the test: nothing may hang.
    pub fn wait(mut self, at_most: Duration) -> Outcome {
        let until = Instant::now() + at_most;
        while Instant::now() < until {
            if self.has_ended() {
                return self.outcome();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().expect("the process can be killed");
        panic!("the program did not end within {at_most:?}\n{}", self.outcome());
    }

    /// SIGKILL, and what it had said until then.
    pub fn kill(mut self) -> Outcome {
        self.child.kill().expect("the process can be killed");
        self.outcome()
    }

    fn outcome(&mut self) -> Outcome {
        let status = self.child.wait().expect("the process can be waited for");
        let text =
            |thread: &mut Option<JoinHandle<String>>| thread.take().map(|t| t.join().expect("a reader")).unwrap_or_default();
        Outcome {
            code: status.code(),
            signal: status.signal(),
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    /// A test that panicked must not leave its process working on databases that are being dropped.
    fn drop(&mut self) {
        if !self.has_ended() {
            self.child.kill().expect("the process can be killed");
            self.child.wait().expect("the process can be waited for");
        }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("the program's output can be read");
        String::from_utf8(bytes).unwrap_or_else(|e| panic!("the program's output is not UTF-8: {e}"))
    })
}

impl Outcome {
    /// The result document on standard output.
    pub fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("standard output is no JSON document: {e}\n{self}"))
    }

    /// One table's entry of the result document.
    pub fn table(&self, name: &str) -> serde_json::Value {
        let report = self.report();
        let found = report["tables"].as_array().and_then(|all| all.iter().find(|t| t["table"] == name)).cloned();
        found.unwrap_or_else(|| panic!("the report has no table {name}\n{self}"))
    }

    /// Status word of a table in the result document.
    pub fn status(&self, table: &str) -> String {
        self.table(table)["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Rows inserted, updated, deleted in total.
    pub fn written(&self) -> (u64, u64, u64) {
        let totals = self.report()["totals"].clone();
        let number = |name: &str| totals[name].as_u64().unwrap_or_else(|| panic!("totals.{name} is a number\n{self}"));
        (number("inserted"), number("updated"), number("deleted"))
    }

    /// Fails unless the process ended with this code.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails unless the words stand somewhere in what it said.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "it does not say {words:?}\n{self}");
        self
    }
}
