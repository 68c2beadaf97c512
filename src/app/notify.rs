//! Tells others of a run: a ping in the way of healthchecks, a webhook, a file of metrics. Nothing here fails a run or keeps it
//! waiting at its begin; what does not work is one warning.

use crate::config::Outlets;
use crate::conn::http::{Request, send};
use crate::error::Result;
use crate::files;
use crate::report::{ErrorReport, RunReport, Totals, line, metrics};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use url::Url;

/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The same when somebody waits for the end of the process.
const SHORT: Duration = Duration::from_secs(1);

/// Names of failed tables that a webhook is sent; the document has all of them.
const NAMES_MAX: usize = 100;

/// What is sent to a webhook.
#[derive(Serialize)]
struct Hook<'a> {
    /// `start` or `end`.
    event: &'static str,
    schema_version: u32,
    program: &'a str,
    run_id: &'a str,
    /// `running` at the start.
    status: &'a str,
    exit_code: Option<u8>,
    started_at: &'a str,
    ended_at: Option<&'a str>,
    seconds: Option<f64>,
    source: &'a str,
    warehouse: &'a str,
    schema: &'a str,
    totals: Option<&'a Totals>,
    failed_tables: Vec<&'a str>,
    error: Option<&'a ErrorReport>,
}

/// A run that others are told of.
pub struct Told<'a> {
    outlets: &'a Outlets,
    begun: Vec<Sending>,
}

/// A request under way; gives what went wrong.
struct Sending {
    thread: JoinHandle<Option<String>>,
    until: Instant,
}

impl<'a> Told<'a> {
    /// Tells of the begin, on threads of its own.
    #[must_use]
    pub fn begin(outlets: &'a Outlets, opening: &RunReport) -> Self {
        let hook = Hook {
            status: "running",
            exit_code: None,
            ended_at: None,
            seconds: None,
            totals: None,
            error: None,
            failed_tables: Vec::new(),
            ..hook("start", opening)
        };
        let begun = requests(outlets, &opening.run_id, Some("start"), &hook).into_iter();
        Self { outlets, begun: begun.filter_map(|request| request.start(DEADLINE)).collect() }
    }

    /// Tells of the end and waits for it, of either request not longer than its deadline. Returns what went wrong, a line per
    /// receiver. `is_hurried`: somebody waits for the process to end, so little time is given.
    #[must_use]
    pub fn end(self, report: &RunReport, is_hurried: bool) -> Vec<String> {
        let mut wrong: Vec<String> = Vec::new();
        if !is_hurried {
            // In this order, or a receiver would take the run for one that has not ended.
            wrong.extend(self.begun.into_iter().filter_map(Sending::wait));
        }
        wrong.extend(ended(self.outlets, report, is_hurried));
        wrong.sort();
        wrong.dedup();
        wrong
    }
}

/// Tells of the end of a run whose begin was not told, or that cannot be waited for.
#[must_use]
pub fn ended(outlets: &Outlets, report: &RunReport, is_hurried: bool) -> Vec<String> {
    let deadline = if is_hurried { SHORT } else { DEADLINE };
    let path = (report.exit_code != 0).then_some("fail");
    let requests = requests(outlets, &report.run_id, path, &hook("end", report));
    let ending: Vec<Sending> = requests.into_iter().filter_map(|request| request.start(deadline)).collect();
    ending.into_iter().filter_map(Sending::wait).collect()
}

/// Writes the file of metrics, where one is wanted.
///
/// # Errors
/// [`Kind::File`] with its path.
pub fn measure(outlets: &Outlets, report: &RunReport) -> Result<()> {
    let Some(path) = &outlets.metrics_file else { return Ok(()) };
    // Of a file that is not there or cannot be read nothing is kept.
    let before = std::fs::read_to_string(path).ok();
    let text = metrics::text(report, before.as_deref(), outlets.metrics_tables);
    files::publish(path, &text)
}

fn hook<'a>(event: &'static str, report: &'a RunReport) -> Hook<'a> {
    Hook {
        event,
        schema_version: report.schema_version,
        program: &report.program,
        run_id: &report.run_id,
        status: &report.status,
        exit_code: Some(report.exit_code),
        started_at: &report.started_at,
        ended_at: Some(&report.ended_at),
        seconds: Some(report.seconds),
        source: &report.source,
        warehouse: &report.warehouse,
        schema: &report.schema,
        totals: Some(&report.totals),
        failed_tables: line::failed(report).into_iter().take(NAMES_MAX).collect(),
        error: report.error.as_ref(),
    }
}

struct Outgoing {
    url: SecretString,
    request: Request,
    what: &'static str,
}

impl Outgoing {
    /// A thread that cannot be started sends nothing.
    fn start(self, deadline: Duration) -> Option<Sending> {
        let until = Instant::now() + deadline * 2 + SHORT;
        let Self { url, request, what } = self;
        let body = move || send(&url, &request, deadline, what).err().map(|error| error.to_string());
        let thread = std::thread::Builder::new().name("notify".into()).spawn(body);
        thread.map_err(|error| log::warn!("{what}: {error}")).ok().map(|thread| Sending { thread, until })
    }
}

impl Sending {
    /// Looking up a name has no deadline of its own, so a thread may be left behind.
    fn wait(self) -> Option<String> {
        while !self.thread.is_finished() {
            if Instant::now() >= self.until {
                return Some("a receiver of notices: no answer".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.thread.join().unwrap_or_else(|_| Some("sending a notice panicked".into()))
    }
}

/// What goes out: `path` is added to the ping's address.
fn requests(outlets: &Outlets, run_id: &str, path: Option<&str>, hook: &Hook<'_>) -> Vec<Outgoing> {
    let ping = outlets.ping_url.as_ref().and_then(|url| pinged(url, path, run_id));
    let ping = ping.map(|url| Outgoing { url, request: Request::Get, what: "ping_url" });
    let hooked = outlets.webhook_url.as_ref().map(|url| Outgoing {
        url: SecretString::from(url.expose_secret().trim()),
        request: Request::Post(crate::report::json(hook)),
        what: "webhook_url",
    });
    ping.into_iter().chain(hooked).collect()
}

/// The address with `path` behind its own, and the run's id as healthchecks takes it to pair begin and end.
fn pinged(url: &SecretString, path: Option<&str>, run_id: &str) -> Option<SecretString> {
    let mut url = Url::parse(url.expose_secret().trim()).ok()?;
    if let Some(path) = path {
        url.path_segments_mut().ok()?.pop_if_empty().push(path);
    }
    url.query_pairs_mut().append_pair("rid", run_id);
    Some(SecretString::from(String::from(url)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_path_of_a_ping_stands_before_its_query() {
        for (url, path, expected) in [
            ("https://hc/abc", None, "https://hc/abc?rid=7"),
            ("https://hc/abc", Some("start"), "https://hc/abc/start?rid=7"),
            ("https://hc/abc/", Some("fail"), "https://hc/abc/fail?rid=7"),
            ("https://hc/abc?create=1", Some("fail"), "https://hc/abc/fail?create=1&rid=7"),
        ] {
            let url = pinged(&SecretString::from(url), path, "7").unwrap();
            assert_eq!(url.expose_secret(), expected);
        }
    }
}
