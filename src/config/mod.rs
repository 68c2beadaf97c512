//! placeholder until the configuration floor is merged
#![allow(missing_docs)]
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Source,
    Replica,
    Warehouse,
}
#[derive(Debug, Clone)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    Require,
    VerifyFull,
}
#[derive(Debug, Clone)]
pub struct Tls {
    pub mode: TlsMode,
    pub ca_file: Option<PathBuf>,
}
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    pub connect: Duration,
    pub stall: Duration,
    pub statement: Duration,
}
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub role: Role,
    pub address: Address,
    pub user: String,
    pub password: Option<SecretString>,
    pub database: String,
    pub tls: Tls,
    pub deadlines: Deadlines,
}
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.database)
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Standard,
    Streaming,
    Chunked,
    CopyCsv,
    Parallel,
}
impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Streaming => "streaming",
            Self::Chunked => "chunked",
            Self::CopyCsv => "copy_csv",
            Self::Parallel => "parallel",
        })
    }
}
#[derive(Debug, Clone, Default)]
pub enum ColumnSelection {
    #[default]
    All,
    Only(Vec<String>),
    Except(Vec<String>),
}
#[derive(Debug, Clone, Default)]
pub struct TableRule {
    pub key: Option<Vec<String>>,
    pub chunk_bytes: Option<u64>,
    pub chunk_rows: Option<u64>,
    pub columns: ColumnSelection,
    pub filter: Option<String>,
    pub strategy: Option<Strategy>,
}
#[derive(Debug, Clone, Default)]
pub struct TableRules;
impl TableRules {
    pub fn selects(&self, _t: &str) -> bool {
        true
    }
    pub fn rule(&self, _t: &str) -> TableRule {
        TableRule::default()
    }
}
#[derive(Debug, Clone)]
pub struct Settings {
    pub parallel: usize,
    pub chunk_bytes: u64,
    pub chunk_rows_max: u64,
    pub chunk_bytes_without_transactions: u64,
    pub retries: usize,
    pub retry_wait: Duration,
    pub resume_within: Duration,
    pub snapshot_lock_wait: Duration,
    pub server_down_wait: Duration,
    pub accept_new_source: bool,
}
#[derive(Debug, Clone)]
pub struct Config {
    pub source: Endpoint,
    pub warehouse: Endpoint,
    pub warehouse_schema: String,
    pub settings: Settings,
    pub tables: TableRules,
    pub state_dir: PathBuf,
    pub warnings: Vec<String>,
}
pub fn stub(parallel: usize) -> Config {
    let ep = |var: &str, role| {
        let u = url::Url::parse(&std::env::var(var).unwrap_or_default()).unwrap_or_else(|_| std::process::exit(2));
        Endpoint {
            role,
            address: Address::Tcp { host: u.host_str().unwrap_or("").into(), port: u.port().unwrap_or(0) },
            user: u.username().into(),
            password: u.password().map(|p| SecretString::from(p.to_owned())),
            database: u.path().trim_start_matches('/').into(),
            tls: Tls { mode: TlsMode::Disable, ca_file: None },
            deadlines: Deadlines {
                connect: Duration::from_secs(10),
                stall: Duration::from_secs(300),
                statement: Duration::from_secs(7200),
            },
        }
    };
    Config {
        source: ep("ETL_SYNC_SOURCE_URL", Role::Source),
        warehouse: ep("ETL_SYNC_WAREHOUSE_URL", Role::Warehouse),
        warehouse_schema: std::env::var("ETL_SYNC_WAREHOUSE_SCHEMA").unwrap_or("raw".into()),
        settings: Settings {
            parallel,
            chunk_bytes: 64 << 20,
            chunk_rows_max: 1_000_000,
            chunk_bytes_without_transactions: 8 << 20,
            retries: 5,
            retry_wait: Duration::from_millis(200),
            resume_within: Duration::from_secs(6 * 3600),
            snapshot_lock_wait: Duration::from_secs(2),
            server_down_wait: Duration::from_secs(60),
            accept_new_source: false,
        },
        tables: TableRules,
        state_dir: PathBuf::from(".etl-sync"),
        warnings: vec![],
    }
}
