//! `methods`: its arguments, and how its answers are shown. Which methods of the program runs call.

use super::args::Global;
use super::output::{self, Output};
use super::{failed, settings};
use crate::app::methods as app;
use crate::error::Result;
use crate::report::methods as report;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Arguments of `methods`.
#[derive(Args, Clone)]
pub struct MethodsArgs {
    /// What to show
    #[command(subcommand)]
    command: MethodsCommand,
    /// Read this file, an archived one for example, and no configuration [default: method_usage in pipeline.yml]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Files")]
    file: Option<PathBuf>,
}

/// What to show.
#[derive(Subcommand, Clone, Copy)]
enum MethodsCommand {
    /// Every method: calls, first and last seen, failures, time; those never called show with zero
    Report,
    /// Methods that the last runs did not call: candidates for removal, with the evidence
    Unused {
        /// How many runs to look at; up to 400 are kept
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400))]
        runs: u16,
        /// Exit code 1 when there are some, 3 when fewer runs are known; for CI
        #[arg(long)]
        fail_on_unused: bool,
    },
    /// Calls of each method in each of the last runs
    Trend {
        /// How many runs to show
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
        runs: u16,
    },
    /// What each load strategy achieves, which way of writing dominates, how often checks and fallbacks occur
    Effectiveness,
    /// Everything that is kept, for other programs
    Export {
        /// In which form
        #[arg(long, value_name = "FORM", default_value = "json")]
        format: Form,
    },
    /// Put the file aside under a name with the time; the next run begins anew
    Archive,
}

/// A form of export.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// As the file is.
    Json,
    /// A line per method.
    Csv,
}

/// Answers and returns the exit code.
pub fn methods(global: &Global, args: &MethodsArgs, output: Output) -> u8 {
    let file = match &args.file {
        Some(file) => Ok(file.clone()),
        None => settings::load(global).and_then(|config| app::file(&config)),
    };
    file.and_then(|file| answer(args.command, &file, output)).unwrap_or_else(|error| failed(output, &error))
}

fn answer(command: MethodsCommand, file: &std::path::Path, output: Output) -> Result<u8> {
    match command {
        MethodsCommand::Report => {
            let answer = app::report(file)?;
            output.document(&answer, || report::text(&answer));
        }
        MethodsCommand::Unused { runs, fail_on_unused } => {
            let answer = app::unused(file, runs.into(), fail_on_unused)?;
            output.document(&answer, || report::unused_text(&answer));
            return Ok(answer.exit_code);
        }
        MethodsCommand::Trend { runs } => {
            let answer = app::trend(file, runs.into())?;
            output.document(&answer, || report::trend_text(&answer));
        }
        MethodsCommand::Effectiveness => {
            let answer = app::effectiveness(file)?;
            output.document(&answer, || report::effect_text(&answer));
        }
        MethodsCommand::Export { format: Form::Json } => {
            output::line(&crate::report::json(&report::store::load(file)?.unwrap_or_default()));
        }
        MethodsCommand::Export { format: Form::Csv } => output::raw(&report::csv(&app::report(file)?)?),
        MethodsCommand::Archive => {
            let answer = app::archive(file)?;
            output.document(&answer, || report::archive_text(&answer));
        }
    }
    Ok(0)
}
