//! One entry of `tables`: where it stands, and its fields set by lines. Each way of writing is tried and read back.

use super::lines::Edit;
use super::{FieldValue, Plain, plain, scalar};
use crate::config::yaml::{self, Kind, Node};
use std::path::Path;

/// Where an entry stands.
pub(super) struct Block<'n> {
    /// Its name.
    pub name: &'n str,
    /// Its value.
    pub node: &'n Node,
    /// Index of its key's line.
    pub start: usize,
    /// Index behind its last line; comments and empty lines behind it are not its own.
    pub end: usize,
    /// Blanks before its key.
    pub indent: usize,
}

/// Where new entries go.
pub(super) struct Placed {
    /// Index of the line that they go before, or of the section's own line that `head` replaces.
    pub at: usize,
    /// Blanks before their names.
    pub indent: usize,
    /// More blanks before their fields.
    pub step: usize,
    /// The line `tables:`, when it has to be written, and whether it replaces one.
    pub head: Option<(String, bool)>,
}

impl Placed {
    /// At the end of a file that has no such section.
    pub fn new_section(at: usize) -> Self {
        Self { at, indent: 2, step: 2, head: Some(("tables:".into(), false)) }
    }
}

pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A comment that begins in this column.
pub(super) fn is_comment_at(line: &str, column: usize) -> bool {
    indent(line) == column && line.trim_start_matches(' ').starts_with('#')
}

fn is_own(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && !line.starts_with("...") && !line.starts_with("---")
}

/// An entry from the line of its key to where the next thing begins.
pub(super) fn block<'n>(old: &[&str], name: &'n str, node: &'n Node, start: usize, next: usize) -> Block<'n> {
    let own = old.iter().take(next).skip(start).rposition(|line| is_own(line));
    let end = own.map_or(start + 1, |last| start + last + 1);
    Block { name, node, start, end, indent: old.get(start).map_or(0, |line| indent(line)) }
}

/// The entry's indentation, when its key is the first thing on its line.
pub(super) fn indent_of_key(old: &[&str], block: &Block<'_>) -> Option<usize> {
    let text = old.get(block.start)?.trim_start_matches(' ');
    let spelled = [block.name.to_owned(), scalar::scalar(block.name), format!("'{}'", block.name.replace('\'', "''"))];
    let quoted = format!("\"{}\"", block.name);
    spelled.iter().chain([&quoted]).any(|name| text.starts_with(name.as_str())).then_some(block.indent)
}

/// The end of an entry with the deeper comments behind it, which are about it.
pub(super) fn with_comments(old: &[&str], block: &Block<'_>) -> usize {
    let is_deeper = |line: &&&str| line.trim_start().starts_with('#') && indent(line) > block.indent;
    block.end + old.iter().skip(block.end).take_while(is_deeper).count()
}

/// How much deeper fields stand than their entry, as the first entry shows it.
pub(super) fn step(old: &[&str], blocks: &[Block<'_>]) -> usize {
    let of = |block: &Block<'_>| {
        let Kind::Map(fields) = &block.node.kind else { return None };
        let line = fields.first().map(|(key, _)| key.line - 1).filter(|line| *line > block.start && *line < block.end)?;
        indent(old.get(line)?).checked_sub(block.indent).filter(|step| *step > 0)
    };
    blocks.iter().find_map(of).unwrap_or(2)
}

/// A section without entries: its line, without the word for nothing that it may end with.
pub(super) fn empty_section(old: &[&str], at: usize) -> Result<Placed, ()> {
    let line = old.get(at).ok_or(())?;
    let bare = without_nothing(line).ok_or(())?;
    Ok(Placed { at, indent: 2, step: 2, head: Some((bare.trim_end().to_owned(), true)) })
}

/// The line of a key with an empty value, without the word that stands for nothing.
fn without_nothing(line: &str) -> Option<String> {
    let (head, comment) = match line.find(" #") {
        Some(at) => line.split_at(at),
        None => (line.trim_end(), ""),
    };
    let head = head.trim_end();
    let bare = ["{}", "~", "null", "Null", "NULL"].iter().find_map(|word| head.strip_suffix(word)).unwrap_or(head).trim_end();
    bare.ends_with(':').then(|| format!("{bare}{}", comment.trim_end()))
}

/// Index behind a line and the indented comments and empty lines that follow it.
pub(super) fn behind_comments(old: &[&str], at: usize) -> usize {
    let rest = || old.iter().skip(at + 1);
    let follows =
        rest().take_while(|line| line.trim().is_empty() || (line.starts_with(' ') && line.trim_start().starts_with('#'))).count();
    let kept = rest().take(follows).rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    at + 1 + kept
}

/// A field on a line of its own.
pub(super) fn field_line(indent: usize, name: &str, value: &FieldValue, end: &str) -> String {
    format!("{}{name}: {}{end}", " ".repeat(indent), text_of(value))
}

fn text_of(value: &FieldValue) -> String {
    match value {
        FieldValue::Word(word) => scalar::value(word),
        FieldValue::List(words) => scalar::list(words),
    }
}

/// The edits that set fields, or none when no way of writing gives exactly the wanted entry.
pub(super) fn set(
    old: &[&str],
    block: &Block<'_>,
    fields: &[(&'static str, FieldValue)],
    wanted: &Plain,
    end: &str,
) -> Option<Vec<Edit>> {
    let own: Vec<&str> = old.iter().take(block.end).skip(block.start).copied().collect();
    // An entry that means something else alone (anchors, `<<`) is not changed.
    if read(&own.concat(), block.name)? != plain(block.node) {
        return None;
    }
    let tries = [in_block(&own, block, fields, end), in_flow(&own, block, fields, wanted)];
    tries.into_iter().flat_map(Option::into_iter).find_map(|edits| {
        let edits = super::lines::settled(&own, edits);
        let text = super::lines::apply(&own, &edits);
        let moved = edits.into_iter().map(|edit| Edit { at: edit.at + block.start, ..edit }).collect();
        (read(&text, block.name)? == *wanted).then_some(moved)
    })
}

/// The only entry of a text.
fn read(text: &str, name: &str) -> Option<Plain> {
    let root = yaml::parse(text, Path::new("")).ok()?;
    match &root.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [(key, node)] if key.text == name => Some(plain(node)),
            _ => None,
        },
        _ => None,
    }
}

/// One field per line. Places are relative to the entry.
fn in_block(own: &[&str], block: &Block<'_>, fields: &[(&'static str, FieldValue)], end: &str) -> Option<Vec<Edit>> {
    let places: Vec<(&str, usize)> = match &block.node.kind {
        Kind::Map(all) => all
            .iter()
            .map(|(key, _)| Some((key.text.as_str(), (key.line - 1).checked_sub(block.start)?)))
            .collect::<Option<_>>()?,
        Kind::Null => Vec::new(),
        _ => return None,
    };
    let mut edits = Vec::new();
    let mut column = block.indent + 2;
    match places.first() {
        Some((_, 0)) => return None,
        Some((_, first)) => column = indent(own.get(*first)?),
        None => {
            let bare = without_nothing(own.first()?)?;
            if bare != own.first()?.trim_end() {
                edits.push(Edit { at: 0, remove: 1, add: vec![format!("{bare}{end}")] });
            }
        }
    }
    let mut new = Vec::new();
    for (name, value) in fields {
        let Some((_, at)) = places.iter().find(|(have, _)| have == name) else {
            new.push(field_line(column, name, value, end));
            continue;
        };
        let next = places.iter().map(|(_, line)| *line).filter(|line| line > at).min().unwrap_or(own.len());
        edits.push(replaced(own, (*at, next), (column, name, value), end)?);
    }
    edits.push(Edit { at: own.len(), remove: 0, add: new });
    Some(edits)
}

/// A field's lines replaced by one; none when a remark beside a value would get lost.
fn replaced(
    own: &[&str],
    (at, next): (usize, usize),
    (column, name, value): (usize, &str, &FieldValue),
    end: &str,
) -> Option<Edit> {
    let old: Vec<&str> = own.iter().take(next).skip(at).copied().collect();
    let last = old.iter().rposition(|line| is_own(line))?;
    let mut line = field_line(column, name, value, "");
    let first = old.first()?;
    if let Some((_, remark)) = first.split_once(" #") {
        if first.contains(['\'', '"']) {
            return None;
        }
        let written = first.split(" #").next().unwrap_or_default();
        let blanks = &written[written.trim_end().len()..];
        line.push_str(&format!("{blanks} #{}", remark.trim_end()));
    }
    let mut add = vec![format!("{line}{end}")];
    for line in old.iter().take(last + 1).skip(1) {
        match is_own(line) {
            true if line.contains(" #") => return None,
            true => {}
            false => add.push((*line).to_owned()),
        }
    }
    Some(Edit { at, remove: last + 1, add })
}

/// All in braces: new fields go before the closing one.
fn in_flow(own: &[&str], block: &Block<'_>, fields: &[(&'static str, FieldValue)], wanted: &Plain) -> Option<Vec<Edit>> {
    let new: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", text_of(value))).collect();
    let new = new.join(", ");
    // The brace that closes is not known; from the right, the first that gives the wanted entry is it.
    for (at, line) in own.iter().enumerate().rev() {
        for (brace, _) in line.match_indices('}').rev() {
            let (before, after) = line.split_at(brace);
            let trimmed = before.trim_end();
            let comma = if trimmed.ends_with(['{', ',']) || trimmed.is_empty() { " " } else { ", " };
            let comma = if trimmed.ends_with('{') { "" } else { comma };
            let blanks = &before[trimmed.len()..];
            let text = format!("{trimmed}{comma}{new}{blanks}{after}");
            let all: String = own.iter().enumerate().map(|(i, line)| if i == at { text.as_str() } else { line }).collect();
            if read(&all, block.name).as_ref() == Some(wanted) {
                return Some(vec![Edit { at, remove: 1, add: vec![text] }]);
            }
        }
    }
    None
}
