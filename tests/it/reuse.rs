//! A run that was killed or stopped in the middle of a large table: the next one keeps the chunks that are still the source's, by
//! their digest in its own snapshot, and copies the others again.

use crate::hosts::wait_for;
use crate::program::{Outcome, Running};
use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;

/// Chunks of 50 rows; the last ones are read slowly.
const RULES: &str = "tables:\n  t: { chunk_rows: 50, filter: \"id < 1800 OR SLEEP(0.02) = 0\" }\n";

/// Chunks that are copied before the slow ones, at least.
const QUICK: i64 = 16;

/// A table of even keys, so that there is room between them.
fn world(word: &str, engine: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        &format!("CREATE TABLE t (id INT PRIMARY KEY, v INT, d DATE) ENGINE={engine}"),
        "INSERT INTO t SELECT 2 * seq, seq, '2024-01-01' FROM seq_1_to_1000",
        "ANALYZE TABLE t",
    ]);
    sandbox.config("tables.yml", RULES);
    sandbox
}

/// Lets a run copy its quick chunks and ends it; gives the number of chunks that are in staging then.
fn interrupted(sandbox: &Sandbox, more: &[&str], end: impl FnOnce(Running)) -> u64 {
    let before =
        sandbox.holds("SELECT to_regclass('etl_sync.job') IS NOT NULL").then(|| sandbox.count("SELECT epoch FROM etl_sync.job"));
    let running = sandbox.start(more);
    let copied = format!(
        "SELECT count(*) >= {QUICK} FROM etl_sync.chunk_ledger JOIN etl_sync.job USING (run_id) WHERE rows > 0 AND epoch > {}",
        before.unwrap_or(0)
    );
    wait_for("the quick chunks are in", || sandbox.holds(&copied).then_some(()));
    end(running);
    // What it had sent to the server by then may commit a moment later.
    let alone =
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
    wait_for("its sessions are gone", || sandbox.holds(alone).then_some(()));
    u64::try_from(sandbox.count("SELECT count(*) FROM etl_sync.chunk_ledger JOIN etl_sync.job USING (run_id)")).unwrap()
}

fn kill(running: Running) {
    running.kill();
}

/// What the next run makes of it.
fn settles(sandbox: &Sandbox, more: &[&str]) -> (u64, Outcome) {
    let outcome = sandbox.run(more);
    if outcome.report()["totals"]["rejected"] == 0 {
        outcome.expect(0);
        sandbox.assert_equal(&[]);
    } else {
        outcome.expect(3);
        sandbox.command_json("verify", &["--depth", "rows"]).expect(0);
    }
    sandbox.assert_clean();
    (outcome.table("t")["chunks_kept"].as_u64().unwrap(), outcome)
}

/// An edit that no timestamp tells, a row that moves from one chunk to another, and one that goes: in four chunks.
const CHANGES: [&str; 3] =
    ["UPDATE t SET v = -1 WHERE id = 8", "UPDATE t SET id = 1201 WHERE id = 400", "DELETE FROM t WHERE id = 900"];

#[test]
fn chunks_of_a_killed_first_load_are_kept() {
    for engine in ["InnoDB", "MyISAM"] {
        let sandbox = world("reuse", engine);
        let copied = interrupted(&sandbox, &[], kill);
        sandbox.source_sql(&CHANGES);
        let (kept, outcome) = settles(&sandbox, &[]);
        assert_eq!(kept, copied - 4, "{engine}: of {copied}\n{outcome}");
        assert_eq!(outcome.table("t")["rows"], 999, "{outcome}");
        assert!(outcome.table("t")["certificate"]["digest"].is_string(), "kept rows are added up, too\n{outcome}");
    }
}

#[test]
fn chunks_outlive_a_second_kill_and_a_stop() {
    let sandbox = world("reuses", "InnoDB");
    interrupted(&sandbox, &[], kill);
    sandbox.source_sql(&["UPDATE t SET v = -1 WHERE id = 8"]);
    interrupted(&sandbox, &[], kill);
    let copied = interrupted(&sandbox, &[], |running| {
        running.signal("TERM");
        running.wait(crate::sandbox::RUN_MAX).expect(143);
    });
    sandbox.source_sql(&["UPDATE t SET v = -2 WHERE id = 8"]);
    let (kept, outcome) = settles(&sandbox, &[]);
    assert_eq!(kept, copied - 1, "{outcome}");
}

/// A refresh that copies all rows, because some are in quarantine: the chunk with such a row is copied anew.
#[test]
fn chunks_of_a_killed_refresh_are_kept() {
    let sandbox = world("reuser", "InnoDB");
    sandbox.config("pipeline.yml", "policies: { zero_dates: reject }\n");
    sandbox.source_sql(&["SET sql_mode = ''", "UPDATE t SET d = '0000-00-00' WHERE id = 600"]);
    sandbox.run(&[]).expect(3);
    let copied = interrupted(&sandbox, &[], kill);
    sandbox.source_sql(&CHANGES);
    let (kept, outcome) = settles(&sandbox, &[]);
    assert_eq!(kept, copied - 5, "{outcome}");
    assert_eq!(outcome.written(), (1, 1, 2), "{outcome}");
}

/// Nothing is kept when the table looks different, when staging is not as it was left, and when all rows are asked for.
#[test]
fn other_chunks_are_not_kept() {
    let sandbox = world("reuseno", "InnoDB");
    let staging = "SELECT 'etl_sync.' || relname FROM pg_class WHERE relname ~ '^load_' AND relkind = 'r'";
    for name in ["asked", "altered", "touched", "emptied"] {
        let more: &[&str] = if name == "asked" { &["--full"] } else { &[] };
        sandbox.warehouse().batch_execute("DROP TABLE IF EXISTS raw.t").unwrap();
        interrupted(&sandbox, &[], kill);
        let name_of = || sandbox.warehouse().query_one(staging, &[]).unwrap().get::<_, String>(0);
        match name {
            "altered" => sandbox.source_sql(&["ALTER TABLE t MODIFY v INT NOT NULL"]),
            "touched" => {
                assert_eq!(sandbox.warehouse().execute(&format!("DELETE FROM {} WHERE id = 10", name_of()), &[]).unwrap(), 1)
            }
            "emptied" => sandbox.warehouse().batch_execute(&format!("TRUNCATE {}", name_of())).unwrap(),
            _ => {}
        }
        let (kept, outcome) = settles(&sandbox, more);
        assert_eq!(kept, 0, "{name}\n{outcome}");
    }
}

/// What is left is dropped when the next run does not need it.
#[test]
fn staging_that_is_not_needed_is_dropped() {
    let sandbox = world("reusedrop", "InnoDB");
    // Too large to be compared with its rows in hand, so it is looked at, and nothing is copied.
    sandbox.source_sql(&["ALTER TABLE t ADD pad VARCHAR(3000)", "UPDATE t SET pad = REPEAT('x', 3000)", "ANALYZE TABLE t"]);
    sandbox.sync(&[]);
    interrupted(&sandbox, &["--full"], kill);
    let (kept, outcome) = settles(&sandbox, &[]);
    assert_eq!((kept, outcome.written()), (0, (0, 0, 0)), "{outcome}");
}

/// A table that is loaded in another round after it had taken over staging, and one that the killed run had finished: what is in
/// quarantine stays there, and is told.
#[test]
fn rows_in_quarantine_outlive_a_lost_source() {
    let sandbox = world("reuseq", "InnoDB");
    sandbox.config("pipeline.yml", "policies: { zero_dates: reject }\n");
    sandbox.config("tables.yml", &format!("{RULES}  small: {{ processing_priority: high }}\n"));
    sandbox.source_sql(&[
        "CREATE TABLE small (id INT PRIMARY KEY, d DATE)",
        "SET sql_mode = ''",
        "INSERT INTO small VALUES (1, '0000-00-00'), (2, '2024-01-01')",
        "UPDATE t SET d = '0000-00-00' WHERE id = 600",
    ]);
    interrupted(&sandbox, &[], kill);
    assert!(
        sandbox.holds("SELECT count(*) = 1 FROM etl_sync.etl_table_state WHERE table_name = 'small'"),
        "the small one is done"
    );
    let mut last = None;
    interrupted(&sandbox, &[], |running| {
        let mut source = sandbox.source();
        let sessions = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        for session in source.query::<u64, _>(sessions).unwrap() {
            source.query_drop(format!("KILL {session}")).unwrap();
        }
        last = Some(running.wait(crate::sandbox::RUN_MAX));
    });
    let outcome = last.unwrap();
    outcome.expect(3);
    assert_eq!((outcome.status("small"), outcome.status("t")), ("kept".into(), "loaded".into()), "{outcome}");
    assert_eq!(outcome.table("t")["rounds"], 2, "{outcome}");
    for table in ["small", "t"] {
        assert_eq!(outcome.table(table)["rejected"], 1, "{table}\n{outcome}");
        let held = format!("SELECT count(*) FROM etl_quarantine.rejected_row WHERE table_name = '{table}'");
        assert_eq!(sandbox.count(&held), 1, "{table}\n{outcome}");
    }
    sandbox.command_json("verify", &["--depth", "rows"]).expect(0);
    sandbox.assert_clean();
}
