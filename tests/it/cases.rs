//! Runs every folder of `tests/cases`: a new behaviour needs a folder, no Rust.
//!
//! A folder holds `source.sql` and one of `expected.csv` and `expect_failure`; `CASES.md` beside them tells the rest.
//! `UPDATE_EXPECT=1` rewrites `expected.csv`; `ETL_SYNC_TEST_CASE=word` runs only the cases with that word in their name.

use crate::hosts::{Pair, project};
use crate::program::Outcome;
use crate::sandbox::Sandbox;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Cases run at once; each waits for servers most of its time.
const AT_ONCE: usize = 3;

/// Files that a case folder may hold.
pub const FILES: [&str; 15] = [
    "server",
    "source.sql",
    "warehouse.sql",
    "second.sql",
    "second_warehouse.sql",
    "second_tables.yml",
    "pipeline.yml",
    "tables.yml",
    "args",
    "expected.sql",
    "expected.csv",
    "expect_failure",
    "expect_report",
    "exit",
    "judge",
];

#[test]
fn all_cases() {
    let only = std::env::var("ETL_SYNC_TEST_CASE").unwrap_or_default();
    let cases: Vec<PathBuf> = folders(&project().join("tests/cases")).into_iter().filter(|f| name(f).contains(&only)).collect();
    assert!(!cases.is_empty(), "no case has {only:?} in its name");
    let pair = crate::hosts::shared().pair();
    let found = cases.len();
    let cases: Vec<PathBuf> = cases.into_iter().filter(|case| runs_on(case, &pair)).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(text) = caught(case, &pair) {
                        failed.lock().unwrap().push(format!("case {}: {text}", name(case)));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let skipped = found - cases.len();
    crate::notes::add(&format!("cases on {}: {} run, {} failed, {skipped} skipped", pair.name, cases.len(), failed.len()));
    assert!(failed.is_empty(), "{} of {} cases failed\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}

/// The case folders, by name.
pub fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    let mut all: Vec<PathBuf> = entries.map(|e| e.expect("a readable folder").path()).filter(|p| p.is_dir()).collect();
    all.sort();
    all
}

pub fn name(case: &Path) -> String {
    case.file_name().expect("a folder has a name").to_str().expect("the name is UTF-8").to_owned()
}

/// Whether the case is for this source server; if not, that is noted.
fn runs_on(case: &Path, pair: &Pair) -> bool {
    let Ok(text) = std::fs::read_to_string(case.join("server")) else { return true };
    let wanted = text.trim();
    assert!(["mariadb", "mysql"].contains(&wanted), "case {}: server is mariadb or mysql, not {wanted:?}", name(case));
    if wanted != pair.server {
        crate::notes::skip(&format!("case {} on {}", name(case), pair.name), &format!("it is for {wanted}"));
    }
    wanted == pair.server
}

/// Feeds a file of the case to the source, in the dialect of its server.
fn source_sql(sandbox: &Sandbox, pair: &Pair, file: &Path) {
    if pair.server == "mariadb" {
        return sandbox.hosts.mariadb(&sandbox.name, file);
    }
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let translated = sandbox.folder().join("translated.sql");
    std::fs::write(&translated, sequences(&text)).expect("a file in the temporary folder can be written");
    sandbox.hosts.mariadb(&sandbox.name, &translated);
}

/// MariaDB's tables `seq_1_to_9` as queries that MySQL understands, on the same lines.
fn sequences(sql: &str) -> String {
    let mut out = String::from("SET SESSION cte_max_recursion_depth = 1000000; ");
    for (index, part) in sql.split("seq_").enumerate() {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (first, rest) = part.split_at(digits(part));
        let last = rest.strip_prefix("_to_").map_or("", |rest| &rest[..digits(rest)]);
        if index == 0 {
            out.push_str(part);
        } else if first.is_empty() || last.is_empty() {
            out.push_str(&format!("seq_{part}"));
        } else {
            out.push_str(&format!(
                "(WITH RECURSIVE n (seq) AS (SELECT CAST({first} AS UNSIGNED) UNION ALL SELECT seq + 1 FROM n WHERE seq < {last}) \
                 SELECT seq FROM n) AS numbers{}",
                &rest["_to_".len() + last.len()..]
            ));
        }
    }
    out
}

fn caught(case: &Path, pair: &Pair) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| run(case, pair))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "panicked".into())
    })
}

fn run(case: &Path, pair: &Pair) {
    let file = |name: &str| Some(case.join(name)).filter(|path| path.exists());
    let text = |name: &str| file(name).map(|path| std::fs::read_to_string(path).expect("a readable case file"));
    let sandbox = Sandbox::new("case");
    source_sql(&sandbox, pair, &case.join("source.sql"));
    if let Some(sql) = text("warehouse.sql") {
        sandbox.hosts.warehouse(&sandbox.name).batch_execute(&sql).unwrap_or_else(|e| panic!("warehouse.sql: {e}"));
    }
    for name in ["pipeline.yml", "tables.yml"] {
        if let Some(text) = text(name) {
            sandbox.config(name, &text);
        }
    }
    let args = text("args").unwrap_or_default();
    let args: Vec<&str> = args.lines().filter(|line| !line.is_empty()).collect();

    let code = text("exit").map_or(0, |code| code.trim().parse().expect("exit holds an exit code"));
    let mut runs = vec![sandbox.run(&args)];
    if let Some(second) = file("second.sql") {
        runs[0].expect(code);
        judged(&sandbox, text("judge").as_deref());
        sandbox.assert_clean();
        source_sql(&sandbox, pair, &second);
        if let Some(sql) = text("second_warehouse.sql") {
            sandbox.hosts.warehouse(&sandbox.name).batch_execute(&sql).unwrap_or_else(|e| panic!("second_warehouse.sql: {e}"));
        }
        if let Some(rules) = text("second_tables.yml") {
            sandbox.config("tables.yml", &rules);
        }
        runs.push(sandbox.run(&args));
    }
    let last = runs.last().expect("there is a run");
    match text("expect_failure") {
        Some(expected) => expect_failure(last, &expected),
        None => {
            last.expect(code);
            judged(&sandbox, text("judge").as_deref());
        }
    }
    sandbox.assert_clean();
    if let Some(expected) = text("expect_report") {
        expected.lines().filter(|line| !line.is_empty()).for_each(|line| expect_report(&runs, line));
    }
    if file("expected.csv").is_some() || file("expect_failure").is_none() {
        let found = dump(&sandbox, text("expected.sql").as_deref());
        compare(&case.join("expected.csv"), &found);
    }
    if file("expect_failure").is_none() {
        // The other format: it must give the same table.
        let settled = sandbox.run_with("ETL_SYNC_COPY_FORMAT", "csv", &args);
        settled.expect(code);
        assert_eq!(settled.written(), (0, 0, 0), "a run of an unchanged source inserted, updated, deleted:\n{settled}");
        sandbox.assert_clean();
    }
}

/// Both sides are equal by the judge, unless the case says why he cannot tell.
fn judged(sandbox: &Sandbox, options: Option<&str>) {
    let options = options.unwrap_or_default();
    if options.starts_with("not compared:") {
        return;
    }
    let options: Vec<&str> = options.lines().filter(|line| !line.is_empty()).collect();
    sandbox.assert_equal(&options);
}

/// First line the exit code, then words that must stand in the output.
fn expect_failure(outcome: &Outcome, expected: &str) {
    let mut lines = expected.lines();
    let code = lines.next().and_then(|line| line.trim().parse().ok()).expect("expect_failure begins with an exit code");
    outcome.expect(code);
    for words in lines.filter(|line| !line.is_empty()) {
        // The document escapes quotes and the like.
        let escaped = serde_json::to_string(words).expect("text becomes JSON");
        let said = outcome.stderr.contains(words) || outcome.stdout.contains(escaped.trim_matches('"'));
        assert!(said, "it does not say {words:?}\n{outcome}");
    }
}

/// `RUN TABLE FIELD OPERATOR VALUE`, for instance `1 t chunks >= 4`; the table `*` stands for the totals.
fn expect_report(runs: &[Outcome], line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [run, table, field, operator, wanted] = words[..] else { panic!("expect_report: not five words: {line}") };
    let outcome =
        run.parse::<usize>().ok().and_then(|n| runs.get(n - 1)).unwrap_or_else(|| panic!("expect_report: no run {run}"));
    let entry = if table == "*" { outcome.report()["totals"].clone() } else { outcome.table(table) };
    let found = &entry[field];
    let holds = match (operator, found.as_u64(), wanted.parse::<u64>().ok()) {
        ("=", Some(found), Some(wanted)) => found == wanted,
        (">=", Some(found), Some(wanted)) => found >= wanted,
        ("=", None, None) => found.as_str() == Some(wanted),
        _ => panic!("expect_report: {line}: the report has {found}"),
    };
    assert!(holds, "expect_report: {line}: the report has {found}\n{outcome}");
}

/// Column of our own, another value each time: left out of every answer. A case about it gives it another name.
const STAMP: &str = "_loaded_at";

/// The answers to `expected.sql`, else every table of the schema, as csv.
fn dump(sandbox: &Sandbox, queries: Option<&str>) -> String {
    let mut client = sandbox.warehouse();
    client.batch_execute("SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'").expect("settings");
    if let Some(queries) = queries {
        return answers(&mut client, queries);
    }
    let tables = "SELECT format('%I', relname), relname::text, coalesce((SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) \
                  FROM pg_attribute a WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attname <> $2), '') \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname = $1 AND relkind = 'r' AND relname NOT IN ('etl_load_status', 'etl_transform_status') ORDER BY relname COLLATE \"C\"";
    let tables = client.query(tables, &[&crate::sandbox::SCHEMA, &STAMP]).expect("the catalog can be read");
    let mut out = String::new();
    for row in tables {
        let (quoted, plain, columns): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        out.push_str(&format!("# {plain}\n"));
        out.push_str(&answers(
            &mut client,
            &format!("SELECT * FROM (SELECT {columns} FROM {quoted}) AS t ORDER BY t::text COLLATE \"C\""),
        ));
    }
    out
}

fn answers(client: &mut postgres::Client, queries: &str) -> String {
    use postgres::SimpleQueryMessage as Message;
    let messages = client.simple_query(queries).unwrap_or_else(|e| panic!("{queries}: {e}"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let (mut out, mut shown) = (String::new(), Vec::new());
    for message in messages {
        match message {
            Message::RowDescription(columns) => {
                csv = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
                shown = (0..columns.len()).filter(|i| columns[*i].name() != STAMP).collect();
                csv.write_record(shown.iter().map(|i| columns[*i].name())).expect("csv in memory");
            }
            Message::Row(row) => {
                csv.write_record(shown.iter().map(|i| row.get(*i).unwrap_or("<null>"))).expect("csv in memory");
            }
            Message::CommandComplete(_) => {
                let done = std::mem::replace(&mut csv, csv::Writer::from_writer(Vec::new()));
                out.push_str(&String::from_utf8(done.into_inner().expect("csv in memory")).expect("PostgreSQL gives UTF-8"));
            }
            _ => {}
        }
    }
    out
}

fn compare(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, found).expect("expected.csv can be written");
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}; UPDATE_EXPECT=1 writes it", path.display()));
    if expected != *found {
        let first = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
        let line = first.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        let shown = |text: &str| text.lines().skip(line).take(3).collect::<Vec<_>>().join("\n");
        panic!("expected.csv differs from line {} on\n--- expected\n{}\n--- found\n{}", line + 1, shown(&expected), shown(found));
    }
}
