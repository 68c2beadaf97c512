//! `verify: evidence`: a table is left out exactly when nothing moved on either side, whatever hides it.

use crate::hosts::{Own, Side};
use crate::program::Outcome;
use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;
use std::time::Duration;

/// Longer than a file must have been left alone.
const SETTLED: Duration = Duration::from_millis(6_500);

const EVIDENCE: [&str; 2] = ["--verify", "evidence"];

/// Two tables of the engine: one that is read whole and has no clock, one with a watermark.
fn tables(sandbox: &Sandbox, engine: &str) {
    sandbox.source_sql(&[
        &format!("CREATE TABLE definition (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(9) NOT NULL) ENGINE={engine}"),
        "INSERT INTO definition (v) SELECT 'x' FROM seq_1_to_50",
        &format!(
            "CREATE TABLE visit (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(9) NOT NULL, updated TIMESTAMP NOT NULL \
             DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE={engine}"
        ),
        "INSERT INTO visit (v) SELECT 'x' FROM seq_1_to_50",
    ]);
    sandbox.config("tables.yml", "tables:\n  visit: { primary_incremental_column: updated }\n");
}

/// A run on evidence, when every session of the one before has reported its counters.
fn night(sandbox: &Sandbox) -> Outcome {
    sandbox.assert_clean();
    sandbox.sync(&EVIDENCE)
}

/// A night that leaves both tables out.
#[track_caller]
fn quiet(sandbox: &Sandbox) {
    let told = night(sandbox);
    assert_eq!((told.status("definition"), told.status("visit")), ("unmoved".into(), "unmoved".into()), "{told}");
    assert_eq!(told.report()["totals"]["rows_read"], 0);
}

/// A night that reads the table for this reason, and another one, so that there is evidence again.
#[track_caller]
fn read(sandbox: &Sandbox, table: &str, why: &str) {
    let told = night(sandbox);
    assert_eq!(told.status(table), "loaded", "{told}");
    assert_eq!(told.table(table)["proof"], "counts");
    let reason = told.table(table)["reason"].to_string();
    assert!(reason.contains(why), "{reason}");
    sandbox.assert_equal(&[]);
    std::thread::sleep(SETTLED);
    night(sandbox);
}

/// PostgreSQL counts a row that is marked as updated: it is our own write all the same, and no trace of somebody else's.
#[test]
fn a_marked_delete_is_a_write_of_ours() {
    let sandbox = Sandbox::new("evmarked");
    tables(&sandbox, "MyISAM");
    sandbox.config("tables.yml", "tables:\n  \"*\": { deletes: mark }\n  visit: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    sandbox.source_sql(&["DELETE FROM definition WHERE id = 7", "DELETE FROM visit WHERE id IN (8, 9)"]);
    std::thread::sleep(SETTLED);
    assert_eq!(night(&sandbox).written(), (0, 0, 3));
    assert_eq!(sandbox.count("SELECT count(*) FROM visit WHERE _deleted_at IS NOT NULL"), 2);
    quiet(&sandbox);
    sandbox.assert_equal(&[]);
    // A hand that takes the mark away is found.
    sandbox
        .warehouse()
        .batch_execute("UPDATE visit SET _deleted_at = NULL WHERE id = 8; SELECT pg_stat_force_next_flush()")
        .unwrap();
    assert_eq!(night(&sandbox).written(), (0, 0, 1));
    sandbox.assert_equal(&[]);
}

/// What the source holds is known when only the warehouse was written to: it is not read, and what a hand did is mended.
#[test]
fn a_source_that_stands_is_not_read() {
    let sandbox = Sandbox::new("evstands");
    tables(&sandbox, "MyISAM");
    sandbox.sync(&[]);
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);
    quiet(&sandbox);
    for (hand, rows_read) in [
        // Written, and as it was.
        ("UPDATE visit SET v = v WHERE id = 8; UPDATE definition SET v = v WHERE id = 8", 0),
        ("UPDATE visit SET v = 'hand' WHERE id = 8; DELETE FROM definition WHERE id = 9", 50),
    ] {
        sandbox.warehouse().batch_execute(&format!("{hand}; SELECT pg_stat_force_next_flush()")).unwrap();
        let told = night(&sandbox);
        for table in ["visit", "definition"] {
            let reason = told.table(table)["reason"].to_string();
            assert!(reason.contains("the target was written to, the source was not: only the target is read"), "{reason}");
            assert_eq!(told.table(table)["rows_read"], rows_read, "{told}");
            assert_eq!(told.table(table)["certificate"]["checked"], "evidence", "{told}");
            assert_eq!(told.table(table)["healed"]["cause"] == "warehouse", rows_read > 0, "{told}");
        }
        sandbox.assert_equal(&[]);
        quiet(&sandbox);
    }
    // The watermark has gone on.
    sandbox.source_sql(&["UPDATE visit SET v = 'day' WHERE id = 8"]);
    assert_eq!(night(&sandbox).written(), (0, 1, 0));
    sandbox.assert_equal(&[]);
}

#[test]
fn a_file_that_nobody_wrote_to_is_left_out() {
    let sandbox = Sandbox::new("evfile");
    tables(&sandbox, "MyISAM");
    sandbox.sync(&[]);
    let told = night(&sandbox);
    assert_eq!(told.table("visit")["proof"], "counts", "written to a moment before the first run: {told}");
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);

    let mut warehouse = sandbox.warehouse();
    let mut ask = |sql: &str| warehouse.query_one(sql, &[]).unwrap().get::<_, String>(0);
    let status = "SELECT concat_ws(' ', load_status, rows_loaded, _loaded_at, primary_column_name, last_primary_value) \
                  FROM etl_load_status WHERE table_name = 'visit'";
    let (last, state) = (
        "SELECT last_loaded::text FROM etl_load_status WHERE table_name = 'visit'",
        "SELECT to_jsonb(s)::text FROM etl_sync.etl_table_state s WHERE table_name = 'visit'",
    );
    let before = [ask(status), ask(last), ask(state)];
    let told = night(&sandbox);
    assert_eq!((told.status("definition"), told.status("visit")), ("unmoved".into(), "unmoved".into()), "{told}");
    assert_eq!(told.table("visit")["proof"], "evidence");
    assert_eq!(told.table("visit")["rows"], 50);
    let totals = &told.report()["totals"];
    assert_eq!((&totals["unmoved"], &totals["counted"], &totals["rows_read"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!([ask(status), ask(state)], [before[0].clone(), before[2].clone()], "nothing was counted, nothing says so");
    assert_ne!(ask(last), before[1], "but the record is as of now");
    for table in sandbox.command_json("status", &[]).report()["tables"].as_array().unwrap() {
        assert!(table["lag_seconds"].as_f64() < table["age_seconds"].as_f64(), "as new as the look: {table}");
    }
    let mut text = sandbox.command();
    text.args(["run", "--verify", "evidence"]);
    crate::program::Running::start(text).wait(crate::sandbox::RUN_MAX).expect(0).says("0 tables counted, 2 skipped on evidence");
    let mut plan = sandbox.command();
    plan.args(["plan", "--verify", "evidence"]);
    crate::program::Running::start(plan).wait(crate::sandbox::RUN_MAX).expect(0).says("2 tables are skipped on evidence");

    // Asked for something else, and other ways to copy.
    for more in [&[][..], &["--verify", "counts"], &["--verify", "evidence", "--full"]] {
        assert_eq!(sandbox.sync(more).status("visit"), "loaded", "{more:?}");
    }
    quiet(&sandbox);
    sandbox.config("pipeline.yml", "policies:\n  nul_bytes: strip\n");
    assert_eq!(night(&sandbox).status("visit"), "loaded");
    quiet(&sandbox);
    sandbox.config("tables.yml", "tables:\n  visit: { filter: v = 'x' }\n");
    let told = night(&sandbox);
    assert_eq!((told.status("visit"), told.status("definition")), ("loaded".into(), "unmoved".into()));
    assert_eq!(night(&sandbox).status("visit"), "loaded", "a filter may look at the clock");
}

#[test]
fn one_row_of_a_file_is_enough() {
    let sandbox = Sandbox::new("evrow");
    tables(&sandbox, "MyISAM");
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);
    quiet(&sandbox);
    // No clock, no row more or less, no byte more: the file's time alone.
    sandbox.source_sql(&["UPDATE definition SET v = 'y' WHERE id = 7"]);
    let told = night(&sandbox);
    assert_eq!((told.status("visit"), told.table("definition")["updated"].clone()), ("unmoved".into(), 1.into()), "{told}");
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);
    quiet(&sandbox);
    // The same when it was long enough ago.
    sandbox.source_sql(&["UPDATE definition SET v = 'w' WHERE id = 7"]);
    std::thread::sleep(SETTLED);
    assert_eq!(night(&sandbox).table("definition")["updated"], 1);
    sandbox.source_sql(&["UPDATE definition SET v = 'y' WHERE id = 7"]);
    night(&sandbox);
    // The second write within a second of the first, which the time does not show.
    sandbox.source_sql(&["UPDATE definition SET v = 'z' WHERE id = 7"]);
    read(&sandbox, "definition", "it was written to a moment ago");
    quiet(&sandbox);
    sandbox.source_sql(&["ALTER TABLE definition ADD COLUMN n INT NOT NULL DEFAULT 3"]);
    read(&sandbox, "definition", "counted");
    quiet(&sandbox);
    sandbox.source_sql(&["DELETE FROM visit WHERE id = 3"]);
    read(&sandbox, "visit", "counted");
    quiet(&sandbox);
}

#[test]
fn what_a_hand_did_to_the_warehouse_is_found() {
    let sandbox = Sandbox::new("evhand");
    tables(&sandbox, "MyISAM");
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);
    quiet(&sandbox);
    for (sql, table, why) in [
        ("DELETE FROM visit WHERE id = 9", "visit", "the target was written to"),
        ("UPDATE definition SET v = 'hand' WHERE id = 9", "definition", "the target was written to"),
        ("INSERT INTO definition (id, v) VALUES (999, 'hand')", "definition", "the target was written to"),
        // No row is counted as deleted, but the storage is another.
        ("TRUNCATE visit", "visit", "the target is not the one that was counted"),
        ("ALTER TABLE definition DROP COLUMN v", "definition", "columns of the target change"),
        ("SELECT pg_stat_reset()", "visit", "its counters were reset"),
    ] {
        let mut hand = sandbox.warehouse();
        hand.batch_execute(sql).unwrap();
        // A backend reports its counters when it ends, at the latest.
        hand.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
        drop(hand);
        std::thread::sleep(Duration::from_millis(300));
        read(&sandbox, table, why);
        quiet(&sandbox);
    }
    // In one transaction with a rollback: nothing changed, and still somebody wrote.
    sandbox.warehouse().batch_execute("BEGIN; DELETE FROM visit; ROLLBACK; SELECT pg_stat_force_next_flush()").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    read(&sandbox, "visit", "the target was written to");
}

#[test]
fn without_a_binary_log_innodb_is_counted() {
    let sandbox = Sandbox::new("evnolog");
    tables(&sandbox, "InnoDB");
    let is_logged: Option<u8> = sandbox.source().query_first("SELECT @@log_bin").unwrap();
    sandbox.sync(&[]);
    std::thread::sleep(SETTLED);
    if is_logged == Some(0) {
        read(&sandbox, "visit", "the source writes no binary log");
        read(&sandbox, "definition", "the source writes no binary log");
    }
    let account = sandbox.source_account(&["SELECT ON {db}.*"]);
    let told = sandbox.run_with("ETL_SYNC_SOURCE_URL", &account, &EVIDENCE);
    assert_eq!(told.status("visit"), "loaded", "{told}");
}

#[test]
fn the_log_shows_what_files_hide() {
    let mut own = Own::start("log", &[("ETL_SYNC_MARIADB_OPTS", "--log-bin --server-id=7")]);
    let sandbox = Sandbox::on(own.hosts.clone(), "evlog");
    tables(&sandbox, "InnoDB");
    sandbox.source_sql(&[
        "CREATE TABLE cached (id INT PRIMARY KEY, v INT) ENGINE=Aria",
        "INSERT INTO cached VALUES (1, 1), (2, 2)",
        "CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=MyISAM",
    ]);
    sandbox.sync(&[]);
    quiet(&sandbox);
    assert_eq!(night(&sandbox).status("cached"), "unmoved");
    // Aria keeps a changed page for up to half a minute: the file's time stands still.
    std::thread::sleep(Duration::from_millis(1100));
    let written = "SELECT CONCAT(update_time) FROM information_schema.tables WHERE table_name = 'cached'";
    let mut source = sandbox.source();
    let before: Option<String> = source.query_first(written).unwrap();
    source.query_drop("UPDATE cached SET v = 7 WHERE id = 1").unwrap();
    assert_eq!(source.query_first::<String, _>(written).unwrap(), before, "the trap this is about");
    let told = night(&sandbox);
    assert_eq!(told.table("cached")["updated"], 1, "{told}");
    quiet(&sandbox);

    // A transaction that is open during a night and commits after it.
    source.query_drop("START TRANSACTION").unwrap();
    source.query_drop("UPDATE definition SET v = 'late' WHERE id = 3").unwrap();
    sandbox.config("pipeline.yml", "general:\n  transaction_wait_s: 0\n");
    night(&sandbox);
    source.query_drop("COMMIT").unwrap();
    let told = night(&sandbox);
    assert_eq!(told.table("definition")["updated"], 1, "{told}");
    sandbox.assert_equal(&[]);
    quiet(&sandbox);

    // Kept out of the log by an administrator: the server's own time tells, while it knows it.
    std::thread::sleep(Duration::from_millis(1100));
    source.query_drop("SET sql_log_bin = 0").unwrap();
    source.query_drop("UPDATE definition SET v = 'mute' WHERE id = 4").unwrap();
    let told = night(&sandbox);
    assert_eq!((told.table("definition")["updated"].clone(), told.status("visit")), (1.into(), "unmoved".into()), "{told}");

    // Without the read lock nobody knows what of the log the snapshot shows.
    let grants = ["SELECT ON {db}.*", "PROCESS, BINLOG MONITOR, REPLICA MONITOR ON *.*"];
    let account = sandbox.source_account(&grants);
    drop(source);
    for _ in 0..2 {
        sandbox.assert_clean();
        let told = sandbox.run_with("ETL_SYNC_SOURCE_URL", &account, &["--full"]);
        told.expect(0);
        assert_eq!(told.table("visit")["snapshot"], "per_table", "{told}");
    }
    read(&sandbox, "visit", "the last success left no evidence");
    quiet(&sandbox);

    for (side, why) in [(Side::Source, "the source was restarted"), (Side::Warehouse, "the warehouse was restarted")] {
        assert_eq!(night(&sandbox).status("plain"), "unmoved");
        own.restart(side);
        read(&sandbox, "plain", why);
        quiet(&sandbox);
    }
}
