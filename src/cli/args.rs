//! The command line as types. Owns names, help texts, ranges and defaults; decides nothing about what they do.
//!
//! Nothing here has `Debug`: a URL may hold a password.

use super::runs::RunsArgs;
use super::since::Since;
use super::until::Until;
use crate::config::{Audit, Category, Verify};
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
  0 synced, equal   1 a table failed or differs   2 usage or configuration   3 incomplete or not proven
  4 stopped at --until   69 server unreachable   70 fault of etl-sync   75 another run
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
    /// Status tables in the warehouse, for people and dbt
    Tracking {
        /// What to do with them
        #[command(subcommand)]
        command: TrackingCommand,
    },
    /// Which methods of the program runs call: counts, unused ones, trend, what strategies achieve
    Methods(super::methods::MethodsArgs),
    /// Transform what was loaded: dbt build, or SQL files in order (transform in pipeline.yml)
    Transform(TransformArgs),
    /// Files for a dbt project
    Dbt {
        /// Which ones
        #[command(subcommand)]
        command: DbtCommand,
    },
    /// Print the JSON Schema of a configuration file, for editors
    Schema {
        /// Which file
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
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
    /// Only tables of this size class: tiny, small (10,000 rows), medium (100,000), large (1,000,000); that of tables.yml counts
    #[arg(long, value_name = "CLASS", help_heading = "Work")]
    pub category: Option<Category>,
    /// Load every table whole, also those that an interrupted run has finished
    #[arg(long, help_heading = "Work")]
    pub full: bool,
    /// Let tables lose more rows than deletes_percent_max allows, this once
    #[arg(long, help_heading = "Work")]
    pub accept_deletes: bool,
    /// What proves a table: counts of both sides; evidence: not read when nothing moved since the last count; off
    /// [default: verify in pipeline.yml, else counts]
    #[arg(long, value_name = "HOW", help_heading = "Work")]
    pub verify: Option<Verify>,
    /// How much of each table is compared by content: all, a share such as 1/7 (another part in each run), off, auto
    /// [default: audit in pipeline.yml, else auto]
    #[arg(long, value_name = "SHARE", help_heading = "Work")]
    pub audit: Option<Audit>,
    /// Take no new work after this: local time such as 05:00, or a length such as 90m or 2h30m; exit code 4
    #[arg(long, value_name = "TIME", value_parser = super::until::parse, help_heading = "Work")]
    pub until: Option<Until>,
    /// After the load: dbt, or the SQL files (transform in pipeline.yml), for what is made of tables that changed
    #[arg(long, help_heading = "Work")]
    pub transform: bool,
    /// The same for everything, whatever changed
    #[arg(long, help_heading = "Work")]
    pub transform_all: bool,
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

/// Arguments of `plan`.
#[derive(Args, Clone, Default)]
pub struct PlanArgs {
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
    /// Only tables of this size class, as in `run`
    #[arg(long, value_name = "CLASS", help_heading = "Work")]
    pub category: Option<Category>,
    /// Plan for loading every table, also those that an interrupted run has finished
    #[arg(long, help_heading = "Work")]
    pub full: bool,
    /// As in `run`
    #[arg(long, value_name = "HOW", help_heading = "Work")]
    pub verify: Option<Verify>,
    /// As in `run`
    #[arg(long, value_name = "SHARE", help_heading = "Work")]
    pub audit: Option<Audit>,
}

/// Arguments of `discover`.
#[derive(Args, Clone)]
pub struct DiscoverArgs {
    /// Only these tables, by exact name, and with their evidence [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
    /// Write tables.yml: whole or not at all, comments and everything else in it stay
    #[arg(long, help_heading = "Work")]
    pub write: bool,
    /// With --write: keep the former text in tables.yml.bak
    #[arg(long, requires = "write", help_heading = "Work")]
    pub backup: bool,
    /// Rewrite fields that are there already; entries with `pinned: true` stay as they are
    #[arg(long, help_heading = "Work")]
    pub refresh: bool,
    /// Go on although the source has less than half of the tables that tables.yml names
    #[arg(long, help_heading = "Work")]
    pub accept_shrink: bool,
    /// Read tables up to so many rows whole; of larger ones, both ends of the key and what indexes show
    #[arg(long, value_name = "N", default_value_t = 1_000_000, help_heading = "Work")]
    pub scan_rows: u64,
}

/// Arguments of `ddl`.
#[derive(Args, Clone, Default)]
pub struct DdlArgs {
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
}

/// Arguments of `check`.
#[derive(Args, Clone, Default)]
pub struct CheckArgs {
    /// Count the values that a run would null, strip, reject or fail on: one aggregate query per table on the source,
    /// which reads the whole table; exit code 3 when rows would be rejected, 1 when a table would fail
    #[arg(long, help_heading = "Work")]
    pub data: bool,
    /// With --data: only these tables or views, by exact name [default: all configured]
    #[arg(
        long,
        value_name = "TABLE",
        num_args = 1..,
        value_delimiter = ',',
        requires = "data",
        help_heading = "Work"
    )]
    pub tables: Vec<String>,
}

/// Arguments of `verify`.
#[derive(Args, Clone, Default)]
pub struct VerifyArgs {
    /// How deep to look: counts per key range; ledger: each side by itself, against what the last success left; rows by content
    #[arg(long, value_name = "DEPTH", default_value = "counts", hide_possible_values = true, help_heading = "Work")]
    pub depth: Depth,
    /// Which side to look at (--depth ledger): both, source or warehouse
    #[arg(long, value_name = "SIDE", hide_possible_values = true, help_heading = "Work")]
    pub side: Option<Side>,
    /// Compare only so many percent of each large table, a random part each time (--depth rows)
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Work")]
    pub sample: Option<u8>,
    /// Compare only rows that changed at or after this, in tables with an incremental column that holds a time: a local date or
    /// date and time of this machine such as 2026-11-01 or "2026-11-01 22:30", or a length back from now in d, h, m and s such as
    /// 36h or 1d12h (--depth rows)
    #[arg(long, value_name = "WHEN", value_parser = super::since::parse, conflicts_with = "sample", help_heading = "Work")]
    pub since: Option<Since>,
    /// Tell so many rows per table one by one, by key, at most 10,000 (--depth rows) [default: 100, as text 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=10_000), help_heading = "Work")]
    pub rows: Option<u16>,
    /// Tell the values of columns that differ, too (--depth rows)
    #[arg(long, help_heading = "Work")]
    pub values: bool,
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
}

/// Arguments of `status`.
#[derive(Args, Clone, Default)]
pub struct StatusArgs {
    /// Only this table, by exact name, with its last attempts
    #[arg(long, value_name = "TABLE", help_heading = "Work")]
    pub table: Option<String>,
    /// Look again every so many seconds, 1 to 86400, until Ctrl-C [default: 5]; redraws on a terminal, with --json a document a line
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "5",
        value_parser = clap::value_parser!(u32).range(1..=86_400),
        help_heading = "Work"
    )]
    pub watch: Option<u32>,
}

/// Arguments of `report`.
#[derive(Args, Clone, Default)]
pub struct ReportArgs {
    /// The run, by its id or the begin of it [default: the last one]
    #[arg(long, value_name = "ID", help_heading = "Work")]
    pub run: Option<String>,
    /// The page's file [default: report.html in the state directory]
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub out: Option<PathBuf>,
}

/// Arguments of `audit`.
#[derive(Args, Clone, Default)]
pub struct AuditArgs {
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
}

/// Arguments of `why`.
#[derive(Args, Clone)]
pub struct WhyArgs {
    /// Source table, by exact name
    pub table: String,
    /// The row's key as `verify --depth rows` shows it: a value per key column, in key order, or a JSON object. A value that
    /// begins with a minus sign and is no number stands behind `--`
    #[arg(required = true, num_args = 1.., allow_negative_numbers = true)]
    pub key: Vec<String>,
    /// Tell the values, too
    #[arg(long, help_heading = "Work")]
    pub values: bool,
}

/// Arguments of `repair`.
#[derive(Args, Clone, Default)]
pub struct RepairArgs {
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
    /// Show what differs, as `verify --depth rows` does; touches nothing
    #[arg(long, help_heading = "Work")]
    pub dry_run: bool,
    /// Let tables lose more rows than deletes_percent_max allows, this once
    #[arg(long, help_heading = "Work")]
    pub accept_deletes: bool,
    /// Take no new work after this, as in `run`
    #[arg(long, value_name = "TIME", value_parser = super::until::parse, help_heading = "Work")]
    pub until: Option<Until>,
}

/// Which side a look at the ledger is about.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Both.
    Both,
    /// The source.
    Source,
    /// The warehouse.
    Warehouse,
}

/// How deep `verify` looks.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Depth {
    /// Rows per key range.
    #[default]
    Counts,
    /// Digests that runs have left.
    Ledger,
    /// Every row.
    Rows,
}

/// What to do with the status tables.
#[derive(Subcommand, Clone, Copy)]
pub enum TrackingCommand {
    /// Make the tables and a record `pending` for each configured table that has none; loads nothing, changes no other record
    Init,
}

/// Which configuration file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFile {
    /// Connections and settings.
    Pipeline,
    /// Rules per table.
    Tables,
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
        assert!(matches!(cli.command, Some(Command::Run(run)) if run.work.tables == ["a", "b", "c"]));
    }

    #[test]
    fn workers_have_a_range() {
        for (text, ok) in [("1", true), ("64", true), ("0", false), ("65", false), ("-1", false), ("x", false), ("", false)] {
            assert_eq!(parallel(text).is_ok(), ok, "{text}");
        }
    }
}
