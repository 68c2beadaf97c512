//! The command line as types. Owns names, help texts, ranges and defaults; decides nothing about what they do.
//!
//! Nothing here has `Debug`: a URL may hold a password.

mod looking; // commands that look, compare or mend

pub use looking::*;

use crate::cli::around::AroundArgs;
use crate::cli::runs::RunsArgs;
use crate::cli::until::Until;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Most workers: each costs one connection to either server.
pub const PARALLEL_MAX: usize = 64;

const ABOUT: &str = "Copies a MySQL or MariaDB database into PostgreSQL and proves that both sides hold the same rows";

const AFTER: &str = "\
Examples:
  etl-sync --parallel 8                        the main job: sync every configured table
  etl-sync run --tables patient appointment    only these tables
  etl-sync run --until 05:00                   stop cleanly at five; the next run goes on
  etl-sync replicate                           with a replica: only the first hop, from the source into it
  etl-sync load                                with a replica: only the second hop, from it into the warehouse
  etl-sync plan                                what a run would do; touches nothing
  etl-sync discover                            incremental columns of the source, as a diff of tables.yml; --write writes it
  etl-sync ddl --tables patient                the target's DDL and the rule behind each column; touches nothing
  etl-sync check                               connections, TLS, privileges, limits
  etl-sync tracking init                       a record in the status tables for every configured table
  etl-sync runs                                the last runs; runs show ID: one of them, with each table's reads
  etl-sync check --data                        which values a run would null, strip, reject or fail on
  etl-sync verify                              whether both sides hold the same rows; touches nothing
  etl-sync verify --depth rows                 the same by content: which rows differ, and in which columns
  etl-sync repair --tables claim               compare by content and mend what differs
  etl-sync why claim 1234                      one row on both sides, column by column
  etl-sync status --watch                      the run that works, and how old each table's data is
  etl-sync report                              the last run and the history as one HTML page
  etl-sync methods unused --runs 30            which methods of the program the last 30 runs did not call
  etl-sync run --transform                     and then dbt, for what is made of tables that changed

Exit codes:
  0 synced, equal   1 a table or a model failed, or differs   2 usage or configuration   3 incomplete or not proven
  4 stopped at --until, or outside --window   69 server unreachable   70 fault of etl-sync   75 another run
  77 refused by a server   130, 143 stopped by SIGINT, SIGTERM

The result of each run is written to last_run.json in the state directory.";

/// The whole command line.
#[derive(Parser)]
#[command(name = "etl-sync", version, about = ABOUT, after_help = AFTER, max_term_width = 110)]
#[command(propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; `run` when it is left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// Workers, 1 to 64; one connection each to either server [default: 2 x cores, at most 8]
    #[arg(long, short = 'j', value_name = "N", global = true, value_parser = parallel, help_heading = "Work")]
    pub parallel: Option<usize>,

    /// mysql://user@host:3306/db [env: ETL_SYNC_SOURCE_URL, password in ETL_SYNC_SOURCE_PASSWORD]
    #[arg(long, value_name = "URL", global = true, help_heading = "Connections")]
    pub source_url: Option<String>,
    /// MySQL copy of our own in between [env: ETL_SYNC_REPLICA_URL]
    #[arg(long, value_name = "URL", global = true, help_heading = "Connections")]
    pub replica_url: Option<String>,
    /// postgresql://user@host:5432/db [env: ETL_SYNC_WAREHOUSE_URL, and ..._WAREHOUSE_PASSWORD]
    #[arg(long, value_name = "URL", global = true, help_heading = "Connections")]
    pub warehouse_url: Option<String>,
    /// Warehouse schema that the tables go to [env: ETL_SYNC_WAREHOUSE_SCHEMA] [default: raw]
    #[arg(long, alias = "warehouse-schema", value_name = "NAME", global = true, help_heading = "Connections")]
    pub schema: Option<String>,
    /// Sync into a schema that another source filled before
    #[arg(long, global = true, help_heading = "Connections")]
    pub accept_new_source: bool,

    /// Directory of pipeline.yml and tables.yml [env: ETL_SYNC_CONFIG_DIR] [default: config]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Files")]
    pub config_dir: Option<PathBuf>,
    /// Directory of last_run.json and runs/ [env: ETL_SYNC_STATE_DIR] [default: ~/.local/state/etl-sync]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Files")]
    pub state_dir: Option<PathBuf>,

    /// One JSON document on standard output; logs stay on standard error
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Debug logs and every level of an error; -vv: trace
    #[arg(long, short, action = ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,
    /// Warnings and errors only, no progress
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Colours: auto, always or never; auto honours NO_COLOR
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub color: Color,
}

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Sync: the main job, also without a command
    Run(RunArgs),
    /// The first hop of a run alone: from the source into the replica
    Replicate(WorkArgs),
    /// The second hop of a run alone: from the replica into the warehouse
    Load(WorkArgs),
    /// Show what a run would do: strategy, size, time, disk space; touches nothing
    Plan(PlanArgs),
    /// Print the target's DDL and, per column, the rule that chose it; asks only the source
    Ddl(DdlArgs),
    /// Find the columns that show new and changed rows, and show them as a diff of tables.yml; --write writes it
    Discover(DiscoverArgs),
    /// Test connections, TLS, sessions, privileges, limits; print missing GRANTs. With --data: prove the mapping on the data
    Check(CheckArgs),
    /// Show the last run, its lock, and how old each table's data is; reads only
    Status(StatusArgs),
    /// Show the last runs, newest first: when, how long, how they ended, what they read
    Runs(RunsArgs),
    /// Write a run and the history of runs as one HTML page; asks no server
    Report(ReportArgs),
    /// Compare both sides, read-only: rows per key range, those in quarantine included
    Verify(VerifyArgs),
    /// Report tables that lack rows in the warehouse, by severity; the data of `verify`
    Audit(AuditArgs),
    /// Show one row on both sides, column by column, with the rule behind each, and which run wrote it
    Why(WhyArgs),
    /// Compare both sides by content and mend what differs: the rows of differing key ranges, else the table
    Repair(RepairArgs),
    /// Tell ping_url and webhook_url of an end that no run tells: for scripts around runs
    Notify(NotifyArgs),
    /// Status tables in the warehouse, for people and dbt
    Tracking {
        /// What to do with them
        #[command(subcommand)]
        command: TrackingCommand,
    },
    /// Which methods of the program runs call: counts, unused ones, trend, what strategies achieve
    Methods(crate::cli::methods::MethodsArgs),
    /// Transform what was loaded: dbt build, or SQL files in order (transform in pipeline.yml)
    Transform(TransformArgs),
    /// Files for a dbt project
    Dbt {
        /// Which ones
        #[command(subcommand)]
        command: DbtCommand,
    },
    /// Print the JSON Schema of a configuration file, for editors, or of a run's result, for programs that read it
    Schema {
        /// Of what
        file: SchemaFile,
    },
    /// Print shell completions
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write the man pages
    Man {
        /// Directory for them, made when it is missing
        dir: PathBuf,
    },
}

/// Arguments of `run`.
#[derive(Args, Clone, Default)]
pub struct RunArgs {
    /// What every hop knows.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Show the plan and stop, as `plan` does
    #[arg(long, help_heading = "Work")]
    pub dry_run: bool,
}

/// Arguments of `run`, `replicate` and `load`.
#[derive(Args, Clone, Default)]
pub struct WorkArgs {
    /// What is copied, and how it is proved.
    #[command(flatten)]
    pub what: PlanArgs,
    /// Let tables lose more rows than deletes_percent_max allows, this once
    #[arg(long, help_heading = "Work")]
    pub accept_deletes: bool,
    /// Take no new work after this: local time such as 05:00, or a length such as 90m or 2h30m; exit code 4
    #[arg(long, value_name = "TIME", value_parser = crate::cli::until::parse, help_heading = "Work")]
    pub until: Option<Until>,
    /// After the load: dbt, or the SQL files (transform in pipeline.yml), for what is made of tables that changed
    #[arg(long, help_heading = "Work")]
    pub transform: bool,
    /// The same for everything, whatever changed
    #[arg(long, help_heading = "Work")]
    pub transform_all: bool,
    /// What stands around a run.
    #[command(flatten)]
    pub around: AroundArgs,
}

/// Arguments of `transform`.
#[derive(Args, Clone, Default)]
pub struct TransformArgs {
    /// Only what is made of tables that changed in the last run or wait since an earlier one; with names: of these tables
    #[arg(long, value_name = "TABLE", num_args = 0.., value_delimiter = ',', conflicts_with = "all", help_heading = "Work")]
    pub changed: Option<Vec<String>>,
    /// Everything; also without an option
    #[arg(long, help_heading = "Work")]
    pub all: bool,
}

/// What to write for a dbt project.
#[derive(Subcommand, Clone)]
pub enum DbtCommand {
    /// Write sources.yml: every loaded table, with freshness by `_loaded_at`
    Sources {
        /// File [default: standard output]
        #[arg(long, value_name = "FILE", help_heading = "Work")]
        out: Option<PathBuf>,
    },
    /// Write the model stg_etl_tracking_summary over the status tables, and its tests
    Models {
        /// Directory, below the project's models
        #[arg(long, value_name = "DIR", help_heading = "Work")]
        out: PathBuf,
    },
}

/// What to do with the status tables.
#[derive(Subcommand, Clone, Copy)]
pub enum TrackingCommand {
    /// Make the tables and a record `pending` for each configured table that has none; loads nothing, changes no other record
    Init,
}

/// What a schema is of.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFile {
    /// Connections and settings.
    Pipeline,
    /// Rules per table.
    Tables,
    /// Both files: an object with a property for each.
    Config,
    /// The result document of a run.
    Result,
}

fn parallel(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected a number of workers from 1 to {PARALLEL_MAX}");
    match text.parse::<usize>() {
        Ok(0) => Err(format!("a run needs at least 1 worker, at most {PARALLEL_MAX}")),
        Ok(n) if n <= PARALLEL_MAX => Ok(n),
        Ok(_) => Err(format!("at most {PARALLEL_MAX} workers: each takes one connection to either server")),
        Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        let cli = Cli::try_parse_from(["etl-sync", "--parallel", "8"]).ok().unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.global.parallel, Some(8));
        let cli = Cli::try_parse_from(["etl-sync", "run", "--tables", "a", "b,c", "--parallel", "2", "--json"]).ok().unwrap();
        assert_eq!(cli.global.parallel, Some(2));
        assert!(cli.global.json);
        assert!(matches!(cli.command, Some(Command::Run(run)) if run.work.what.tables == ["a", "b", "c"]));
    }

    #[test]
    fn workers_have_a_range() {
        for (text, ok) in [("1", true), ("64", true), ("0", false), ("65", false), ("-1", false), ("x", false), ("", false)] {
            assert_eq!(parallel(text).is_ok(), ok, "{text}");
        }
    }
}
