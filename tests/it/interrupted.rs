//! `kill -9` at every step of a refresh, a lost connection, two runs at once, readers meanwhile, and no tracking: on tables
//! in chunks, by increments, and by increments without transactions. The step is held by a lock of somebody else.

use crate::hosts::wait_for;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const TABLES: [&str; 3] = ["cut", "inc", "isam"];

/// The last rows of each table are read slowly.
const RULES: &str = "tables:\n  cut: { chunk_rows: 100, filter: \"id < 590 OR SLEEP(0.05) = 0\" }\n  \
                     \"{inc,isam}\": { primary_incremental_column: updated, filter: \"id < 590 OR SLEEP(0.05) = 0\" }\n";

fn world(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    for (table, engine) in [("cut", "InnoDB"), ("inc", "InnoDB"), ("isam", "MyISAM")] {
        sandbox.source_sql(&[
            &format!(
                "CREATE TABLE {table} (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, \
                 updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE={engine}"
            ),
            &format!("INSERT INTO {table} (id, v, updated) SELECT seq, 0, '2024-01-01' FROM seq_1_to_600"),
            &format!("ANALYZE TABLE {table}"),
        ]);
    }
    sandbox.config("tables.yml", RULES);
    sandbox.sync(&[]);
    sandbox
}

/// Edits and a new row. No delete: only the counts find one, and then something is mended.
fn day(sandbox: &Sandbox, table: &str) {
    sandbox.source_sql(&[
        &format!("UPDATE {table} SET v = v + 1 WHERE id = 7 OR id > 594"),
        &format!("INSERT INTO {table} (v) VALUES (0)"),
    ]);
}

/// Waits until a session of ours waits for a lock, in a statement like this.
fn is_held(sandbox: &Sandbox, statement: &str) {
    let sql = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%' \
         AND wait_event_type = 'Lock' AND query LIKE '{statement}'"
    );
    wait_for(&format!("a statement like {statement} waits"), || sandbox.holds(&sql).then_some(()));
}

/// After a kill: records say what the state says, the next run mends nothing, and both sides are equal.
fn settles(sandbox: &Sandbox, when: &str) -> Outcome {
    let untrue = "SELECT count(*) FROM raw.etl_load_status s LEFT JOIN etl_sync.etl_table_state t USING (table_name) \
                  WHERE (load_status, rows_loaded) IS DISTINCT FROM (CASE WHEN t.job IS NULL THEN 'pending' ELSE 'success' END, coalesce(t.rows, 0))";
    // A COMMIT that the dead program had sent may come through afterwards.
    wait_for(&format!("{when}: the records are true"), || {
        let mut command = sandbox.command();
        command.args(["tracking", "init"]);
        Running::start(command).wait(RUN_MAX).expect(0);
        (sandbox.count(untrue) == 0).then_some(())
    });
    let outcome = sandbox.run(&[]);
    assert_eq!(outcome.code, Some(0), "{when}\n{outcome}");
    assert_eq!(outcome.report()["totals"]["healed"], 0, "{when}: data and watermark came apart\n{outcome}");
    sandbox.judge(&[]).unwrap_or_else(|text| panic!("{when}: {text}\n{outcome}"));
    sandbox.assert_clean();
    outcome
}

/// Kills a run of one table when a statement of it waits for `lock`.
fn kill_at(sandbox: &Sandbox, table: &str, lock: &str, statement: &str) {
    day(sandbox, table);
    let mut other = sandbox.warehouse();
    other.batch_execute(&format!("BEGIN; {lock}")).unwrap();
    let running = sandbox.start(&["--tables", table]);
    is_held(sandbox, statement);
    running.kill();
    other.batch_execute("ROLLBACK").unwrap();
    settles(sandbox, &format!("{table}, killed in {statement}"));
}

#[test]
fn kill_9_mid_copy() {
    let sandbox = world("kcopy");
    for table in TABLES {
        day(&sandbox, table);
        let running = sandbox.start(&["--tables", table]);
        let copies = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
                      AND query LIKE 'COPY %'";
        let reads = format!(
            "SELECT CONCAT(COUNT(*)) FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT `id`%{table}%'",
            sandbox.name
        );
        // Increments, and rows without transactions, are read before COPY begins.
        wait_for(&format!("rows of {table} are on their way"), || match table {
            "inc" | "isam" => {
                let count: Option<String> = mysql::prelude::Queryable::query_first(&mut sandbox.source(), &reads).unwrap();
                (count.as_deref() != Some("0")).then_some(())
            }
            _ => sandbox.holds(copies).then_some(()),
        });
        running.kill();
        settles(&sandbox, &format!("{table}, killed in COPY"));
    }
}

#[test]
fn kill_9_before_the_merge() {
    let sandbox = world("kmerge");
    for table in TABLES {
        kill_at(&sandbox, table, &format!("LOCK TABLE raw.{table} IN ROW EXCLUSIVE MODE"), "LOCK TABLE %");
    }
}

#[test]
fn kill_9_mid_merge() {
    let sandbox = world("kmid");
    for table in TABLES {
        kill_at(&sandbox, table, &format!("SELECT id FROM raw.{table} WHERE id = 7 FOR UPDATE"), "%UPDATE ONLY%");
    }
}

#[test]
fn kill_9_before_state() {
    let sandbox = world("kstate");
    for table in TABLES {
        kill_at(&sandbox, table, "LOCK TABLE etl_sync.etl_table_state IN EXCLUSIVE MODE", "%INTO etl_sync.etl_table_state%");
    }
}

#[test]
fn kill_9_after_state_before_the_record() {
    let sandbox = world("krecord");
    for table in TABLES {
        day(&sandbox, table);
        // Increments that are in and still to be looked at are no end.
        let state = format!(
            "SELECT CASE sync_id WHEN '' THEN '' ELSE finished_at::text END FROM etl_sync.etl_table_state WHERE table_name = '{table}'"
        );
        let finished = || sandbox.warehouse().query_one(&state, &[]).unwrap().get::<_, String>(0);
        let before = finished();
        let mut other = sandbox.warehouse();
        other.batch_execute("BEGIN; LOCK TABLE raw.etl_load_status IN EXCLUSIVE MODE").unwrap();
        let running = sandbox.start(&["--tables", table]);
        wait_for("the state is committed", || (!["", before.as_str()].contains(&finished().as_str())).then_some(()));
        running.kill();
        other.batch_execute("ROLLBACK").unwrap();
        let outcome = settles(&sandbox, &format!("{table}, killed before its record"));
        assert_eq!(outcome.status(table), "kept", "what is committed is done\n{outcome}");
    }
}

/// The first load of a table in chunks ends with the rename that makes the shadow the table.
#[test]
fn kill_9_mid_swap() {
    let sandbox = world("kswap");
    sandbox.source_sql(&[
        "CREATE TABLE fresh (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO fresh SELECT seq, seq FROM seq_1_to_600",
        "ANALYZE TABLE fresh",
    ]);
    sandbox.config("tables.yml", &format!("{RULES}  fresh: {{ chunk_rows: 100, filter: \"id < 590 OR SLEEP(0.05) = 0\" }}\n"));
    let shadow = "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname = 'etl_sync' AND relname LIKE 'load\\_%' AND relkind = 'r'";
    let running = sandbox.start(&["--tables", "fresh"]);
    let mut other = sandbox.warehouse();
    let name: String = wait_for("the shadow is there", || other.query(shadow, &[]).unwrap().first().map(|row| row.get(0)));
    // A table of the shadow's name where it moves to: the move waits for what becomes of that.
    other.batch_execute(&format!("BEGIN; CREATE TABLE raw.{name} (n int)")).unwrap();
    is_held(&sandbox, "%SET SCHEMA%");
    running.kill();
    other.batch_execute("ROLLBACK").unwrap();
    let outcome = settles(&sandbox, "killed in the swap");
    assert_eq!(outcome.status("fresh"), "loaded", "{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM fresh"), 600);
}

#[test]
fn connection_lost_mid_scan() {
    let sandbox = world("lostscan");
    for table in TABLES {
        day(&sandbox, table);
        let running = sandbox.start(&["--tables", table]);
        let sql = format!(
            "SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT `id`%{table}%'",
            sandbox.name
        );
        let thread: u64 =
            wait_for("a reading session", || mysql::prelude::Queryable::query_first(&mut sandbox.source(), &sql).unwrap());
        sandbox.source_sql(&[&format!("KILL {thread}")]);
        let outcome = running.wait(RUN_MAX);
        outcome.expect(0);
        assert_eq!(outcome.report()["totals"]["healed"], 0, "{outcome}");
        sandbox.assert_equal(&[]);
        sandbox.assert_clean();
        // The other side, in the merge.
        day(&sandbox, table);
        let mut other = sandbox.warehouse();
        other.batch_execute(&format!("BEGIN; SELECT id FROM raw.{table} WHERE id = 7 FOR UPDATE")).unwrap();
        let running = sandbox.start(&["--tables", table]);
        is_held(&sandbox, "%UPDATE ONLY%");
        let sql = "SELECT pg_terminate_backend(pid)::int::bigint FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE '%UPDATE ONLY%'";
        assert_eq!(sandbox.count(sql), 1);
        other.batch_execute("ROLLBACK").unwrap();
        let outcome = running.wait(RUN_MAX);
        outcome.expect(0);
        assert_eq!(outcome.report()["totals"]["healed"], 0, "{outcome}");
        sandbox.assert_equal(&[]);
        sandbox.assert_clean();
    }
}

#[test]
fn two_runs_at_once() {
    let sandbox = world("twoinc");
    for table in TABLES {
        day(&sandbox, table);
        let mut other = sandbox.warehouse();
        other.batch_execute(&format!("BEGIN; SELECT id FROM raw.{table} WHERE id = 7 FOR UPDATE")).unwrap();
        let first = sandbox.start(&[]);
        is_held(&sandbox, "%UPDATE ONLY%");
        sandbox.run(&[]).expect(75).says("another run");
        other.batch_execute("ROLLBACK").unwrap();
        first.wait(RUN_MAX).expect(0);
        sandbox.assert_equal(&[]);
        sandbox.assert_clean();
    }
    // From the same moment: one after the other, or one of them refused.
    TABLES.iter().for_each(|table| day(&sandbox, table));
    let both = [sandbox.start(&[]), sandbox.start(&[])].map(|running| running.wait(RUN_MAX));
    let codes: Vec<Option<i32>> = both.iter().map(|outcome| outcome.code).collect();
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 75))), "{codes:?}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// Money moves between rows, and as many rows go as come: whoever asks at any moment sees the same sum and the same count.
#[test]
fn reader_querying_during_refresh() {
    let sandbox = world("readers");
    sandbox.source_sql(&["CREATE TABLE loose (v INT NOT NULL)", "INSERT INTO loose SELECT 1 FROM seq_1_to_600"]);
    sandbox.sync(&[]);
    let all = ["cut", "inc", "isam", "loose"];
    let wanted: Vec<(i64, i64)> = vec![(600, 0), (600, 0), (600, 0), (600, 600)];
    let sums = |client: &mut postgres::Client| -> Vec<(i64, i64)> {
        let one = |table: &&str| {
            let row = client.query_one(&format!("SELECT count(*), sum(v)::bigint FROM {table}"), &[]).unwrap();
            (row.get(0), row.get(1))
        };
        all.iter().map(one).collect()
    };
    let (stop, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
            let (sandbox, stop, looks, wanted, sums) = (&sandbox, &stop, &looks, &wanted, &sums);
            scope.spawn(move || {
                let mut client = sandbox.warehouse();
                // Nobody may keep a reader waiting, either.
                client.batch_execute("SET statement_timeout = '5s'").unwrap();
                while !stop.load(Ordering::SeqCst) {
                    client.batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}")).unwrap();
                    for _ in 0..3 {
                        assert_eq!(&sums(&mut client), wanted, "{isolation}");
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    client.batch_execute("COMMIT").unwrap();
                    looks.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let nights = || {
            for night in 0..4 {
                for table in TABLES {
                    sandbox.source_sql(&[
                        &format!("UPDATE {table} SET v = v + IF(id % 2 = 0, 1, -1) WHERE id <= 600 AND id > 500"),
                        &format!("UPDATE {table} SET v = 0 WHERE id IN ({0}, {0} + 1)", 100 + 2 * night),
                        &format!("DELETE FROM {table} WHERE id = {}", 100 + 2 * night),
                        &format!("INSERT INTO {table} (v) VALUES (0)"),
                    ]);
                }
                sandbox.source_sql(&["DELETE FROM loose LIMIT 1", "INSERT INTO loose VALUES (1)"]);
                let more: &[&str] = if night == 3 { &["--full"] } else { &[] };
                sandbox.run(more).expect(0);
            }
        };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(nights));
        stop.store(true, Ordering::SeqCst);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(looks.load(Ordering::SeqCst) > 20, "the readers hardly looked");
    sandbox.assert_equal(&[]);
}

/// Status tables that cannot be written cost the run nothing but their records, and those are made good by the next.
#[test]
fn tracking_db_unreachable() {
    let sandbox = world("notrack");
    let lost = |outcome: &Outcome| {
        outcome.expect(0).says("the run goes on without status rows");
        assert_ne!(outcome.report()["totals"]["events_lost"], 0, "what was lost is counted\n{outcome}");
        sandbox.assert_equal(&[]);
        settles(&sandbox, "after a run without tracking");
    };
    // The writer's connection dies.
    TABLES.iter().for_each(|table| day(&sandbox, table));
    let mut other = sandbox.warehouse();
    other.batch_execute("BEGIN; LOCK TABLE raw.etl_load_status IN EXCLUSIVE MODE").unwrap();
    let running = sandbox.start(&[]);
    is_held(&sandbox, "%etl_load_status%");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
               AND wait_event_type = 'Lock' AND query LIKE '%etl_load_status%'";
    assert_eq!(sandbox.count(end), 1);
    other.batch_execute("ROLLBACK").unwrap();
    lost(&running.wait(RUN_MAX));
    // Somebody keeps the table locked for longer than a run.
    TABLES.iter().for_each(|table| day(&sandbox, table));
    let mut other = sandbox.warehouse();
    other.batch_execute("BEGIN; LOCK TABLE raw.etl_load_status IN EXCLUSIVE MODE").unwrap();
    let outcome = sandbox.run(&[]);
    other.batch_execute("ROLLBACK").unwrap();
    assert!(outcome.took < Duration::from_secs(60), "telemetry does not keep a run waiting\n{outcome}");
    lost(&outcome);
    // The role may not write it.
    TABLES.iter().for_each(|table| day(&sandbox, table));
    sandbox.warehouse().batch_execute("ALTER TABLE raw.etl_load_status OWNER TO CURRENT_USER").unwrap();
    let outcome = sandbox.run(&[]);
    sandbox.warehouse().batch_execute("ALTER TABLE raw.etl_load_status OWNER TO etl_sync").unwrap();
    lost(&outcome);
}
