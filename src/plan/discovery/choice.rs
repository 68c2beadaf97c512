//! The proposal for a table, and what becomes of it beside what the file says: a field that is there is a person's
//! decision and stays; what is missing is added so that it goes with what is there.

use super::{Candidate, Facts, Moves, category, marks};
use crate::catalog::KeyKind;
use crate::config::edit::{FieldValue, Given};
use crate::config::{Category, Extraction, IncrementalStrategy, Priority, SyncProfile, TableRule, is_none};
use crate::plan::increments::{self, Choice};
use std::collections::BTreeMap;

/// The fields of an entry that are proposed, in the order in which they are written.
const FIELDS: [&str; 7] = [
    "extraction_strategy",
    "incremental_columns",
    "incremental_strategy",
    "primary_incremental_column",
    "sync_profile",
    "performance_category",
    "processing_priority",
];

/// Those that say how a table is loaded by increments.
const COLUMNS: [&str; 3] = ["incremental_columns", "incremental_strategy", "primary_incremental_column"];

/// What would be written for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Which rows a run takes.
    pub extraction: Extraction,
    /// Columns of the watermark.
    pub columns: Vec<String>,
    /// How they combine.
    pub strategy: IncrementalStrategy,
    /// The column that is used alone.
    pub primary: Option<String>,
    /// Whether rows change in place.
    pub profile: SyncProfile,
    /// Size class.
    pub category: Category,
    /// Order among the tables.
    pub priority: Priority,
}

/// What the file says about a table, and how much of it may be rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The fields that it gives.
    pub given: &'a BTreeMap<String, Given>,
    /// The same as a run takes them.
    pub rule: &'a TableRule,
    /// Fields of the table's own entry may be rewritten, unless it is pinned.
    pub refresh: bool,
}

/// A field that stays although the proposal differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The field.
    pub field: &'static str,
    /// What the file has; empty for nothing.
    pub value: String,
    /// What is proposed.
    pub proposed: String,
}

/// What becomes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What would be written, were the entry not there.
    pub proposal: Proposal,
    /// Why.
    pub reason: String,
    /// What is written.
    pub set: Vec<(&'static str, FieldValue)>,
    /// What stays although the proposal differs.
    pub kept: Vec<Kept>,
    /// Changes that the columns do not show that a run uses then.
    pub marks: Vec<String>,
    /// What a run uses then: the columns, or none for a table that is read whole.
    pub in_use: Vec<String>,
}

impl Proposal {
    /// Field and value, in the order in which they are written.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, FieldValue)> {
        let word = |word: &str| FieldValue::Word(word.to_owned());
        let values = [
            word(extraction_word(self.extraction)),
            FieldValue::List(self.columns.clone()),
            word(strategy_word(self.strategy)),
            word(self.primary.as_deref().unwrap_or("none")),
            word(profile_word(self.profile)),
            word(category_word(self.category)),
            word(priority_word(self.priority)),
        ];
        FIELDS.into_iter().zip(values).collect()
    }

    fn of(columns: &[String], profile: SyncProfile, category: Category) -> Self {
        let primary = if columns.len() == 1 { columns.first().cloned() } else { None };
        Self {
            extraction: match (columns.is_empty(), category) {
                (true, _) => Extraction::FullTable,
                (false, Category::Large) => Extraction::IncrementalChunked,
                (false, _) => Extraction::Incremental,
            },
            strategy: match columns.len() {
                0 => IncrementalStrategy::None,
                1 => IncrementalStrategy::SingleColumn,
                _ => IncrementalStrategy::OrLogic,
            },
            columns: columns.to_vec(),
            primary,
            profile,
            category,
            // The largest take longest, so they begin first.
            priority: match category {
                Category::Large => Priority::High,
                Category::Medium | Category::Small | Category::Tiny => Priority::Medium,
            },
        }
    }
}

/// Decides about a table.
#[must_use]
pub fn decide(facts: &Facts<'_>, asked: Asked<'_>) -> Decision {
    let Asked { given, rule, refresh } = asked;
    let may_rewrite = |given: &Given| refresh && given.own && !rule.pinned;
    let is_kept = |field: &str| rule.pinned || given.get(field).is_some_and(|given| !may_rewrite(given));
    let append_only = is_kept("sync_profile") && rule.sync_profile == Some(SyncProfile::AppendOnly);
    // Who reads all rows is not talked into a column that shows inserts only.
    let reads_all = is_kept("extraction_strategy") && rule.extraction.is_some_and(Extraction::is_whole);
    let (columns, reason) = best(facts, append_only && !reads_all);
    let moved = facts.candidates.iter().any(|candidate| candidate.on_update);
    let profile = if append_only && !moved { SyncProfile::AppendOnly } else { SyncProfile::InPlaceUpdates };
    let class = category(facts.rows, rule.category);
    let proposal = Proposal::of(&columns, profile, class);

    // What is added goes with what is kept.
    let basis = kept_columns(rule, &is_kept).unwrap_or(columns);
    let kept_class = rule.category.filter(|_| is_kept("performance_category")).unwrap_or(class);
    let fitting = Proposal::of(&basis, profile, kept_class);
    let (mut set, mut kept, mut effective) = (Vec::new(), Vec::new(), rule.clone());
    for ((field, wanted), (_, proposed)) in fitting.fields().into_iter().zip(proposal.fields()) {
        let there = given.get(field);
        let value = there.and_then(|given| given.value.as_ref());
        if is_kept(field) {
            // Columns of a table that is read whole either way do nothing.
            let idle = reads_all && proposal.extraction == Extraction::FullTable && COLUMNS.contains(&field);
            if !idle && !value.is_some_and(|value| same(field, value, &proposed)) {
                kept.push(Kept { field, value: value.map(shown).unwrap_or_default(), proposed: shown(&proposed) });
            }
        } else {
            put(&mut effective, field, &fitting);
            if !value.is_some_and(|value| same(field, value, &wanted)) {
                set.push((field, wanted));
            }
        }
    }
    let (marks, in_use) = match increments::choose(facts.source, &effective) {
        Choice::Full(_) => (Vec::new(), Vec::new()),
        Choice::Increments { columns, join, .. } => {
            let names: Vec<String> = columns.into_iter().map(|column| column.column).collect();
            (marks::of(facts, &names, join, effective.sync_profile), names)
        }
    };
    Decision { proposal, reason, set, kept, marks, in_use }
}

/// The columns that the kept fields name; none when they leave the choice open.
fn kept_columns(rule: &TableRule, is_kept: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    let primary = rule.primary_incremental_column.as_ref().filter(|column| !is_none(column));
    let several = rule.incremental_columns.as_ref().filter(|columns| !columns.is_empty());
    match (primary, several) {
        (Some(column), _) if is_kept("primary_incremental_column") => Some(vec![column.clone()]),
        (_, Some(columns)) if is_kept("incremental_columns") => Some(columns.clone()),
        _ if is_kept("extraction_strategy") && rule.extraction.is_some_and(Extraction::is_whole) => Some(Vec::new()),
        _ => None,
    }
}

fn put(rule: &mut TableRule, field: &str, from: &Proposal) {
    match field {
        "extraction_strategy" => rule.extraction = Some(from.extraction),
        "incremental_columns" => rule.incremental_columns = Some(from.columns.clone()),
        "incremental_strategy" => rule.incremental_strategy = Some(from.strategy),
        "primary_incremental_column" => rule.primary_incremental_column.clone_from(&from.primary),
        "sync_profile" => rule.sync_profile = Some(from.profile),
        "performance_category" => rule.category = Some(from.category),
        _ => rule.priority = Some(from.priority),
    }
}

/// The columns by which a run would see what is new and changed, none for all rows; and why.
fn best(facts: &Facts<'_>, append_only: bool) -> (Vec<String>, String) {
    if facts.source.key_kind == KeyKind::None {
        return (Vec::new(), "no key by which changed rows could be told".into());
    }
    let by = |columns: &[&Candidate]| columns.iter().map(|candidate| candidate.column.clone()).collect();
    let first = |fits: &dyn Fn(&&Candidate) -> bool| facts.candidates.iter().filter(fits).min_by_key(|candidate| rank(candidate));
    if let Some(both) = first(&|candidate| candidate.moves == Moves::Changes) {
        return (by(&[both]), format!("{} is set by the server whenever a row is inserted or changed", both.column));
    }
    let inserts = first(&|candidate| candidate.moves.shows_inserts());
    match (first(&|candidate| candidate.moves == Moves::Updates), inserts) {
        (Some(updates), Some(inserts)) => {
            let reason = format!("{} is set when a row is changed, {} when it is inserted", updates.column, inserts.column);
            return (by(&[inserts, updates]), reason);
        }
        // Rows that were never changed have NULL, and those are read by every run.
        (Some(updates), None) if updates.nullable => {
            return (
                by(&[updates]),
                format!("{} is set when a row is changed; rows with NULL are read by every run", updates.column),
            );
        }
        (Some(updates), None) => {
            return (Vec::new(), format!("{} is set when a row is changed, but nothing shows inserted rows", updates.column));
        }
        (None, Some(inserts)) if append_only => {
            return (by(&[inserts]), format!("sync_profile is append_only, and {} shows inserted rows", inserts.column));
        }
        (None, _) => {}
    }
    (Vec::new(), blind(facts))
}

/// Indexed first, the finest resolution, no NULLs, then the table's order. Declared things only, so that no data flips it.
const fn rank(candidate: &Candidate) -> (bool, u8, u32, bool) {
    // Of those that show inserts only, a counter is exact where a clock may be set by hand.
    let kind = match candidate.moves {
        Moves::Counter => 0,
        _ => 1,
    };
    (!candidate.indexed, kind, 6 - candidate.digits, candidate.nullable)
}

/// Why no column shows changes.
fn blind(facts: &Facts<'_>) -> String {
    let of = |fits: &dyn Fn(Moves) -> bool| {
        let names = facts.candidates.iter().filter(|candidate| fits(candidate.moves)).map(|candidate| candidate.column.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (inserts, application) = (of(&Moves::shows_inserts), of(&|moves| moves == Moves::Application));
    let mut parts = vec!["no column is set by the server when a row is changed".to_owned()];
    if !inserts.is_empty() {
        parts.push(format!("{inserts} shows inserted rows only (enough where sync_profile is append_only)"));
    }
    if !application.is_empty() {
        parts.push(format!("{application}: written by the application, nobody knows when"));
    }
    parts.join("; ")
}

fn same(field: &str, value: &FieldValue, other: &FieldValue) -> bool {
    match (value, other) {
        (FieldValue::Word(a), FieldValue::Word(b)) if field == "primary_incremental_column" && is_none(a) => is_none(b),
        _ => value == other,
    }
}

fn shown(value: &FieldValue) -> String {
    match value {
        FieldValue::Word(word) if word.is_empty() => "null".into(),
        FieldValue::Word(word) => word.clone(),
        FieldValue::List(words) => format!("[{}]", words.join(", ")),
    }
}

const fn extraction_word(value: Extraction) -> &'static str {
    match value {
        Extraction::FullTable => "full_table",
        Extraction::Ledger => "ledger",
        Extraction::Incremental => "incremental",
        Extraction::IncrementalChunked => "incremental_chunked",
    }
}

const fn strategy_word(value: IncrementalStrategy) -> &'static str {
    match value {
        IncrementalStrategy::SingleColumn => "single_column",
        IncrementalStrategy::OrLogic => "or_logic",
        IncrementalStrategy::AndLogic => "and_logic",
        IncrementalStrategy::None => "none",
    }
}

const fn profile_word(value: SyncProfile) -> &'static str {
    match value {
        SyncProfile::AppendOnly => "append_only",
        SyncProfile::InPlaceUpdates => "in_place_updates",
    }
}

const fn category_word(value: Category) -> &'static str {
    match value {
        Category::Tiny => "tiny",
        Category::Small => "small",
        Category::Medium => "medium",
        Category::Large => "large",
    }
}

const fn priority_word(value: Priority) -> &'static str {
    match value {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
    }
}
