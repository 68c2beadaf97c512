//! Tables that are dropped, altered, renamed or swapped while a run reads them: never a short or shifted table. Either
//! all rows of one moment are there, or the table failed and its old rows stand.

use crate::hosts::{apart, wait_for};
use crate::program::Outcome;
use crate::sandbox::{RUN_MAX, Sandbox};
use mysql::prelude::Queryable;

/// Rows of the table that changes; with [`SLOW`] a run reads them longer than the 10 s that DDL is made to wait.
const ROWS: u64 = 1500;

/// Lets a table be read slowly and in many chunks.
const SLOW: &str = "tables:\n  t: { filter: \"SLEEP(0.01) = 0\", chunk_rows: 50 }\n";

/// Waits until the slow table is read: its rows, not their number. Not for a chunk of it: where other tests' slow reads keep
/// the read lock from the run, the table is one stream.
fn wait_for_rows(sandbox: &Sandbox) {
    let mut source = sandbox.source();
    let reads = "SELECT COUNT(*) FROM information_schema.processlist \
                 WHERE db = DATABASE() AND info LIKE 'SELECT `id`, `v`%SLEEP%' AND id <> CONNECTION_ID()";
    wait_for("rows are read", || source.query_first::<u64, _>(reads).unwrap().filter(|reads| *reads > 0));
}

/// Syncs a table, changes all its rows, and runs `ddl` in the middle of the next run.
fn in_the_middle(word: &str, ddl: &[&str]) -> (Sandbox, Outcome) {
    let sandbox = Sandbox::on(apart(), word);
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
        &format!("INSERT INTO t SELECT seq, 1 FROM seq_1_to_{ROWS}"),
        "ANALYZE TABLE t",
        "CREATE TABLE other (id INT PRIMARY KEY)",
        "INSERT INTO other VALUES (1)",
    ]);
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE t SET v = 2", "INSERT INTO other VALUES (2)"]);
    sandbox.config("tables.yml", SLOW);
    let running = sandbox.start(&[]);
    wait_for_rows(&sandbox);
    sandbox.source_sql(ddl);
    let outcome = running.wait(RUN_MAX);
    // Rows of one moment: all old or all new, and their number.
    let values = sandbox.count("SELECT count(DISTINCT v) FROM t");
    let rows = sandbox.count("SELECT count(*) FROM t");
    let old = sandbox.holds("SELECT bool_and(v = 1) FROM t");
    assert_eq!((values, rows), (1, i64::try_from(ROWS).unwrap()), "a short or mixed table\n{outcome}");
    match outcome.status("t").as_str() {
        "loaded" => assert!(!old, "loaded, but the rows are old\n{outcome}"),
        "failed" => assert!(old, "failed, but the rows are new\n{outcome}"),
        other => panic!("status {other}\n{outcome}"),
    }
    assert_eq!(outcome.status("other"), "loaded", "the other table arrives\n{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM other"), 2);
    sandbox.assert_clean();
    (sandbox, outcome)
}

fn next_run_is_equal(sandbox: &Sandbox) {
    sandbox.config("tables.yml", "");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

#[test]
fn a_dropped_table_keeps_its_old_rows() {
    let (sandbox, outcome) = in_the_middle("dropped", &["DROP TABLE t"]);
    outcome.expect(1).says("t");
    next_run_is_equal(&sandbox);
}

#[test]
fn an_altered_table_fails_or_is_whole() {
    let (sandbox, _) = in_the_middle("altered", &["ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 5 FIRST, FORCE"]);
    next_run_is_equal(&sandbox);
}

#[test]
fn a_renamed_table_keeps_its_old_rows() {
    let (sandbox, _) = in_the_middle("renamed", &["RENAME TABLE t TO t_moved"]);
    next_run_is_equal(&sandbox);
    assert_eq!(sandbox.count("SELECT count(*) FROM t_moved WHERE v = 2"), i64::try_from(ROWS).unwrap());
}

/// The end of an online schema change: a copy made row by row takes the table's place. An open snapshot would see only
/// the part of the copy that was there when it was opened.
#[test]
fn a_swapped_table_is_never_short() {
    let (sandbox, _) = in_the_middle(
        "swapped",
        &[
            "CREATE TABLE t_new (id INT PRIMARY KEY, v INT NOT NULL, extra INT)",
            "INSERT INTO t_new SELECT id, v, 0 FROM t WHERE id <= 400",
            "INSERT INTO t_new SELECT id, v, 0 FROM t WHERE id > 400",
            "RENAME TABLE t TO t_old, t_new TO t",
        ],
    );
    let rows: Option<u64> = sandbox.source().query_first("SELECT COUNT(*) FROM t").unwrap();
    assert_eq!(rows, Some(ROWS), "the swap has happened");
    next_run_is_equal(&sandbox);
}

/// The same before the table's turn has come: one statement reads it, count and rows come from the copy, and both are
/// short. Only what holds the table in place from the snapshot on prevents it.
#[test]
fn a_table_swapped_before_its_turn_is_never_short() {
    let sandbox = Sandbox::on(apart(), "swapturn");
    sandbox.source_sql(&[
        "CREATE TABLE first (id INT PRIMARY KEY, v CHAR(200) NOT NULL)",
        "INSERT INTO first SELECT seq, seq FROM seq_1_to_1300",
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO t SELECT seq, 1 FROM seq_1_to_1000",
        "ANALYZE TABLE first, t",
    ]);
    sandbox.sync(&[]);
    sandbox.source_sql(&[
        "UPDATE t SET v = 2",
        "CREATE TABLE t_new (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO t_new SELECT * FROM t WHERE id <= 400",
    ]);
    sandbox.config("tables.yml", "exclude: [t_new, t_old]\ntables:\n  first: { filter: \"SLEEP(0.01) = 0\", chunk_rows: 50 }\n");
    let running = sandbox.start(&["--parallel", "1"]);
    wait_for_rows(&sandbox);
    sandbox.source_sql(&["INSERT INTO t_new SELECT * FROM t WHERE id > 400", "RENAME TABLE t TO t_old, t_new TO t"]);
    let outcome = running.wait(RUN_MAX);
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 1000, "a short table\n{outcome}");
    let old = sandbox.holds("SELECT bool_and(v = 1) FROM t");
    assert_eq!(outcome.status("t"), if old { "failed" } else { "loaded" }, "{outcome}");
    assert_eq!(outcome.status("first"), "loaded", "{outcome}");
    sandbox.assert_clean();
    next_run_is_equal(&sandbox);
}

/// Two tables are wanted by others at a time. When the first is let go, the second must not slip away with it.
#[test]
fn letting_go_of_one_table_keeps_the_others() {
    let sandbox = Sandbox::on(apart(), "letgo");
    sandbox.source_sql(&[
        "CREATE TABLE first (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO first SELECT seq, seq FROM seq_1_to_2000",
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO t SELECT seq, 1 FROM seq_1_to_1000",
        "ANALYZE TABLE first, t",
    ]);
    sandbox.sync(&[]);
    sandbox.source_sql(&[
        "CREATE TABLE t_new (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO t_new SELECT * FROM t WHERE id <= 400",
    ]);
    sandbox.config("tables.yml", "exclude: [t_new, t_old]\ntables:\n  first: { filter: \"SLEEP(0.01) = 0\", chunk_rows: 50 }\n");
    let running = sandbox.start(&["--parallel", "1"]);
    wait_for_rows(&sandbox);
    sandbox.source_sql(&["INSERT INTO t_new SELECT * FROM t WHERE id > 400"]);
    std::thread::scope(|scope| {
        scope.spawn(|| sandbox.source_sql(&["ALTER TABLE first ADD COLUMN w INT"]));
        std::thread::sleep(std::time::Duration::from_secs(6));
        scope.spawn(|| sandbox.source_sql(&["RENAME TABLE t TO t_old, t_new TO t"]));
    });
    let outcome = running.wait(RUN_MAX);
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 1000, "a short table\n{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM first"), 2000, "{outcome}");
    assert_eq!(outcome.status("first"), "failed", "{outcome}");
    sandbox.assert_clean();
    next_run_is_equal(&sandbox);
}

/// The run has read the catalog and waits for its lock: what changes now is no part of its plan.
#[test]
fn a_table_altered_between_plan_and_snapshot_is_not_cut() {
    let sandbox = Sandbox::on(apart(), "altplan");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(8,2) NOT NULL)", "INSERT INTO t VALUES (1, 1.50)"]);
    sandbox.sync(&[]);
    let mut warehouse = sandbox.warehouse();
    let lock = "hashtextextended('etl-sync/' || current_database() || '/raw', 0)";
    warehouse.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).unwrap();
    let running = sandbox.start(&[]);
    wait_for("the run waits for its lock", || {
        sandbox
            .holds(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()",
            )
            .then_some(())
    });
    sandbox.source_sql(&["ALTER TABLE t MODIFY d DECIMAL(12,4) NOT NULL", "UPDATE t SET d = 1.2345"]);
    warehouse.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).unwrap();
    let outcome = running.wait(RUN_MAX);
    outcome.expect(1).says("altered or replaced");
    assert!(sandbox.holds("SELECT d = 1.50 FROM t"), "the old row stands\n{outcome}");
    sandbox.assert_clean();
}

#[test]
fn a_truncated_table_is_whole_or_fails() {
    let (sandbox, _) = in_the_middle("truncated", &["TRUNCATE TABLE t"]);
    sandbox.config("tables.yml", "");
    sandbox.run(&[]).expect(1).says("would be deleted");
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 1500);
    sandbox.sync(&["--accept-deletes"]);
    sandbox.assert_equal(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 0);
}

/// Other databases of the server have tables of the same name: who waits for one of those does not wait for us.
#[test]
fn somebody_who_waits_in_another_database_is_none_of_ours() {
    let ours = Sandbox::on(apart(), "waitours");
    let theirs = Sandbox::on(apart(), "waittheirs");
    for sandbox in [&ours, &theirs] {
        sandbox.source_sql(&[
            "CREATE TABLE t (id INT PRIMARY KEY)",
            "INSERT INTO t SELECT seq FROM seq_1_to_450",
            "ANALYZE TABLE t",
        ]);
    }
    ours.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.02) = 0\", chunk_rows: 50 }\n");
    let mut reader = theirs.source();
    reader.query_drop("START TRANSACTION").unwrap();
    let _rows: Vec<u32> = reader.query("SELECT id FROM t LIMIT 1").unwrap();
    let mut waiting = theirs.source();
    let alter = std::thread::spawn(move || waiting.query_drop("ALTER TABLE t ADD COLUMN v INT"));
    let outcome = ours.run(&[]);
    reader.query_drop("COMMIT").unwrap();
    alter.join().unwrap().unwrap();
    assert!(outcome.took > std::time::Duration::from_secs(12), "too short to be let go\n{outcome}");
    outcome.expect(0);
    ours.assert_equal(&[]);
}

/// MySQL refuses a look into `information_schema.processlist` while somebody's statement holds such a character.
#[test]
fn an_emoji_in_somebodys_statement_is_nothing_to_us_on_mysql() {
    let sandbox = Sandbox::new("emoji");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3), (4), (5), (6)"]);
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.5) = 0\" }\n");
    let mut other = sandbox.source();
    let session = other.connection_id();
    let statement = std::thread::spawn(move || other.query_drop("SELECT SLEEP(600), '\u{1F600}'"));
    let outcome = sandbox.run(&[]);
    assert!(!statement.is_finished(), "the statement ended before the run\n{outcome}");
    sandbox.source_sql(&[&format!("KILL {session}")]);
    statement.join().unwrap().expect_err("it was killed");
    outcome.expect(0);
}
