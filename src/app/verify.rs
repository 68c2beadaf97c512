//! `verify` and `audit`: whether the warehouse holds what the source holds. Takes no lock, writes nothing, and needs no right
//! but SELECT on either side.

use super::planning::{self, Selected};
use crate::cancel::Cancel;
use crate::catalog::{self, TargetKind, TargetTable, deleted_at};
use crate::config::{Config, Deletes, TableRule};
use crate::conn::mysql::MysqlConn;
use crate::conn::postgres::PostgresConn;
use crate::conn::watchdog::Watchdog;
use crate::encode::digest::ledger_fingerprint;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, quote_postgres};
use crate::plan::TablePlan;
use crate::plan::ledger::{BUCKET_BYTES_MAX, Ledger};
use crate::plan::since::Since;
use crate::report::verify::{
    ColumnDifference, ContentReport, DifferenceReport, LedgerReport, RangeReport, SideReport, TableVerified, VerifyReport,
};
use crate::report::{self, ErrorReport};
use crate::sink::postgres::{counts as warehouse_counts, read_back};
use crate::usage;
use crate::verify::ledger::{Found, Side};
use crate::verify::look::{Depth, Look, Question, Range, Verdict, Without};
use crate::verify::rows::{self, Content, Difference, Differs};
use crate::verify::{self, Seen, Services};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is compared, and how deep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Tables by exact name; all when empty.
    pub tables: &'a [String],
    /// How deep.
    pub depth: Depth,
}

/// Compares both sides.
///
/// # Errors
/// [`Kind::Config`] for names that do not exist; the classified error of a server that cannot be asked at all.
pub fn verify(config: &Config, asked: Asked<'_>, cancel: &Cancel, watchdog: &Watchdog) -> Result<VerifyReport> {
    let call = usage::VERIFY.attempt(usage::Shape::NONE);
    let tables = asked.tables;
    let started = Instant::now();
    let started_at = report::now();
    let endpoint = config.source.patient();
    let mut source = MysqlConn::connect(&endpoint)?.endable(&endpoint, watchdog);
    let (selected, refused) = planning::selected(&mut source, config, tables)?;
    let mut warehouse = PostgresConn::connect(&config.warehouse, "etl-sync/verify", watchdog)?;
    warehouse.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    let targets = planning::targets(config, &mut warehouse)?;
    let known = Known::read(&mut warehouse, &config.warehouse_schema)?;
    let named: Vec<&str> = selected.iter().map(|t| t.source.name.table.as_str()).collect();
    let gone = if tables.is_empty() { known.not_in(&named) } else { Vec::new() };
    let mut all = gone_tables((&mut source, &mut warehouse), config, &targets, gone)?;

    let (mut questions, mut odd) = (Vec::new(), refused);
    for table in selected {
        let name = table.source.name.table.clone();
        let rule = config.tables.rule(&name);
        match question(table, &targets, &rule, asked.depth) {
            Ok(question) => match divided((&mut source, &mut warehouse), known.with_ledger(question)) {
                Ok(question) => questions.push(question),
                // No other table could be asked either.
                Err(error) if is_gone(error.kind()) => return Err(error),
                Err(error) => odd.push((name, error)),
            },
            Err(error) => odd.push((name, error)),
        }
    }
    drop((source, warehouse));
    let services = Services {
        source: &endpoint,
        warehouse: &config.warehouse,
        job: &config.warehouse_schema,
        quarantine: known.quarantine,
        workers: config.settings.parallel,
        cancel,
        watchdog,
    };
    let (seen, lost) = verify::verify(&services, &questions);
    all.extend(questions.iter().zip(&seen).map(|(question, seen)| told(config, question, seen)));
    all.extend(odd.iter().map(|(name, error)| unproven(config, name, error)));
    all.iter_mut().for_each(|table| table.last_success = known.last_success.get(&table.table).cloned());
    all.sort_by(|a, b| a.table.cmp(&b.table));
    let report = VerifyReport {
        started_at,
        seconds: started.elapsed().as_secs_f64(),
        source: config.source.to_string(),
        warehouse: config.warehouse.to_string(),
        schema: config.warehouse_schema.clone(),
        depth: match asked.depth {
            Depth::Counts => "counts",
            Depth::Ledger(..) => "ledger",
            Depth::Rows(_) => "rows",
        },
        since: match asked.depth {
            Depth::Rows(depth) => depth.since.and_then(report::moment),
            Depth::Counts | Depth::Ledger(..) => None,
        },
        parallel: config.settings.parallel,
        tables: all,
        warnings: config.warnings.iter().cloned().chain(unread(known.quarantine, config)).collect(),
        error: lost.as_ref().map(ErrorReport::from),
        ..VerifyReport::default()
    };
    let stopped = cancel.is_stopping().then(|| u8::try_from(cancel.signal()).map_or(70, |signal| signal.saturating_add(128)));
    call.ends(Ok(report.judged(lost.map(|error| error.kind().policy().exit), stopped)))
}

/// Which of our own tables there are, and whether this role may read them.
pub(super) struct OwnTables(BTreeMap<String, bool>);

impl OwnTables {
    /// Asks the catalog, which everybody may.
    pub(super) fn read(conn: &mut PostgresConn) -> Result<Self> {
        let rows = conn.rows(include_str!("verify_known.sql"), &[], "looking for our own tables")?;
        Ok(Self(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
    }

    pub(super) fn may_read(&self, name: &str) -> bool {
        self.0.get(name) == Some(&true)
    }

    /// It is there, and this role may not read it.
    pub(super) fn is_closed(&self, name: &str) -> bool {
        self.0.get(name) == Some(&false)
    }

    /// What stands in the way of the quarantine: the other two tables tell which of its rows are of a finished load.
    pub(super) fn quarantine(&self) -> Without {
        const QUARANTINE: &str = "etl_quarantine.rejected_row";
        let wanted = [QUARANTINE, "etl_sync.job", "etl_sync.etl_table_state"];
        match self.0.contains_key(QUARANTINE) {
            false => Without::Quarantine,
            true if wanted.iter().all(|name| self.may_read(name)) => Without::Nothing,
            true => Without::Right,
        }
    }
}

/// What to grant where the quarantine may not be read.
pub(super) fn unread(quarantine: Without, config: &Config) -> Option<String> {
    let role = quote_postgres(&config.warehouse.user);
    (quarantine == Without::Right).then(|| {
        format!(
            "rows in quarantine cannot be counted; GRANT USAGE ON SCHEMA etl_sync, etl_quarantine TO {role}; GRANT SELECT ON \
             etl_sync.job, etl_sync.etl_table_state, etl_quarantine.rejected_row TO {role}"
        )
    })
}

/// What our own tables say, as far as this role may read them.
struct Known {
    quarantine: Without,
    /// Tables that were ever synced, and when.
    last_success: BTreeMap<String, String>,
    /// What their buckets held then, as JSON.
    ledgers: BTreeMap<String, String>,
}

impl Known {
    fn read(conn: &mut PostgresConn, schema: &str) -> Result<Self> {
        let own = OwnTables::read(conn)?;
        let mut known = Self { quarantine: own.quarantine(), last_success: BTreeMap::new(), ledgers: BTreeMap::new() };
        if own.may_read("etl_sync.etl_table_state") {
            let sql = "SELECT table_name, to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                       to_jsonb(s) ->> 'ledger' FROM etl_sync.etl_table_state s WHERE job = $1";
            let rows = conn.rows(sql, &[&schema], "reading when tables were synced")?;
            known.last_success = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            let ledger = |row: &postgres::Row| Some((row.get(0), row.get::<_, Option<String>>(2)?));
            known.ledgers = rows.iter().filter_map(ledger).collect();
        }
        Ok(known)
    }

    /// The question with the ledger of its table, when it is about rows in their present form.
    fn with_ledger(&self, question: Question) -> Question {
        let stored = self.ledgers.get(question.table.name()).and_then(|text| serde_json::from_str::<Ledger>(text).ok());
        let ledger = stored.filter(|stored| stored.sums_of(&ledger_fingerprint(&question.table), &stored.partition).is_some());
        Question { ledger, ..question }
    }

    /// Tables that were synced and are not among these.
    fn not_in(&self, names: &[&str]) -> Vec<String> {
        self.last_success.keys().filter(|name| !names.contains(&name.as_str())).cloned().collect()
    }
}

/// Of tables that were synced and are not selected, those whose source does not exist any more while the target does.
fn gone_tables(
    (source, warehouse): (&mut MysqlConn, &mut PostgresConn),
    config: &Config,
    targets: &BTreeMap<String, TargetTable>,
    mut names: Vec<String>,
) -> Result<Vec<TableVerified>> {
    names.retain(|name| targets.contains_key(&catalog::names::table(name)));
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let there = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    let tables = there.tables.iter().map(|t| &t.name).chain(there.refused.iter().map(|r| &r.name)).chain(&there.views);
    let tables: Vec<&str> = tables.map(|name| name.table.as_str()).collect();
    names.retain(|name| !tables.contains(&name.as_str()));
    let mut gone = Vec::new();
    for name in names {
        let target = TableName::new(config.warehouse_schema.clone(), catalog::names::table(&name));
        let sql = format!("SELECT NULL, count(*) FROM {}", target.postgres());
        let blank = TableVerified { status: "source_gone", ..blank(config, &name) };
        gone.push(match warehouse_counts::counts(warehouse, &sql, &format!("counting {target}")) {
            Ok(counts) => TableVerified { target_rows: Some(counts.rows), ..blank },
            Err(error) if error.kind() == Kind::Refused => TableVerified { error: Some(ErrorReport::from(&error)), ..blank },
            Err(error) => return Err(error),
        });
    }
    Ok(gone)
}

fn question(table: Selected, targets: &BTreeMap<String, TargetTable>, rule: &TableRule, depth: Depth) -> Result<Question> {
    let Selected { source, target, filter } = table;
    let existing = targets.get(&target.table);
    if existing.is_some_and(|existing| existing.kind != TargetKind::Table) {
        let text = format!("table {}: its target {target} is not an ordinary table", source.name.table);
        return Err(Error::new(Kind::Changed, text).hint("rename or drop it in the warehouse"));
    }
    let marks = rule.deletes == Deletes::Mark && existing.is_some_and(deleted_at::is_in);
    let deletes = if marks { Deletes::Mark } else { Deletes::Apply };
    let table = TablePlan { deletes, ..TablePlan::whole(source, target, filter) };
    let unlike = existing.and_then(|existing| read_back::unlike(&table, existing));
    let since = match depth {
        Depth::Rows(depth) => depth.since.and_then(|at| Since::of(&table.source, rule, at)),
        Depth::Counts | Depth::Ledger(..) => None,
    };
    Ok(Question { table, exists: existing.is_some(), unlike, depth, ledger: None, partition: None, since })
}

/// The question with its buckets, where both sides are to be compared by content.
fn divided(both: (&mut MysqlConn, &mut PostgresConn), question: Question) -> Result<Question> {
    if !matches!(question.depth, Depth::Rows(_)) || !question.exists || question.unlike.is_some() {
        return Ok(question);
    }
    // The ledger's buckets hold about as many rows each, which ranges of equal width need not; it may be too old to.
    let wanted = question.table.source.bytes_estimated / BUCKET_BYTES_MAX;
    let is_fine = |ledger: &&Ledger| u64::try_from(ledger.partition.len()).is_ok_and(|buckets| buckets >= wanted);
    let partition = match question.ledger.as_ref().filter(is_fine) {
        Some(ledger) => ledger.partition.clone(),
        None => rows::partition(both, &question.table)?,
    };
    Ok(Question { partition: Some(Arc::new(partition)), ..question })
}

/// Whether a connection is of no use after an error of this kind.
const fn is_gone(kind: Kind) -> bool {
    matches!(kind, Kind::Unreachable | Kind::Timeout | Kind::SnapshotLost | Kind::Stopped)
}

fn blank(config: &Config, table: &str) -> TableVerified {
    TableVerified {
        table: table.to_owned(),
        target: format!("{}.{}", config.warehouse_schema, catalog::names::table(table)),
        status: "not_reached",
        compared_by: "total",
        ..TableVerified::default()
    }
}

fn unproven(config: &Config, table: &str, error: &Error) -> TableVerified {
    TableVerified { status: "unproven", error: Some(ErrorReport::from(error)), ..blank(config, table) }
}

fn told(config: &Config, question: &Question, seen: &Seen) -> TableVerified {
    let name = question.table.name();
    let report = match &seen.end {
        None => blank(config, name),
        Some(Err(error)) => unproven(config, name, error),
        Some(Ok((look, verdict))) => looked(blank(config, name), look, *verdict),
    };
    let since = question.since.as_ref().filter(|_| report.content.is_some()).map(|since| since.columns.clone());
    TableVerified { seconds: seconds(seen.elapsed), since_by: since, ..report }
}

fn looked(report: TableVerified, look: &Look, verdict: Verdict) -> TableVerified {
    TableVerified {
        status: match verdict {
            Verdict::Equal => "equal",
            Verdict::InFlight => "in_flight",
            Verdict::Different => "different",
            Verdict::Missing => "missing",
            Verdict::Unproven => "unproven",
        },
        source_rows: Some(look.source).filter(|_| look.ledger.as_ref().is_none_or(|found| found.source.is_some())),
        target_rows: look.target.filter(|_| look.ledger.as_ref().is_none_or(|found| found.warehouse.is_some())),
        quarantined_rows: look.rejected,
        compared_by: match &look.content {
            Some(_) => "rows",
            None if look.ledger.is_some() => "ledger",
            None if look.by_range => "ranges",
            None => "total",
        },
        ledger: look.ledger.as_ref().map(ledger),
        ranges: look.ranges.iter().map(range).collect(),
        content: look.content.as_ref().map(content),
        ..report
    }
}

fn ledger(found: &Found) -> LedgerReport {
    let side = |side: Option<Side>| {
        side.map(|side| SideReport { rows: side.rows, buckets_changed: side.changed, seconds: seconds(side.elapsed) })
    };
    LedgerReport {
        buckets: found.buckets,
        buckets_known: found.looked_at.1,
        source: side(found.source),
        warehouse: side(found.warehouse),
    }
}

fn content(content: &Content) -> ContentReport {
    let (all, compared) = content.buckets;
    ContentReport {
        digest: format!("{:032x}", content.source.digest),
        is_sample: compared < all,
        buckets: all,
        buckets_compared: compared,
        rows_compared: content.source.rows,
        missing_rows: content.missing,
        surplus_rows: content.surplus,
        changed_rows: content.changed,
        kept_out_rows: content.kept_out + content.quarantined,
        unproven_rows: content.unproven,
        is_exact: content.is_exact,
        differences: content.differences.iter().map(difference).collect(),
    }
}

fn difference(one: &Difference) -> DifferenceReport {
    let column = |column: &rows::Column| ColumnDifference {
        column: column.name.clone(),
        source: column.values.as_ref().map(|values| values.0.clone()),
        target: column.values.as_ref().map(|values| values.1.clone()),
    };
    DifferenceReport {
        kind: match one.kind {
            Differs::Missing => "missing",
            Differs::Surplus => "surplus",
            Differs::Changed => "changed",
        },
        key: one.key.clone(),
        columns: one.columns.iter().map(column).collect(),
    }
}

const fn range(range: &Range) -> RangeReport {
    RangeReport { from: range.from, below: range.below, source_rows: range.source, target_rows: range.target }
}

/// Whole milliseconds are all that is meant.
fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
