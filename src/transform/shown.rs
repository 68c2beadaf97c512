//! A tool's lines as our log and report show them: without values of rows, passwords and escape codes.
//!
//! dbt passes on what PostgreSQL says of a failed statement, and that may quote a value. Of such a message only the forms
//! that name objects are kept as they are; the whole text stays in dbt's own log.

use crate::conn::classify;

/// Longest line that is shown, characters.
const LENGTH_MAX: usize = 500;

/// Beginnings and endings of messages of PostgreSQL that name objects or positions in code, never values.
const NAMES_ONLY: [&str; 10] = [
    "relation ",
    "column ",
    "function ",
    "schema ",
    "permission denied",
    "must be owner of ",
    "canceling statement",
    "deadlock detected",
    "division by zero",
    "syntax error at ",
];

/// Messages whose first words are worth showing, with the values behind them cut out.
const WITH_VALUES: [&str; 7] = [
    "invalid input syntax",
    "value ",
    "date/time field value out of range",
    "invalid byte sequence",
    "duplicate key value",
    "null value in column",
    "could not ",
];

/// Turns the lines of a tool into lines of ours, one after the other.
#[derive(Debug, Default)]
pub struct Shown {
    /// Inside a message of the database.
    in_database_error: bool,
    /// Never shown.
    secrets: Vec<String>,
}

impl Shown {
    /// Lines without these texts. Short ones are left: they would blot out words.
    #[must_use]
    pub fn without(secrets: Vec<String>) -> Self {
        Self { in_database_error: false, secrets: secrets.into_iter().filter(|text| text.len() >= 4).collect() }
    }

    /// The line as it may be shown; none when nothing of it remains.
    pub fn line(&mut self, raw: &str) -> Option<String> {
        let mut text = plain(raw);
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "*****");
        }
        let words = without_time(&text);
        if words.len() < text.len() {
            self.in_database_error = false;
        }
        if words.contains("Database Error") {
            self.in_database_error = true;
        } else if self.in_database_error {
            let words = of_database(words.trim())?;
            return Some(cut(&words));
        }
        Some(cut(words.trim_end())).filter(|line| !line.is_empty())
    }

    /// The lines of a text, joined.
    #[must_use]
    pub fn text(mut self, raw: &str) -> String {
        let lines: Vec<String> = raw.lines().filter_map(|line| self.line(line)).map(|line| line.trim().to_owned()).collect();
        cut(&lines.join("; "))
    }
}

/// A line of a database's message.
fn of_database(line: &str) -> Option<String> {
    let is = |forms: &[&str]| forms.iter().any(|form| line.starts_with(form));
    if line.is_empty() {
        return None;
    }
    if line.starts_with("compiled code at ") || is(&NAMES_ONLY) {
        return Some(line.to_owned());
    }
    // Where in the code, and what else is there to say: the lines of the code itself may be data, too.
    if ["LINE ", "DETAIL:", "CONTEXT:", "HINT:", "QUERY:", "^"].iter().any(|word| line.starts_with(word)) {
        return None;
    }
    if is(&WITH_VALUES) {
        return Some(classify::cut_values(line));
    }
    Some("(held back, it may quote a value; dbt's own log has it)".to_owned())
}

/// Without escape sequences and other control characters.
fn plain(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                // A control sequence ends with a letter or one of @[\]^_`{|}~.
                for c in chars.by_ref() {
                    if ('@'..='~').contains(&c) {
                        break;
                    }
                }
            }
        } else if !c.is_control() {
            out.push(c);
        } else if c == '\t' {
            out.push(' ');
        }
    }
    out
}

/// Without dbt's `HH:MM:SS  ` in front: our log has a time of its own.
fn without_time(line: &str) -> &str {
    let is_time = |text: &str| text.bytes().enumerate().all(|(i, b)| if i % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
    match line.split_at_checked(8) {
        Some((time, rest)) if is_time(time) && (rest.is_empty() || rest.starts_with(' ')) => rest.trim_start(),
        _ => line,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LENGTH_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut shown = Shown::without(vec!["sEcret".into(), "ab".into()]);
        text.lines().filter_map(|line| shown.line(line)).collect()
    }

    #[test]
    fn values_in_messages_of_the_database_are_held_back() {
        let log = "04:00:01  1 of 2 ERROR creating sql table model a.bad [\u{1b}[31mERROR\u{1b}[0m in 0.05s]\n\
                   04:00:01  \n\
                   04:00:01    Database Error in model bad (models/bad.sql)\n\
                   \x20 invalid input syntax for type integer: \"Miller\"\n\
                   \x20 LINE 9: select 'Miller'::int\n\
                   \x20                ^\n\
                   \x20 patient Miller is not allowed\n\
                   \x20 DETAIL: Key (name)=(Miller) exists\n\
                   \x20 relation \"raw.x\" does not exist\n\
                   \x20 compiled code at target/run/bad.sql\n\
                   04:00:01  Done, sEcret cab.";
        let lines = shown(log);
        assert_eq!(
            lines,
            [
                "1 of 2 ERROR creating sql table model a.bad [ERROR in 0.05s]",
                "Database Error in model bad (models/bad.sql)",
                "invalid input syntax for type integer",
                "(held back, it may quote a value; dbt's own log has it)",
                "relation \"raw.x\" does not exist",
                "compiled code at target/run/bad.sql",
                "Done, ***** cab.",
            ]
        );
        let message =
            Shown::default().text("Database Error in model x (m/x.sql)\n  value \"9\" is out of range for type smallint");
        assert_eq!(message, "Database Error in model x (m/x.sql); value \"…\" is out of range for type smallint");
    }

    #[test]
    fn lines_stay_lines_and_short() {
        assert_eq!(shown("12:34:5é x"), ["12:34:5é x"]);
        assert_eq!(shown("12:34:56"), Vec::<String>::new());
        assert_eq!(shown("\u{1b}[0mGot 5 results, configured to warn if != 0\r"), ["Got 5 results, configured to warn if != 0"]);
        assert_eq!(shown(&"é".repeat(600))[0].chars().count(), LENGTH_MAX + 1);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_taken(text in "\\PC{0,80}|[0-9: \u{1b}\\[m\"]{0,40}") {
            for line in shown(&format!("Database Error\n{text}")) {
                let has_escape = line.contains('\u{1b}');
                proptest::prop_assert!(!has_escape);
            }
        }
    }
}
