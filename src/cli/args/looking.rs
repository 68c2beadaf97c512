//! Arguments of the commands that look at both sides, compare them, or mend what differs.

use crate::cli::around::AroundArgs;
use crate::cli::since::Since;
use crate::cli::until::Until;
use crate::config::{Audit, Category, Verify};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Arguments of `plan`, which runs have, too.
#[derive(Args, Clone, Default)]
pub struct PlanArgs {
    /// Only these tables or views, by exact name [default: all configured]
    #[arg(long, value_name = "TABLE", num_args = 1.., value_delimiter = ',', help_heading = "Work")]
    pub tables: Vec<String>,
    /// Only tables of this size class: tiny, small (10,000 rows), medium (100,000), large (1,000,000); that of tables.yml counts
    #[arg(long, value_name = "CLASS", help_heading = "Work")]
    pub category: Option<Category>,
    /// Load every table whole, also those that an interrupted run has finished
    #[arg(long, help_heading = "Work")]
    pub full: bool,
    /// Begin anew instead of going on with what an interrupted run has left
    #[arg(long, help_heading = "Work")]
    pub no_resume: bool,
    /// What proves a table: counts of both sides; evidence: not read when nothing moved since the last count; off
    /// [default: verify in pipeline.yml, else counts]
    #[arg(long, value_name = "HOW", help_heading = "Work")]
    pub verify: Option<Verify>,
    /// How much of each table is compared by content: all, a share such as 1/7 (another part in each run), off, auto
    /// [default: audit in pipeline.yml, else auto]
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
    /// First of all: outside the window of the configuration, ask no server and exit with 4, as a run would
    #[arg(long, conflicts_with = "data", help_heading = "Work")]
    pub in_window: bool,
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
    #[arg(long, value_name = "WHEN", value_parser = crate::cli::since::parse, conflicts_with = "sample", help_heading = "Work")]
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
    #[arg(long, value_name = "TIME", value_parser = crate::cli::until::parse, help_heading = "Work")]
    pub until: Option<Until>,
    /// What stands around a run.
    #[command(flatten)]
    pub around: AroundArgs,
}

/// Arguments of `notify`.
#[derive(Args, Clone)]
pub struct NotifyArgs {
    /// What it ended with: 0 is a success, anything else a failure
    pub exit_code: u8,
    /// A line for the webhook
    #[arg(long, value_name = "TEXT", default_value = "a step around the run failed", help_heading = "Work")]
    pub why: String,
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
