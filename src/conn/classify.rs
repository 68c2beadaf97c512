//! Server error codes → kinds. The only place that knows them, and the place that cuts cell values out of messages.

use crate::error::{Error, Kind};
use postgres::error::SqlState;
use std::io;

/// What remains of a server's error: code and a message without cell values.
#[derive(Debug)]
struct ServerError(String);

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerError {}

/// Classifies an error of the MySQL driver; `doing` names the action and the table or connection.
#[must_use]
pub fn mysql(error: &mysql::Error, doing: impl Into<String>) -> Error {
    let (kind, text) = match error {
        mysql::Error::MySqlError(e) => {
            let (kind, show) = mysql_code(e.code);
            let text = if show { e.message.replace(['\n', '\r'], " ") } else { "message held back, it may quote a value".into() };
            (kind, format!("MySQL error {}: {text}", e.code))
        }
        mysql::Error::IoError(e) => (io_kind(e), io_text(e)),
        mysql::Error::CodecError(e) => match std::error::Error::source(e).and_then(|inner| inner.downcast_ref::<io::Error>()) {
            Some(inner) => (io_kind(inner), io_text(inner)),
            None => (Kind::SnapshotLost, format!("protocol: {e}")),
        },
        mysql::Error::DriverError(mysql::DriverError::ConnectTimeout) => (Kind::Unreachable, "no connection in time".into()),
        mysql::Error::DriverError(mysql::DriverError::CouldNotConnect(Some((_, text, kind)))) => {
            (Kind::Unreachable, format!("{text} ({kind})"))
        }
        mysql::Error::DriverError(e) => driver_refusal(e).unwrap_or_else(|| (Kind::Unreachable, e.to_string())),
        mysql::Error::TlsError(e) => (Kind::Refused, format!("TLS: {e}")),
        mysql::Error::UrlError(_) => (Kind::Config, "the URL is not understood".into()),
        // Both print the row, so their text is ours.
        mysql::Error::FromValueError(_) | mysql::Error::FromRowError(_) => {
            (Kind::Internal, "a column has another type than asked for".into())
        }
    };
    Error::with(kind, doing, ServerError(text))
}

/// What the driver itself refuses before a password could go: the server is there, and asking again changes nothing.
fn driver_refusal(error: &mysql::DriverError) -> Option<(Kind, String)> {
    let unknown = |plugin: &str| format!("the account authenticates by {plugin}, which this program does not do");
    let text = match error {
        mysql::DriverError::TlsNotSupported => "the server does not support TLS".into(),
        mysql::DriverError::UnknownAuthPlugin(name) => unknown(name),
        mysql::DriverError::OldMysqlPasswordDisabled => unknown("mysql_old_password"),
        mysql::DriverError::CleartextPluginDisabled => unknown("mysql_clear_password"),
        _ => return None,
    };
    Some((Kind::Refused, text))
}

/// Kind of a MySQL error number, and whether its message may be shown.
fn mysql_code(code: u16) -> (Kind, bool) {
    match code {
        // ER_DBACCESS_DENIED 1044, ER_ACCESS_DENIED 1045, table 1142, column 1143, specific 1227, no password 1698, secure transport 3159
        1044 | 1045 | 1142 | 1143 | 1227 | 1251 | 1370 | 1698 | 3159 => (Kind::Refused, true),
        // ER_BAD_DB
        1049 => (Kind::Config, true),
        // ER_CON_COUNT, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        1040 | 1203 | 1226 => (Kind::Connections, true),
        // ER_BAD_TABLE, ER_BAD_FIELD, ER_NO_SUCH_TABLE, ER_TABLE_DEF_CHANGED, ER_VIEW_INVALID, ER_KEY_DOES_NOT_EXIST
        1051 | 1054 | 1146 | 1176 | 1356 | 1412 => (Kind::Changed, true),
        // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_STATEMENT_TIMEOUT (MySQL 3024, MariaDB 1969)
        1205 | 1213 | 1969 | 3024 => (Kind::Transient, true),
        // ER_SERVER_SHUTDOWN, ER_QUERY_INTERRUPTED, ER_NEW_ABORTING_CONNECTION, CR_SERVER_GONE, CR_SERVER_LOST,
        // network errors 1158-1161, ER_CONNECTION_KILLED 1927, ER_CLIENT_INTERACTION_TIMEOUT 4031
        1053 | 1152 | 1158..=1161 | 1184 | 1317 | 1927 | 2006 | 2013 | 4031 => (Kind::SnapshotLost, true),
        // Messages that quote data: duplicate key, wrong or truncated value, bad text
        1062 | 1264 | 1265 | 1292 | 1366 | 1406 | 1411 | 3854 | 3988 => (Kind::Data, false),
        _ => (Kind::Internal, true),
    }
}

fn io_kind(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Kind::Timeout,
        _ => Kind::SnapshotLost,
    }
}

fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer within the deadline".into(),
        _ => error.to_string(),
    }
}

/// Classifies an error of the PostgreSQL driver; `doing` names the action and the table or connection.
#[must_use]
pub fn postgres(error: &postgres::Error, doing: impl Into<String>) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::with(Kind::Unreachable, doing, ServerError(driver_text(error)));
    };
    let code = db.code();
    let mut text = format!("PostgreSQL error {}: {}", code.code(), shown(code.code(), db.message()));
    if let Some(place) = db.where_().and_then(copy_place) {
        text.push_str(&format!(" ({place})"));
    }
    Error::with(postgres_code(code), doing, ServerError(text))
}

/// The driver prints only "db error" or "error connecting to server"; its cause says what happened.
fn driver_text(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        let next = e.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = e.source();
    }
    text
}

fn postgres_code(code: &SqlState) -> Kind {
    match code.code() {
        "28000" | "28P01" | "42501" | "0P000" => Kind::Refused,
        "3D000" => Kind::Config,
        "53300" => Kind::Connections,
        "53100" | "53400" => Kind::DiskFull,
        // deadlock, serialization, lock not available, out of memory, our own statement timeout, admin cancel
        "40001" | "40P01" | "55P03" | "53200" | "57014" => Kind::Transient,
        // admin shutdown, crash shutdown, cannot connect now
        "57P01" | "57P02" | "57P03" => Kind::Unreachable,
        // undefined table, column, schema; duplicate table
        "42P01" | "42703" | "3F000" | "42P07" => Kind::Changed,
        c if c.starts_with("08") => Kind::Unreachable,
        // data, constraint, a limit of the program that one value exceeds (nesting, length)
        c if c.starts_with("22") || c.starts_with("23") || c.starts_with("54") => Kind::Data,
        _ => Kind::Internal,
    }
}

/// Classes whose messages come from the server itself and name objects only. Data errors (22, 23) quote values; anything
/// else may come from a trigger or an extension, and say whatever its author wanted.
const SHOWN: &[&str] = &["08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX"];

/// A message without values: whole, with everything between quotes and after a colon cut out, or not at all.
fn shown(code: &str, message: &str) -> String {
    let class = code.get(..2).unwrap_or_default();
    if SHOWN.contains(&class) {
        return message.replace(['\n', '\r'], " ");
    }
    if class != "22" && class != "23" {
        return "message held back, it may quote a value".into();
    }
    cut_values(message).replace(['\n', '\r'], " ")
}

/// A message of PostgreSQL without what stands between its quotes and behind its first colon.
#[must_use]
pub fn cut_values(message: &str) -> String {
    let unquoted = match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}…{}", &message[..=first], &message[last..]),
        _ => message.to_owned(),
    };
    unquoted.split_once(": ").map_or(unquoted.as_str(), |(words, _)| words).to_owned()
}

/// `COPY t, line 12, column c` out of a CONTEXT that goes on with the value.
fn copy_place(context: &str) -> Option<String> {
    let first = context.lines().next()?;
    if !first.starts_with("COPY ") {
        return None;
    }
    let end = first.find(": ").unwrap_or(first.len());
    Some(first[..end].to_owned())
}

/// What PostgreSQL said of a row that it refused in a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRefusal {
    /// The target's column, when it named one.
    pub column: Option<String>,
    /// Error code and message, without values.
    pub reason: String,
}

/// The refusal of a row behind an error of a COPY, or none when it is an error of another kind.
#[must_use]
pub fn row_refusal(error: &postgres::Error) -> Option<RowRefusal> {
    let db = error.as_db_error().filter(|db| postgres_code(db.code()) == Kind::Data)?;
    let column = db.column().map(str::to_owned).or_else(|| {
        let place = db.where_().and_then(copy_place)?;
        place.split_once(", column ").map(|(_, column)| column.to_owned())
    });
    let code = db.code().code();
    Some(RowRefusal { column, reason: format!("PostgreSQL error {code}: {}", shown(code, db.message())) })
}

/// An error that came through [`std::io::Write`] of a COPY stream.
#[must_use]
pub fn copy_io(error: &io::Error, doing: impl Into<String>) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
        Some(inner) => postgres(inner, doing),
        None => Error::with(Kind::Unreachable, doing, ServerError(io_text(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_from_messages() {
        assert_eq!(
            shown("22P02", "invalid input syntax for type integer: \"secret: x\""),
            "invalid input syntax for type integer"
        );
        assert_eq!(
            shown("22003", "value \"99: 9\" is out of range for type integer"),
            "value \"…\" is out of range for type integer"
        );
        assert_eq!(
            shown("22021", "invalid byte sequence for encoding \"UTF8\": 0xed 0xa0"),
            "invalid byte sequence for encoding \"…\""
        );
        assert_eq!(shown("P0001", "patient Miller is not allowed"), "message held back, it may quote a value");
        assert_eq!(shown("42P01", "relation \"raw.x\" does not exist"), "relation \"raw.x\" does not exist");
        for value in ["\"a \"quoted\" secret\"", "\"{\"name\": \"John Smith\", \"ssn\": \"123\"}\""] {
            let context = format!("COPY patient, line 3, column note: {value}");
            assert_eq!(copy_place(&context), Some("COPY patient, line 3, column note".to_owned()));
        }
        assert_eq!(copy_place("PL/pgSQL function f()"), None);
    }

    #[test]
    fn a_killed_query_loses_the_snapshot_and_a_duplicate_is_not_shown() {
        assert_eq!(mysql_code(1317).0, Kind::SnapshotLost);
        assert!(!mysql_code(1062).1);
    }
}
