//! Refresh by content: delete what is gone, update only rows whose image differs, insert what is new.
//!
//! One transaction, no TRUNCATE and no rename: readers of every isolation level see a whole table, and views, grants,
//! publications and policies stay. An unchanged table gets no write at all.

use super::{count, run};
use crate::catalog::ddl::{self, Difference};
use crate::catalog::{KeyKind, TargetTable};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::name::{column_list, quote_postgres};
use crate::sink::{Load, Outcome, Proof};

/// Makes the target hold exactly the rows of `staging` (a quoted name), inside the open transaction.
///
/// # Errors
/// [`Kind::Proof`] when counts disagree, [`Kind::Changed`] when the target's columns do not fit; the classified server
/// error.
pub fn install(conn: &mut PostgresConn, load: &Load<'_>, staging: &str, proof: &Proof, doing: &str) -> Result<Outcome> {
    let target = load.plan.target.postgres();
    let Some(existing) = load.existing else {
        return Err(Error::new(Kind::Internal, format!("{doing}: a refresh without a target")));
    };
    // Other writers wait until the end; readers do not.
    let mut sql = format!("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE;");
    sql.push_str(&adapt(load, existing, &target));
    if !load.plan.is_single() {
        sql.push_str(&format!("ANALYZE {staging};"));
    }
    sql.push_str(&format!("SELECT count(*) FROM {staging};"));
    let held = count(first(&run(conn, &sql, doing)?.rows), doing)?;
    if held != proof.rows_copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {} rows were copied, staging holds {held}", proof.rows_copied)));
    }
    let keyed = load.plan.source.key_kind != KeyKind::None && load.plan.source.key.iter().all(|c| !load.nullable().contains(c));
    let statements = if keyed { by_key(load, staging, &target) } else { by_image(load, staging, &target) };
    let answers = run(conn, &format!("{statements}; SELECT count(*) FROM {target}"), doing)?;
    let rows = count(first(&answers.rows), doing)?;
    if rows != held {
        return Err(Error::new(Kind::Proof, format!("{doing}: staging holds {held} rows, the table {rows} after the merge")));
    }
    // DELETE, UPDATE, INSERT, and the count; without a key there is no UPDATE.
    match *answers.touched.as_slice() {
        [deleted, updated, inserted, _] => Ok(Outcome { rows, inserted, updated, deleted }),
        [deleted, inserted, _] => Ok(Outcome { rows, inserted, updated: 0, deleted }),
        _ => Err(Error::new(Kind::Internal, format!("{doing}: the merge did not answer every statement"))),
    }
}

fn first(rows: &[Vec<String>]) -> &str {
    rows.first().and_then(|row| row.first()).map_or("", String::as_str)
}

/// Adds columns that the source has got and gives up NOT NULL where NULL arrives; the plan refused what does not fit.
fn adapt(load: &Load<'_>, existing: &TargetTable, target: &str) -> String {
    let mut sql = String::new();
    for difference in ddl::matches(&load.plan.source, existing) {
        if let Difference::Added { column, wanted } = difference {
            sql.push_str(&format!("ALTER TABLE {target} ADD COLUMN {} {wanted};", quote_postgres(&column)));
        }
    }
    let nullable = load.nullable();
    for (index, column) in load.plan.source.columns.iter().enumerate() {
        let strict = existing.columns.iter().any(|found| found.name == column.name && found.not_null);
        if strict && (column.nullable || nullable.contains(&index)) {
            sql.push_str(&format!("ALTER TABLE {target} ALTER COLUMN {} DROP NOT NULL;", quote_postgres(&column.name)));
        }
    }
    sql
}

/// `*<>` compares images, so it sees -0, 1.0 against 1.00, and types without an equality. The casts keep PostgreSQL from
/// taking it apart into a comparison per column.
fn by_key(load: &Load<'_>, staging: &str, target: &str) -> String {
    let source = &load.plan.source;
    let names: Vec<String> = source.columns.iter().map(|c| quote_postgres(&c.name)).collect();
    let same: Vec<String> = source.key_columns().map(|c| format!("s.{0} = t.{0}", quote_postgres(&c.name))).collect();
    let same = same.join(" AND ");
    let row = |side: &str| names.iter().map(|n| format!("{side}.{n}")).collect::<Vec<_>>().join(", ");
    let columns = names.join(", ");
    format!(
        "DELETE FROM {target} t WHERE NOT EXISTS (SELECT FROM {staging} s WHERE {same}); \
         UPDATE {target} t SET ({columns}) = ROW({s}) FROM {staging} s WHERE {same} AND ROW({s})::record *<> ROW({t})::record; \
         INSERT INTO {target} ({columns}) SELECT {s} FROM {staging} s WHERE NOT EXISTS (SELECT FROM {target} t WHERE {same})",
        s = row("s"),
        t = row("t"),
    )
}

/// Without a key rows are told apart by their whole text image and by how often it occurs.
fn by_image(load: &Load<'_>, staging: &str, target: &str) -> String {
    let columns = column_list(load.plan.source.columns.iter().map(|c| c.name.as_str()), quote_postgres);
    let numbered = |table: &str| {
        format!(
            "(SELECT place, {columns}, image, row_number() OVER (PARTITION BY image) AS n FROM \
             (SELECT ctid AS place, {columns}, ROW({columns})::text AS image FROM {table}) AS r)"
        )
    };
    let (s, t) = (numbered(staging), numbered(target));
    format!(
        "DELETE FROM {target} WHERE ctid IN (SELECT t.place FROM {t} AS t \
         WHERE NOT EXISTS (SELECT FROM {s} AS s WHERE s.image = t.image AND s.n = t.n)); \
         INSERT INTO {target} ({columns}) SELECT {columns} FROM {s} AS s \
         WHERE NOT EXISTS (SELECT FROM {t} AS t WHERE t.image = s.image AND t.n = s.n)"
    )
}
