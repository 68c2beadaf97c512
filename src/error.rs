//! The one error type of the crate and the one policy table behind it.
//!
//! An error says what was being done and on which table or connection; its [`Kind`] decides, in [`Kind::policy`] and
//! nowhere else, whether the chunk is tried again, which hint a person gets and how the process ends.
//! Server error codes are not known here: `conn::classify` turns them into kinds.

use std::fmt;

/// Result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What class of trouble it is. The class decides, the text explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Command line or configuration; nothing was touched.
    Config,
    /// A server does not answer or the connection broke.
    Unreachable,
    /// Login, privilege or TLS: the server refused us.
    Refused,
    /// The server ended the statement for a reason that passes (deadlock, lock timeout, restart, kill).
    Transient,
    /// The source connection broke or may not be used again; its snapshot is gone with it.
    SnapshotLost,
    /// No answer within the deadline.
    Timeout,
    /// A table, view or column is not what the plan saw (dropped, altered, renamed, swapped).
    Changed,
    /// A value that PostgreSQL cannot hold, or that no rule covers.
    Data,
    /// PostgreSQL refused a row of a COPY; the row can be found and kept aside.
    RowRefused,
    /// Counts disagree, so the finish was not committed.
    Proof,
    /// Most rows of a table would be deleted.
    Guarded,
    /// The warehouse has no room left.
    DiskFull,
    /// More memory is in use than the run may have.
    Memory,
    /// More connections than a server gives us.
    Connections,
    /// Another run holds the lock, or took it over.
    Locked,
    /// A person or the deadline asked us to stop.
    Stopped,
    /// The transformation after the load: dbt or a SQL file.
    Transform,
    /// A file of ours could not be read or written.
    File,
    /// A fault of this program.
    Internal,
}

/// Whether trying again can help, and at which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again gives the same answer.
    Never,
    /// The same chunk may be tried again on the same source snapshot.
    Chunk,
    /// The table must start again in a new snapshot group.
    Table,
}

/// What follows from a [`Kind`].
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether trying again can help.
    pub retry: Retry,
    /// What a person can do about it.
    pub hint: &'static str,
    /// Exit code when this error ends the run (DESIGN: exit codes).
    pub exit: u8,
}

impl Kind {
    /// The one table: kind → retry, hint, exit code.
    #[must_use]
    pub const fn policy(self) -> Policy {
        let (retry, exit, hint) = match self {
            Self::Config => (Retry::Never, 2, "correct the configuration or the command line; nothing was touched"),
            Self::Unreachable => (Retry::Chunk, 69, "check that the server runs and that host, port and network are right"),
            Self::Refused => {
                (Retry::Never, 77, "check user, password, privileges and TLS settings; `etl-sync check` names what is missing")
            }
            Self::Transient => (Retry::Chunk, 1, "run again: it passed its retries, so look for locks or load on that server"),
            Self::SnapshotLost => (Retry::Table, 69, "the source connection broke; run again when the source is stable"),
            Self::Timeout => (Retry::Chunk, 69, "the server does not answer; check it, or raise the deadline in pipeline.yml"),
            Self::Changed => (Retry::Never, 1, "run again after the schema change has ended"),
            Self::Data => (Retry::Never, 1, "change the value at the source, or the column's type rule"),
            Self::RowRefused => (Retry::Never, 1, "change the value at the source, or the column's type rule"),
            Self::Proof => (Retry::Table, 1, "run again; if it stays, the source changes in a way the snapshot does not cover"),
            Self::Guarded => {
                (Retry::Never, 1, "look at the source; if the rows are meant to be gone, run once with --accept-deletes")
            }
            Self::DiskFull => (Retry::Never, 1, "free or add disk space on the warehouse, then run again"),
            Self::Memory => (Retry::Never, 1, "raise memory_limit_mb or lower --parallel, then run again to go on"),
            Self::Connections => (Retry::Never, 2, "lower --parallel or raise the server's connection limit"),
            Self::Locked => (Retry::Never, 75, "wait for the other run to end; `etl-sync status` shows it"),
            Self::Stopped => (Retry::Never, 130, "run again to go on"),
            Self::Transform => {
                (Retry::Never, 1, "look at what the transformation said in the log above; the loaded tables are whole")
            }
            Self::File => (Retry::Never, 70, "check the path, its permissions and free space"),
            Self::Internal => (Retry::Never, 70, "please report this with the output of -v"),
        };
        Policy { retry, hint, exit }
    }

    /// Stable lower-case word of the kind, used in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::SnapshotLost => "snapshot_lost",
            Self::Timeout => "timeout",
            Self::Changed => "changed",
            Self::Data => "data",
            Self::RowRefused => "row_refused",
            Self::Proof => "proof",
            Self::Guarded => "guarded",
            Self::DiskFull => "disk_full",
            Self::Memory => "memory",
            Self::Connections => "connections",
            Self::Locked => "locked",
            Self::Stopped => "stopped",
            Self::Transform => "transform",
            Self::File => "file",
            Self::Internal => "internal",
        }
    }
}

/// An error: kind, what was being done, and the cause.
///
/// `Display` is one line without the cause chain's detail; [`Error::chain`] gives every level.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    doing: String,
    hint: Option<String>,
    source: Option<Cause>,
}

impl Error {
    /// An error without a deeper cause. `doing` names the action and the table or connection.
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), hint: None, source: None }
    }

    /// An error with its cause.
    pub fn with(kind: Kind, doing: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { kind, doing: doing.into(), hint: None, source: Some(source.into()) }
    }

    /// Replaces the kind's general hint by one for this case.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts `doing` in front, keeping kind, hint and chain.
    #[must_use]
    pub fn doing(mut self, doing: impl fmt::Display) -> Self {
        self.doing = format!("{doing}: {}", self.doing);
        self
    }

    /// The same error under another kind.
    #[must_use]
    pub fn as_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The class.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person can do about it.
    #[must_use]
    pub fn what_to_do(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.kind.policy().hint)
    }

    /// Every level of the cause, outermost first, for `-v`. Never holds a cell value: causes are cut by `conn::classify`.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        let mut out = vec![self.doing.clone()];
        let mut next = self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static));
        while let Some(cause) = next {
            out.push(cause.to_string());
            next = cause.source();
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        if let Some(cause) = &self.source {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

/// Adds what was being done to a foreign error.
pub trait Doing<T> {
    /// Wraps the error with a kind and a lazily built description.
    ///
    /// # Errors
    /// The wrapped error, when `self` is one.
    fn doing<S: Into<String>>(self, kind: Kind, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Cause>> Doing<T> for std::result::Result<T, E> {
    fn doing<S: Into<String>>(self, kind: Kind, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::with(kind, doing(), e))
    }
}
