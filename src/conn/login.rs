//! The log-in at MySQL and MariaDB, with what the driver does not do by itself there.

use super::classify;
use crate::config::{Address, Endpoint};
use crate::error::{Error, Kind, Result};
use mysql::{Conn, OptsBuilder};
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Log-ins for one connection to MariaDB. The driver (`AuthSwitchRequest::plugin_data` of mysql_common 0.37) takes a 0
/// at the end of a nonce for a terminator, so MariaDB refuses the right password of an account with ed25519 or PARSEC
/// once in 256 times; three times in a row, once in 16 million.
const LOGINS_MAX: u32 = 3;

/// `ER_ACCESS_DENIED_ERROR`
const ACCESS_DENIED: u16 = 1045;

/// Longest beginning of a greeting that is looked at; the version stands in front.
const GREETING_BYTES: usize = 128;

/// A log-in that made the driver panic.
const GAVE_UP: &str = "the driver gave up during the log-in: the server sent something that is no MySQL, or the account \
                       authenticates in a way that this program does not know";

/// Connects and logs in.
///
/// # Errors
/// [`Kind::Unreachable`], [`Kind::Refused`] or [`Kind::Connections`].
pub fn log_in(endpoint: &Endpoint, options: &OptsBuilder) -> Result<Conn> {
    let doing = || format!("connecting to {endpoint}");
    for attempt in 1.. {
        // The driver takes a server's packets apart without looking at their length, and panics at log-ins it was not
        // built for: who answers here may be anybody.
        match catch_unwind(AssertUnwindSafe(|| Conn::new(options.clone()))) {
            Ok(Ok(conn)) => return Ok(conn),
            Ok(Err(error)) => {
                // Elsewhere a second attempt would only bring an account closer to being locked.
                let again = attempt < LOGINS_MAX && is_denied(&error) && greets_as_mariadb(endpoint).unwrap_or(false);
                if !again {
                    return Err(at_connect(classify::mysql(&error, doing())));
                }
                log::debug!("{}: refused, asking again", doing());
            }
            Err(_panic) => break,
        }
    }
    Err(Error::new(Kind::Refused, format!("{}: {GAVE_UP}", doing())))
}

fn is_denied(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::MySqlError(e) if e.code == ACCESS_DENIED)
}

/// What the server says before anybody has logged in.
fn greets_as_mariadb(endpoint: &Endpoint) -> io::Result<bool> {
    const WORD: &[u8] = b"mariadb";
    let wait = Some(endpoint.deadlines.connect);
    let mut greeting = [0; GREETING_BYTES];
    let read = match &endpoint.address {
        Address::Tcp { host, port } => {
            let address = (host.as_str(), *port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
            let mut stream = TcpStream::connect_timeout(&address, endpoint.deadlines.connect)?;
            stream.set_read_timeout(wait)?;
            stream.read(&mut greeting)?
        }
        Address::Socket(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(wait)?;
            stream.read(&mut greeting)?
        }
    };
    Ok(greeting.get(..read).unwrap_or_default().windows(WORD.len()).any(|word| word.eq_ignore_ascii_case(WORD)))
}

/// A broken handshake is a server that is not there, not a lost snapshot; one that broke over TLS is a refusal.
fn at_connect(error: Error) -> Error {
    let error = super::tls::refusal(error);
    match error.kind() {
        Kind::SnapshotLost | Kind::Timeout => error.as_kind(Kind::Unreachable),
        _ => error,
    }
}
