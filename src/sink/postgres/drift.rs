//! Changes of a target's columns inside the transaction of its refresh, and the lock that they and an exchange need.

use super::run;
use crate::catalog::deleted_at;
use crate::catalog::drift::Change;
use crate::conn::postgres::PostgresConn;
use crate::error::{Error, Kind, Result};
use crate::name::{literal_postgres, quote_postgres};
use crate::sink::Load;
use crate::track::lock::application_name;
use std::time::Duration;

/// How long the table's readers are waited for. New readers wait behind us meanwhile.
const LOCK_WAIT: &str = "5s";

/// How often, and with what pause, it is looked whether older transactions have ended.
const LOOKS: u32 = 15;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Adds columns, widens types and gives up NOT NULL as the plan says and as policies need it. Without changes it gives the
/// statement, to be sent in front of the next, that keeps other writers out until the end, and readers in.
///
/// # Errors
/// [`Kind::Transient`] when the table is in use; [`Kind::Changed`] when something rests on it that the plan did not see; the
/// classified server error.
pub fn adapt(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<String> {
    let target = load.plan.target.postgres();
    let alters = alters(load);
    if alters.is_empty() {
        return Ok(format!("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE;"));
    }
    seize(conn, load, load.plan.drift.rewrites(), doing)?;
    // One statement, so that several changes of types write the table once.
    conn.batch(&format!("ALTER TABLE {target} {}", alters.join(", ")), doing).map_err(in_the_way)?;
    let is_mark = |change: &Change| matches!(change, Change::Added { column, .. } if column == deleted_at::NAME);
    if load.plan.marks_deletes() && load.plan.drift.changes.iter().any(is_mark) {
        conn.batch(&deleted_at::comment(&load.plan.target), doing)?;
    }
    Ok(String::new())
}

/// Whether [`adapt`] has nothing to change.
pub fn fits(load: &Load<'_>) -> bool {
    alters(load).is_empty()
}

fn alters(load: &Load<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for change in &load.plan.drift.changes {
        out.extend(match change {
            Change::Added { column, ty } => Some(format!("ADD COLUMN {} {ty}", quote_postgres(column))),
            Change::Widened { column, to, .. } => Some(format!("ALTER COLUMN {} TYPE {to}", quote_postgres(column))),
            Change::Kept { column, later: crate::catalog::drift::Later::NullInstead } | Change::Loosened { column } => {
                Some(drop_not_null(column))
            }
            Change::Kept { .. } | Change::Unlike { .. } | Change::KeyLoosened { .. } => None,
        });
    }
    // Columns into which a policy of this run puts NULL.
    let nullable = load.nullable();
    let theirs = load.existing.map(|existing| existing.columns.as_slice()).unwrap_or_default();
    for (_, column) in load.plan.source.columns.iter().enumerate().filter(|(index, c)| nullable.contains(index) && !c.nullable) {
        if theirs.iter().any(|found| found.name == column.target && found.not_null) {
            out.push(drop_not_null(&column.target));
        }
    }
    out
}

fn drop_not_null(column: &str) -> String {
    format!("ALTER COLUMN {} DROP NOT NULL", quote_postgres(column))
}

/// Takes the target for this transaction alone. `anew`: its storage changes, so that a transaction with an older snapshot
/// would find it empty; none may be alive then.
///
/// # Errors
/// [`Kind::Transient`] when readers do not go; the classified server error.
pub fn seize(conn: &mut PostgresConn, load: &Load<'_>, anew: bool, doing: &str) -> Result<()> {
    let target = load.plan.target.postgres();
    let mut looks = 1;
    while anew && older_snapshots(conn, load, doing)? {
        if looks == LOOKS {
            return Err(in_use(doing, "older transactions are open that would see it empty"));
        }
        looks += 1;
        std::thread::sleep(LOOK_EVERY);
    }
    let lock = format!(
        "SET LOCAL lock_timeout = '{LOCK_WAIT}'; LOCK TABLE {target} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout TO DEFAULT"
    );
    conn.batch(&lock, doing).map_err(|error| if error.kind() == Kind::Transient { error.hint(IN_USE) } else { error })?;
    if anew && older_snapshots(conn, load, doing)? {
        return Err(in_use(doing, "a transaction was opened meanwhile that would see it empty"));
    }
    Ok(())
}

/// What to do about readers that do not go.
const IN_USE: &str = "the table's columns are changed when nobody reads it: run again at such a time; nothing was changed";

fn in_use(doing: &str, why: &str) -> Error {
    Error::new(Kind::Transient, format!("{doing}: the table has to be written anew, and {why}")).hint(IN_USE)
}

/// Whether somebody else's snapshot is older than now. Who waits for this very table is left out: a statement takes its
/// snapshot after its locks, but for transactions above READ COMMITTED, which nobody can tell from outside.
fn older_snapshots(conn: &mut PostgresConn, load: &Load<'_>, doing: &str) -> Result<bool> {
    let sql = include_str!("older_snapshots.sql")
        .replace("{ours}", &literal_postgres(&application_name(&load.run.run_id)))
        .replace("{target}", &literal_postgres(&load.plan.target.postgres()));
    Ok(run(conn, &sql, doing)?.rows.iter().any(|row| row.first().is_some_and(|pid| !pid.is_empty())))
}

/// PostgreSQL knows what the plan could not see, or what came after it.
pub fn in_the_way(error: Error) -> Error {
    match error.kind() {
        Kind::Internal | Kind::Data => error
            .as_kind(Kind::Changed)
            .hint("drop what is in the way (keep its definition), run again, and make it again; nothing was changed"),
        _ => error,
    }
}
