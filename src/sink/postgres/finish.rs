//! First load: key, statistics, comments, proof, and the rename that makes the shadow the table.

use super::{count, run};
use crate::catalog::{ddl, deleted_at};
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, check_postgres, literal_postgres, quote_postgres};
use crate::sink::{Load, Outcome, Proof};

/// Makes the filled shadow the target table, inside the open transaction.
///
/// # Errors
/// As [`build`].
pub fn install(conn: &mut PostgresConn, load: &Load<'_>, proof: &Proof, doing: &str) -> Result<Outcome> {
    let held = build(conn, load, proof, doing)?;
    let (plan, shadow) = (load.plan, &load.staging);
    if shadow != &plan.target {
        // Two steps, because both names may be taken in the other schema.
        let moved = TableName::new(plan.target.schema.clone(), shadow.table.clone());
        let sql = format!(
            "ALTER TABLE {} SET SCHEMA {}; ALTER TABLE {} RENAME TO {}",
            shadow.postgres(),
            quote_postgres(&plan.target.schema),
            moved.postgres(),
            quote_postgres(&plan.target.table)
        );
        conn.batch(&sql, doing)?;
        name_key(conn, load, doing)?;
    }
    Ok(Outcome { rows: held, inserted: held, ..Outcome::default() })
}

/// Gives the filled shadow its key, statistics and comments, and counts its rows.
///
/// # Errors
/// [`Kind::Proof`] when the shadow does not hold the rows that were copied; the classified server error.
pub fn build(conn: &mut PostgresConn, load: &Load<'_>, proof: &Proof, doing: &str) -> Result<u64> {
    let (plan, shadow) = (load.plan, &load.staging);
    let mut sql = String::new();
    if let Some(key) = ddl::add_primary_key(shadow, &plan.source, &load.nullable()) {
        sql.push_str(&key);
        sql.push(';');
    }
    sql.push_str(&format!("ANALYZE {};", shadow.postgres()));
    sql.push_str(&ddl::comments(shadow, &plan.source));
    if plan.marks_deletes() {
        sql.push_str(&deleted_at::comment(shadow));
    }
    if !plan.is_single() {
        sql.push_str(&format!("{};", ddl::out_of_work(shadow)));
    }
    sql.push_str(&format!("SELECT count(*) FROM {}", shadow.postgres()));
    let answers = run(conn, &sql, doing)?;
    let held = count(answers.rows.first().and_then(|row| row.first()).map_or("", String::as_str), doing)?;
    if held != proof.rows_copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {} rows were copied, the table holds {held}", proof.rows_copied)));
    }
    Ok(held)
}

/// The key is called `table_pkey`, as PostgreSQL would have called it, unless that is too long or taken.
///
/// # Errors
/// The classified server error.
pub fn name_key(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<()> {
    let target = &load.plan.target;
    let wanted = format!("{}_pkey", target.table);
    if check_postgres(&wanted).is_err() {
        return Ok(());
    }
    // PostgreSQL made the name from the shadow's, and may have cut that; other constraints have their own names by now.
    let shadow: String = load.staging.table.chars().take(20).collect();
    let sql = format!(
        include_str!("key_constraint.sql"),
        target = literal_postgres(&target.postgres()),
        shadow = literal_postgres(&shadow),
        schema = literal_postgres(&target.schema),
        wanted = literal_postgres(&wanted),
    );
    let rows = run(conn, &sql, doing)?.rows;
    let Some(constraint) = rows.first().and_then(|row| row.first()) else { return Ok(()) };
    let sql = format!(
        "ALTER TABLE {} RENAME CONSTRAINT {} TO {}",
        target.postgres(),
        quote_postgres(constraint),
        quote_postgres(&wanted)
    );
    conn.batch(&sql, doing)
}
