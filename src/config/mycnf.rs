//! `~/.my.cnf`: user, password, host, port and socket of the sections `[client]`, `[client-mariadb]` and `[etl-sync]`.
//!
//! As MySQL's clients read it: the last mention wins, `-` and `_` are equal in names, values may be quoted.
//! Included files are not followed and `.mylogin.cnf` is not read; the first is said in a warning.

use super::problem::{Findings, Problem};
use super::secret::others_may_read;
use secrecy::SecretString;
use std::path::Path;

/// What the file gives.
#[derive(Default)]
pub(super) struct MyCnf {
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub socket: Option<String>,
}

/// Reads the file; nothing when there is none, or when others may read it (with a warning).
pub(super) fn read(path: &Path, findings: &mut Findings) -> MyCnf {
    if !path.is_file() {
        return MyCnf::default();
    }
    if others_may_read(path) {
        findings.warn(format!("{} is ignored: other users can read it (chmod 600)", path.display()));
        return MyCnf::default();
    }
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, findings),
        Err(error) => {
            findings.warn(format!("{} is ignored: {error}", path.display()));
            MyCnf::default()
        }
    }
}

fn parse(text: &str, path: &Path, findings: &mut Findings) -> MyCnf {
    let mut out = MyCnf::default();
    let mut ours = false;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with("!include") {
            findings.warn(format!("{}:{}: included files are not read", path.display(), i + 1));
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            ours = matches!(section.0.trim(), "client" | "client-mariadb" | "etl-sync");
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| ours) else { continue };
        let value = unquote(value);
        match name.trim().replace('_', "-").as_str() {
            "user" => out.user = Some(value),
            "password" => out.password = Some(SecretString::from(value)),
            "host" => out.host = Some(value),
            "socket" => out.socket = Some(value),
            "port" => match value.parse::<u16>() {
                Ok(port) if port > 0 => out.port = Some(port),
                _ => findings.problem(Problem::new("port is not a number from 1 to 65535").at(path, Some(i + 1))),
            },
            // Options of other programs and of ours without a meaning here.
            _ => {}
        }
    }
    out
}

/// Quotes off and escapes resolved; without quotes a `#` after a blank begins a comment.
fn unquote(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some(end) = closing(rest, quote)
        {
            return unescape(&rest[..end]);
        }
    }
    let end = value.char_indices().find(|&(at, c)| c == '#' && (at == 0 || value[..at].ends_with([' ', '\t'])));
    unescape(end.map_or(value, |(at, _)| value[..at].trim_end()))
}

/// Byte position of the quote that ends the value.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// `\b \t \n \r \\ \s \" \'`; any other backslash stays, as in MySQL's option files.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('s') => out.push(' '),
            Some(c @ ('\\' | '"' | '\'')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn of(text: &str) -> (MyCnf, Findings) {
        let mut found = Findings::default();
        let got = parse(text, Path::new("~/.my.cnf"), &mut found);
        (got, found)
    }

    #[test]
    fn sections_and_order() {
        let text = "user=none\n[mysqld]\nuser=mysql\nport=1\n[client]\nuser = a\nport=3307\n; x\n[client-mariadb]\nhost=h\n[etl-sync]\nuser=b\nsocket=/s\n[mysql]\nuser=c\n";
        let (got, _) = of(text);
        assert_eq!((got.user.as_deref(), got.port, got.host.as_deref()), (Some("b"), Some(3307), Some("h")));
        assert_eq!(got.socket.as_deref(), Some("/s"));
        assert!(got.password.is_none());
    }

    #[test]
    fn values_are_unquoted() {
        for (written, want) in [
            ("plain", "plain"),
            ("'a # b'", "a # b"),
            ("\"a\\\"b\" # comment", "a\"b"),
            ("abc # comment", "abc"),
            ("a#b", "a#b"),
            ("a\\sb\\\\c\\d", "a b\\c\\d"),
            ("'it\"s'", "it\"s"),
            ("= x", "= x"),
        ] {
            let (got, _) = of(&format!("[client]\npassword={written}\n"));
            assert_eq!(got.password.unwrap().expose_secret(), want, "{written}");
        }
    }

    #[test]
    fn bad_ports_and_includes_are_told() {
        let (_, found) = of("!includedir /etc/x\n[client]\nport=sEcret\n");
        assert_eq!(found.problems[0].to_string(), "~/.my.cnf:3: port is not a number from 1 to 65535");
        assert_eq!(found.warnings, ["~/.my.cnf:1: included files are not read"]);
    }

    #[test]
    fn a_file_that_others_read_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".my.cnf");
        std::fs::write(&path, "[client]\nuser=a\n").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut found = Findings::default();
            assert_eq!(read(&path, &mut found).user.is_some(), used, "{mode:o}");
            assert_eq!(found.warnings.is_empty(), used, "{mode:o}");
        }
    }
}
