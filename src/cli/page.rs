//! `report`: where the documents are, where the page goes, and what is said of it.

use super::args::{Global, ReportArgs};
use super::output::Output;
use super::{failed, settings, usage};
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::report::html;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The page's name unless the command line says otherwise.
const NAME: &str = "report.html";

/// What was written.
#[derive(Serialize)]
struct Written {
    /// The page.
    path: String,
    /// The run that it is about.
    run_id: String,
    /// Runs of the history.
    runs: usize,
    /// Its length.
    bytes: usize,
    /// Documents that could not be read, and why.
    skipped: Vec<String>,
}

/// Writes the page and returns the exit code.
pub fn page(global: &Global, args: &ReportArgs, output: Output) -> u8 {
    match write(&state_dir(global), args) {
        Ok(written) => {
            output.document(&written, || format!("{}\n", written.path));
            0
        }
        Err(error) => failed(output, &error),
    }
}

/// As of a run. A configuration that is not whole, on a machine that only shows reports, is none of this command's business.
fn state_dir(global: &Global) -> PathBuf {
    match settings::load(global) {
        Ok(config) => config.state_dir,
        Err(error) => {
            log::debug!("the configuration is not used: {error}");
            usage::state_dir(global.state_dir.clone())
        }
    }
}

fn write(state_dir: &Path, args: &ReportArgs) -> Result<Written> {
    let documents = html::read(state_dir, args.run.as_deref())?;
    for name in &documents.skipped {
        log::warn!("a result document is skipped: {name}");
    }
    let path = args.out.clone().unwrap_or_else(|| state_dir.join(NAME));
    if path.file_name().is_none() {
        return Err(Error::new(Kind::Config, format!("--out {}: not the name of a file", path.display()))
            .hint("give a file, such as night.html"));
    }
    let page = html::page(&documents);
    files::replace(&path, &page)?;
    Ok(Written {
        path: path.display().to_string(),
        run_id: documents.run.run_id,
        runs: documents.history.len(),
        bytes: page.len(),
        skipped: documents.skipped,
    })
}
