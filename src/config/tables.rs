//! `tables.yml` as it is written: the original form's fields and ours.
//!
//! Fields that the live catalog knows better are accepted and ignored, so that a generated file works unchanged; one
//! warning names them. The typed fields end up in [`super::TableRule`].

use super::policy::{TextPolicy, TinyInt1, ValuePolicy};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Fields that are read from the live catalog, or have no meaning here.
pub(super) const IGNORED: [&str; 14] = [
    "table_name",
    "column_names",
    "primary_key",
    "estimated_rows",
    "estimated_size_mb",
    "schema_hash",
    "last_analyzed",
    "is_modeled",
    "dbt_model_types",
    "monitoring",
    "memory_requirements_mb",
    "estimated_processing_time_minutes",
    "batch_size",
    "time_gap_threshold_days",
];

/// tables.yml of etl-sync: which tables, and what differs for some of them. Every key is optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TablesFile {
    /// Written by the generator of the file; ignored.
    pub metadata: Option<Value>,
    /// Names or globs of the tables to sync. Without it: every table of the database.
    pub include: Option<Vec<String>>,
    /// Names or globs of tables to leave out; goes before include.
    pub exclude: Option<Vec<String>>,
    /// Rules by table name or glob (`*`, `?`, `[a-z]`, `{a,b}`). An exact name goes before globs, a later glob before an earlier.
    pub tables: Option<BTreeMap<String, Option<TableEntry>>>,
}

/// What differs for a table, or for the tables of a glob.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TableEntry {
    /// `etl-sync discover` leaves this entry as it is, also with --refresh, and only says what it would choose.
    pub pinned: Option<bool>,
    /// Columns that identify a row, when the table has no primary key or another unique key is wanted.
    pub key: Option<Vec<String>>,
    /// Size of a chunk in MiB. Default: chunk_mb of pipeline.yml.
    #[schemars(range(min = 1, max = 4096))]
    pub chunk_mb: Option<u64>,
    /// Rows in a chunk. Default: from chunk_mb and the table's row size.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub chunk_rows: Option<u64>,
    /// Which columns are copied. Default: all.
    pub columns: Option<Columns>,
    /// Which rows are copied: a condition in the source's SQL. It is put into queries as it is: who may write this file may read the source.
    pub filter: Option<String>,
    /// How the table is copied. Default: chosen by size and key.
    pub strategy: Option<Strategy>,
    /// What becomes of rows that the source has no more. Default: apply.
    pub deletes: Option<Deletes>,
    /// Types and policies of columns, other than the default. All rules that fit a column apply, a later one before an earlier, those of an exact name's entry before those of globs.
    pub column_rules: Option<Vec<ColumnRuleEntry>>,

    /// Seconds below the watermark from which rows are read again, because the application writes its own clock. Default 0.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub lookback_s: Option<u64>,
    /// Key values below an AUTO_INCREMENT watermark from which rows are read again, where it is not known which may still appear. Default 10000.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub lookback_keys: Option<u64>,
    /// Original form: which rows a run takes. `full_table`: all. Default: those past the watermark, where there is an incremental column.
    pub extraction_strategy: Option<Extraction>,
    /// Original form: columns that show new and changed rows, used when there is no primary_incremental_column.
    pub incremental_columns: Option<Vec<String>>,
    /// Original form: how several incremental columns combine.
    pub incremental_strategy: Option<IncrementalStrategy>,
    /// Original form: the column of the watermark, used alone; `none` or nothing leaves it to incremental_columns.
    pub primary_incremental_column: Option<String>,
    /// Original form: whether rows change after they are written. With `in_place_updates` an AUTO_INCREMENT column alone carries no watermark, and the table is read whole; with `append_only` `discover` takes such a column.
    pub sync_profile: Option<SyncProfile>,
    /// Original form: the watermark column of the first hop. Both hops read by one watermark here, that of primary_incremental_column: where this names another column it is ignored, and a warning says so.
    pub replicator_watermark_column: Option<String>,
    /// Original form: rows that are read again by business date.
    pub lookback_resync: Option<LookbackEntry>,
    /// Original form: size class.
    pub performance_category: Option<Category>,
    /// Original form: order among the tables. Those of high priority begin first, then medium (the default), then low; within one the biggest.
    pub processing_priority: Option<Priority>,

    /// Original form: must equal the entry's name.
    pub table_name: Option<String>,
    /// Original form, ignored: read from the live catalog.
    pub column_names: Option<Value>,
    /// Original form, ignored: read from the live catalog (`key` changes it).
    pub primary_key: Option<Value>,
    /// Original form, ignored.
    pub estimated_rows: Option<Value>,
    /// Original form, ignored.
    pub estimated_size_mb: Option<Value>,
    /// Original form, ignored.
    pub schema_hash: Option<Value>,
    /// Original form, ignored.
    pub last_analyzed: Option<Value>,
    /// Original form, ignored.
    pub is_modeled: Option<Value>,
    /// Original form, ignored.
    pub dbt_model_types: Option<Value>,
    /// Original form, ignored.
    pub monitoring: Option<Value>,
    /// Original form, ignored.
    pub memory_requirements_mb: Option<Value>,
    /// Original form, ignored.
    pub estimated_processing_time_minutes: Option<Value>,
    /// Original form, ignored: chunks follow from bytes (chunk_mb, chunk_rows).
    pub batch_size: Option<Value>,
    /// Original form, ignored.
    pub time_gap_threshold_days: Option<Value>,
}

/// What differs for columns.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ColumnRuleEntry {
    /// Name or glob of the columns. Default: all.
    pub column: Option<String>,
    /// Declared source type or glob, as the source shows it: `tinyint(1)`, `decimal(*)`. Default: all.
    pub declared: Option<String>,
    /// PostgreSQL type that the column becomes.
    pub to: Option<String>,
    /// Name of the conversion; `etl-sync ddl` shows it. Only needed to make sure that it is the one you mean.
    pub conversion: Option<String>,
    /// Zero and partial dates and days that no calendar has.
    pub zero_dates: Option<ValuePolicy>,
    /// Texts with a NUL byte.
    pub nul_bytes: Option<TextPolicy>,
    /// Texts that are no UTF-8.
    pub invalid_utf8: Option<TextPolicy>,
    /// Values beyond what the target type holds.
    pub out_of_range: Option<ValuePolicy>,
    /// What TINYINT(1) becomes.
    pub tinyint1: Option<TinyInt1>,
}

/// Which columns: one of the two.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Columns {
    /// Only these.
    pub only: Option<Vec<String>>,
    /// All but these.
    pub except: Option<Vec<String>>,
}

/// Rows that are read again by business date.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LookbackEntry {
    /// Whether it is on. Default false.
    pub enabled: Option<bool>,
    /// Days back. Default 30.
    #[schemars(range(min = 1, max = 3650))]
    pub window_days: Option<u64>,
    /// Date columns of which one must lie in the window.
    pub predicate_columns: Option<Vec<String>>,
}

/// How a table is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One transaction, for a table that fits one chunk.
    Standard,
    /// One stream, for a table without a key to split by.
    Streaming,
    /// Chunk after chunk on one worker.
    Chunked,
    /// Chunks by all workers into a new table.
    CopyCsv,
    /// Chunks by all workers, merged by content.
    Parallel,
}

impl Strategy {
    /// The word in configuration files and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Streaming => "streaming",
            Self::Chunked => "chunked",
            Self::CopyCsv => "copy_csv",
            Self::Parallel => "parallel",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What becomes of rows that the source has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// They are deleted.
    #[default]
    Apply,
    /// They stay, with the time in column `_deleted_at`; one that comes back is as before.
    Mark,
}

impl Extraction {
    /// No watermark is kept.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::FullTable | Self::Ledger)
    }
}

/// Which rows a run takes (original form, and `ledger`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Extraction {
    /// All of them.
    FullTable,
    /// Those of the buckets of keys whose digest differs, which is looked at in every run, whatever `audit` says; no watermark.
    Ledger,
    /// Those past the watermark.
    Incremental,
    /// Those past the watermark, in chunks.
    IncrementalChunked,
}

/// How several incremental columns combine (original form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalStrategy {
    /// Only the primary one counts.
    SingleColumn,
    /// Any of them is past the watermark.
    OrLogic,
    /// All of them are.
    AndLogic,
    /// There is none.
    None,
}

/// Whether rows change after they are written (original form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncProfile {
    /// Only new rows.
    AppendOnly,
    /// Rows change in place.
    InPlaceUpdates,
}

/// Size class (original form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Below 10,000 rows.
    Tiny,
    /// From 10,000 rows.
    Small,
    /// From 100,000 rows.
    Medium,
    /// From 1,000,000 rows.
    Large,
}

impl Category {
    /// The class of a table with so many rows.
    #[must_use]
    pub const fn of(rows: u64) -> Self {
        match rows {
            1_000_000.. => Self::Large,
            100_000.. => Self::Medium,
            10_000.. => Self::Small,
            _ => Self::Tiny,
        }
    }
}

impl std::str::FromStr for Category {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "tiny" => Ok(Self::Tiny),
            "small" => Ok(Self::Small),
            "medium" => Ok(Self::Medium),
            "large" => Ok(Self::Large),
            _ => Err("one of tiny, small, medium, large".into()),
        }
    }
}

/// Order among the tables (original form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Last.
    Low,
    /// Between.
    Medium,
    /// First.
    High,
}
