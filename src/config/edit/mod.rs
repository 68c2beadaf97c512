//! `tables.yml` changed line by line: what is not changed stays byte for byte, comments and order included.
//!
//! The YAML reader knows on which line every key stands; from there on it is text. Every change is read back: the new text
//! must hold exactly the old tree and what was asked for, else nothing comes of it.

mod entry; // fields of one entry
mod lines; // edits by lines, and the unified diff
mod scalar; // values and names as YAML text
mod write; // the file, whole or not at all

pub use write::write;

use self::entry::{Block, Placed};
use self::lines::Edit;
use self::scalar::{comment, entry_name, is_about, scalar, table_of};
use super::yaml::{self, Kind as NodeKind, Node};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a comment begins that says which changes an entry's column does not show. Such lines right above an entry are kept
/// up to date; all other comments are a person's.
const MARK: &str = "# unseen changes: ";

/// What a field is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// One word; empty for YAML's null.
    Word(String),
    /// A list of words.
    List(Vec<String>),
}

/// A field that the file gives for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its value; none when it is neither a word nor a list of words.
    pub value: Option<FieldValue>,
    /// It is written out in the table's own entry: not under a glob, and not by a variable.
    pub own: bool,
}

/// What is to become of a table's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: String,
    /// Fields to set, in this order; those that the entry does not have go to its end.
    pub set: Vec<(&'static str, FieldValue)>,
    /// Changes that the entry's column does not show; none leaves the comments as they are.
    pub marks: Option<Vec<String>>,
    /// Comments above the entry when it is new.
    pub remarks: Vec<String>,
}

/// The changed file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The whole new text.
    pub text: String,
    /// What changed, as a unified diff; empty when nothing did.
    pub diff: String,
    /// Tables that have an entry whose [`Change::marks`] are not those that were there.
    pub marked: Vec<String>,
    /// Tables whose entry is written in a way that cannot be changed by lines, and why.
    pub untouched: Vec<(String, String)>,
}

/// `tables.yml` as it is.
pub struct TablesText {
    shown: PathBuf,
    /// None when there is no file yet.
    text: Option<String>,
    root: Node,
}

impl std::fmt::Debug for TablesText {
    /// A filter may hold what no log should.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablesText").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl TablesText {
    /// Reads the file; one that is not there has no entries.
    ///
    /// # Errors
    /// [`Kind::Config`] when it cannot be read or is no YAML.
    pub fn read(path: &Path) -> Result<Self> {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = path.strip_prefix(&here).unwrap_or(path).to_path_buf();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(Some(text), shown),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(None, shown),
            Err(error) => Err(Error::with(Kind::Config, format!("reading {}", shown.display()), error)),
        }
    }

    fn parse(text: Option<String>, shown: PathBuf) -> Result<Self> {
        let root = yaml::parse(text.as_deref().unwrap_or_default(), &shown);
        let root = root.map_err(|problem| Error::new(Kind::Config, problem.to_string()))?;
        Ok(Self { shown, text, root })
    }

    /// The text as it was read; none when there is no file.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The file, as messages show it.
    #[must_use]
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Tables that have an entry of their own, in the file's order.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.entries().iter().filter_map(|(name, ..)| table_of(name)).collect()
    }

    /// The fields that the file gives for a table: its own entry's, else those of the last glob.
    #[must_use]
    pub fn given(&self, table: &str) -> BTreeMap<String, Given> {
        let mut out = BTreeMap::new();
        let own = entry_name(table);
        let is_own = |name: &str| name == own || name == table;
        let about = self.entries().into_iter().filter(|(name, ..)| is_about(name, table));
        let (own, globs): (Vec<_>, Vec<_>) = about.partition(|(name, ..)| is_own(name));
        for (entries, own) in [(globs, false), (own, true)] {
            for (_, _, node) in entries {
                let NodeKind::Map(fields) = &node.kind else { continue };
                // Null under a glob is as if it was not there.
                for (key, value) in fields.iter().filter(|(_, value)| own || !matches!(value.kind, NodeKind::Null)) {
                    let (value, fixed) = field_value(value);
                    out.insert(key.text.clone(), Given { value, own: own && !fixed });
                }
            }
        }
        out
    }

    /// Whether the table has an entry of its own.
    #[must_use]
    pub fn has_entry(&self, table: &str) -> bool {
        self.entries().iter().any(|(name, ..)| table_of(name).as_deref() == Some(table))
    }

    /// Name, line (from 1) and node of every entry, in the file's order.
    fn entries(&self) -> Vec<(&str, usize, &Node)> {
        match self.root.get("tables").map(|tables| &tables.kind) {
            Some(NodeKind::Map(entries)) => entries.iter().map(|(key, node)| (key.text.as_str(), key.line, node)).collect(),
            _ => Vec::new(),
        }
    }

    /// The file with the changes done. New entries go to the end, in the given order.
    ///
    /// # Errors
    /// [`Kind::Config`] when the file is written in a way that cannot be changed by lines (everything in one line, anchors
    /// that several entries share).
    pub fn edit(&self, changes: &[Change]) -> Result<Edited> {
        let text = self.text.as_deref().unwrap_or_default();
        let old = lines::lines(text);
        let end_of_line = if old.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
        let mut work =
            Work { old: &old, end_of_line, edits: Vec::new(), marked: Vec::new(), untouched: Vec::new(), expected: Vec::new() };
        let (known, new): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| self.has_entry(&change.table));
        let blocks = self.blocks(&old);
        for block in &blocks {
            let change = known.iter().find(|change| table_of(block.name).as_deref() == Some(change.table.as_str()));
            work.entry(block, change.copied());
        }
        if !new.is_empty() {
            work.append(&self.place(&old, &blocks)?, &new);
        }
        let edits = lines::settled(&old, work.edits);
        let edited = lines::apply(&old, &edits);
        self.read_back(&edited, &work.expected)?;
        let shown = self.shown.display().to_string();
        let before = if self.text.is_some() { shown.as_str() } else { "/dev/null" };
        let diff = lines::unified(&old, &edits, before, &shown);
        Ok(Edited { text: edited, diff, marked: work.marked, untouched: work.untouched })
    }

    /// The new text must hold the old tree with the expected entries.
    fn read_back(&self, edited: &str, expected: &[(String, Plain)]) -> Result<()> {
        let sections = |root: &Node| match plain(root) {
            Plain::Map(all) => all.into_iter().filter(|(key, _)| key != "tables").collect(),
            _ => Vec::new(),
        };
        let new = yaml::parse(edited, &self.shown).ok();
        let same = new.is_some_and(|new| {
            let tables = match new.get("tables").map(plain) {
                Some(Plain::Map(tables)) => tables,
                _ => Vec::new(),
            };
            tables == expected && sections(&new) == sections(&self.root)
        });
        if same {
            return Ok(());
        }
        Err(Error::new(Kind::Config, format!("{} cannot be changed line by line", self.shown.display()))
            .hint("write `tables:` with one key per line, and without anchors that several entries share"))
    }

    /// Where the entries stand.
    fn blocks(&self, old: &[&str]) -> Vec<Block<'_>> {
        let entries = self.entries();
        // What comes from `<<` stands elsewhere; it is behind the others, and its lines go back.
        let ends: Vec<usize> = match &self.root.kind {
            NodeKind::Map(sections) => sections.iter().map(|(key, _)| key.line - 1).collect(),
            _ => Vec::new(),
        };
        let starts: Vec<usize> = entries.iter().map(|(_, line, _)| line - 1).collect();
        let block = |(name, line, node)| {
            let next = starts.iter().chain(&ends).copied().filter(|other| *other > line - 1).min();
            entry::block(old, name, node, line - 1, next.unwrap_or(old.len()))
        };
        entries.into_iter().map(block).collect()
    }

    /// Where new entries go.
    fn place(&self, old: &[&str], blocks: &[Block<'_>]) -> Result<Placed> {
        let section = match &self.root.kind {
            NodeKind::Map(sections) => sections.iter().find(|(key, _)| key.text == "tables"),
            _ => None,
        };
        let Some((key, node)) = section else {
            return Ok(Placed::new_section(old.len()));
        };
        let at = key.line - 1;
        match (&node.kind, blocks.last()) {
            (NodeKind::Map(_), Some(last)) if last.start > at && blocks.iter().all(|block| block.start > at) => Ok(Placed {
                at: entry::with_comments(old, last),
                indent: last.indent,
                step: entry::step(old, blocks),
                head: None,
            }),
            (NodeKind::Null | NodeKind::Map(_), None) => entry::empty_section(old, at),
            _ => Err(()),
        }
        .map_err(|()| {
            Error::new(Kind::Config, format!("{}:{}: new entries cannot be added to this `tables`", self.shown.display(), at + 1))
                .hint("write `tables:` with one entry per line")
        })
    }
}

/// What the changes come to.
struct Work<'a> {
    old: &'a [&'a str],
    end_of_line: &'static str,
    edits: Vec<Edit>,
    marked: Vec<String>,
    untouched: Vec<(String, String)>,
    /// Every entry of the new text.
    expected: Vec<(String, Plain)>,
}

impl Work<'_> {
    /// An entry that is there, changed or not.
    fn entry(&mut self, block: &Block<'_>, change: Option<&Change>) {
        let old = plain(block.node);
        let mut expected = old.clone();
        if let Some(change) = change {
            if let Some(marks) = &change.marks {
                self.marks(block, &change.table, marks);
            }
            if !change.set.is_empty() {
                let wanted = with(&old, &change.set);
                match entry::set(self.old, block, &change.set, &wanted, self.end_of_line) {
                    Some(edits) => {
                        self.edits.extend(edits);
                        expected = wanted;
                    }
                    None => {
                        let fields: Vec<&str> = change.set.iter().map(|(name, _)| *name).collect();
                        let why = format!("line {}: its form cannot be changed by lines: {}", block.start + 1, fields.join(", "));
                        self.untouched.push((change.table.clone(), why));
                    }
                }
            }
        }
        self.expected.push((block.name.to_owned(), expected));
    }

    /// Our comments right above an entry.
    fn marks(&mut self, block: &Block<'_>, table: &str, wanted: &[String]) {
        let Some(indent) = entry::indent_of_key(self.old, block) else { return };
        let above = self.old.iter().take(block.start).rev().take_while(|line| entry::is_comment_at(line, indent)).count();
        let first = block.start - above;
        let is_mark = |line: &&str| line.trim_start().starts_with(MARK);
        let there: Vec<(usize, &str)> =
            (first..).zip(self.old.iter().skip(first).take(above).copied()).filter(|(_, line)| is_mark(line)).collect();
        let wanted: Vec<String> = wanted.iter().map(|mark| self.comment(indent, &format!("{MARK}{}", comment(mark)))).collect();
        if there.iter().map(|(_, line)| *line).eq(wanted.iter().map(String::as_str)) {
            return;
        }
        self.marked.push(table.to_owned());
        self.edits.extend(there.iter().map(|(at, _)| Edit { at: *at, remove: 1, add: Vec::new() }));
        self.edits.push(Edit { at: block.start, remove: 0, add: wanted });
    }

    fn comment(&self, indent: usize, text: &str) -> String {
        format!("{}{}{}", " ".repeat(indent), text.trim_end(), self.end_of_line)
    }

    fn append(&mut self, place: &Placed, new: &[&Change]) {
        let mut add: Vec<String> = Vec::new();
        let mut remove = 0;
        if let Some((line, replaces)) = &place.head {
            add.push(format!("{line}{}", self.end_of_line));
            remove = usize::from(*replaces);
        }
        let mut entries = Vec::new();
        for change in new {
            for remark in &change.remarks {
                entries.push(self.comment(place.indent, &format!("# {}", comment(remark))));
            }
            for mark in change.marks.iter().flat_map(|marks| marks.iter()) {
                entries.push(self.comment(place.indent, &format!("{MARK}{}", comment(mark))));
            }
            let name = entry_name(&change.table);
            entries.push(format!("{}{}:{}", " ".repeat(place.indent), scalar(&name), self.end_of_line));
            for (field, value) in &change.set {
                entries.push(entry::field_line(place.indent + place.step, field, value, self.end_of_line));
            }
            self.expected.push((name, with(&Plain::Nothing, &change.set)));
        }
        match &place.head {
            // The section's own line is changed; its comments stay between it and the new entries.
            Some((_, true)) => {
                self.edits.push(Edit { at: place.at, remove, add });
                let at = entry::behind_comments(self.old, place.at);
                self.edits.push(Edit { at, remove: 0, add: entries });
            }
            _ => {
                add.extend(entries);
                self.edits.push(Edit { at: place.at, remove: 0, add });
            }
        }
    }
}

/// A tree without its lines, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plain {
    Nothing,
    /// Kind and value of a scalar.
    Scalar(&'static str, String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

fn plain(node: &Node) -> Plain {
    match &node.kind {
        NodeKind::Null | NodeKind::Bad => Plain::Nothing,
        NodeKind::Bool(v) => Plain::Scalar("bool", v.to_string()),
        NodeKind::Int(v) => Plain::Scalar("int", v.to_string()),
        NodeKind::Float(v) => Plain::Scalar("float", v.to_string()),
        NodeKind::Text { text, .. } => Plain::Scalar("text", text.clone()),
        NodeKind::List(items) => Plain::List(items.iter().map(plain).collect()),
        NodeKind::Map(entries) => Plain::Map(entries.iter().map(|(key, node)| (key.text.clone(), plain(node))).collect()),
    }
}

/// The entry with fields set.
fn with(entry: &Plain, set: &[(&'static str, FieldValue)]) -> Plain {
    let mut fields = match entry {
        Plain::Map(fields) => fields.clone(),
        _ => Vec::new(),
    };
    let text = |text: &String| Plain::Scalar("text", text.replace("${", "$${"));
    for (name, value) in set {
        let value = match value {
            FieldValue::Word(word) => text(word),
            FieldValue::List(words) => Plain::List(words.iter().map(text).collect()),
        };
        match fields.iter_mut().find(|(have, _)| have == name) {
            Some((_, place)) => *place = value,
            None => fields.push(((*name).to_owned(), value)),
        }
    }
    Plain::Map(fields)
}

/// A field's value, and whether a variable gives it.
fn field_value(node: &Node) -> (Option<FieldValue>, bool) {
    let word = |node: &Node| match &node.kind {
        NodeKind::Text { text, .. } => Some(text.clone()),
        NodeKind::Null => Some(String::new()),
        NodeKind::Bool(v) => Some(v.to_string()),
        NodeKind::Int(v) => Some(v.to_string()),
        _ => None,
    };
    let value = match &node.kind {
        NodeKind::List(items) => items.iter().map(word).collect::<Option<Vec<String>>>().map(FieldValue::List),
        _ => word(node).map(FieldValue::Word),
    };
    let is_variable = |text: &String| text.contains("${");
    let fixed = match &value {
        Some(FieldValue::Word(text)) => is_variable(text),
        Some(FieldValue::List(items)) => items.iter().any(is_variable),
        None => true,
    };
    (value, fixed)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
