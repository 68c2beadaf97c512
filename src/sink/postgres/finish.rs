//! First load: key, statistics, comments, proof, and the rename that makes the shadow the table.

use super::{count, run};
use crate::catalog::ddl;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, check_postgres, quote_postgres};
use crate::sink::{Load, Outcome, Proof};

/// Makes the filled shadow the target table, inside the open transaction.
///
/// # Errors
/// [`Kind::Proof`] when the shadow does not hold the rows that were copied; the classified server error.
pub fn install(conn: &mut PostgresConn, load: &Load<'_>, proof: &Proof, doing: &str) -> Result<Outcome> {
    let (plan, shadow) = (load.plan, &load.staging);
    let mut sql = String::new();
    if let Some(key) = ddl::add_primary_key(shadow, &plan.source, &load.nullable()) {
        sql.push_str(&key);
        sql.push(';');
    }
    sql.push_str(&format!("ANALYZE {};", shadow.postgres()));
    sql.push_str(&ddl::comments(shadow, &plan.source));
    let is_shadow = shadow != &plan.target;
    if is_shadow {
        // Two steps, because both names may be taken in the other schema.
        let moved = TableName::new(plan.target.schema.clone(), shadow.table.clone());
        sql.push_str(&format!(
            "ALTER TABLE {} SET SCHEMA {}; ALTER TABLE {} RENAME TO {};",
            shadow.postgres(),
            quote_postgres(&plan.target.schema),
            moved.postgres(),
            quote_postgres(&plan.target.table)
        ));
    }
    sql.push_str(&format!("SELECT count(*) FROM {};", plan.target.postgres()));
    sql.push_str(&format!(
        "SELECT conname FROM pg_constraint WHERE conrelid = {}::regclass AND contype IN ('p', 'u')",
        literal(&plan.target)
    ));
    let answers = run(conn, &sql, doing)?;
    let mut rows = answers.rows.iter().filter_map(|row| row.first());
    let held = count(rows.next().map_or("", String::as_str), doing)?;
    if held != proof.rows_copied {
        return Err(Error::new(Kind::Proof, format!("{doing}: {} rows were copied, the table holds {held}", proof.rows_copied)));
    }
    if let Some(constraint) = rows.next().filter(|_| is_shadow) {
        name_key(conn, load, constraint, doing)?;
    }
    Ok(Outcome { rows: held, inserted: held, ..Outcome::default() })
}

fn literal(table: &TableName) -> String {
    crate::name::literal_postgres(&table.postgres())
}

/// `table_pkey` as PostgreSQL would have called it, unless that is too long or taken.
fn name_key(conn: &mut PostgresConn, load: &Load<'_>, constraint: &str, doing: &str) -> Result<()> {
    let target = &load.plan.target;
    let wanted = format!("{}_pkey", target.table);
    if check_postgres(&wanted).is_err() {
        return Ok(());
    }
    let taken = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    if !conn.rows(taken, &[&target.schema, &wanted], doing)?.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "ALTER TABLE {} RENAME CONSTRAINT {} TO {}",
        target.postgres(),
        quote_postgres(constraint),
        quote_postgres(&wanted)
    );
    conn.batch(&sql, doing)
}
