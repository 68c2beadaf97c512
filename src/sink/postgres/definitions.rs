//! Indexes, foreign keys, defaults and sequences: single statements behind the fence, and the foreign keys of ours that
//! stand aside while data moves.

use super::{PostgresSink, begin, run};
use crate::catalog::definitions::OURS;
use crate::error::Result;
use crate::name::{TableName, literal_postgres};
use crate::track::RunIdentity;

/// How long a foreign key waits for its tables to be free.
const RELEASE_WAIT: &str = "5s";

/// A foreign key that was taken away, to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The constraint's name.
    pub name: String,
    /// The statements that make it again.
    pub sql: String,
}

impl PostgresSink {
    /// Whether a question is answered with a row.
    ///
    /// # Errors
    /// The classified server error.
    pub fn holds(&mut self, question: &str, doing: &str) -> Result<bool> {
        self.with(|conn| Ok(!run(conn, question, doing)?.rows.is_empty()))
    }

    /// Runs statements in one transaction behind the fence.
    ///
    /// # Errors
    /// The classified server error.
    pub fn define(&mut self, identity: &RunIdentity, sql: &str, doing: &str) -> Result<()> {
        self.with(|conn| {
            begin(conn, identity, "SELECT WHERE false", doing)?;
            conn.batch(&format!("{sql}; COMMIT"), doing)
        })
    }

    /// Takes the foreign keys of ours away that lead from or to these tables. Tables are finished one by one, so a child
    /// may arrive before its parent; a deferred constraint would not wait for another transaction.
    ///
    /// # Errors
    /// The classified server error.
    pub fn release_foreign_keys(&mut self, identity: &RunIdentity, tables: &[TableName]) -> Result<Vec<Released>> {
        let doing = "taking foreign keys away while data moves";
        let names: Vec<String> = tables.iter().map(|table| literal_postgres(&table.postgres())).collect();
        let question = format!(
            "SELECT c.conname, c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid) \
             FROM pg_constraint c WHERE c.contype = 'f' AND obj_description(c.oid, 'pg_constraint') = '{OURS}' \
             AND (c.conrelid = ANY (SELECT to_regclass(t)::oid FROM unnest(ARRAY[{0}]::text[]) t) \
             OR c.confrelid = ANY (SELECT to_regclass(t)::oid FROM unnest(ARRAY[{0}]::text[]) t)) ORDER BY c.oid",
            names.join(", ")
        );
        let found = self.with(|conn| Ok(run(conn, &question, doing)?.rows))?;
        let mut released = Vec::new();
        for row in &found {
            let [name, table, quoted, definition] = row.as_slice() else { continue };
            // One by one and with little patience: a reader of one table must not keep all of them.
            let drop = format!("SET LOCAL lock_timeout = '{RELEASE_WAIT}'; ALTER TABLE {table} DROP CONSTRAINT {quoted}");
            if let Err(error) = self.define(identity, &drop, doing) {
                log::warn!("{error}; foreign key {name} of {table} stays, and may refuse rows of this run");
                continue;
            }
            let sql = format!(
                "ALTER TABLE {table} ADD CONSTRAINT {quoted} {definition}; COMMENT ON CONSTRAINT {quoted} ON {table} IS '{OURS}'"
            );
            released.push(Released { name: name.clone(), sql });
        }
        Ok(released)
    }
}
