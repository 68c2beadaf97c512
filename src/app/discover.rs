//! `discover`: which columns of the live source show new and changed rows, as a change of tables.yml. Asks only the source.
//!
//! The choice hangs on what the catalog declares and on what the file says already; values are counted for people.

use super::planning::{self, Selected};
use super::{asking, telling, typing};
use crate::cancel::Cancel;
use crate::catalog::definitions::{self, Definitions, Wanted};
use crate::catalog::{self, SourceCatalog, SourceTable};
use crate::config::edit::{self, Change, Edited, TablesText};
use crate::config::{Config, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::error::{Error, Kind, Result};
use crate::plan::discovery::{self, Asked, Candidate, Decision, Facts, ROWS_OF_INTEREST, Rows};
use crate::report::ErrorReport;
use crate::report::discover::{CandidateReport, DiscoverReport, FieldReport, KeptReport, TableDiscovered};
use crate::source::evidence::{self, Evidence, Query, Sampled};
use crate::usage;
use std::collections::{BTreeMap, BTreeSet};

/// From so many entries on, a source that has less than half of their tables is taken for the wrong one.
const GUARDED_FROM: usize = 10;

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these tables; all that the configuration selects when empty.
    pub tables: Vec<String>,
    /// Write the file.
    pub write: bool,
    /// Keep its former text beside it.
    pub backup: bool,
    /// Rewrite fields that are there, but for pinned entries.
    pub refresh: bool,
    /// Go on although most tables of the file are not there.
    pub accept_shrink: bool,
    /// Rows up to which a table is read whole; of larger ones both ends of the key are looked at.
    pub scan_rows: u64,
}

/// A table that is looked at.
struct Subject {
    source: SourceTable,
    rule: TableRule,
    candidates: Vec<Candidate>,
    cascades: Vec<String>,
}

/// What was seen of it.
struct Seen {
    rows: Rows,
    sampled: Sampled,
    evidence: Vec<Evidence>,
}

/// Looks at the source and changes tables.yml, or says how.
///
/// # Errors
/// [`Kind::Config`] for names that do not exist, a source that has too few of the file's tables, or a file that cannot be
/// changed by lines; the classified error of the source; [`Kind::File`] when the file cannot be written.
pub fn discover(config: &Config, options: &Options, cancel: &Cancel) -> Result<DiscoverReport> {
    let call = usage::DISCOVER.attempt(usage::Shape::NONE);
    let text = TablesText::read(&config.tables_file)?;
    let endpoint = config.source.patient();
    let mut source = MysqlConn::connect(&endpoint)?;
    let mut catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    let vanished = vanished(&text, &catalog, options)?;
    typing::apply(config, &mut catalog.tables)?;
    let wanted = Wanted { unique_indexes: true, other_indexes: true, foreign_keys: true, defaults: true, ..Wanted::default() };
    let mut definitions = by_table(definitions::read(&mut source, &config.source.database, wanted)?);
    let (subjects, refused) = subjects(config, options, catalog, &mut definitions);

    let look = |source: &mut MysqlConn, subject: &Subject| look(source, subject, options.scan_rows);
    let (mut answers, lost) = asking::ask((&endpoint, source), config.settings.parallel, cancel, &subjects, look)?;
    let stopped = cancel.is_stopping().then(|| u8::try_from(cancel.signal()).map_or(70, |signal| signal.saturating_add(128)));
    let mut report = DiscoverReport {
        program: env!("CARGO_PKG_VERSION").into(),
        source: config.source.to_string(),
        file: text.shown().display().to_string(),
        vanished,
        refused: telling::refused(&refused),
        warnings: config.warnings.clone(),
        told: !options.tables.is_empty(),
        ..DiscoverReport::default()
    };
    report.warnings.extend(locked(&subjects));
    if stopped.is_none() {
        let mut changes = Vec::new();
        for (index, subject) in subjects.iter().enumerate() {
            let seen = answers.remove(&index).unwrap_or_else(|| Err(not_reached(lost.as_ref())));
            report.tables.push(table(&text, subject, seen, options.refresh, &mut changes));
        }
        let edited = text.edit(&changes)?;
        finish(config, options, &text, edited, &mut report)?;
    }
    call.ends(Ok(report.judged(stopped)))
}

/// Tables of the file that the source does not have.
fn vanished(text: &TablesText, catalog: &SourceCatalog, options: &Options) -> Result<Vec<String>> {
    let tables = catalog.tables.iter().map(|t| &t.name).chain(catalog.refused.iter().map(|r| &r.name));
    let known: BTreeSet<&str> = tables.map(|name| name.table.as_str()).collect();
    let unknown: Vec<String> =
        options.tables.iter().filter(|name| !known.contains(name.as_str())).map(|name| planning::missing(name, &known)).collect();
    if !unknown.is_empty() {
        return Err(Error::new(Kind::Config, unknown.join("; ")));
    }
    let named = text.tables();
    let views: BTreeSet<&str> = catalog.views.iter().map(|view| view.table.as_str()).collect();
    let is_there = |name: &&String| known.contains(name.as_str()) || views.contains(name.as_str());
    let there = named.iter().filter(is_there).count();
    if named.len() >= GUARDED_FROM && there * 2 < named.len() && !options.accept_shrink {
        let text = format!("{} names {} tables, and the source has {there} of them", text.shown().display(), named.len());
        return Err(Error::new(Kind::Config, text).hint("is this the right source? --accept-shrink goes on all the same"));
    }
    Ok(named.into_iter().filter(|name| !is_there(&name)).collect())
}

fn by_table(all: Definitions) -> BTreeMap<String, Definitions> {
    let mut out: BTreeMap<String, Definitions> = BTreeMap::new();
    for index in all.indexes {
        out.entry(index.table.clone()).or_default().indexes.push(index);
    }
    for key in all.foreign_keys {
        out.entry(key.table.clone()).or_default().foreign_keys.push(key);
    }
    for default in all.defaults {
        out.entry(default.table.clone()).or_default().defaults.push(default);
    }
    out
}

/// The tables that are looked at, by name, and those that cannot be copied.
fn subjects(
    config: &Config,
    options: &Options,
    catalog: SourceCatalog,
    definitions: &mut BTreeMap<String, Definitions>,
) -> (Vec<Subject>, Vec<(String, Error)>) {
    let is_wanted = |name: &str| match options.tables.is_empty() {
        true => config.tables.selects(name),
        false => options.tables.iter().any(|table| table == name),
    };
    let refused = catalog.refused.into_iter().filter(|table| is_wanted(&table.name.table));
    let mut refused: Vec<(String, Error)> = refused.map(|table| (table.name.table, table.why)).collect();
    let mut subjects = Vec::new();
    for table in catalog.tables.into_iter().filter(|table| is_wanted(&table.name.table)) {
        let name = table.name.table.clone();
        match planning::shape(config, table) {
            Ok((Selected { source, .. }, rule)) => {
                let own = definitions.remove(&name).unwrap_or_default();
                let candidates = discovery::candidates(&source, &own);
                subjects.push(Subject { candidates, cascades: discovery::cascades(&own.foreign_keys), source, rule });
            }
            Err(error) => refused.push((name, error)),
        }
    }
    subjects.sort_by(|a, b| a.source.name.cmp(&b.source.name));
    (subjects, refused)
}

fn look(source: &mut MysqlConn, subject: &Subject, scan_rows: u64) -> Result<Seen> {
    let most = ROWS_OF_INTEREST.max(scan_rows.saturating_add(1));
    let rows = evidence::count(source, &subject.source, most)?;
    let query = Query::of(&subject.source, &subject.candidates, rows, scan_rows);
    let (sampled, evidence) = match &query {
        Some(query) => (query.sampled, query.ask(source, &subject.source.name.table)?),
        None => (Sampled::No, Vec::new()),
    };
    Ok(Seen { rows: if rows < most { Rows::Exactly(rows) } else { Rows::AtLeast(rows) }, sampled, evidence })
}

/// Tables without snapshots are locked while they are read.
fn locked(subjects: &[Subject]) -> Option<String> {
    let locked = subjects.iter().filter(|subject| !subject.source.transactional).count();
    (locked > 0).then(|| format!("{locked} tables have no snapshots: their writers waited while they were looked at"))
}

fn not_reached(lost: Option<&Error>) -> Error {
    match lost {
        Some(error) => Error::new(error.kind(), error.to_string()).hint(error.what_to_do()),
        None => Error::new(Kind::Internal, "it was not reached"),
    }
}

/// Decides about a table; what is to be done goes to `changes`.
fn table(text: &TablesText, subject: &Subject, seen: Result<Seen>, refresh: bool, changes: &mut Vec<Change>) -> TableDiscovered {
    let table = subject.source.name.table.clone();
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            return TableDiscovered {
                table,
                entry: "unknown",
                error: Some(ErrorReport::from(&error)),
                ..TableDiscovered::default()
            };
        }
    };
    let facts = Facts {
        source: &subject.source,
        candidates: subject.candidates.clone(),
        cascades: subject.cascades.clone(),
        rows: seen.rows,
    };
    let given = text.given(&table);
    let decision = discovery::decide(&facts, Asked { given: &given, rule: &subject.rule, refresh });
    let mut report = told(subject, &seen, &decision);
    let has_entry = text.has_entry(&table);
    report.entry = match (subject.rule.pinned, has_entry) {
        (true, _) => "pinned",
        (false, false) if !decision.set.is_empty() => "new",
        _ if !decision.set.is_empty() => "changed",
        _ => "same",
    };
    // A glob may give everything: then there is no entry to say anything at.
    if !subject.rule.pinned && (has_entry || !decision.set.is_empty()) {
        let mut remarks = vec![format!("discover: {}", report.line())];
        remarks.extend(report.candidates.iter().map(CandidateReport::line));
        changes.push(Change { table, set: decision.set, marks: Some(decision.marks), remarks });
    }
    report
}

fn told(subject: &Subject, seen: &Seen, decision: &Decision) -> TableDiscovered {
    let fields = |fields: &[(&'static str, edit::FieldValue)]| fields.iter().map(FieldReport::new).collect();
    let kept =
        |kept: &discovery::Kept| KeptReport { field: kept.field, value: kept.value.clone(), proposed: kept.proposed.clone() };
    TableDiscovered {
        table: subject.source.name.table.clone(),
        rows: seen.rows.least(),
        rows_exact: matches!(seen.rows, Rows::Exactly(_)),
        looked_at: match seen.sampled {
            Sampled::No => "all",
            Sampled::Ends(_) => "ends",
            Sampled::Indexes => "indexes",
        },
        candidates: subject.candidates.iter().zip(&seen.evidence).map(candidate).collect(),
        proposal: fields(&decision.proposal.fields()),
        reason: decision.reason.clone(),
        set: fields(&decision.set),
        kept: decision.kept.iter().map(kept).collect(),
        in_use: decision.in_use.clone(),
        unseen_changes: decision.marks.clone(),
        ..TableDiscovered::default()
    }
}

fn candidate((candidate, seen): (&Candidate, &Evidence)) -> CandidateReport {
    CandidateReport {
        column: candidate.column.clone(),
        declared: candidate.declared.clone(),
        moves: candidate.moves.word(),
        on_update: candidate.on_update,
        default_now: candidate.default_now,
        indexed: candidate.indexed,
        fraction_digits: candidate.digits,
        nullable: candidate.nullable,
        seen: seen.seen,
        nulls: seen.nulls,
        zero: seen.zero,
        before_1900: seen.before_1900,
        future: seen.future,
        far_future: seen.far_future,
        first: seen.first.clone(),
        last: seen.last.clone(),
        ties: seen.ties,
        span: seen.span,
    }
}

/// Takes the change into the report, and writes it when that is asked for.
fn finish(config: &Config, options: &Options, text: &TablesText, edited: Edited, report: &mut DiscoverReport) -> Result<()> {
    for (name, why) in edited.untouched {
        if let Some(table) = report.tables.iter_mut().find(|table| table.table == name) {
            table.untouched = Some(why);
        }
    }
    for table in report.tables.iter_mut().filter(|table| table.entry == "same" && edited.marked.contains(&table.table)) {
        table.entry = "marked";
    }
    if options.write && !edited.diff.is_empty() {
        let backup = edit::write(&config.tables_file, text.text(), &edited.text, options.backup)?;
        report.backup = backup.map(|path| path.display().to_string());
        report.written = true;
    }
    report.diff = edited.diff;
    Ok(())
}
