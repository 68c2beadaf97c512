//! What happens when the command line or the configuration is wrong: a result document all the same.

use super::args::Global;
use super::around::{Around, AroundArgs};
use super::output::Output;
use super::record::Record;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::report::RunReport;
use clap::{ColorChoice, CommandFactory};
use std::path::PathBuf;
use std::sync::Arc;

/// Colours of clap's own texts: its errors come before the flags are known, so `--color` is looked for by hand.
#[must_use]
pub fn color(args: &[String]) -> ColorChoice {
    match value_of(args, "--color") {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// Leaves the result document of a run that never began, when a run was meant.
pub fn record_refusal(args: &[String], error: &clap::Error) {
    let json = args.iter().any(|arg| arg == "--json");
    let names: Vec<String> = super::args::Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let meant = args.iter().find(|arg| names.contains(arg)).map_or("run", String::as_str);
    if !matches!(meant, "run" | "replicate" | "load" | "repair") || args.iter().any(|arg| arg == "--dry-run") {
        return;
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let error = Error::new(Kind::Config, first).hint("see etl-sync --help");
    let state_dir = state_dir(value_of(args, "--state-dir").map(PathBuf::from));
    let around =
        Around::known(value_of(args, "--json-line").map(str::to_owned), value_of(args, "--metrics-file").map(PathBuf::from));
    // clap has told the person already.
    Record::early(state_dir, (Output { json, chain: false }, around)).give_up_silently(&error, 2);
}

/// Leaves the result document of a run whose configuration is wrong, and tells the person.
pub fn record_problems((global, around): (&Global, &AroundArgs), output: Output, error: &Error) {
    Record::early(state_dir(global.state_dir.clone()), (output, around.without_config()))
        .give_up(error, error.kind().policy().exit);
}

impl Record {
    fn early(state_dir: PathBuf, told: (Output, Around)) -> Self {
        let opening = RunReport::empty(uuid::Uuid::now_v7().to_string());
        Self::new(state_dir, told, opening, Arc::new(Context::unique()))
    }
}

/// The state directory when the configuration cannot say: the same order of places without the file.
#[must_use]
pub fn state_dir(flag: Option<PathBuf>) -> PathBuf {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let systemd = || var("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    flag.or_else(|| var("ETL_SYNC_STATE_DIR").map(PathBuf::from))
        .or_else(systemd)
        .or_else(|| var("XDG_STATE_HOME").map(|dir| PathBuf::from(dir).join("etl-sync")))
        .or_else(|| var("HOME").map(|dir| PathBuf::from(dir).join(".local/state/etl-sync")))
        .unwrap_or_else(|| PathBuf::from(".etl-sync"))
}

/// The value after `--flag` or in `--flag=value`.
fn value_of<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
    let joined = args.iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='));
    joined.or_else(|| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1)).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_by_hand() {
        let args: Vec<String> = ["x", "--state-dir=/a", "--color", "never"].map(String::from).to_vec();
        assert_eq!(value_of(&args, "--state-dir"), Some("/a"));
        assert_eq!(value_of(&args, "--color"), Some("never"));
        assert_eq!(value_of(&args, "--json"), None);
        assert_eq!(color(&args), ColorChoice::Never);
    }
}
