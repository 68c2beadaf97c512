//! Which tables are synced and what differs for each: globs, exact names and how their rules merge.
//!
//! Names are compared exactly, case included, as MySQL on Linux does. The file configures, it does not restrict:
//! only `include` and `exclude` do. Whether tables and columns exist is asked later, against the live catalog.

use super::check::{Marks, shown};
use super::policy::{Policies, PolicyWords};
use super::problem::{Findings, Problem, nearest};
use super::tables::{
    Category, ColumnRuleEntry, Columns, Deletes, Extraction, IGNORED, IncrementalStrategy, LookbackEntry, Priority, Strategy,
    SyncProfile, TableEntry, TablesFile,
};
use super::yaml::{Kind, Node};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

/// Tables that a warning names.
const NAMES_SHOWN: usize = 5;

/// Which columns of a table are copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnSelection {
    /// Every column.
    #[default]
    All,
    /// These, in the table's order.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

/// Rows that are read again by business date (original form).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookback {
    /// Days back, 1 to 3650.
    pub window_days: u64,
    /// Date columns of which one must lie in the window.
    pub columns: Vec<String>,
}

/// What differs for the columns that it fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnRule {
    /// Glob of column names; all without one.
    column: Option<Glob>,
    /// Glob of declared source types; all without one.
    declared: Option<Glob>,
    /// PostgreSQL type as it was written.
    pub to: Option<String>,
    /// Name of the conversion that is meant.
    pub conversion: Option<String>,
    policies: PolicyWords,
}

impl ColumnRule {
    /// Whether the rule is about this column.
    #[must_use]
    pub fn fits(&self, column: &str, declared: &str) -> bool {
        self.column.as_ref().is_none_or(|glob| glob.matches(column))
            && self.declared.as_ref().is_none_or(|glob| glob.matches(declared))
    }

    /// The policies with what the rule changes.
    #[must_use]
    pub fn policies(&self, base: Policies) -> Policies {
        base.over(&self.policies)
    }

    fn of(entry: &ColumnRuleEntry) -> Self {
        // Bad globs were reported when the file was read, and such a file never gets this far.
        let glob = |text: &Option<String>| text.as_deref().and_then(|text| Glob::new(text).ok());
        Self {
            column: glob(&entry.column),
            declared: glob(&entry.declared),
            to: entry.to.clone(),
            conversion: entry.conversion.clone(),
            policies: PolicyWords {
                zero_dates: entry.zero_dates,
                nul_bytes: entry.nul_bytes,
                invalid_utf8: entry.invalid_utf8,
                out_of_range: entry.out_of_range,
                tinyint1: entry.tinyint1,
            },
        }
    }
}

/// What was configured for one table; `None` leaves the choice to the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableRule {
    /// `discover` leaves the entry as it is.
    pub pinned: bool,
    /// Columns that identify a row, instead of the primary key.
    pub key: Option<Vec<String>>,
    /// Target size of a chunk, bytes.
    pub chunk_bytes: Option<u64>,
    /// Rows in a chunk.
    pub chunk_rows: Option<u64>,
    /// Which columns are copied.
    pub columns: ColumnSelection,
    /// Condition in the source's SQL, trusted: it is put into queries as it is.
    pub filter: Option<String>,
    /// How the table is copied.
    pub strategy: Option<Strategy>,
    /// What becomes of rows that the source has no more.
    pub deletes: Deletes,
    /// Types and policies of columns; a later one goes before an earlier.
    pub column_rules: Vec<ColumnRule>,
    /// Which rows a run takes.
    pub extraction: Option<Extraction>,
    /// Columns that show new and changed rows.
    pub incremental_columns: Option<Vec<String>>,
    /// How several incremental columns combine.
    pub incremental_strategy: Option<IncrementalStrategy>,
    /// Watermark column.
    pub primary_incremental_column: Option<String>,
    /// Whether rows change in place.
    pub sync_profile: Option<SyncProfile>,
    /// Seconds below the watermark from which rows are read.
    pub lookback_s: Option<u64>,
    /// Key values below the watermark from which rows are read, where it is not known which may still appear.
    pub lookback_keys: Option<u64>,
    /// Watermark column of the first hop.
    pub replicator_watermark_column: Option<String>,
    /// Re-read by business date, when it is on.
    pub lookback: Option<Lookback>,
    /// Size class.
    pub category: Option<Category>,
    /// Order among the tables.
    pub priority: Option<Priority>,
}

/// The rules of `tables.yml`; the default selects every table and changes nothing.
#[derive(Clone, Default)]
pub struct TableRules {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    exact: HashMap<String, TableEntry>,
    globs: Vec<(Pattern, TableEntry)>,
    marks: Marks,
}

impl fmt::Debug for TableRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |list: &[Pattern]| list.iter().map(|pattern| pattern.text().to_owned()).collect::<Vec<_>>();
        f.debug_struct("TableRules")
            .field("include", &texts(&self.include))
            .field("exclude", &texts(&self.exclude))
            .field("names", &self.exact.len())
            .field("globs", &self.globs.len())
            .finish()
    }
}

/// A name, or a glob of names.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    text: String,
    /// `None` for a plain name.
    matcher: Option<GlobMatcher>,
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Glob {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let matcher = if text.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            let glob = GlobBuilder::new(text).backslash_escape(true).build();
            Some(glob.map_err(|error| format!("bad glob: {}", error.kind()))?.compile_matcher())
        } else {
            None
        };
        Ok(Self { text: text.to_owned(), matcher })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.matcher.as_ref().map_or(self.text == name, |glob| glob.is_match(name))
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    /// Place in the list of the file.
    index: usize,
}

impl Pattern {
    fn new(text: &str, index: usize) -> Result<Self, String> {
        Ok(Self { glob: Glob::new(text)?, index })
    }

    fn matches(&self, table: &str) -> bool {
        self.glob.matches(table)
    }

    fn text(&self) -> &str {
        &self.glob.text
    }

    const fn is_plain(&self) -> bool {
        self.glob.matcher.is_none()
    }
}

impl TableRules {
    /// The rules for reading a replica, which holds the wanted rows and columns and no others: what says which rows, columns
    /// and keys is left out.
    #[must_use]
    pub fn of_replica(&self) -> Self {
        let reduced = |entry: &TableEntry| TableEntry {
            key: None,
            columns: None,
            filter: None,
            extraction_strategy: None,
            incremental_columns: None,
            primary_incremental_column: None,
            lookback_resync: None,
            ..entry.clone()
        };
        Self {
            exact: self.exact.iter().map(|(name, entry)| (name.clone(), reduced(entry))).collect(),
            globs: self.globs.iter().map(|(pattern, entry)| (pattern.clone(), reduced(entry))).collect(),
            ..self.clone()
        }
    }

    /// Whether the table is synced: in `include` (when there is one) and not in `exclude`.
    #[must_use]
    pub fn selects(&self, table: &str) -> bool {
        let in_any = |list: &[Pattern]| list.iter().any(|pattern| pattern.matches(table));
        (self.include.is_empty() || in_any(&self.include)) && !in_any(&self.exclude)
    }

    /// The table's rule, field by field: the exact name's entry, else the last glob that gives the field.
    #[must_use]
    pub fn rule(&self, table: &str) -> TableRule {
        let globs = self.globs.iter().filter(|(pattern, _)| pattern.matches(table)).map(|(_, entry)| entry);
        globs.chain(self.exact.get(table)).fold(TableRule::default(), merge)
    }

    /// What the rules name and the catalog does not have: tables, and columns of synced tables, with file, line and
    /// nearest name. A glob's column is only missed when none of its tables has it; a glob without tables, when it is
    /// in `include`. Incremental columns are not asked: without a usable one a table is read whole, and the plan says why.
    pub fn check_against<'a>(&self, catalog: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> Vec<Problem> {
        let tables: HashMap<&str, Vec<&str>> = catalog.collect();
        let mut out = Vec::new();
        for (section, list) in [("include", &self.include), ("exclude", &self.exclude)] {
            for pattern in list.iter().filter(|pattern| !tables.keys().any(|table| pattern.matches(table))) {
                let near = nearest(pattern.text(), tables.keys().copied());
                // An exclusion of something that is not there does no harm, unless it was meant for something that is.
                if section == "include" || (near.is_some() && pattern.is_plain()) {
                    let text = match pattern.is_plain() {
                        false => format!("no table matches {}", shown(pattern.text())),
                        true => format!("table {} does not exist", shown(pattern.text())),
                    };
                    out.push(self.marks.problem(&[section, &pattern.index.to_string()], text).near(near));
                }
            }
        }
        for (name, entry) in &self.exact {
            match tables.get(name.as_str()) {
                Some(_) if !self.selects(name) => {}
                Some(columns) => self.check_columns(name, entry, &[columns], &mut out),
                None => {
                    let near = nearest(name, tables.keys().copied());
                    let text = format!("table {} does not exist", shown(name));
                    out.push(self.marks.problem(&["tables", name], text).near(near));
                }
            }
        }
        for (pattern, entry) in &self.globs {
            let hit = tables.iter().filter(|(name, _)| pattern.matches(name) && self.selects(name));
            let columns: Vec<&Vec<&str>> = hit.map(|(_, columns)| columns).collect();
            if !columns.is_empty() {
                self.check_columns(pattern.text(), entry, &columns, &mut out);
            }
        }
        out.sort_by_key(|problem| problem.line);
        out
    }

    fn check_columns(&self, name: &str, entry: &TableEntry, tables: &[&Vec<&str>], out: &mut Vec<Problem>) {
        for (path, column) in columns_of(entry) {
            if tables.iter().any(|columns| columns.contains(&column)) {
                continue;
            }
            let near = nearest(column, tables.iter().flat_map(|columns| columns.iter().copied()));
            let path: Vec<&str> = ["tables", name].into_iter().chain(path.iter().map(String::as_str)).collect();
            let text = format!("column {} does not exist in {}", shown(column), shown(name));
            out.push(self.marks.problem(&path, text).near(near));
        }
    }
}

/// The columns an entry names, with their path below the entry; without incremental ones.
fn columns_of(entry: &TableEntry) -> Vec<(Vec<String>, &str)> {
    let columns = entry.columns.as_ref();
    let lookback = entry.lookback_resync.as_ref().and_then(|look| look.predicate_columns.as_ref());
    let lists: [(&[&str], Option<&Vec<String>>); 4] = [
        (&["key"], entry.key.as_ref()),
        (&["columns", "only"], columns.and_then(|c| c.only.as_ref())),
        (&["columns", "except"], columns.and_then(|c| c.except.as_ref())),
        (&["lookback_resync", "predicate_columns"], lookback),
    ];
    let mut out: Vec<(Vec<String>, &str)> = Vec::new();
    for (path, list) in lists {
        for (i, column) in list.into_iter().flat_map(|list| list.iter().enumerate()) {
            let index = i.to_string();
            out.push((path.iter().map(|&p| p.to_owned()).chain([index]).collect(), column));
        }
    }
    for (i, rule) in rules_of(entry).iter().enumerate() {
        let plain = rule.column.as_deref().filter(|name| Glob::new(name).is_ok_and(|glob| glob.matcher.is_none()));
        out.extend(plain.map(|column| (vec!["column_rules".to_owned(), i.to_string(), "column".to_owned()], column)));
    }
    out.retain(|(_, column)| !column.is_empty());
    out
}

/// The original form's words for "no column".
pub(crate) fn is_none(column: &str) -> bool {
    column.trim().is_empty() || column.eq_ignore_ascii_case("none")
}

fn rules_of(entry: &TableEntry) -> &[ColumnRuleEntry] {
    entry.column_rules.as_deref().unwrap_or_default()
}

fn merge(mut rule: TableRule, entry: &TableEntry) -> TableRule {
    let entry = entry.clone();
    rule.column_rules.extend(rules_of(&entry).iter().map(ColumnRule::of));
    TableRule {
        pinned: entry.pinned.unwrap_or(rule.pinned),
        key: entry.key.or(rule.key),
        chunk_bytes: entry.chunk_mb.map(|mb| mb * 1024 * 1024).or(rule.chunk_bytes),
        chunk_rows: entry.chunk_rows.or(rule.chunk_rows),
        columns: entry.columns.map_or(rule.columns, selection),
        filter: entry.filter.or(rule.filter),
        strategy: entry.strategy.or(rule.strategy),
        deletes: entry.deletes.unwrap_or(rule.deletes),
        column_rules: rule.column_rules,
        extraction: entry.extraction_strategy.or(rule.extraction),
        incremental_columns: entry.incremental_columns.or(rule.incremental_columns),
        incremental_strategy: entry.incremental_strategy.or(rule.incremental_strategy),
        primary_incremental_column: entry.primary_incremental_column.or(rule.primary_incremental_column),
        lookback_s: entry.lookback_s.or(rule.lookback_s),
        lookback_keys: entry.lookback_keys.or(rule.lookback_keys),
        sync_profile: entry.sync_profile.or(rule.sync_profile),
        replicator_watermark_column: entry.replicator_watermark_column.or(rule.replicator_watermark_column),
        lookback: entry.lookback_resync.map_or(rule.lookback, lookback),
        category: entry.performance_category.or(rule.category),
        priority: entry.processing_priority.or(rule.priority),
    }
}

fn selection(columns: Columns) -> ColumnSelection {
    match (columns.only, columns.except) {
        (Some(only), _) => ColumnSelection::Only(only),
        (None, Some(except)) => ColumnSelection::Except(except),
        (None, None) => ColumnSelection::All,
    }
}

fn lookback(entry: LookbackEntry) -> Option<Lookback> {
    let on = entry.enabled.unwrap_or(false);
    on.then(|| Lookback { window_days: entry.window_days.unwrap_or(30), columns: entry.predicate_columns.unwrap_or_default() })
}

/// Builds the rules of a checked file; `root` is its tree.
pub(super) fn build(file: TablesFile, root: &Node, marks: Marks, findings: &mut Findings) -> TableRules {
    let mut rules = TableRules::default();
    for (section, list, into) in [("include", file.include, &mut rules.include), ("exclude", file.exclude, &mut rules.exclude)] {
        if list.as_ref().is_some_and(Vec::is_empty) {
            let text = format!("`{section}` is an empty list; leave the key out");
            findings.problem(marks.problem(&[section], text));
        }
        for (i, text) in list.unwrap_or_default().into_iter().enumerate() {
            let index = i.to_string();
            let path = [section, index.as_str()];
            match Pattern::new(&text, i) {
                _ if marks.is_bad(&path) => {}
                _ if text.is_empty() => findings.problem(marks.problem(&path, format!("`{section}`: an empty name"))),
                Ok(pattern) => into.push(pattern),
                Err(why) => findings.problem(marks.problem(&path, format!("`{section}`: {why}"))),
            }
        }
    }
    let mut entries: Vec<(String, TableEntry)> =
        file.tables.unwrap_or_default().into_iter().map(|(name, entry)| (name, entry.unwrap_or_default())).collect();
    entries.sort_by_key(|(name, _)| marks.order(&["tables", name]));
    warn_of_replicator(&entries, marks.file(), findings);
    for (i, (name, entry)) in entries.into_iter().enumerate() {
        check_entry(&name, &entry, &marks, findings);
        match Pattern::new(&name, i) {
            Ok(pattern) if !pattern.is_plain() => rules.globs.push((pattern, entry)),
            Ok(_) => drop(rules.exact.insert(name, entry)),
            Err(why) => findings.problem(marks.problem(&["tables", &name], format!("{}: {why}", shown(&name)))),
        }
    }
    warn_of_unused(root, marks.file(), findings);
    rules.marks = marks;
    rules
}

fn check_entry(name: &str, entry: &TableEntry, marks: &Marks, findings: &mut Findings) {
    let mut wrong = |path: &[&str], text: &str| {
        let path: Vec<&str> = ["tables", name].into_iter().chain(path.iter().copied()).collect();
        if !marks.is_bad(&path) {
            findings.problem(marks.problem(&path, format!("table {}: {text}", shown(name))));
        }
    };
    if entry.table_name.as_deref().is_some_and(|other| other != name) {
        wrong(&["table_name"], "table_name differs from the name of the entry");
    }
    if entry.filter.as_deref().is_some_and(|filter| filter.trim().is_empty() || filter.contains('\0')) {
        wrong(&["filter"], "an empty filter");
    }
    if let Some(columns) = &entry.columns
        && columns.only.is_some() == columns.except.is_some()
    {
        wrong(&["columns"], "columns needs either `only` or `except`");
    }
    for (i, rule) in rules_of(entry).iter().enumerate() {
        let index = i.to_string();
        for (field, text) in [("column", &rule.column), ("declared", &rule.declared)] {
            if let Some(Err(why)) = text.as_deref().map(Glob::new) {
                wrong(&["column_rules", &index, field], &why);
            }
        }
        if rule.conversion.is_some() && rule.to.is_none() {
            wrong(&["column_rules", &index, "conversion"], "a conversion needs the type it leads to: `to`");
        }
    }
    let columns = entry.columns.as_ref();
    for (path, list) in [
        (&["key"][..], entry.key.as_ref()),
        (&["columns", "only"], columns.and_then(|c| c.only.as_ref())),
        (&["columns", "except"], columns.and_then(|c| c.except.as_ref())),
    ] {
        let Some(list) = list else { continue };
        if list.is_empty() {
            wrong(path, &format!("`{}` is empty", path.join(".")));
        }
        let mut seen = HashSet::new();
        for (i, column) in list.iter().enumerate() {
            let index = i.to_string();
            let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
            if column.is_empty() {
                wrong(&path, "an empty column name");
            } else if !seen.insert(column) {
                wrong(&path, &format!("column {} is named twice", shown(column)));
            }
        }
    }
}

/// One line for the fields that change nothing.
fn warn_of_unused(root: &Node, file: &Path, findings: &mut Findings) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    if let Some(Kind::Map(tables)) = root.get("tables").map(|tables| &tables.kind) {
        for (_, entry) in tables {
            if let Kind::Map(fields) = &entry.kind {
                seen.extend(fields.iter().map(|(key, _)| key.text.as_str()));
            }
        }
    }
    let ignored: Vec<&str> = IGNORED.into_iter().filter(|name| *name != "table_name" && seen.contains(name)).collect();
    if !ignored.is_empty() {
        findings.warn(format!("{}: ignored, the live catalog decides: {}", file.display(), ignored.join(", ")));
    }
}

/// One line for the entries whose first hop would read by another column than the second.
fn warn_of_replicator(entries: &[(String, TableEntry)], file: &Path, findings: &mut Findings) {
    let column = |column: &Option<String>| column.clone().filter(|column| !is_none(column));
    let differs = |entry: &TableEntry| {
        let first = column(&entry.replicator_watermark_column);
        first.is_some() && first != column(&entry.primary_incremental_column)
    };
    let names: Vec<&str> = entries.iter().filter(|(_, entry)| differs(entry)).map(|(name, _)| name.as_str()).collect();
    let (shown, rest) = names.split_at(names.len().min(NAMES_SHOWN));
    if !shown.is_empty() {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        let names = shown.join(", ");
        findings.warn(format!(
            "{}: replicator_watermark_column is ignored where it is not the primary_incremental_column, because both hops read \
             by one watermark: {names}{more}",
            file.display()
        ));
    }
}
