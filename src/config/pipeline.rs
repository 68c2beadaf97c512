//! `pipeline.yml`: its structs, their environment variables, and the settings that come out.
//!
//! The doc comments of the structs are the descriptions in the JSON Schema. Every number has its unit in its name.
//! The structs hold URLs with passwords, so they have no `Debug`.

use super::policy::{Policies, PolicyWords};
use super::transform::TransformFile;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// pipeline.yml of etl-sync: connections and settings. Every key is optional; variables and flags go before the file.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PipelineFile {
    /// The servers.
    pub connections: Option<Connections>,
    /// PostgreSQL schema that the tables go to. Default raw.
    pub warehouse_schema: Option<String>,
    /// How a run works.
    pub general: Option<General>,
    /// What happens to values that PostgreSQL cannot hold; tables.yml may differ for columns.
    pub policies: Option<PolicyWords>,
    /// The step after the load: dbt or plain SQL files.
    pub transform: Option<TransformFile>,
}

/// The servers by name.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Connections {
    /// The production MySQL or MariaDB server that rows come from.
    pub source: Option<Connection>,
    /// A MySQL or MariaDB copy of our own between source and warehouse. Optional.
    pub replica: Option<Connection>,
    /// The PostgreSQL server that rows go to.
    pub warehouse: Option<Connection>,
}

/// One server.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Connection {
    /// URL: mysql://user@host:3306/database or postgresql://user@host:5432/database. A password in it must be percent-encoded.
    pub url: Option<String>,
    /// File that holds only the password; mode 0600 or 0400. Relative to this file.
    pub password_file: Option<String>,
    /// verify-full, require (encrypted, not verified), disable, or disable-insecure (plain where a password crosses a
    /// network). Default: verify-full, and disable on this machine.
    #[schemars(regex(pattern = r"^(disable|disable-insecure|require|verify-full)$"))]
    pub tls: Option<String>,
    /// PEM file of the authorities to trust with verify-full. Default: the system's. Relative to this file.
    pub ca_file: Option<String>,
    /// Seconds until a connection must stand. Default 10.
    #[schemars(range(min = 1, max = 600))]
    pub connect_timeout_s: Option<u64>,
    /// Seconds without one byte from the server until the connection is given up. Default 300.
    #[schemars(range(min = 1, max = 86400))]
    pub stall_timeout_s: Option<u64>,
    /// Seconds that one statement may take. Default 7200.
    #[schemars(range(min = 1, max = 604_800))]
    pub statement_timeout_s: Option<u64>,
}

/// How a run works.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct General {
    /// Workers; each has one connection to either side. Default: twice the processor cores, at most 8.
    #[schemars(range(min = 1, max = 64))]
    pub parallel: Option<u64>,
    /// Size of a chunk in MiB, the unit of work and retry. Default 64.
    #[schemars(range(min = 1, max = 4096))]
    pub chunk_mb: Option<u64>,
    /// Most rows in a chunk. Default 1000000.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub chunk_rows_max: Option<u64>,
    /// Size of a chunk in MiB for tables without transactions (MyISAM), which lock while they are read. Default 8.
    #[schemars(range(min = 1, max = 64))]
    pub chunk_mb_without_transactions: Option<u64>,
    /// How often a chunk is tried again after a passing fault. Default 5.
    #[schemars(range(min = 0, max = 100))]
    pub retries: Option<u64>,
    /// Milliseconds before the first retry; doubled each time up to 10 seconds. Default 200.
    #[schemars(range(min = 1, max = 10_000))]
    pub retry_wait_ms: Option<u64>,
    /// Hours after which a stopped run is not resumed but begun again. Default 6.
    #[schemars(range(min = 0, max = 168))]
    pub resume_within_h: Option<u64>,
    /// Seconds to wait for the lock that gives all workers one snapshot. Default 2, also the most.
    #[schemars(range(min = 1, max = 2))]
    pub snapshot_lock_wait_s: Option<u64>,
    /// Seconds that a run waits for a server that went away. Default 60.
    #[schemars(range(min = 0, max = 86400))]
    pub server_down_wait_s: Option<u64>,
    /// Seconds that a run with watermarks waits for transactions of the source that are open when it begins. Default 60.
    #[schemars(range(min = 0, max = 3600))]
    pub transaction_wait_s: Option<u64>,
    /// What proves a table: counts of both sides, per key range where it is loaded by its increments; evidence (the same, but a
    /// table is not read at all when nothing can have moved on either side since it was counted last); or off (increments are
    /// not proved). Default counts.
    pub verify: Option<Verify>,
    /// How much of a table each run compares by content: all, a share such as 1/7 (another part in each run), off, or auto (all up to
    /// 64 MB, 1/7 beyond). What the watermark missed, and what a hand did to the warehouse, is mended. Default auto.
    #[schemars(regex(pattern = r"^(auto|all|off|1/[1-9][0-9]?)$"))]
    pub audit: Option<String>,
    /// No job begins while more threads than these run at the source, those of the run left out; a run waits 5 minutes at most, all
    /// in all. Default 10000, where nobody waits.
    #[schemars(range(min = 0, max = 10000))]
    pub threads_running_max: Option<u64>,
    /// Percent of a table's rows that one run may delete, when they are more than 1000; above it the table fails. Default 50.
    #[schemars(range(min = 1, max = 100))]
    pub deletes_percent_max: Option<u64>,
    /// Form of the rows on their way: csv, binary, or auto (binary wherever every column has a binary image). Default auto.
    pub copy_format: Option<CopyFormat>,
    /// Rows of one table that may go to the quarantine before the table fails. Default 1000.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub rejected_rows_max: Option<u64>,
    /// Whether the quarantine also keeps the bytes of the value that was refused. Default false.
    pub quarantine_raw: Option<bool>,
    /// Memory that the process may have, in MiB; 0 for what its control group (cgroup) allows, which counts anyhow where it is
    /// lower. Kept by back-pressure; a run that cannot keep it stops. Default 0.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub memory_limit_mb: Option<u64>,
    /// Longest row in MiB; longer ones are rejected by their key without being read. Default 64.
    #[schemars(range(min = 1, max = 512))]
    pub row_mb_max: Option<u64>,
    /// Secondary indexes built after the data: none, unique or all. Default none.
    pub indexes: Option<Indexes>,
    /// Whether foreign keys are built after the data. Default false.
    pub foreign_keys: Option<bool>,
    /// Whether AUTO_INCREMENT columns get a sequence that goes on behind their largest value. Default false.
    pub sequences: Option<bool>,
    /// Whether columns get their defaults, those that PostgreSQL can have. Default false.
    pub defaults: Option<bool>,
    /// Whether target tables get a column `_loaded_at`: when this version of the row was written. Default true.
    pub loaded_at: Option<bool>,
    /// Whether each run, and each of its reads, is logged in the warehouse's schema etl_meta. ETL_META=off goes before it. Default true.
    pub run_log: Option<bool>,
    /// Days after which a logged run is forgotten. Default 30.
    #[schemars(range(min = 1, max = 3650))]
    pub run_log_days: Option<u64>,
    /// Local hours in which a run may work, with days where not every day is one: mon-fri 21:00-06:00. Outside nothing is touched,
    /// at its end work stops as with --until. Default: every hour.
    pub window: Option<String>,
    /// File that each run writes its figures to, in Prometheus' text format, for node_exporter's textfile collector. Default: none.
    /// Relative to this file.
    pub metrics_file: Option<String>,
    /// Whether metrics_file has lines for each table. Default false.
    pub metrics_tables: Option<bool>,
    /// Address that is asked when a run begins (with /start behind it), when it succeeds, and otherwise with /fail, as healthchecks
    /// does it. A secret. Default: none.
    pub ping_url: Option<String>,
    /// Address that is sent a JSON document when a run begins and when it ends. A secret. Default: none.
    pub webhook_url: Option<String>,
    /// Directory for files between runs. Default: $STATE_DIRECTORY, then $XDG_STATE_HOME/etl-sync, then ~/.local/state/etl-sync.
    pub state_dir: Option<String>,
    /// File that counts which methods of the program runs call, or off. Default: method_usage.json in the state directory.
    pub method_usage: Option<String>,
    /// Whether those calls are timed. Default true.
    pub method_usage_times: Option<bool>,
    /// Whether a source server or database that differs from the last run's is accepted. Default false.
    pub accept_new_source: Option<bool>,
}

/// Form of the rows on their way into PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopyFormat {
    /// The reference format.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
    /// Binary wherever every column has a binary image.
    Auto,
}

/// What proves a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Counts of both sides per key range; what differs is mended.
    Counts,
    /// As `Counts`; a table is not read when nothing moved on either side since it was counted last.
    Evidence,
    /// Nothing for tables that are loaded by their increments: what the watermark misses, and what is deleted at the source, stays unseen.
    Off,
}

impl Verify {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Evidence => "evidence",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for Verify {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Counts, Self::Evidence, Self::Off];
        all.into_iter().find(|one| one.word() == word).ok_or_else(|| "one of counts, evidence, off".into())
    }
}

/// How much of a table each run compares by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audit {
    /// All of a table up to 64 MB, a seventh of a larger one.
    #[default]
    Auto,
    /// All.
    All,
    /// One of so many parts, another one in each load.
    Share(u32),
    /// Nothing.
    Off,
}

impl Audit {
    /// A table of more bytes is compared by parts.
    const WHOLE_BYTES_MAX: u64 = 64 * MIB;

    /// In how many parts a table of so many bytes is compared; none when it is not.
    #[must_use]
    pub const fn parts(self, bytes: u64) -> Option<u32> {
        match self {
            Self::Auto if bytes > Self::WHOLE_BYTES_MAX => Some(7),
            Self::Auto | Self::All => Some(1),
            Self::Share(parts) => Some(parts),
            Self::Off => None,
        }
    }
}

impl std::str::FromStr for Audit {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let parts = word.strip_prefix("1/").and_then(|parts| parts.parse().ok()).filter(|parts| (1..=99).contains(parts));
        match (word, parts) {
            ("auto", _) => Ok(Self::Auto),
            ("all", _) => Ok(Self::All),
            ("off", _) => Ok(Self::Off),
            (_, Some(parts)) => Ok(Self::Share(parts)),
            _ => Err("one of all, 1/N (N up to 99), off, auto".into()),
        }
    }
}

/// Whether runs are logged in `etl_meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLog {
    /// They are.
    On,
    /// The configuration says no.
    Off,
    /// The environment says no (`ETL_META`), and nothing goes before it.
    Forbidden,
}

impl RunLog {
    /// What an environment allows: `ETL_META` set to `0`, `false` or `off`, in any case, forbids it.
    #[must_use]
    pub fn allowed(self, etl_meta: Option<&str>) -> Self {
        let word = etl_meta.unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(word.as_str(), "0" | "false" | "off") { Self::Forbidden } else { self }
    }
}

/// Which secondary indexes a run builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Indexes {
    /// None: a table has its key only.
    None,
    /// Those that are unique.
    Unique,
    /// All of them.
    All,
}

/// The settings of a run, complete and in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Workers, 1 to 64.
    pub parallel: usize,
    /// Target size of a chunk, bytes.
    pub chunk_bytes: u64,
    /// Most rows in a chunk.
    pub chunk_rows_max: u64,
    /// Target size of a chunk of a table without transactions, bytes.
    pub chunk_bytes_without_transactions: u64,
    /// How often a chunk is tried again, 0 to 100.
    pub retries: u32,
    /// Wait before the first retry.
    pub retry_wait: Duration,
    /// Longest wait between two tries.
    pub retry_wait_max: Duration,
    /// Age after which a stopped run is begun again.
    pub resume_within: Duration,
    /// Wait for the common snapshot's lock, at most 2 s.
    pub snapshot_wait: Duration,
    /// Wait for a server that went away.
    pub server_down_wait: Duration,
    /// Wait for transactions of the source that are open when a run with watermarks begins.
    pub transaction_wait: Duration,
    /// What proves a table.
    pub verify: Verify,
    /// How much of a table that is loaded by its increments is compared by content.
    pub audit: Audit,
    /// Threads that may run at the source when a job begins, those of the run left out.
    pub threads_running_max: u64,
    /// Percent of a table's rows that one run may delete.
    pub deletes_percent_max: u64,
    /// Whether another source than last time is accepted.
    pub accept_new_source: bool,
    /// Form of the rows on their way.
    pub copy_format: CopyFormat,
    /// What happens to values that PostgreSQL cannot hold.
    pub policies: Policies,
    /// Rows of one table that may be rejected before it fails.
    pub rejected_rows_max: u64,
    /// Whether the quarantine keeps the bytes of a refused value.
    pub quarantine_raw: bool,
    /// Memory that the process may have, bytes; 0 for what its control group allows.
    pub memory_limit: u64,
    /// Longest row that is read, bytes.
    pub row_bytes_max: u64,
    /// Which secondary indexes are built.
    pub indexes: Indexes,
    /// Whether foreign keys are built.
    pub foreign_keys: bool,
    /// Whether AUTO_INCREMENT columns get a sequence.
    pub sequences: bool,
    /// Whether columns get their defaults.
    pub defaults: bool,
    /// Whether target tables have a column `_loaded_at`.
    pub loaded_at: bool,
    /// Whether runs are logged in `etl_meta`.
    pub run_log: RunLog,
    /// Days after which a logged run is forgotten, 1 to 3650.
    pub run_log_days: u32,
}

impl Settings {
    /// So many threads that nobody waits for fewer.
    pub const THREADS_MAX: u64 = 10_000;

    /// The settings with nothing configured, on a machine with so many cores.
    #[must_use]
    pub fn of_cores(cores: usize) -> Self {
        Self {
            parallel: cores.saturating_mul(2).clamp(1, 8),
            chunk_bytes: 64 * MIB,
            chunk_rows_max: 1_000_000,
            chunk_bytes_without_transactions: 8 * MIB,
            retries: 5,
            retry_wait: Duration::from_millis(200),
            retry_wait_max: Duration::from_secs(10),
            resume_within: Duration::from_secs(6 * 3600),
            snapshot_wait: Duration::from_secs(2),
            server_down_wait: Duration::from_secs(60),
            transaction_wait: Duration::from_secs(60),
            verify: Verify::Counts,
            audit: Audit::Auto,
            threads_running_max: Self::THREADS_MAX,
            deletes_percent_max: 50,
            accept_new_source: false,
            copy_format: CopyFormat::Auto,
            policies: Policies::default(),
            rejected_rows_max: 1000,
            quarantine_raw: false,
            memory_limit: 0,
            row_bytes_max: 64 * MIB,
            indexes: Indexes::None,
            foreign_keys: false,
            sequences: false,
            defaults: false,
            loaded_at: true,
            run_log: RunLog::On,
            run_log_days: 30,
        }
    }

    /// These settings with what a layer gives; its numbers are in range already.
    pub(super) fn over(mut self, layer: &General) -> Self {
        let set = |into: &mut u64, from: Option<u64>| *into = from.unwrap_or(*into);
        let seconds = |into: &mut Duration, from: Option<u64>| *into = from.map_or(*into, Duration::from_secs);
        set(&mut self.chunk_bytes, layer.chunk_mb.map(|mb| mb * MIB));
        set(&mut self.chunk_rows_max, layer.chunk_rows_max);
        set(&mut self.chunk_bytes_without_transactions, layer.chunk_mb_without_transactions.map(|mb| mb * MIB));
        seconds(&mut self.resume_within, layer.resume_within_h.map(|hours| hours * 3600));
        seconds(&mut self.snapshot_wait, layer.snapshot_lock_wait_s);
        seconds(&mut self.server_down_wait, layer.server_down_wait_s);
        seconds(&mut self.transaction_wait, layer.transaction_wait_s);
        self.verify = layer.verify.unwrap_or(self.verify);
        // A word that is none has been reported.
        self.audit = layer.audit.as_deref().and_then(|word| word.parse().ok()).unwrap_or(self.audit);
        set(&mut self.threads_running_max, layer.threads_running_max);
        set(&mut self.deletes_percent_max, layer.deletes_percent_max);
        self.retry_wait = layer.retry_wait_ms.map_or(self.retry_wait, Duration::from_millis);
        // Both are bounded by the schema (64 and 100), so the conversions keep every value.
        self.parallel = layer.parallel.and_then(|n| usize::try_from(n).ok()).unwrap_or(self.parallel);
        self.retries = layer.retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(self.retries);
        self.accept_new_source = layer.accept_new_source.unwrap_or(self.accept_new_source);
        self.copy_format = layer.copy_format.unwrap_or(self.copy_format);
        set(&mut self.rejected_rows_max, layer.rejected_rows_max);
        self.quarantine_raw = layer.quarantine_raw.unwrap_or(self.quarantine_raw);
        self.indexes = layer.indexes.unwrap_or(self.indexes);
        self.foreign_keys = layer.foreign_keys.unwrap_or(self.foreign_keys);
        self.sequences = layer.sequences.unwrap_or(self.sequences);
        self.defaults = layer.defaults.unwrap_or(self.defaults);
        self.loaded_at = layer.loaded_at.unwrap_or(self.loaded_at);
        self.run_log = layer.run_log.map_or(self.run_log, |on| if on { RunLog::On } else { RunLog::Off });
        self.run_log_days = layer.run_log_days.and_then(|n| u32::try_from(n).ok()).unwrap_or(self.run_log_days);
        set(&mut self.memory_limit, layer.memory_limit_mb.map(|mb| mb * MIB));
        set(&mut self.row_bytes_max, layer.row_mb_max.map(|mb| mb * MIB));
        self
    }
}
