//! A YAML text as a tree whose nodes know their line.
//!
//! The deserializer gives no marks to a visitor, but it puts the position into every error. So the reader of a scalar
//! keeps the value aside and then fails on purpose: the error carries the line, the walk goes on with the next event.
//! Duplicate keys stay in the tree, so that all of them can be reported. Nodes hold passwords: no `Debug` here.

use super::problem::Problem;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::path::Path;

/// A value and where it begins.
pub(super) struct Node {
    /// Line in the file, from 1.
    pub line: usize,
    /// The value.
    pub kind: Kind,
}

/// What a node holds.
pub(super) enum Kind {
    /// Empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text; `expanded` when a variable was put in, so numbers may hide in it and it is never repeated in a message.
    Text { text: String, expanded: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A map in file order, duplicates included.
    Map(Vec<(Key, Node)>),
    /// A value that was already reported as a problem.
    Bad,
}

/// A map's key, as it is written (`1e3` and `true` are names here).
#[derive(Clone)]
pub(super) struct Key {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key.
    pub text: String,
}

impl Node {
    /// The value of a map's key; `None` when this is no map or has no such key.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A copy for an alias or a merge.
    fn copy(&self) -> Self {
        let kind = match &self.kind {
            Kind::Null => Kind::Null,
            Kind::Bool(v) => Kind::Bool(*v),
            Kind::Int(v) => Kind::Int(*v),
            Kind::Float(v) => Kind::Float(*v),
            Kind::Text { text, expanded } => Kind::Text { text: text.clone(), expanded: *expanded },
            Kind::List(items) => Kind::List(items.iter().map(Self::copy).collect()),
            Kind::Map(entries) => Kind::Map(entries.iter().map(|(k, v)| (k.clone(), v.copy())).collect()),
            Kind::Bad => Kind::Bad,
        };
        Self { line: self.line, kind }
    }
}

/// Reads one YAML document. An empty text is `Null`.
///
/// # Errors
/// The syntax error with its line; its text never repeats the file's content.
pub(super) fn parse(text: &str, file: &Path) -> Result<Node, Problem> {
    let mut root = Slot { line: 1, kind: None };
    let result = root.deserialize(serde_yaml::Deserializer::from_str(text));
    // The position for the message, from the library itself; `take` decides whether the error is a real one.
    let line = result.as_ref().err().and_then(serde_yaml::Error::location).map(|at| at.line());
    root.take(result, 1).map_err(|error| syntax(&error).at(file, line))
}

/// The parser's own messages are fixed sentences; those of the walk hold the path, so keys, and are put in other words.
fn syntax(error: &serde_yaml::Error) -> Problem {
    let message = error.to_string();
    if message.contains("invalid type") {
        return Problem::new("tags (`!name`) and keys that are not plain text are not understood");
    }
    Problem::new(format!("this is not valid YAML: {message}"))
}

/// Where a reader leaves what it read.
struct Slot {
    line: usize,
    kind: Option<Kind>,
}

impl Slot {
    fn keep<E: de::Error>(&mut self, kind: Kind) -> Result<(), E> {
        self.kind = Some(kind);
        Err(E::custom("mark"))
    }

    /// The node, or the error when it was a real one.
    fn take<E: de::Error>(self, result: Result<(), E>, parent: usize) -> Result<Node, E> {
        match (self.kind, result) {
            (Some(kind @ (Kind::List(_) | Kind::Map(_))), Ok(())) => Ok(Node { line: parent, kind }),
            (Some(kind), Err(error)) if !matches!(kind, Kind::List(_) | Kind::Map(_)) => Ok(Node { line: line_of(&error), kind }),
            (_, Err(error)) => Err(error),
            (_, Ok(())) => Ok(Node { line: parent, kind: Kind::Null }),
        }
    }
}

/// The line an error names; without one it is the first (the library leaves out position 0).
fn line_of(error: &impl fmt::Display) -> usize {
    let text = error.to_string();
    let place = text.rsplit_once(" at line ").map(|(_, place)| place);
    let number = place.and_then(|place| place.split(' ').next()).and_then(|line| line.parse().ok());
    number.unwrap_or(1)
}

impl<'de> DeserializeSeed<'de> for &mut Slot {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Slot {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<(), E> {
        self.keep(Kind::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<(), E> {
        self.keep(Kind::Int(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<(), E> {
        self.keep(Kind::Int(v.into()))
    }

    fn visit_i128<E: de::Error>(self, v: i128) -> Result<(), E> {
        self.keep(Kind::Int(v))
    }

    fn visit_u128<E: de::Error>(self, v: u128) -> Result<(), E> {
        // Beyond i128 no key has a use for the number: its size alone makes it out of range.
        self.keep(Kind::Int(i128::try_from(v).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<(), E> {
        self.keep(Kind::Float(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<(), E> {
        self.keep(Kind::Text { text: v.to_owned(), expanded: false })
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.keep(Kind::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.keep(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let mut slot = Slot { line: self.line, kind: None };
            let result = seq.next_element_seed(&mut slot);
            if matches!(result, Ok(None)) {
                break;
            }
            let parent = self.line;
            items.push(slot.take(result.map(drop), parent)?);
        }
        self.kind = Some(Kind::List(items));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut entries = Vec::new();
        loop {
            let mut name = Name(None);
            let line = match map.next_key_seed(&mut name) {
                Ok(None) => break,
                Ok(Some(())) => self.line,
                Err(error) if name.0.is_some() => line_of(&error),
                Err(error) => return Err(error),
            };
            let key = Key { line, text: name.0.unwrap_or_default() };
            let mut slot = Slot { line, kind: None };
            let result = map.next_value_seed(&mut slot);
            entries.push((key, slot.take(result, line)?));
        }
        self.kind = Some(Kind::Map(merged(entries)));
        Ok(())
    }
}

/// Puts the maps under `<<` behind the map's own keys, which win.
fn merged(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    if !entries.iter().any(|(key, node)| key.text == "<<" && matches!(node.kind, Kind::Map(_) | Kind::List(_))) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key.text == "<<");
    let mut add = |node: &Node| {
        if let Kind::Map(more) = &node.kind {
            for (key, value) in more {
                if !own.iter().any(|(have, _)| have.text == key.text) {
                    own.push((key.clone(), value.copy()));
                }
            }
        }
    };
    for (_, node) in &merges {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(&mut add),
            _ => add(node),
        }
    }
    own
}

/// Reads a key as it is written.
struct Name(Option<String>);

impl<'de> DeserializeSeed<'de> for &mut Name {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Name {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name as key")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<(), E> {
        self.0 = Some(v.to_owned());
        Err(E::custom("mark"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// `line path=value` of every scalar.
    fn flat(node: &Node, path: &str, out: &mut Vec<String>) {
        let value = match &node.kind {
            Kind::Map(entries) => {
                for (key, value) in entries {
                    out.push(format!("{} {path}.{}:", key.line, key.text));
                    flat(value, &format!("{path}.{}", key.text), out);
                }
                return;
            }
            Kind::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    flat(item, &format!("{path}[{i}]"), out);
                }
                return;
            }
            Kind::Null => "null".to_owned(),
            Kind::Bool(v) => v.to_string(),
            Kind::Int(v) => v.to_string(),
            Kind::Float(v) => v.to_string(),
            Kind::Text { text, .. } => format!("{text:?}"),
            Kind::Bad => "bad".to_owned(),
        };
        out.push(format!("{} {path}={value}", node.line));
    }

    fn lines(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        flat(&parse(text, Path::new("x.yml")).map_err(|p| p.to_string()).unwrap(), "", &mut out);
        out
    }

    #[test]
    fn every_value_knows_its_line() {
        let text = "# head\na: 1\nb:\n  - x\n  -\n    - true\n  - c: |\n      two\n      lines\n    d: \"q\n      r\"\ne: {f: 2.5,\n  g: [~, 'z']}\n1e3: end\n";
        let want = [
            "2 .a:",
            "2 .a=1",
            "3 .b:",
            "4 .b[0]=\"x\"",
            "6 .b[1][0]=true",
            "7 .b[2].c:",
            "7 .b[2].c=\"two\\nlines\\n\"",
            "10 .b[2].d:",
            "10 .b[2].d=\"q r\"",
            "12 .e:",
            "12 .e.f:",
            "12 .e.f=2.5",
            "13 .e.g:",
            "13 .e.g[0]=null",
            "13 .e.g[1]=\"z\"",
            "14 .1e3:",
            "14 .1e3=\"end\"",
        ];
        assert_eq!(lines(text), want);
    }

    #[test]
    fn duplicates_stay_and_merges_give_way() {
        assert_eq!(lines("a: 1\na: 2\n"), ["1 .a:", "1 .a=1", "2 .a:", "2 .a=2"]);
        let text = "base: &b\n  x: 1\n  y: 2\nuse:\n  <<: *b\n  y: 3\n";
        let got = lines(text);
        assert!(got.contains(&"6 .use.y=3".to_owned()) && got.contains(&"2 .use.x=1".to_owned()), "{got:?}");
        assert!(!got.iter().any(|line| line.contains("<<") || line.contains(".use.y=2")), "{got:?}");
    }

    #[test]
    fn an_empty_file_is_null_and_a_bare_word_is_text() {
        for (text, want) in [("", "=null"), ("# only\n", "=null"), ("---\n", "=null"), ("\nword", "=\"word\"")] {
            let got = lines(text);
            assert!(got.len() == 1 && got[0].ends_with(want), "{text:?} {got:?}");
        }
    }

    #[test]
    fn syntax_errors_have_a_line_and_no_content() {
        for (text, line) in [
            ("a: 1\nb: [sEcret1\nc: 2\n", 3),
            ("a: 1\n\tb: sEcret1\n", 2),
            ("a: 1\nb: !sEcret1 x\n", 2),
            ("a: 1\nb: *sEcret1\n", 2),
            ("a: 'sEcret1\n", 2),
            ("? [sEcret1]\n: 2\n", 1),
            ("a: sEcret1: b\n", 1),
        ] {
            let Err(problem) = parse(text, Path::new("x.yml")) else { panic!("{text:?} was accepted") };
            assert_eq!(problem.line, Some(line), "{text:?} {problem}");
            assert!(!problem.to_string().contains("sEcret1"), "{problem}");
        }
        assert!(parse("a: 1\n---\nb: 2\n", Path::new("x.yml")).is_err());
    }
}
