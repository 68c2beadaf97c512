//! MySQL's SHOW GRANTS as data: which rights an account has on one database, and which are more than a copy needs.
//!
//! Pure text work, no I/O. Rights that come through a role are in the text when the server was asked for them.

use crate::name::quote_mysql;
use crate::report::check::Surplus;
use std::collections::BTreeSet;

/// Rights that a copy uses or that do no harm; everything else is too many.
const HARMLESS: &[&str] = &[
    "USAGE",
    "SELECT",
    "SHOW VIEW",
    "PROCESS",
    "RELOAD",
    "SHOW DATABASES",
    "REPLICATION CLIENT",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
    "REPLICA MONITOR",
    "LOCK TABLES",
    "FLUSH_TABLES",
    "FLUSH_STATUS",
    "SHOW_ROUTINE",
    "SHOW CREATE ROUTINE",
];

/// What a GRANT is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `*.*`
    Global,
    /// One database; the name as written, which may hold `%`, `_` and `\_`.
    Database(String),
    /// A table or routine of a database.
    Object(String),
}

/// One line of SHOW GRANTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Upper-case names, column lists cut off.
    pub rights: Vec<String>,
    /// What it is on.
    pub scope: Scope,
    /// The same as the server wrote it.
    pub on: String,
    /// To whom, as the server wrote it: the account or a role of it.
    pub to: String,
    /// WITH GRANT OPTION.
    pub grant_option: bool,
}

/// Reads one line; `None` for lines that grant a role or a proxy, or revoke.
#[must_use]
pub fn parse(line: &str) -> Option<Grant> {
    let rest = line.strip_prefix("GRANT ")?;
    let (rights, rest) = split_outside_quotes(rest, " ON ")?;
    let (on, rest) = split_outside_quotes(rest, " TO ")?;
    if rights == "PROXY" {
        return None;
    }
    let to =
        [" IDENTIFIED ", " REQUIRE ", " WITH "].iter().fold(rest, |to, word| split_outside_quotes(to, word).map_or(to, |s| s.0));
    let rights =
        split_list(rights).into_iter().map(|right| right.split('(').next().unwrap_or_default().trim().to_uppercase()).collect();
    let grant_option = split_outside_quotes(rest, " WITH ").is_some_and(|(_, with)| with.contains("GRANT OPTION"));
    Some(Grant { rights, scope: scope(on)?, on: on.to_owned(), to: to.trim().to_owned(), grant_option })
}

fn scope(on: &str) -> Option<Scope> {
    if on == "*.*" {
        return Some(Scope::Global);
    }
    let object = ["PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE "].iter().find_map(|word| on.strip_prefix(word));
    let (database, table) = split_outside_quotes(object.unwrap_or(on), ".")?;
    let inside = database.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let database = inside.unwrap_or(database).replace("``", "`");
    Some(if table == "*" && object.is_none() { Scope::Database(database) } else { Scope::Object(database) })
}

/// Splits at the first `mark` that is not inside quotes.
fn split_outside_quotes<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let mut open: Option<char> = None;
    for (at, c) in text.char_indices() {
        match open {
            Some(quote) if c == quote => open = None,
            Some(_) => {}
            None if text[at..].starts_with(mark) => return Some((&text[..at], &text[at + mark.len()..])),
            None if matches!(c, '`' | '\'' | '"') => open = Some(c),
            None => {}
        }
    }
    None
}

/// `SELECT (a, b), INSERT` into two.
fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0_u32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(text[start..].trim());
    out
}

/// Whether a database name in a GRANT, a LIKE pattern, means this database.
fn matches(pattern: &str, name: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => name.is_empty(),
        Some('%') => (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(letters.as_str(), &name[at..])),
        Some('_') => name.chars().next().is_some_and(|c| matches(letters.as_str(), &name[c.len_utf8()..])),
        Some('\\') => letters.next().is_some_and(|c| name.strip_prefix(c).is_some_and(|rest| matches(letters.as_str(), rest))),
        Some(c) => name.strip_prefix(c).is_some_and(|rest| matches(letters.as_str(), rest)),
    }
}

/// Whether the right holds for the whole database (or the whole server, for rights that only exist there).
#[must_use]
pub fn has(grants: &[Grant], right: &str, database: &str) -> bool {
    let names = |grant: &Grant| grant.rights.iter().any(|r| r == right || r == "ALL PRIVILEGES" || r == "ALL");
    grants.iter().filter(|grant| names(grant)).any(|grant| match &grant.scope {
        Scope::Global => true,
        Scope::Database(pattern) => matches(pattern, database),
        Scope::Object(_) => false,
    })
}

/// Whether the right is on some tables of the database at least.
#[must_use]
pub fn has_somewhere(grants: &[Grant], right: &str, database: &str) -> bool {
    has(grants, right, database)
        || grants.iter().any(|g| g.rights.iter().any(|r| r == right) && matches!(&g.scope, Scope::Object(db) if db == database))
}

/// Rights that are more than a copy of `database` needs, one entry per line of SHOW GRANTS.
#[must_use]
pub fn surplus(grants: &[Grant]) -> Vec<Surplus> {
    let mut out = Vec::new();
    for grant in grants {
        let mut rights: BTreeSet<&str> = grant.rights.iter().map(String::as_str).filter(|r| !HARMLESS.contains(r)).collect();
        if grant.grant_option {
            rights.insert("GRANT OPTION");
        }
        if rights.is_empty() {
            continue;
        }
        let all: Vec<&str> = rights.into_iter().collect();
        out.push(Surplus { name: format!("{} on {}", all.join(", "), grant.on), revoke: revoke(grant, &all) });
    }
    out
}

/// ALL PRIVILEGES stands alone in a REVOKE and takes what is needed too, so that is granted again.
fn revoke(grant: &Grant, surplus: &[&str]) -> String {
    let (on, to) = (&grant.on, &grant.to);
    if !surplus.iter().any(|right| right.starts_with("ALL")) {
        return format!("REVOKE {} ON {on} FROM {to};", surplus.join(", "));
    }
    let again = if grant.scope == Scope::Global { "SELECT, SHOW VIEW, PROCESS, RELOAD" } else { "SELECT, SHOW VIEW" };
    let option = if grant.grant_option { format!(" REVOKE GRANT OPTION ON {on} FROM {to};") } else { String::new() };
    format!("REVOKE ALL PRIVILEGES ON {on} FROM {to};{option} GRANT {again} ON {on} TO {to};")
}

/// `user@host`, as CURRENT_USER() gives it, as a GRANT statement names it.
#[must_use]
pub fn account(current_user: &str) -> String {
    let (user, host) = current_user.rsplit_once('@').unwrap_or((current_user, "%"));
    let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", quote(user), quote(host))
}

/// A database as a GRANT names it: `_` and `%` would be patterns.
#[must_use]
pub fn database(name: &str) -> String {
    quote_mysql(&name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(lines: &[&str]) -> Vec<Grant> {
        lines.iter().filter_map(|line| parse(line)).collect()
    }

    #[test]
    fn lines_of_both_servers() {
        let one = |line: &str| parsed(&[line]).remove(0);
        let grant = one("GRANT SELECT, RELOAD ON *.* TO `etl`@`10.%` IDENTIFIED BY PASSWORD '*A WITH B' WITH GRANT OPTION");
        assert_eq!(grant.rights, ["SELECT", "RELOAD"]);
        assert_eq!((grant.scope, grant.to.as_str(), grant.grant_option), (Scope::Global, "`etl`@`10.%`", true));
        let grant = one("GRANT SELECT (a, `b TO c`), INSERT ON `app`.`my ON table` TO 'u'@'h' REQUIRE SSL");
        assert_eq!(grant.rights, ["SELECT", "INSERT"]);
        assert_eq!((grant.scope, grant.to.as_str(), grant.grant_option), (Scope::Object("app".into()), "'u'@'h'", false));
        assert_eq!(one("GRANT ALL PRIVILEGES ON `a\\_b`.* TO u@h").scope, Scope::Database("a\\_b".into()));
        assert_eq!(one("GRANT SELECT ON ```a```.* TO u@h").scope, Scope::Database("`a`".into()));
        assert_eq!(one("GRANT EXECUTE ON PROCEDURE `a`.`p` TO u@h").scope, Scope::Object("a".into()));
        for line in ["GRANT `role`@`%` TO `u`@`h`", "GRANT PROXY ON ''@'%' TO 'root'@'h'", "REVOKE SELECT ON `a`.* FROM u", ""] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn patterns_mean_databases() {
        for (pattern, name, want) in [
            ("app", "app", true),
            ("app", "apps", false),
            ("a\\_b", "a_b", true),
            ("a\\_b", "axb", false),
            ("a_b", "axb", true),
            ("%", "x", true),
            ("a%c", "abbc", true),
            ("a%c", "abb", false),
            ("", "", true),
            ("é_", "éß", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn rights_hold_for_the_whole_database_only() {
        let grants =
            parsed(&["GRANT PROCESS ON *.* TO u@h", "GRANT SELECT ON `app`.* TO u@h", "GRANT SHOW VIEW ON `app`.`v` TO u@h"]);
        assert!(has(&grants, "PROCESS", "app") && has(&grants, "SELECT", "app") && !has(&grants, "SELECT", "other"));
        assert!(!has(&grants, "SHOW VIEW", "app") && has_somewhere(&grants, "SHOW VIEW", "app"));
        assert!(has(&parsed(&["GRANT ALL PRIVILEGES ON *.* TO u@h"]), "RELOAD", "app"));
    }

    #[test]
    fn rights_that_write_are_too_many() {
        let grants = parsed(&[
            "GRANT SELECT, FILE, SUPER ON *.* TO `u`@`h`",
            "GRANT SELECT, SHOW VIEW ON `app`.* TO `u`@`h`",
            "GRANT SELECT, INSERT (a), DELETE ON `app`.`t` TO `u`@`h` WITH GRANT OPTION",
        ]);
        let revokes: Vec<String> = surplus(&grants).into_iter().map(|s| s.revoke).collect();
        let want = ["REVOKE FILE, SUPER ON *.* FROM `u`@`h`;", "REVOKE DELETE, GRANT OPTION, INSERT ON `app`.`t` FROM `u`@`h`;"];
        assert_eq!(revokes, want);
        let all = surplus(&parsed(&["GRANT ALL PRIVILEGES ON `app`.* TO u@h WITH GRANT OPTION"]));
        let want = "REVOKE ALL PRIVILEGES ON `app`.* FROM u@h; REVOKE GRANT OPTION ON `app`.* FROM u@h; GRANT SELECT, SHOW VIEW ON `app`.* TO u@h;";
        assert_eq!(all.first().map(|s| s.revoke.as_str()), Some(want));
    }

    #[test]
    fn names_in_statements() {
        assert_eq!(account("o'neil@10.0.0.%"), "'o''neil'@'10.0.0.%'");
        assert_eq!(database("open_dental"), "`open\\_dental`");
    }
}
