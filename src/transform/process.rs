//! A child process in a process group of its own: its lines as they come, a deadline, and an end for it and its children.

use crate::cancel::Cancel;
use crate::error::{Doing, Error, Kind, Result};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Lines that may wait for us: more than a screen; a child that writes faster waits, as it would for a terminal.
const LINES_WAITING: usize = 256;

/// Bytes of a line that are read at once; a longer one comes in pieces.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// How often deadline, stop and end are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a process is asked with, one after the other: dbt ends its queries at the server on the first, and knows no more
/// of the second than to die. Behind each, how long it is waited for; all of it stays below the 10 s of a clean stop.
const ASKED_WITH: [(Signal, Duration); 2] = [(Signal::INT, Duration::from_secs(4)), (Signal::TERM, Duration::from_secs(3))];

/// How long lines are waited for after the end of the process that was started.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// By us, over its deadline.
    Late,
    /// By us, because the run was asked to stop.
    Stopped,
}

/// Runs a command to its end and hands over each line of its output. When it is late or the run stops, it and the children
/// it left in its group are asked to end, and then ended.
///
/// # Errors
/// [`Kind::Config`] when the program does not exist or may not be run, [`Kind::Internal`] when it cannot be watched.
pub fn run(command: &mut Command, deadline: Duration, cancel: &Cancel, on_line: impl FnMut(&str)) -> Result<Ended> {
    run_asking(command, deadline, cancel, &ASKED_WITH, on_line)
}

fn run_asking(
    command: &mut Command,
    deadline: Duration,
    cancel: &Cancel,
    asked_with: &[(Signal, Duration)],
    mut on_line: impl FnMut(&str),
) -> Result<Ended> {
    let program = command.get_program().display().to_string();
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let until = Instant::now() + deadline;
    let mut child = command.spawn().doing(Kind::Config, || format!("starting {program}"))?;
    let (sender, lines) = bounded(LINES_WAITING);
    let mut passing = Passing { lines: &lines, on_line: &mut on_line };
    let watched = readers(&mut child, sender).and_then(|()| watch(&mut child, (until, cancel), asked_with, &mut passing));
    let ended = match watched {
        Ok(ended) => ended,
        Err(error) => {
            end(&mut child, asked_with, &mut passing)?;
            return Err(error);
        }
    };
    // A grandchild that holds the pipes would be waited for until it ends; it has no parent any more that wants its work.
    let last = Instant::now() + LAST_LINES;
    loop {
        match lines.recv_deadline(last) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => return Ok(ended),
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    end_group(pid(&child)?, Signal::KILL);
    Ok(ended)
}

/// Lines on their way to whoever wants them.
struct Passing<'a> {
    lines: &'a Receiver<String>,
    on_line: &'a mut dyn FnMut(&str),
}

impl Passing<'_> {
    /// One line, when there is one soon.
    fn step(&mut self) {
        match self.lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => (self.on_line)(&line),
            Err(RecvTimeoutError::Timeout) => {}
            // It has closed its output and works on.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Until the child ends, by itself or by us.
fn watch(
    child: &mut Child,
    (until, cancel): (Instant, &Cancel),
    asked_with: &[(Signal, Duration)],
    passing: &mut Passing<'_>,
) -> Result<Ended> {
    loop {
        if let Some(status) = exited(child)? {
            return Ok(how(status));
        }
        let why = if cancel.is_stopping() {
            Ended::Stopped
        } else if Instant::now() >= until {
            Ended::Late
        } else {
            passing.step();
            continue;
        };
        end(child, asked_with, passing)?;
        return Ok(why);
    }
}

/// Asks the group to end, and ends what is left of it.
fn end(child: &mut Child, asked_with: &[(Signal, Duration)], passing: &mut Passing<'_>) -> Result<()> {
    let group = pid(child)?;
    for (signal, patience) in asked_with {
        end_group(group, *signal);
        let until = Instant::now() + *patience;
        while Instant::now() < until {
            passing.step();
            match (exited(child)?.is_some(), test_kill_process_group(group).is_err()) {
                (true, true) => return Ok(()),
                // Nobody is left who would tidy up for the others.
                (true, false) => break,
                (false, _) => {}
            }
        }
    }
    end_group(group, Signal::KILL);
    child.wait().map(drop).doing(Kind::Internal, || "waiting for a process that was ended")
}

/// A group that is gone already is as good as ended.
fn end_group(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal)
        && error != rustix::io::Errno::SRCH
    {
        log::warn!("ending the processes of the transformation: {error}");
    }
}

fn pid(child: &Child) -> Result<Pid> {
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    number.ok_or_else(|| Error::new(Kind::Internal, "a process without a number"))
}

fn exited(child: &mut Child) -> Result<Option<ExitStatus>> {
    child.try_wait().doing(Kind::Internal, || "waiting for a process")
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or(0)),
    }
}

/// Two threads that end when nobody can write to the pipes any more, or nobody reads their lines.
fn readers(child: &mut Child, sender: Sender<String>) -> Result<()> {
    let start = |from: Box<dyn Read + Send>, sender: Sender<String>| {
        std::thread::Builder::new().name("lines".into()).spawn(move || read_lines(from, &sender)).map(drop)
    };
    if let Some(stdout) = child.stdout.take() {
        start(Box::new(stdout), sender.clone()).doing(Kind::Internal, || "starting a reader thread")?;
    }
    if let Some(stderr) = child.stderr.take() {
        start(Box::new(stderr), sender).doing(Kind::Internal, || "starting a reader thread")?;
    }
    Ok(())
}

fn read_lines(from: Box<dyn Read + Send>, sender: &Sender<String>) {
    let mut from = BufReader::new(from);
    loop {
        let mut bytes = Vec::new();
        match from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                log::debug!("reading the output of the transformation: {error}");
                return;
            }
        }
        let line = String::from_utf8(bytes).unwrap_or_else(|_| "(a line that is not UTF-8)".to_owned());
        if sender.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn gone(pid: &str) -> bool {
        // A zombie has ended; who adopted it has not looked yet.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    }

    #[test]
    fn lines_of_both_streams_and_the_exit_code_arrive() {
        let mut seen = Vec::new();
        let mut command = shell("echo out; echo err >&2; printf 'no end \\377'; exit 3");
        let ended = run(&mut command, Duration::from_secs(60), &Cancel::new(), |line| seen.push(line.trim_end().to_owned()));
        assert_eq!(ended.unwrap(), Ended::Code(3));
        seen.sort();
        assert_eq!(seen, ["(a line that is not UTF-8)", "err", "out"]);
        let missing = run(&mut Command::new("/no/such/dbt"), Duration::from_secs(60), &Cancel::new(), |_| {}).unwrap_err();
        assert_eq!(missing.kind(), Kind::Config);
    }

    #[test]
    fn what_is_late_ends_with_its_children_even_when_it_will_not() {
        for (ask, script) in [
            ("one that dies of SIGINT", "sleep 600 & echo $!; wait"),
            ("one that takes no notice", "trap '' INT TERM; sleep 600 & echo $!; wait; wait; sleep 600"),
        ] {
            let mut child = String::new();
            let asked_with = ASKED_WITH.map(|(signal, patience)| (signal, patience / 20));
            let (late, cancel) = (Duration::from_millis(300), Cancel::new());
            let ended = run_asking(&mut shell(script), late, &cancel, &asked_with, |line| child = line.trim().to_owned());
            assert_eq!(ended.unwrap(), Ended::Late, "{ask}");
            assert!(!child.is_empty(), "{ask}");
            let until = Instant::now() + Duration::from_secs(10);
            while !gone(&child) {
                assert!(Instant::now() < until, "{ask}: its child {child} works on");
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    #[test]
    fn a_stop_ends_it_and_a_grandchild_that_holds_the_pipes_is_not_waited_for() {
        let cancel = Cancel::new();
        let ended = run(&mut shell("echo x; sleep 600"), Duration::from_secs(600), &cancel, |_| cancel.ask(15));
        assert_eq!(ended.unwrap(), Ended::Stopped);
        let mut child = String::new();
        let ended = run(&mut shell("sleep 600 & echo $!"), Duration::from_secs(600), &Cancel::new(), |line| {
            child = line.trim().to_owned();
        });
        assert_eq!(ended.unwrap(), Ended::Code(0));
        let until = Instant::now() + Duration::from_secs(10);
        while !gone(&child) {
            assert!(Instant::now() < until, "{child} works on");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
