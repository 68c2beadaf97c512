//! `~/.pgpass` and PGPASSFILE: the password of the first line that matches host, port, database and user.
//!
//! libpq's rules: `*` matches anything, `\:` and `\\` stand for themselves, `localhost` also means a unix socket, and a
//! file that others may read is ignored (here with a warning).

use super::problem::Findings;
use super::secret::others_may_read;
use secrecy::SecretString;
use std::path::Path;

/// What a line must match. `host` is the directory for a socket.
pub(super) struct Wanted<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The password for a connection, when the file has one.
pub(super) fn find(path: &Path, wanted: &Wanted<'_>, findings: &mut Findings) -> Option<SecretString> {
    if !path.is_file() {
        return None;
    }
    if others_may_read(path) {
        findings.warn(format!("{} is ignored: other users can read it (chmod 600)", path.display()));
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().find_map(|line| matches(line, wanted)),
        Err(error) => {
            findings.warn(format!("{} is ignored: {error}", path.display()));
            None
        }
    }
}

fn matches(line: &str, wanted: &Wanted<'_>) -> Option<SecretString> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = fields.as_slice() else { return None };
    let is = |field: &Field, value: &str| field.any || field.text == value;
    let socket = wanted.host.starts_with('/') && host.text == "localhost";
    let right = (is(host, wanted.host) || socket)
        && is(port, &wanted.port.to_string())
        && is(database, wanted.database)
        && is(user, wanted.user);
    (right && !password.text.is_empty()).then(|| SecretString::from(password.text.as_str()))
}

struct Field {
    text: String,
    any: bool,
}

/// The first five fields; a colon after the fifth ends the password, as in libpq.
fn fields(line: &str) -> Vec<Field> {
    let mut out = Vec::new();
    let (mut text, mut raw) = (String::new(), String::new());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        raw.push(c);
        match c {
            '\\' => text.extend(chars.next().inspect(|&next| raw.push(next)).or(Some('\\'))),
            ':' => {
                let any = raw == "*:";
                out.push(Field { text: std::mem::take(&mut text), any });
                raw.clear();
            }
            _ => text.push(c),
        }
    }
    out.push(Field { any: raw == "*", text });
    out.truncate(5);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    const WANTED: Wanted<'static> = Wanted { host: "db.example", port: 5432, database: "dw", user: "etl" };

    #[test]
    fn lines_match_as_in_libpq() {
        for (line, want) in [
            ("db.example:5432:dw:etl:pw", Some("pw")),
            ("*:*:*:*:pw", Some("pw")),
            ("*:5433:*:*:pw", None),
            ("other:*:*:*:pw", None),
            ("*:*:Dw:*:pw", None),
            ("*:*:*:\\*:pw", None),
            ("*:*:*:*:a\\:b\\\\c", Some("a:b\\c")),
            ("*:*:*:*:a:b", Some("a")),
            ("*:*:*:*:*", Some("*")),
            ("# *:*:*:*:pw", None),
            ("*:*:*:*:", None),
            ("*:*:*:*", None),
            ("localhost:*:*:*:pw", None),
        ] {
            assert_eq!(matches(line, &WANTED).map(|p| p.expose_secret().to_owned()).as_deref(), want, "{line}");
        }
    }

    #[test]
    fn localhost_means_a_socket_too() {
        let socket = Wanted { host: "/run/pg", ..WANTED };
        assert!(matches("localhost:5432:*:*:pw", &socket).is_some());
        assert!(matches("/run/pg:5432:*:*:pw", &socket).is_some());
        assert!(matches("other:5432:*:*:pw", &socket).is_none());
    }

    #[test]
    fn the_first_line_wins_and_open_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".pgpass");
        std::fs::write(&path, "db.example:*:*:*:first\n*:*:*:*:second\n").unwrap();
        for (mode, used) in [(0o600, true), (0o644, false), (0o660, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut found = Findings::default();
            let got = find(&path, &WANTED, &mut found);
            assert_eq!(got.map(|p| p.expose_secret().to_owned()).as_deref(), used.then_some("first"), "{mode:o}");
            assert_eq!(found.warnings.is_empty(), used);
        }
    }
}
