//! Without dbt: the SQL files of a directory in order of their names, one transaction each. A file that fails is rolled
//! back and named with its line; those before it stay, those after it are not run.

use super::split::{Statement, statements};
use super::{Node, Outcome, Verdict};
use crate::cancel::Cancel;
use crate::config::Endpoint;
use crate::conn::classify;
use crate::conn::postgres::PostgresConn;
use crate::conn::tls;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crate::name::{literal_postgres, quote_postgres};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a running statement is looked at for a stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a run of SQL files needs.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Their directory.
    pub dir: &'a Path,
    /// Where they run.
    pub warehouse: &'a Endpoint,
    /// Schema of the loaded tables; `search_path` is this one and `public`.
    pub schema: &'a str,
    /// What the statements may ask for by `current_setting`: `etl_sync.run_id` and others.
    pub settings: &'a [(&'static str, String)],
    /// Deadline of all of them together.
    pub timeout: Duration,
}

/// The `.sql` files of a directory by name.
///
/// # Errors
/// [`Kind::Config`] when the directory cannot be read or holds none.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    super::directory(dir, "sql_dir")?;
    let doing = || format!("reading {}", dir.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).doing(Kind::Config, doing)? {
        let path = entry.doing(Kind::Config, doing)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::new(Kind::Config, format!("transform.sql_dir: {} holds no .sql file", dir.display())));
    }
    Ok(files)
}

/// Runs them. What failed is in the outcome.
#[must_use]
pub fn run(wanted: Files<'_>, cancel: &Cancel, watchdog: &Watchdog, application: &str) -> Outcome {
    let mut outcome = Outcome { command: format!("the SQL files of {}", wanted.dir.display()), ..Outcome::default() };
    outcome.error = all(wanted, cancel, watchdog, application, &mut outcome.nodes).err();
    outcome
}

fn all(wanted: Files<'_>, cancel: &Cancel, watchdog: &Watchdog, application: &str, nodes: &mut Vec<Node>) -> Result<()> {
    let paths = files(wanted.dir)?;
    let until = Instant::now() + wanted.timeout;
    // Read before the first one runs: a file that is not UTF-8 stops nothing half-way.
    let mut texts = Vec::new();
    for path in &paths {
        texts.push(std::fs::read_to_string(path).doing(Kind::Config, || format!("reading {}", path.display()))?);
    }
    let mut deadlines = wanted.warehouse.deadlines;
    deadlines.statement = wanted.timeout;
    let endpoint = Endpoint { deadlines, ..wanted.warehouse.clone() };
    let mut conn = PostgresConn::connect(&endpoint, application, watchdog)?;
    let mut failed = None;
    for (path, text) in paths.iter().zip(&texts) {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let mut node = Node { name, ..unrun() };
        if failed.is_none() {
            let started = Instant::now();
            let result = cancel.check().and_then(|()| one(&mut conn, wanted, (path, text), until, cancel));
            node.seconds = started.elapsed().as_secs_f64();
            match result {
                Ok(rows) => {
                    (node.status, node.verdict, node.rows) = ("success".into(), Verdict::Passed, Some(rows));
                    log::info!("sql: {} done in {:.1} s, {rows} rows", path.display(), node.seconds);
                }
                Err(error) => {
                    log::error!("{error}");
                    (node.status, node.verdict) = ("error".into(), Verdict::Failed);
                    node.message = Some(error.to_string());
                    failed = Some(error);
                }
            }
        }
        nodes.push(node);
    }
    failed.map_or(Ok(()), Err)
}

fn unrun() -> Node {
    Node {
        name: String::new(),
        kind: "file".into(),
        status: "skipped".into(),
        seconds: 0.0,
        rows: None,
        message: None,
        unique_id: String::new(),
        verdict: Verdict::Skipped,
    }
}

/// One file in one transaction; the rows that its statements touched or gave.
fn one(conn: &mut PostgresConn, wanted: Files<'_>, (path, text): (&Path, &str), until: Instant, cancel: &Cancel) -> Result<u64> {
    let place = |line: usize| format!("{}, line {line}", path.display());
    conn.batch(&opening(wanted), &format!("beginning {}", path.display()))?;
    let began = transaction(conn)?;
    let mut rows = 0_u64;
    let mut line = 1;
    for statement in statements(text) {
        line = statement.line;
        let left = until.saturating_duration_since(Instant::now());
        let result = cancel.check().and_then(|()| run_statement(conn, statement, (wanted.warehouse, left), cancel));
        rows = rows.saturating_add(result.map_err(|error| failed(error, &place(line)))?);
        if transaction(conn)? != began {
            let text = format!("{}: this ends the transaction of the file", place(line));
            return Err(Error::new(Kind::Transform, text).hint("leave COMMIT, ROLLBACK and BEGIN out of the file"));
        }
    }
    conn.batch("COMMIT", &format!("committing {}", path.display())).map_err(|error| failed(error, &place(line)))?;
    Ok(rows)
}

/// The transaction that the session is in. Its number is given at its first look, so it is another one after a COMMIT.
fn transaction(conn: &mut PostgresConn) -> Result<i64> {
    let rows = conn.rows("SELECT pg_catalog.pg_current_xact_id()::text::bigint", &[], "looking at the transaction")?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

fn opening(wanted: Files<'_>) -> String {
    let mut sql = format!("BEGIN; SET LOCAL search_path = {}, public;", quote_postgres(wanted.schema));
    for (name, value) in wanted.settings {
        sql.push_str(&format!(" SELECT set_config('etl_sync.{name}', {}, true);", literal_postgres(value)));
    }
    sql
}

/// What PostgreSQL says of it, under the kind that says what to do.
fn failed(error: Error, place: &str) -> Error {
    let kind = match error.kind() {
        kind @ (Kind::Stopped | Kind::Unreachable | Kind::Refused | Kind::DiskFull) => kind,
        _ => Kind::Transform,
    };
    let hint = "correct the statement; its file was rolled back, those before it are done and those after it were not run";
    let error = error.doing(place).as_kind(kind);
    if kind == Kind::Transform { error.hint(hint) } else { error }
}

/// Runs one statement within what is left of the time, and ends it when the run is asked to stop.
fn run_statement(
    conn: &mut PostgresConn,
    statement: Statement<'_>,
    (warehouse, left): (&Endpoint, Duration),
    cancel: &Cancel,
) -> Result<u64> {
    let limit = left.as_millis().max(1);
    conn.batch(&format!("SET LOCAL statement_timeout = {limit}"), "setting the deadline")?;
    let (client, _guard) = conn.watched("running a statement of a SQL file");
    let (token, done) = (client.cancel_token(), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if cancel.is_stopping() {
                    end_query(&token, warehouse);
                    return;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        // By the extended protocol, because it counts rows and keeps none.
        let result = client.execute(statement.text, &[]);
        done.store(true, Ordering::Relaxed);
        result
    });
    match result {
        Err(_) if cancel.is_stopping() => Err(Error::new(Kind::Stopped, "the run was asked to stop")),
        result => result.map_err(|error| classify::postgres(&error, "this statement failed")),
    }
}

/// Ends the statement at the server; one that ends by itself meanwhile is no matter.
fn end_query(token: &postgres::CancelToken, warehouse: &Endpoint) {
    let ended = if warehouse.tls.mode.is_plain() {
        token.cancel_query(postgres::NoTls).map_err(|error| classify::postgres(&error, "ending the statement"))
    } else {
        tls::client_config(&warehouse.tls, &warehouse.to_string()).and_then(|config| {
            let connect = tokio_postgres_rustls::MakeRustlsConnect::new(config);
            token.cancel_query(connect).map_err(|error| classify::postgres(&error, "ending the statement"))
        })
    };
    if let Err(error) = ended {
        log::warn!("{error}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_come_by_name_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(files(dir.path()).unwrap_err().to_string().contains("holds no .sql file"));
        for name in ["10_b.sql", "02_a.sql", "readme.md", "z.SQL", "1.sql.bak"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("00.sql")).unwrap();
        let names: Vec<String> =
            files(dir.path()).unwrap().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["02_a.sql", "10_b.sql"]);
        assert!(files(&dir.path().join("no")).unwrap_err().to_string().contains("is not a directory"));
    }
}
