//! What stands around a run, for machines: the hours in which it may work, and who else is told of it.

use crate::config::window::{Window, instant};
use crate::config::{Config, Outlets};
use crate::error::{Error, Kind, Result};
use chrono::Local;
use clap::Args;
use std::path::PathBuf;

use super::until::Until;

/// Variable of `--json-line`.
pub const JSON_LINE: &str = "ETL_SYNC_JSON_LINE";

/// Arguments of every command that syncs.
#[derive(Args, Clone, Default)]
pub struct AroundArgs {
    /// Work only in these local hours, such as 21:00-06:00 or mon-fri 21:00-06:00; outside, touch nothing and exit with 4, and at
    /// their end stop as with --until. `always` lifts the window of the configuration [default: window in pipeline.yml]
    #[arg(long, value_name = "HOURS", value_parser = hours, help_heading = "Work")]
    pub window: Option<Hours>,
    /// End the output with one line: PREFIX and the result as JSON, whatever happened [env: ETL_SYNC_JSON_LINE]
    #[arg(long, value_name = "PREFIX", help_heading = "Output")]
    pub json_line: Option<String>,
    /// Write figures of the run there at its end, in Prometheus' text format [default: metrics_file in pipeline.yml]
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub metrics_file: Option<PathBuf>,
}

/// What `--window` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hours {
    /// These.
    Within(Window),
    /// All of them.
    Always,
}

fn hours(text: &str) -> Result<Hours, String> {
    if text == "always" { Ok(Hours::Always) } else { text.parse().map(Hours::Within) }
}

/// How the end of a run is told, beside its document.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// What the last line of the output begins with; no such line when none.
    pub json_line: Option<String>,
    /// Who else is told.
    pub outlets: Outlets,
}

impl AroundArgs {
    /// The flags over the configuration.
    #[must_use]
    pub fn around(&self, config: &Config) -> Around {
        let metrics_file = self.metrics_file.clone().or_else(|| config.outlets.metrics_file.clone());
        Around { outlets: Outlets { metrics_file, ..config.outlets.clone() }, ..self.without_config() }
    }

    /// What is known when there is no configuration.
    #[must_use]
    pub fn without_config(&self) -> Around {
        Around::known(self.json_line.clone(), self.metrics_file.clone())
    }

    /// Until when the run may work; none for as long as it takes.
    ///
    /// # Errors
    /// [`Kind::Stopped`] outside the window.
    pub fn closes(&self, config: &Config) -> Result<Option<Until>> {
        let window = match &self.window {
            Some(Hours::Within(window)) => Some(window),
            Some(Hours::Always) => None,
            None => config.window.as_ref(),
        };
        let Some(window) = window else { return Ok(None) };
        let now = Local::now().naive_local();
        if let Some(end) = window.closes(now) {
            return Ok(Some(Until::Closes(instant(&Local, end))));
        }
        let opens = window.opens(now).map_or_else(String::new, |at| format!("it opens at {}; ", at.format("%Y-%m-%d %H:%M")));
        Err(Error::new(Kind::Stopped, format!("it is outside the window {window}: nothing was touched"))
            .hint(format!("{opens}--window always lifts it for one run")))
    }
}

impl Around {
    /// From flags, and from the variables where the configuration cannot be asked. A blank variable counts as not set.
    #[must_use]
    pub fn known(json_line: Option<String>, metrics_file: Option<PathBuf>) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let metrics_file = metrics_file.or_else(|| var("ETL_SYNC_METRICS_FILE").map(PathBuf::from));
        Self { json_line: json_line.or_else(|| var(JSON_LINE)), outlets: Outlets { metrics_file, ..Outlets::default() } }
    }
}
