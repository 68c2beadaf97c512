//! SQL text to its statements, each with the line on which it begins.
//!
//! As psql does it: a semicolon ends a statement unless it stands in quotes, in a dollar-quoted text, in a comment, in
//! parentheses, or in the body of a function or procedure that is written between BEGIN and END.

/// One statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, from its first word to before its semicolon.
    pub text: &'a str,
    /// Line of its first word, from 1.
    pub line: usize,
}

/// The statements of a text, empty ones left out.
#[must_use]
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut out = Vec::new();
    let (mut from, mut at) = (0, 0);
    let mut body = Body::default();
    while at < text.len() {
        let next = token(text, at);
        match &text[at..next] {
            ";" if body.is_open() => {}
            ";" => {
                out.extend(statement(text, from, at));
                (from, body) = (next, Body::default());
            }
            "(" => body.parentheses += 1,
            ")" => body.parentheses = body.parentheses.saturating_sub(1),
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => body.word(word),
            _ => {}
        }
        at = next;
    }
    out.extend(statement(text, from, text.len()));
    out
}

/// What decides whether a semicolon ends the statement.
#[derive(Default)]
struct Body {
    parentheses: usize,
    /// The first words, as far as they tell whether it makes a function.
    words: Vec<String>,
    /// BEGIN and CASE without their END.
    begins: usize,
}

impl Body {
    const fn is_open(&self) -> bool {
        self.parentheses > 0 || self.begins > 0
    }

    fn word(&mut self, word: &str) {
        let word = word.to_ascii_lowercase();
        if self.words.len() < 4 {
            self.words.push(word.clone());
        }
        if !self.makes_a_routine() || self.parentheses > 0 {
            return;
        }
        match word.as_str() {
            "begin" => self.begins += 1,
            "case" if self.begins > 0 => self.begins += 1,
            "end" => self.begins = self.begins.saturating_sub(1),
            _ => {}
        }
    }

    fn makes_a_routine(&self) -> bool {
        let is_routine = |word: Option<&String>| word.is_some_and(|word| word == "function" || word == "procedure");
        let starts = |words: &[&str]| self.words.iter().map(String::as_str).take(words.len()).eq(words.iter().copied());
        starts(&["create"]) && is_routine(self.words.get(1))
            || starts(&["create", "or", "replace"]) && is_routine(self.words.get(3))
    }
}

/// The statement between two places, without blanks and comments in front and behind; none when nothing else is there.
fn statement(text: &str, from: usize, to: usize) -> Option<Statement<'_>> {
    let (mut begin, mut end, mut at) = (None, from, from);
    while at < to {
        let next = token(text, at).min(to);
        let word = &text[at..next];
        if !(word.starts_with(char::is_whitespace) || word.starts_with("--") || word.starts_with("/*")) {
            begin = begin.or(Some(at));
            end = next;
        }
        at = next;
    }
    let begin = begin?;
    Some(Statement { text: &text[begin..end], line: text[..begin].matches('\n').count() + 1 })
}

/// Where the token that begins at `at` ends: after it, always further and at a boundary of characters.
fn token(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return text.len() };
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let length = match first {
        '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => comment(rest),
        '\'' => quoted(rest, '\'', false),
        '"' => quoted(rest, '"', false),
        'e' | 'E' if rest[1..].starts_with('\'') => 1 + quoted(&rest[1..], '\'', true),
        '$' => dollar(rest).unwrap_or(1),
        c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()),
        // A number with what sticks to it is a word too: no name begins in the middle of it.
        c if is_word(c) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
        c => c.len_utf8(),
    };
    at + length
}

/// Length of a comment, others inside included.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a text in quotes; a doubled quote is one in it, and so is one behind a backslash where those count.
fn quoted(rest: &str, quote: char, backslashes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslashes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, c)| *c == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// Length of a text in `$tag$`; none when it is no such text.
fn dollar(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let name = &tag[1..end - 1];
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then(|| rest[end..].find(tag).map_or(rest.len(), |at| end + at + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        statements(text).into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn semicolons_end_statements_and_only_where_they_are_meant_to() {
        for (text, wanted) in [
            ("", vec![]),
            (" ;; -- nothing\n /* ; */ ;", vec![]),
            ("SELECT 1; SELECT 2", vec!["SELECT 1", "SELECT 2"]),
            ("SELECT ';', \";\", E'\\';', '\\'; SELECT '''';", vec!["SELECT ';', \";\", E'\\';', '\\'", "SELECT ''''"]),
            ("SELECT $$;$$; SELECT $a$ $b$; $a$; SELECT $1;", vec!["SELECT $$;$$", "SELECT $a$ $b$; $a$", "SELECT $1"]),
            ("SELECT 1 -- one; still\n, 2; -- three\nSELECT 3", vec!["SELECT 1 -- one; still\n, 2", "SELECT 3"]),
            ("SELECT /* a /* ; */ ; */ 1; x$y; z", vec!["SELECT /* a /* ; */ ; */ 1", "x$y", "z"]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
                vec!["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
            ),
            (
                "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; SELECT 3;",
                vec![
                    "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end",
                    "SELECT 3",
                ],
            ),
            ("BEGIN; SELECT 1; END", vec!["BEGIN", "SELECT 1", "END"]),
            ("SELECT 'never ends; really", vec!["SELECT 'never ends; really"]),
        ] {
            assert_eq!(texts(text), wanted, "{text}");
        }
    }

    #[test]
    fn statements_know_their_lines() {
        let text = "-- head\n\nSELECT 1;\n/* two\nlines */ SELECT\n2; SELECT 3";
        let lines: Vec<usize> = statements(text).iter().map(|one| one.line).collect();
        assert_eq!(lines, [3, 5, 6]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_and_nothing_is_lost(text in "[a-e;'\"$\\\\/*() \n-]{0,60}|\\PC{0,40}") {
            let all = statements(&text);
            let mut rest = text.as_str();
            for one in &all {
                let at = rest.find(one.text);
                proptest::prop_assert!(at.is_some(), "{:?}", one);
                rest = &rest[at.unwrap_or(0) + one.text.len()..];
            }
            proptest::prop_assert!(all.iter().all(|one| one.line <= text.matches('\n').count() + 1));
        }

        #[test]
        fn quoted_statements_are_given_back(parts in proptest::collection::vec("[a-z';]{0,8}", 0..6)) {
            let wanted: Vec<String> = parts.iter().map(|part| format!("SELECT '{}'", part.replace('\'', "''"))).collect();
            let text = wanted.join(";\n");
            proptest::prop_assert_eq!(texts(&text), wanted);
        }
    }
}
