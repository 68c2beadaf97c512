//! Refresh by content: delete what is gone, update only rows whose image differs, insert what is new.
//!
//! One transaction, no TRUNCATE and no rename: readers of every isolation level see a whole table, and views, grants,
//! publications and policies stay. An unchanged table gets no write at all.

use super::{Answers, count, drift, loaded_at, run};
use crate::catalog::deleted_at;
use crate::catalog::loaded_at::NAME;
use crate::catalog::{KeyKind, TargetTable};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::key::KeyRange;
use crate::name::{literal_postgres, quote_postgres};
use crate::sink::{Load, Outcome, Proof};
use std::collections::BTreeSet;

/// Memory per join of a merge: with PostgreSQL's default of 4 MB the joins of a large table spill many times over.
const WORK_MEM: &str = "64MB";

/// Rows that any run may delete from any table.
const DELETES_FREE: u64 = 1000;

/// Makes the target hold exactly the rows of `staging` (a quoted name), inside the open transaction.
///
/// # Errors
/// [`Kind::Proof`] when counts disagree, [`Kind::Changed`] when the target's columns do not fit; the classified server
/// error.
pub fn install(conn: &mut PostgresConn, load: &Load<'_>, staging: &str, proof: &Proof, doing: &str) -> Result<Outcome> {
    let target = load.plan.target.postgres();
    let existing = begin(conn, load, (staging, !load.plan.is_single()), proof.rows_copied, doing)?;
    if load.plan.marks_deletes() && !is_keyed(load, existing) {
        return Err(Error::new(
            Kind::Changed,
            format!("{doing}: deletes cannot be marked: the target has no key of these columns"),
        )
        .hint("make the source's key a primary key or a unique index of the target, or leave out `deletes: mark`"));
    }
    let differences = if is_keyed(load, existing) { by_key(load, staging, &target) } else { by_image(load, staging, &target) };
    let total = total(load);
    // Most tables of most nights have not changed: a second look at the few that have is cheaper than a table of their
    // differences for all.
    let probe = if is_keyed(load, existing) { differences.clone() } else { images(load, staging, &target) };
    let same = if load.plan.is_single() { unchanged(conn, load, existing, (&probe, &total), doing)? } else { None };
    let ([deleted, updated, inserted], rows) = match same {
        Some(rows) => ([0; 3], rows),
        None => change(conn, load, existing, (staging, &differences, &total), doing)?,
    };
    if rows != proof.rows_copied {
        let text = format!("{doing}: staging holds {} rows, the table {rows} after the merge", proof.rows_copied);
        return Err(Error::new(Kind::Proof, text));
    }
    Ok(Outcome { rows, inserted, updated, deleted, ..Outcome::default() })
}

/// Takes over that the source has no row, when the target has none either; false when it has some, and a merge must delete
/// them.
///
/// # Errors
/// As [`install`].
pub fn is_empty(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<bool> {
    let existing = existing(load, doing)?;
    let lock = drift::adapt(conn, load, doing)?;
    let rows = count(first(&run(conn, &format!("{lock}{}", total(load)), doing)?.rows), doing)?;
    if rows == 0 {
        loaded_at::ensure(conn, load, existing, &load.plan.target.postgres(), doing)?;
    }
    Ok(rows == 0)
}

/// The statements before a count of the target that nothing is merged into.
///
/// # Errors
/// As [`install`].
pub fn stands_still(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<String> {
    let existing = existing(load, doing)?;
    loaded_at::ensure(conn, load, existing, &load.plan.target.postgres(), doing)?;
    drift::adapt(conn, load, doing)
}

/// The number of rows, when staging and target hold the same.
fn unchanged(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    existing: &TargetTable,
    (probe, total): (&str, &str),
    doing: &str,
) -> Result<Option<u64>> {
    let sql = format!("SET LOCAL work_mem = '{WORK_MEM}'; SELECT count(*) FROM ({probe}) AS p; {total}");
    let rows = run(conn, &sql, doing)?.rows;
    if rows.first().map(Vec::as_slice) != Some(&["0".to_owned()]) {
        return Ok(None);
    }
    loaded_at::ensure(conn, load, existing, &load.plan.target.postgres(), doing)?;
    count(rows.get(1).and_then(|row| row.first()).map_or("", String::as_str), doing).map(Some)
}

/// Makes the target hold the rows of `staging`, and inside `ranges` no others; every other row stays. None when rows
/// cannot be told by their key on this target. `rows` of the outcome are not counted. `is_inside`: no row of staging is outside
/// of the ranges, so the rest of a large target need not be read.
///
/// # Errors
/// As [`install`].
pub fn add(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    staging: &str,
    (ranges, is_inside): (&[KeyRange], bool),
    copied: u64,
    doing: &str,
) -> Result<Option<Outcome>> {
    let target = load.plan.target.postgres();
    // What is inside of ranges is few rows, and the planner sees how many.
    let existing = begin(conn, load, (staging, !is_inside && !load.plan.is_single()), copied, doing)?;
    if !is_keyed(load, existing) {
        return Ok(None);
    }
    let matches = match is_inside && !ranges.is_empty() {
        true => format!("{} AND ({})", same_key(load), inside(load, ranges)),
        false => same_key(load),
    };
    let differences = past(load, staging, &target, ranges, &matches);
    let held = format!("SELECT count(*) FROM {staging} s JOIN ONLY {target} t ON {matches}");
    let ([deleted, updated, inserted], rows) = change(conn, load, existing, (staging, &differences, &held), doing)?;
    if rows != copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {copied} rows were to be merged, the table holds {rows} of them")));
    }
    Ok(Some(Outcome { inserted, updated, deleted, ..Outcome::default() }))
}

/// Locks the target, adapts its columns and looks whether staging holds what was copied.
fn begin<'a>(
    conn: &mut PostgresConn,
    load: &Load<'a>,
    (staging, analyzes): (&str, bool),
    copied: u64,
    doing: &str,
) -> Result<&'a TargetTable> {
    let existing = existing(load, doing)?;
    let mut sql = drift::adapt(conn, load, doing)?;
    if analyzes {
        sql.push_str(&format!("ANALYZE {staging};"));
    }
    sql.push_str(&format!("SELECT count(*) FROM {staging};"));
    let held = count(first(&run(conn, &sql, doing)?.rows), doing)?;
    if held != copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {copied} rows were copied, staging holds {held}")));
    }
    Ok(existing)
}

fn existing<'a>(load: &Load<'a>, doing: &str) -> Result<&'a TargetTable> {
    load.existing.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: a refresh without a target")))
}

/// Finds what differs and changes it; returns rows deleted, updated and inserted, and the answer to `total`.
fn change(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    existing: &TargetTable,
    (staging, differences, total): (&str, &str, &str),
    doing: &str,
) -> Result<([u64; 3], u64)> {
    let found =
        run(conn, &format!("SET LOCAL work_mem = '{WORK_MEM}'; CREATE TEMP TABLE diff ON COMMIT DROP AS {differences}"), doing)?;
    let target = load.plan.target.postgres();
    let stamped = loaded_at::ensure(conn, load, existing, &target, doing)?;
    if found.touched.last() == Some(&0) {
        return Ok(([0; 3], count(first(&run(conn, total, doing)?.rows), doing)?));
    }
    guard(conn, load, doing)?;
    let (answers, replaced) = write(conn, load, existing, (staging, &target, stamped), total, doing)?;
    if is_keyed(load, existing) {
        is_as_sent(conn, load, (staging, &target), doing)?;
    }
    let rows = count(answers.rows.last().and_then(|row| row.first()).map_or("", String::as_str), doing)?;
    Ok((changes(&answers, (replaced, load.plan.marks_deletes()), doing)?, rows))
}

/// Looks at the rows that were written: a trigger may change what it is given.
fn is_as_sent(conn: &mut PostgresConn, load: &Load<'_>, (staging, target): (&str, &str), doing: &str) -> Result<()> {
    let key = load.plan.source.key_columns().next().map(|c| quote_postgres(&c.target)).unwrap_or_default();
    // Of few differences, few rows of the target are looked up.
    let sql = format!(
        "ANALYZE pg_temp.diff; SELECT count(*) FROM pg_temp.diff d JOIN {staging} s ON s.ctid = d.fresh LEFT JOIN ONLY {target} t ON {} \
         WHERE t.{key} IS NULL OR ROW({})::record *<> ROW({})::record",
        same_key(load),
        row(load, "s."),
        row(load, "t."),
    );
    let unlike = count(first(&run(conn, &sql, doing)?.rows), doing)?;
    if unlike == 0 {
        return Ok(());
    }
    Err(Error::new(Kind::Changed, format!("{doing}: {unlike} rows are not in the table as they were written"))
        .hint("look for triggers on the table in the warehouse that change what is written"))
}

/// Refuses to delete most of a table: an empty or wrong source looks just like that.
fn guard(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<()> {
    // Without a key a changed row is one that goes and one that comes.
    let come = if load.plan.source.key.is_empty() { "count(*) FILTER (WHERE place IS NULL)" } else { "0" };
    let sql = format!("SELECT greatest(0, count(*) FILTER (WHERE fresh IS NULL) - {come}) FROM pg_temp.diff");
    let gone = count(first(&run(conn, &sql, doing)?.rows), doing)?;
    if gone <= DELETES_FREE || load.deletes_percent_max >= 100 {
        return Ok(());
    }
    guarded(load, gone, count(first(&run(conn, &total(load), doing)?.rows), doing)?, doing)
}

/// Whether `gone` of a table's rows may be gone.
///
/// # Errors
/// [`Kind::Guarded`].
pub fn guarded(load: &Load<'_>, gone: u64, rows: u64, doing: &str) -> Result<()> {
    if gone <= DELETES_FREE || gone.saturating_mul(100) <= rows.saturating_mul(load.deletes_percent_max) {
        return Ok(());
    }
    let text = format!("{doing}: {gone} of {rows} rows would be deleted, more than deletes_percent_max allows");
    Err(Error::new(Kind::Guarded, text))
}

/// Rows deleted, updated and inserted, when they are as many as differed: a trigger or a rule may swallow a write.
fn changes(answers: &Answers, (replaced, marked): (bool, bool), doing: &str) -> Result<[u64; 3]> {
    let wanted = answers.rows.first().map(Vec::as_slice).unwrap_or_default();
    let wanted: Vec<u64> = wanted.iter().map(|text| count(text, doing)).collect::<Result<_>>()?;
    let &[deleted, updated, inserted] = wanted.as_slice() else {
        return Err(Error::new(Kind::Internal, format!("{doing}: the merge did not count its rows")));
    };
    // A row that is replaced is set aside, deleted and inserted; the count of rows stands in between.
    let expected = match (replaced, marked) {
        (true, true) => vec![1, deleted, updated, updated, inserted],
        (true, false) => vec![1, deleted + updated, updated, inserted],
        (false, _) => wanted,
    };
    match answers.touched.as_slice() {
        [_, done @ .., _] if *done == expected => Ok([deleted, updated, inserted]),
        [_, done @ .., _] => Err(Error::new(
            Kind::Changed,
            format!("{doing}: {expected:?} rows were to be changed by the statements of the merge, {done:?} were"),
        )
        .hint("look for triggers and rules on the table in the warehouse that keep rows from being written")),
        _ => Err(Error::new(Kind::Internal, format!("{doing}: the merge did not answer every statement"))),
    }
}

/// Counts the rows of the target, but for those that the source has no more.
pub(super) fn total(load: &Load<'_>) -> String {
    let there = if load.plan.marks_deletes() { format!(" WHERE {}", deleted_at::is_null("")) } else { String::new() };
    format!("SELECT count(*) FROM ONLY {}{there}", load.plan.target.postgres())
}

/// Rows can be matched by their key: both sides keep it unique, and no part of it became NULL.
fn is_keyed(load: &Load<'_>, existing: &TargetTable) -> bool {
    let (source, nullable) = (&load.plan.source, load.nullable());
    source.key_kind != KeyKind::None && source.key.iter().all(|column| !nullable.contains(column)) && existing.keeps_key(source)
}

pub(super) fn first(rows: &[Vec<String>]) -> &str {
    rows.first().and_then(|row| row.first()).map_or("", String::as_str)
}

/// The places of rows that differ: one pass over both tables, and all that the statements after it have to touch.
///
/// `*<>` compares images, so it sees -0, 1.0 against 1.00, and types without an equality. The casts keep PostgreSQL from
/// taking it apart into a comparison per column.
fn by_key(load: &Load<'_>, staging: &str, target: &str) -> String {
    let key = load.plan.source.key_columns().next().map(|c| quote_postgres(&c.target)).unwrap_or_default();
    let unlike = format!("ROW({})::record *<> ROW({})::record", row(load, "s."), row(load, "t."));
    let differs = match load.plan.marks_deletes() {
        true => format!(
            "CASE WHEN s.{key} IS NULL THEN {there} WHEN t.{key} IS NULL THEN true ELSE NOT ({there}) OR {unlike} END",
            there = deleted_at::is_null("t.")
        ),
        false => format!("s.{key} IS NULL OR t.{key} IS NULL OR {unlike}"),
    };
    format!(
        "SELECT t.ctid AS place, s.ctid AS fresh FROM {staging} s FULL JOIN ONLY {target} t ON {} WHERE {differs}",
        same_key(load)
    )
}

fn same_key(load: &Load<'_>) -> String {
    let names = load.plan.source.key_columns().map(|c| quote_postgres(&c.target));
    names.map(|name| format!("s.{name} = t.{name}")).collect::<Vec<_>>().join(" AND ")
}

/// As [`by_key`] for staging that holds a part of the table: what it does not hold is only gone inside `ranges`.
/// `matches` joins both by key.
fn past(load: &Load<'_>, staging: &str, target: &str, ranges: &[KeyRange], matches: &str) -> String {
    let key = load.plan.source.key_columns().next().map(|c| quote_postgres(&c.target)).unwrap_or_default();
    let (gone, alive) = match load.plan.marks_deletes() {
        true => (format!("NOT ({}) OR ", deleted_at::is_null("t.")), format!(" AND {}", deleted_at::is_null("t."))),
        false => (String::new(), String::new()),
    };
    let changed = format!(
        "SELECT t.ctid AS place, s.ctid AS fresh FROM {staging} s LEFT JOIN ONLY {target} t ON {matches} \
         WHERE t.{key} IS NULL OR {gone}ROW({})::record *<> ROW({})::record",
        row(load, "s."),
        row(load, "t."),
    );
    if ranges.is_empty() {
        return changed;
    }
    format!(
        "{changed} UNION ALL SELECT t.ctid, NULL FROM ONLY {target} t WHERE ({}){alive} \
         AND NOT EXISTS (SELECT 1 FROM {staging} s WHERE {})",
        inside(load, ranges),
        same_key(load)
    )
}

/// Rows of the target in these ranges.
fn inside(load: &Load<'_>, ranges: &[KeyRange]) -> String {
    let key = load.plan.source.key_columns().next().map(|c| quote_postgres(&c.target)).unwrap_or_default();
    ranges.iter().map(|range| range.of_integers(&format!("t.{key}"))).collect::<Vec<_>>().join(" OR ")
}

/// Without a key rows are told apart by their whole text image and by how often it occurs.
fn by_image(load: &Load<'_>, staging: &str, target: &str) -> String {
    let image = format!("ROW({})::text", row(load, ""));
    let numbered = |table: &str| {
        format!("(SELECT ctid AS place, {image} AS image, row_number() OVER (PARTITION BY {image}) AS n FROM ONLY {table})")
    };
    format!(
        "SELECT t.place, s.place AS fresh FROM {} s FULL JOIN {} t ON s.image = t.image AND s.n = t.n \
         WHERE s.place IS NULL OR t.place IS NULL",
        numbered(staging),
        numbered(target)
    )
}

/// Images that do not occur as often on both sides: as [`by_image`], but without the places, so without sorting.
fn images(load: &Load<'_>, staging: &str, target: &str) -> String {
    let counted =
        |table: &str| format!("(SELECT ROW({})::text AS image, count(*) AS n FROM ONLY {table} GROUP BY 1)", row(load, ""));
    format!(
        "SELECT FROM {} s FULL JOIN {} t ON s.image = t.image WHERE s.n IS DISTINCT FROM t.n",
        counted(staging),
        counted(target)
    )
}

/// The statement that deletes the rows that are gone, or marks them.
fn remove(load: &Load<'_>, target: &str, stamped: bool) -> String {
    if !load.plan.marks_deletes() {
        return format!("DELETE FROM ONLY {target} t USING pg_temp.diff d WHERE t.ctid = d.place AND d.fresh IS NULL");
    }
    let set = format!("{} = now(){}", quote_postgres(deleted_at::NAME), loaded_at::assignment(stamped));
    format!("UPDATE ONLY {target} t SET {set} FROM pg_temp.diff d WHERE t.ctid = d.place AND d.fresh IS NULL")
}

/// Deletes first, so that their values are free for what comes.
fn apply(load: &Load<'_>, staging: &str, target: &str, stamped: bool) -> String {
    let (columns, fresh) = (row(load, ""), row(load, "s."));
    let remove = remove(load, target, stamped);
    let back = if load.plan.marks_deletes() { format!(", {} = NULL", quote_postgres(deleted_at::NAME)) } else { String::new() };
    let stamp = format!("{}{back}", loaded_at::assignment(stamped));
    format!(
        "{COUNTS}; {remove}; \
         UPDATE ONLY {target} t SET ({columns}) = ROW({fresh}){stamp} FROM pg_temp.diff d, {staging} s \
         WHERE t.ctid = d.place AND s.ctid = d.fresh; \
         INSERT INTO {target} ({columns}) SELECT {fresh} FROM pg_temp.diff d JOIN {staging} s ON s.ctid = d.fresh \
         WHERE d.place IS NULL"
    )
}

/// Deletes, updates and inserts; true when changed rows had to be replaced.
///
/// Two rows may have swapped a value that the target keeps unique: then an UPDATE meets the old value of the other, and
/// all changed rows are deleted before any is inserted. Not where a foreign key refers to the table: that would take
/// somebody's rows along.
fn write(
    conn: &mut PostgresConn,
    load: &Load<'_>,
    existing: &TargetTable,
    (staging, target, stamped): (&str, &str, bool),
    total: &str,
    doing: &str,
) -> Result<(Answers, bool)> {
    conn.batch("SAVEPOINT merge", doing)?;
    let refused = match run(conn, &format!("{}; {total}", apply(load, staging, target, stamped)), doing) {
        Err(error) if error.kind() == Kind::Data => error,
        other => return other.map(|answers| (answers, false)),
    };
    let referred = format!(
        "ROLLBACK TO SAVEPOINT merge; SELECT 1 FROM pg_constraint WHERE contype = 'f' AND confrelid = {}::regclass LIMIT 1",
        literal_postgres(target)
    );
    if !run(conn, &referred, doing)?.rows.is_empty() {
        return Err(refused.hint(hint(load)));
    }
    log::debug!("{refused}; its changed rows are replaced");
    let replaced = run(conn, &format!("{}; {total}", replace(load, existing, staging, target, stamped)), doing);
    replaced.map(|answers| (answers, true)).map_err(|error| error.hint(hint(load)))
}

/// What to do about rows that the target's own rules refuse.
fn hint(load: &Load<'_>) -> &'static str {
    if load.plan.marks_deletes() {
        return "an index or constraint of the warehouse refuses the new rows; a unique index may meet the value of a row that is \
                marked as deleted: make it one WHERE _deleted_at IS NULL";
    }
    "an index or constraint of the warehouse refuses the new rows; drop it if the source does not have it any more"
}

/// As [`apply`], with every changed row deleted before any is inserted; columns that only the warehouse has stay, but for
/// `_loaded_at`, whose default stamps the new version.
fn replace(load: &Load<'_>, existing: &TargetTable, staging: &str, target: &str, stamped: bool) -> String {
    let (columns, fresh) = (row(load, ""), row(load, "s."));
    let ours: BTreeSet<&str> = load.plan.source.columns.iter().map(|c| c.target.as_str()).collect();
    let marks = load.plan.marks_deletes();
    let is_theirs = |name: &str| !(ours.contains(name) || stamped && name == NAME || marks && name == deleted_at::NAME);
    let theirs: Vec<&str> =
        existing.columns.iter().filter(|c| is_theirs(&c.name) && !c.generated).map(|c| c.name.as_str()).collect();
    let extra = |prefix: &str| theirs.iter().map(|name| format!(", {prefix}{}", quote_postgres(name))).collect::<String>();
    let (first, which) = match marks {
        true => (format!("{}; ", remove(load, target, stamped)), " AND d.fresh IS NOT NULL"),
        false => (String::new(), ""),
    };
    format!(
        "CREATE TEMP TABLE old ON COMMIT DROP AS SELECT d.place AS our_place{0} FROM pg_temp.diff d \
         JOIN ONLY {target} t ON t.ctid = d.place WHERE d.fresh IS NOT NULL; {COUNTS}; {first}\
         DELETE FROM ONLY {target} t USING pg_temp.diff d WHERE t.ctid = d.place{which}; \
         INSERT INTO {target} ({columns}{1}) SELECT {fresh}{2} FROM pg_temp.diff d JOIN {staging} s ON s.ctid = d.fresh \
         JOIN pg_temp.old o ON o.our_place = d.place; \
         INSERT INTO {target} ({columns}) SELECT {fresh} FROM pg_temp.diff d JOIN {staging} s ON s.ctid = d.fresh \
         WHERE d.place IS NULL",
        extra("t."),
        extra(""),
        extra("o."),
    )
}

/// Rows to be deleted, updated and inserted.
const COUNTS: &str = "SELECT count(*) FILTER (WHERE fresh IS NULL), \
                      count(*) FILTER (WHERE place IS NOT NULL AND fresh IS NOT NULL), \
                      count(*) FILTER (WHERE place IS NULL) FROM pg_temp.diff";

/// All columns, each behind `prefix`.
fn row(load: &Load<'_>, prefix: &str) -> String {
    let columns = load.plan.source.columns.iter().map(|c| format!("{prefix}{}", quote_postgres(&c.target)));
    columns.collect::<Vec<_>>().join(", ")
}
