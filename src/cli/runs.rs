//! `runs`: its arguments, and what is around the run log.

use super::args::Global;
use super::output::Output;
use super::with_config;
use crate::app::runs;
use crate::report::runs as text;
use clap::{Args, Subcommand};

/// Arguments of `runs`.
#[derive(Args, Clone)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
    /// So many of the last runs, at most 10,000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Work")]
    pub limit: u32,
    /// The last runs when it is left out
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
}

/// What to do with the run log.
#[derive(Subcommand, Clone)]
pub enum RunsCommand {
    /// Show one run: its reads by table, the slowest ones, rows of the source, target tables as it left them
    Show {
        /// Its number, or its run_id
        id: String,
    },
    /// Forget runs that began more than so many days ago; each run does so by run_log_days
    Prune {
        /// Days, 0 to 36,500
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=36_500), help_heading = "Work")]
        days: u32,
    },
}

/// Answers, and returns the exit code.
pub fn runs(global: &Global, args: RunsArgs, output: Output) -> u8 {
    with_config(global, output, |config, watchdog| {
        match args.command {
            None => {
                let list = runs::list(config, args.limit, watchdog)?;
                output.document(&list, || text::list_text(&list));
            }
            Some(RunsCommand::Show { id }) => {
                let detail = runs::show(config, &id, watchdog)?;
                output.document(&detail, || text::detail_text(&detail));
            }
            Some(RunsCommand::Prune { days }) => {
                let pruned = runs::prune(config, days, watchdog)?;
                output.document(&pruned, || text::pruned_text(&pruned));
            }
        }
        Ok(0)
    })
}
