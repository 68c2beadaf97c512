//! Rust source as text with its comments, or also its strings, blanked out: enough of a lexer for the tidy checks.

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Code and the content of strings.
    Strings,
    /// Code alone.
    Code,
}

/// The text with everything else replaced by blanks; lines keep their numbers.
pub fn strip(text: &str, keep: Keep) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, is_string) = token(rest, at > 0 && is_word(bytes[at - 1]));
        let piece = &rest[..length];
        let shown = match (length, is_string) {
            (1, false) => true,
            (_, is_string) => is_string && keep == Keep::Strings,
        };
        out.extend(piece.iter().map(|&b| if shown || b == b'\n' { b } else { b' ' }));
        at += length;
    }
    String::from_utf8(out).expect("whole tokens were blanked")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Length of the comment, string or character that begins here, or 1 for anything else; and whether it is a string.
fn token(rest: &[u8], after_word: bool) -> (usize, bool) {
    if rest.starts_with(b"//") {
        return (end_of(rest, 2, b"\n").unwrap_or(rest.len() + 1) - 1, false);
    }
    if rest.starts_with(b"/*") {
        return (end_of(rest, 2, b"*/").unwrap_or(rest.len()), false);
    }
    if !after_word && let Some(length) = raw_string(rest) {
        return (length, true);
    }
    match rest[0] {
        b'"' => (quoted(rest, b'"'), true),
        // A lifetime has no closing quote where a character has one.
        b'\'' if rest.get(1) == Some(&b'\\') || character(rest).is_some() => {
            (character(rest).unwrap_or_else(|| quoted(rest, b'\'')), true)
        }
        _ => (1, false),
    }
}

fn end_of(rest: &[u8], from: usize, mark: &[u8]) -> Option<usize> {
    let found = rest[from..].windows(mark.len()).position(|window| window == mark)?;
    Some(from + found + mark.len())
}

/// `r"…"`, `r#"…"#`, `br"…"` and so on.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let start = if rest.starts_with(b"br") {
        2
    } else if rest.starts_with(b"r") {
        1
    } else {
        return None;
    };
    let hashes = rest[start..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return None;
    }
    let mark: Vec<u8> = [b'"'].into_iter().chain(std::iter::repeat_n(b'#', hashes)).collect();
    Some(end_of(rest, start + hashes + 1, &mark).unwrap_or(rest.len()))
}

/// Length of a string in plain quotes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `'x'` without a backslash; one character may be several bytes.
fn character(rest: &[u8]) -> Option<usize> {
    let inside = rest.get(1).filter(|b| **b != b'\\' && **b != b'\'')?;
    let width = match inside {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The part of a source file before its inline tests.
pub fn without_tests(text: &str) -> &str {
    let start = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let after = &text[*at..];
        after
            .lines()
            .skip(1)
            .find(|line| !line.trim_start().starts_with("#["))
            .is_some_and(|line| line.contains("mod ") && line.contains('{'))
    });
    start.map_or(text, |(at, _)| &text[..at])
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let text = "let a = \"x // no\"; // let b = 1;\n/* c\n*/ fn f<'a>(c: &'a str) { '\"' ; r#\"raw \" \"#; b'\\'' } // end";
    let code = strip(text, Keep::Code);
    assert!(!code.contains("no") && !code.contains("let b") && !code.contains("raw") && !code.contains("end"), "{code}");
    assert!(code.contains("fn f<'a>(c: &'a str)") && code.trim_end().ends_with('}'), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
    let strings = strip(text, Keep::Strings);
    assert!(strings.contains("x // no") && strings.contains("raw \"") && !strings.contains("let b"), "{strings}");
    assert_eq!(without_tests("a\n#[cfg(test)]\n#[allow(x)]\nmod tests {\nb"), "a\n");
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests;\nb"), "a\n#[cfg(test)]\nmod tests;\nb");
}
