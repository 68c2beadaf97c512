//! A new table takes the place of one whose columns the source's rows may not fit any more.
//!
//! The shadow is filled, keyed, analyzed and counted beside the old table, which is untouched until then. Then, under a lock
//! of the old one: what people gave it is given to the new one, the old one is dropped without CASCADE, so that anything that
//! rests on it undoes all of this, and the new one gets its name. All in the transaction of the state row.

use super::{count, drift, finish, merge, run};
use crate::catalog::TargetTable;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::name::{literal_postgres, quote_postgres};
use crate::sink::{Load, Outcome, Proof};
use std::collections::BTreeSet;

/// Makes the filled shadow the target in place of the old one, inside the open transaction.
///
/// # Errors
/// [`Kind::Proof`] when the shadow does not hold the rows that were copied, [`Kind::Guarded`] when most rows would be gone,
/// [`Kind::Transient`] when the old table is in use, [`Kind::Changed`] when something rests on it; the classified server error.
pub fn install(conn: &mut PostgresConn, load: &Load<'_>, proof: &Proof, doing: &str) -> Result<Outcome> {
    let Some(existing) = load.existing else {
        return Err(Error::new(Kind::Internal, format!("{doing}: an exchange without a target")));
    };
    let held = finish::build(conn, load, proof, doing)?;
    let (target, shadow) = (load.plan.target.postgres(), &load.staging);
    let carried = indexes(conn, load, existing, doing)?;
    drift::seize(conn, load, true, doing)?;
    is_the_same(conn, load, existing, doing)?;
    let total = format!("SELECT count(*) FROM ONLY {target}");
    let old = count(merge::first(&run(conn, &total, doing)?.rows), doing)?;
    merge::guarded(load, old.saturating_sub(held), old, doing)?;
    let (before, after) = belongings(conn, load, existing, doing)?;
    let moved = format!("{}.{}", quote_postgres(&load.plan.target.schema), quote_postgres(&shadow.table));
    let mut sql = before;
    sql.push_str(&format!(
        "DROP TABLE {target}; ALTER TABLE {} SET SCHEMA {}; ALTER TABLE {moved} RENAME TO {};",
        shadow.postgres(),
        quote_postgres(&load.plan.target.schema),
        quote_postgres(&load.plan.target.table)
    ));
    sql.push_str(&carried);
    sql.push_str(&after);
    conn.batch(&sql, doing).map_err(drift::in_the_way)?;
    finish::name_key(conn, load, doing)?;
    Ok(Outcome { rows: held, inserted: held, deleted: old, ..Outcome::default() })
}

/// The plan decided about one table; under its name there must be no other by now.
fn is_the_same(conn: &mut PostgresConn, load: &Load<'_>, existing: &TargetTable, doing: &str) -> Result<()> {
    let sql = format!("SELECT {}::regclass::oid", literal_postgres(&load.plan.target.postgres()));
    if merge::first(&run(conn, &sql, doing)?.rows) == existing.oid.to_string() {
        return Ok(());
    }
    Err(Error::new(Kind::Changed, format!("{doing}: {} is another table than the plan saw", load.plan.target)))
}

/// Makes the old table's indexes on the shadow, those of its key excepted; returns what gives them their names later.
fn indexes(conn: &mut PostgresConn, load: &Load<'_>, existing: &TargetTable, doing: &str) -> Result<String> {
    let sql = include_str!("exchange_indexes.sql").replace("{old}", &literal_postgres(&load.plan.target.postgres()));
    let key: BTreeSet<&str> = load.plan.source.key_columns().map(|column| column.target.as_str()).collect();
    let (schema, shadow) = (quote_postgres(&load.plan.target.schema), load.staging.postgres());
    let (mut build, mut rename) = (String::new(), String::new());
    for (at, row) in run(conn, &sql, doing)?.rows.iter().enumerate() {
        let [name, constraint, unique, rest, columns] = row.as_slice() else {
            return Err(Error::new(Kind::Internal, format!("{doing}: no answer about the indexes of {}", existing.name)));
        };
        let own: BTreeSet<&str> = columns.split('\u{1}').collect();
        if !constraint.is_empty() && own == key {
            continue;
        }
        let (fresh, name) = (quote_postgres(&format!("{}_{at}", load.staging.table)), quote_postgres(name));
        if constraint.is_empty() {
            let unique = if unique == "t" { "UNIQUE " } else { "" };
            build.push_str(&format!("CREATE {unique}INDEX {fresh} ON {shadow} {rest};"));
            rename.push_str(&format!("ALTER INDEX {schema}.{fresh} RENAME TO {name};"));
        } else {
            build.push_str(&format!("ALTER TABLE {shadow} ADD CONSTRAINT {fresh} {constraint};"));
            rename.push_str(&format!("ALTER TABLE {} RENAME CONSTRAINT {fresh} TO {name};", load.plan.target.postgres()));
        }
    }
    if !build.is_empty() {
        let what = format!("{doing}: making the old table's indexes on the new one");
        conn.batch(&build, &what).map_err(drift::in_the_way)?;
    }
    Ok(rename)
}

/// Owner, grants, defaults with their sequences, storage options and comments of the old table: statements to be run before
/// it is dropped, and those after the new one has its name.
fn belongings(conn: &mut PostgresConn, load: &Load<'_>, existing: &TargetTable, doing: &str) -> Result<(String, String)> {
    let sql = include_str!("exchange_belongings.sql")
        .replace("{old}", &literal_postgres(&load.plan.target.postgres()))
        .replace("{new}", &literal_postgres(&load.staging.postgres()))
        .replace("{target}", &literal_postgres(&load.plan.target.postgres()));
    let (mut before, mut after) = (String::new(), String::new());
    for row in run(conn, &sql, doing)?.rows {
        let [when, statement] = row.as_slice() else {
            return Err(Error::new(Kind::Internal, format!("{doing}: no answer about what belongs to {}", existing.name)));
        };
        let into = if when == "before" { &mut before } else { &mut after };
        into.push_str(statement);
        into.push(';');
    }
    let target = load.plan.target.postgres();
    if load.plan.source.comment.is_empty() && !existing.comment.is_empty() {
        after.push_str(&format!("COMMENT ON TABLE {target} IS {};", literal_postgres(&existing.comment)));
    }
    for column in load.plan.source.columns.iter().filter(|column| column.comment.is_empty()) {
        let old = existing.columns.iter().find(|found| found.name == column.target).map_or("", |found| &found.comment);
        if !old.is_empty() {
            let name = quote_postgres(&column.target);
            after.push_str(&format!("COMMENT ON COLUMN {target}.{name} IS {};", literal_postgres(old)));
        }
    }
    Ok((before, after))
}
