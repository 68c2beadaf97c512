//! Connection URLs, taken apart without trusting them.
//!
//! A password with an unencoded `@`, `/`, `#` or `?` moves its own parts into host, path or query. So whatever looks
//! odd is refused with one fixed sentence, and no message ever repeats a part of the URL other than a parameter's name.

use super::endpoint::{Role, TlsMode};
use super::problem::{Problem, nearest};
use super::tls;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use std::path::PathBuf;

/// The one sentence for a URL that cannot be read.
const ODD: &str = "the URL cannot be read; user, password and database must be percent-encoded \
                   (@ is %40, : is %3A, / is %2F, ? is %3F, # is %23, % is %25, a blank is %20)";

/// Parameters for both kinds of server.
const COMMON: [&str; 11] = [
    "sslmode",
    "ssl-mode",
    "ssl_mode",
    "useSSL",
    "sslrootcert",
    "ssl-ca",
    "ssl_ca",
    "charset",
    "connect_timeout",
    "application_name",
    "client_encoding",
];
const MYSQL: [&str; 2] = ["socket", "unix_socket"];
const POSTGRES: [&str; 5] = ["host", "port", "user", "password", "dbname"];

/// What a URL says; everything it leaves out is `None`.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub host: Option<String>,
    /// Socket file (MySQL) or directory (PostgreSQL).
    pub socket: Option<PathBuf>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub database: Option<String>,
    pub tls: Option<TlsMode>,
    pub ca_file: Option<String>,
    /// Seconds.
    pub connect_timeout: Option<u64>,
    pub warnings: Vec<String>,
}

/// Takes a URL apart. `place` names it in messages, such as `ETL_SYNC_SOURCE_URL`.
///
/// # Errors
/// All problems of the URL; none of them holds a part of its values.
pub(super) fn parse(text: &str, role: Role, place: &str) -> Result<Parts, Vec<Problem>> {
    let one = |text: &str| vec![Problem::new(format!("{place}: {text}"))];
    let text = text.trim_ascii();
    let rest = after_scheme(text, role).map_err(|text| one(&text))?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // An `@` or `#` this late means that the password was not encoded.
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) || tail.contains(['@', '#']) || !percents_are_whole(text) {
        return Err(one(ODD));
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut parts = authority_parts(authority).ok_or_else(|| one(ODD))?;
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.contains('/') {
        return Err(one(ODD));
    }
    parts.database = decode(path).ok_or_else(|| one(ODD))?;
    let mut problems = Vec::new();
    parameters(query, role, place, &mut parts, &mut problems);
    if parts.host.as_deref().is_some_and(|host| host.contains(',')) {
        problems.push(Problem::new(format!("{place}: several hosts in one URL are not supported")));
    }
    // A host that is a path is a socket: `postgresql://u@%2Frun%2Fpostgresql/db`.
    if let Some(path) = parts.host.take_if(|host| host.starts_with('/')) {
        parts.socket = Some(PathBuf::from(path));
    }
    if parts.socket.as_deref().is_some_and(|path| !path.is_absolute()) {
        problems.push(Problem::new(format!("{place}: the socket's path must begin with /")));
    }
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

fn after_scheme(text: &str, role: Role) -> Result<&str, String> {
    let wanted = if role.is_postgres() { "postgresql://" } else { "mysql://" };
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let base = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
    match (base.as_str(), role.is_postgres()) {
        ("mysql" | "mariadb", false) | ("postgres" | "postgresql", true) => Ok(rest),
        ("mysql" | "mariadb", true) => Err(format!("this is a MySQL URL, but the {role} is PostgreSQL ({wanted}...)")),
        ("postgres" | "postgresql", false) => {
            Err(format!("this is a PostgreSQL URL, but the {role} is MySQL or MariaDB ({wanted}...)"))
        }
        _ => Err(format!("the URL must begin with {wanted}")),
    }
}

/// User, password, host and port by the url crate. An empty host is a legal `user@/db` here, which the crate refuses.
fn authority_parts(authority: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let (login, server) = match authority.rsplit_once('@') {
        Some((login, server)) => (format!("{login}@"), server),
        None => (String::new(), authority),
    };
    let no_host = server.is_empty() || server.starts_with(':');
    let stand_in = if no_host { "stand-in.invalid" } else { "" };
    let url = url::Url::parse(&format!("db://{login}{stand_in}{server}")).ok()?;
    parts.user = decode(url.username())?;
    parts.password = match url.password() {
        Some(password) => decode(password)?.map(SecretString::from),
        None => None,
    };
    parts.port = url.port();
    if parts.port == Some(0) {
        return None;
    }
    if !no_host {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        parts.host = decode(host)?;
    }
    Some(parts)
}

fn parameters(query: &str, role: Role, place: &str, parts: &mut Parts, problems: &mut Vec<Problem>) {
    let own: &[&str] = if role.is_postgres() { &POSTGRES } else { &MYSQL };
    let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let at = format!("{place}: parameter {name}");
        let Some(&name) = known.iter().find(|one| one.eq_ignore_ascii_case(name)) else {
            let shown = super::check::shown(name);
            let near = nearest(name, known.iter().copied());
            problems.push(Problem::new(format!("{place}: unknown parameter {shown}")).near(near));
            continue;
        };
        if seen.contains(&name) {
            problems.push(Problem::new(format!("{at} is given twice")));
            continue;
        }
        seen.push(name);
        match decode(value) {
            Some(Some(value)) => {
                if let Err(problem) = parameter(name, value, &at, parts) {
                    problems.push(problem);
                }
            }
            Some(None) => problems.push(Problem::new(format!("{at} is empty"))),
            None => problems.push(Problem::new(format!("{place}: {ODD}"))),
        }
    }
}

fn parameter(name: &str, value: String, at: &str, parts: &mut Parts) -> Result<(), Problem> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| Problem::new(format!("{at}: expected a whole number")));
    match name {
        "sslmode" | "ssl-mode" | "ssl_mode" => set_tls(parts, tls::mode(&value, at)?, at)?,
        "useSSL" => set_tls(parts, tls::use_ssl(&value, at)?, at)?,
        "sslrootcert" | "ssl-ca" | "ssl_ca" => parts.ca_file = Some(value),
        "connect_timeout" => {
            let seconds = number(&value)?;
            if !(1..=600).contains(&seconds) {
                return Err(Problem::new(format!("{at}: {seconds} is not in 1 to 600 seconds")));
            }
            parts.connect_timeout = Some(seconds);
        }
        "charset" | "client_encoding" => parts.warnings.push(format!("{at} is ignored: text is always read as UTF-8")),
        "socket" | "unix_socket" => parts.socket = Some(PathBuf::from(value)),
        "host" => parts.host = Some(value),
        "user" => parts.user = Some(value),
        "password" => parts.password = Some(SecretString::from(value)),
        "dbname" => parts.database = Some(value),
        "port" => {
            let port = number(&value).ok().and_then(|port| u16::try_from(port).ok()).filter(|&port| port > 0);
            parts.port = Some(port.ok_or_else(|| Problem::new(format!("{at}: expected a port from 1 to 65535")))?);
        }
        // application_name: the sessions carry a name of ours.
        _ => {}
    }
    Ok(())
}

fn set_tls(parts: &mut Parts, mode: TlsMode, at: &str) -> Result<(), Problem> {
    if parts.tls.is_some_and(|other| other != mode) {
        return Err(Problem::new(format!("{at} contradicts another parameter of the same URL")));
    }
    parts.tls = Some(mode);
    Ok(())
}

/// Decoded text; inner `None` when empty, outer `None` when it is not UTF-8 or holds NUL.
#[allow(clippy::option_option, reason = "empty and unreadable are different answers")]
fn decode(text: &str) -> Option<Option<String>> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    if text.contains('\0') {
        return None;
    }
    Some((!text.is_empty()).then(|| text.into_owned()))
}

/// Whether each `%` is followed by two hexadecimal digits.
fn percents_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes().take(2);
        digits.next().is_some_and(|c| c.is_ascii_hexdigit()) && digits.next().is_some_and(|c| c.is_ascii_hexdigit())
    })
}
