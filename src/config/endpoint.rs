//! Where a connection goes and how it is protected: the checked result, without any way to print its password.

use secrecy::SecretString;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays readable in a shown user or database name.
const SHOWN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.').remove(b'~').remove(b'$');

/// The three connections of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The production MySQL or MariaDB server.
    Source,
    /// Our own MySQL copy.
    Replica,
    /// PostgreSQL.
    Warehouse,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Source, Self::Replica, Self::Warehouse];

    /// The lower-case name, as in `connections:` and in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Replica => "replica",
            Self::Warehouse => "warehouse",
        }
    }

    /// Whether this side speaks PostgreSQL.
    #[must_use]
    pub const fn is_postgres(self) -> bool {
        matches!(self, Self::Warehouse)
    }

    /// The server's port when none is given.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        if self.is_postgres() { 5432 } else { 3306 }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Over the network, or the loopback interface.
    Tcp {
        /// Name or address; IPv6 without brackets.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// A unix socket: the socket's file for MySQL, its directory for PostgreSQL (see [`Endpoint::socket_port`]).
    Socket(PathBuf),
}

impl Address {
    /// Whether nobody else's network lies between: a socket, `localhost`, 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain, where nobody else's network lies between; elsewhere only without a password.
    Disable,
    /// Plain anywhere, a password too: somebody has said on purpose that the network between is trusted.
    DisableInsecure,
    /// Encrypted, the server is not verified: safe from a listener, not from somebody in between.
    Require,
    /// Encrypted; certificate chain and host name are verified.
    VerifyFull,
}

impl TlsMode {
    /// The word in configuration files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::DisableInsecure => "disable-insecure",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether nothing is encrypted.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::Disable | Self::DisableInsecure)
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// TLS of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// How strictly.
    pub mode: TlsMode,
    /// PEM file of the authorities to trust; `None` is the system's trust store.
    pub ca_file: Option<PathBuf>,
}

/// How long one connection waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For the connection to stand.
    pub connect: Duration,
    /// Without one byte from the server.
    pub stall: Duration,
    /// For one statement.
    pub statement: Duration,
}

/// One connection, complete and checked. `Debug` and `Display` never show the password.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Which of the three.
    pub role: Role,
    /// Where.
    pub address: Address,
    /// Port that names a PostgreSQL socket's file (`.s.PGSQL.5432`); over TCP the same as the address's port.
    pub socket_port: u16,
    /// Login name.
    pub user: String,
    /// Password, when there is one.
    pub password: Option<SecretString>,
    /// Database.
    pub database: String,
    /// Encryption.
    pub tls: Tls,
    /// Deadlines.
    pub deadlines: Deadlines,
}

impl Endpoint {
    /// Whether both are the same database on the same server, as far as the names tell.
    #[must_use]
    pub fn same_database(&self, other: &Self) -> bool {
        self.role.is_postgres() == other.role.is_postgres() && self.address == other.address && self.database == other.database
    }

    /// For aggregate queries, which give no byte until their end: only the deadline of the statement counts.
    #[must_use]
    pub fn patient(&self) -> Self {
        let Deadlines { stall, statement, .. } = self.deadlines;
        // The server ends the statement first, and says so.
        let stall = stall.max(statement + Duration::from_secs(30));
        Self { deadlines: Deadlines { stall, ..self.deadlines }, ..self.clone() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.role.is_postgres() { "postgresql" } else { "mysql" };
        let user = utf8_percent_encode(&self.user, SHOWN);
        let database = utf8_percent_encode(&self.database, SHOWN);
        write!(f, "{} {scheme}://{user}@", self.role)?;
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}/{database}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}/{database}"),
            Address::Socket(path) => self.socket(f, path, &database),
        }
    }
}

impl Endpoint {
    fn socket(&self, f: &mut fmt::Formatter<'_>, path: &Path, database: &impl fmt::Display) -> fmt::Result {
        if self.role.is_postgres() {
            return write!(f, ":{}/{database}?host={}", self.socket_port, path.display());
        }
        write!(f, "localhost/{database}?socket={}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(role: Role, address: Address) -> Endpoint {
        Endpoint {
            role,
            address,
            socket_port: 5433,
            user: "us er".into(),
            password: Some(SecretString::from("sEcret")),
            database: "db".into(),
            tls: Tls { mode: TlsMode::VerifyFull, ca_file: None },
            deadlines: Deadlines { connect: Duration::ZERO, stall: Duration::ZERO, statement: Duration::ZERO },
        }
    }

    #[test]
    fn display_is_a_url_without_password() {
        let tcp = |host: &str| Address::Tcp { host: host.into(), port: 3307 };
        for (role, address, want) in [
            (Role::Source, tcp("h"), "source mysql://us%20er@h:3307/db"),
            (Role::Replica, tcp("::1"), "replica mysql://us%20er@[::1]:3307/db"),
            (Role::Source, Address::Socket("/s/m.sock".into()), "source mysql://us%20er@localhost/db?socket=/s/m.sock"),
            (Role::Warehouse, Address::Socket("/run/pg".into()), "warehouse postgresql://us%20er@:5433/db?host=/run/pg"),
        ] {
            let one = endpoint(role, address);
            assert_eq!(one.to_string(), want);
            assert!(!format!("{one:?}").contains("sEcret"));
        }
    }

    #[test]
    fn local_addresses() {
        for (host, local) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("128.0.0.1", false),
            ("10.0.0.1", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("::2", false),
        ] {
            assert_eq!(Address::Tcp { host: host.into(), port: 1 }.is_local(), local, "{host}");
        }
    }
}
