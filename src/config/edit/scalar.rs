//! Names and values as YAML text on one line, and the entry's name of a table.

use super::super::rules::Glob;

/// Words that YAML takes for something else than text, in whatever case.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A text as a scalar: plain where that is safe, else in double quotes.
pub(super) fn scalar(text: &str) -> String {
    let mut chars = text.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            // Letters and signs are printable in YAML; what may not be is written by its number.
            c if c.is_alphanumeric() && !c.is_control() => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// A value as a scalar; `${` would be taken for a variable.
pub(super) fn value(text: &str) -> String {
    scalar(&text.replace("${", "$${"))
}

/// A list in flow style.
pub(super) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| value(item)).collect();
    format!("[{}]", items.join(", "))
}

/// The name of a table's own entry: characters that would make it a glob are escaped.
pub(super) fn entry_name(table: &str) -> String {
    let mut out = String::with_capacity(table.len());
    for c in table.chars() {
        if ['*', '?', '[', ']', '{', '}', '\\'].contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The table that an entry of this name is about; none for a glob of several.
pub(super) fn table_of(entry: &str) -> Option<String> {
    let mut out = String::with_capacity(entry.len());
    let mut chars = entry.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '*' | '?' | '[' | ']' | '{' | '}' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// Whether an entry of this name is about the table, alone or among others.
pub(super) fn is_about(entry: &str, table: &str) -> bool {
    Glob::new(entry).is_ok_and(|glob| glob.matches(table))
}

/// A text that stays on one line of a comment.
pub(super) fn comment(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
                c.escape_unicode().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_no_plain_text_are_quoted() {
        for (text, want) in [
            ("patient", "patient"),
            ("DateTStamp", "DateTStamp"),
            ("no", "\"no\""),
            ("Null", "\"Null\""),
            ("1e3", "\"1e3\""),
            ("a: b", "\"a: b\""),
            ("", "\"\""),
            ("a\nb", "\"a\\u000Ab\""),
            ("größe", "\"größe\""),
            ("\u{1f600}", "\"\\U0001F600\""),
        ] {
            assert_eq!(scalar(text), want);
        }
        assert_eq!(list(&["id".into(), "${HOME}".into()]), "[id, \"$${HOME}\"]");
    }

    #[test]
    fn an_entry_is_about_its_table_only() {
        for table in ["plain", "a*b", "[x]", "{a,b}", "back\\slash", "q?"] {
            let entry = entry_name(table);
            assert_eq!(table_of(&entry).as_deref(), Some(table));
            assert!(is_about(&entry, table) && !is_about(&entry, "axb"), "{entry}");
        }
        assert_eq!(table_of("log_*"), None);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(text in any::<String>()) {
            let read = |yaml: &str| serde_yaml::from_str::<Vec<String>>(yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"));
            prop_assert_eq!(read(&format!("[{}]", scalar(&text))), vec![text.clone()]);
            let line = format!("# {}\n- x\n", comment(&text));
            prop_assert_eq!(read(&line), vec!["x".to_owned()]);
        }
    }
}
