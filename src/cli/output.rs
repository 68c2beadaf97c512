//! The only place that prints: documents and text on standard output, errors on standard error.
//!
//! A reader that went away (`| head`) is not an error.

use crate::report::{ErrorReport, json};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// One JSON document instead of text.
    pub json: bool,
    /// The whole chain of an error.
    pub chain: bool,
}

impl Output {
    /// A command's result: `text` is made only when it is wanted.
    pub fn document(self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json { line(&json(document)) } else { raw(&text()) }
    }

    /// `error:` and `hint:`; every level with `-v`. Several lines of a message stay lines.
    pub fn error(self, error: &ErrorReport) {
        let message = [error.message.clone()];
        let levels = if self.chain { &error.chain } else { message.as_slice() };
        let mut out = String::new();
        for (depth, level) in levels.iter().enumerate() {
            let word = if depth == 0 { "error" } else { "  caused by" };
            out.push_str(&format!("{word}: {}\n", level.replace('\n', "\n  ")));
        }
        out.push_str(&format!("  hint: {}\n", error.hint));
        stderr(&out);
    }
}

/// Text on standard output, as it is.
pub fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        log::warn!("writing to standard output: {error}");
    }
}

/// A line on standard output.
pub fn line(text: &str) {
    raw(&format!("{text}\n"));
}

/// Text on standard error, as it is.
pub fn stderr(text: &str) {
    // Nobody is left to tell when standard error is gone.
    if std::io::stderr().lock().write_all(text.as_bytes()).is_err() {
        log::trace!("standard error is closed");
    }
}
