//! Watermarks against clocks: ties with the watermark's own second, servers in other zones, and a zone that changes.

use crate::hosts::Own;
use crate::program::Outcome;
use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;
use std::time::Duration;

const TYPES: [(&str, &str, &str); 6] = [
    ("instant", "TIMESTAMP", "InnoDB"),
    ("instant6", "TIMESTAMP(6)", "MyISAM"),
    ("wall", "DATETIME", "MyISAM"),
    ("wall3", "DATETIME(3)", "InnoDB"),
    ("wall6", "DATETIME(6)", "InnoDB"),
    ("day", "DATE", "InnoDB"),
];

/// A table for every type of clock.
fn world(sandbox: &Sandbox) {
    for (table, ty, engine) in TYPES {
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} (id INT PRIMARY KEY, v INT NOT NULL, updated {ty} NOT NULL) ENGINE={engine}"),
            &format!("INSERT INTO {table} SELECT seq, 0, '2024-01-01' FROM seq_1_to_200"),
            &format!("ANALYZE TABLE {table}"),
        ]);
    }
    sandbox.config("tables.yml", "tables:\n  \"*\": { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
}

fn updated(outcome: &Outcome) -> Vec<(String, u64)> {
    TYPES.iter().map(|(table, ..)| ((*table).to_owned(), outcome.table(table)["updated"].as_u64().unwrap())).collect()
}

/// A row that carries the very moment, or the second or the day, that the watermark stands at is read.
#[test]
fn edit_with_timestamp_equal_to_the_watermark_second() {
    let sandbox = Sandbox::new("tie");
    world(&sandbox);
    // As people see it, which is what a strict `>` compared: the same unit as the column's.
    let mark = |table: &str| {
        let sql = format!("SELECT watermark ->> 'value' FROM etl_sync.etl_table_state WHERE table_name = '{table}'");
        sandbox.warehouse().query_one(&sql, &[]).unwrap().get::<_, String>(0)
    };
    for edit in 1..=2 {
        for (table, ty, _) in TYPES {
            let digits = ty.chars().filter_map(|c| c.to_digit(10)).next().unwrap_or(0);
            let value = mark(table);
            // Cut like the server cuts, not rounded: the edit happened in that second.
            let value = match (ty, digits) {
                ("DATE", _) => value,
                (_, 0) => value.chars().take(19).collect(),
                (_, digits) => value.chars().take(20 + usize::try_from(digits).unwrap()).collect::<String>(),
            };
            sandbox.source_sql(&[
                "SET time_zone = '+00:00'",
                &format!("UPDATE {table} SET v = v + 1, updated = '{value}' WHERE id = {edit}"),
            ]);
        }
        let outcome = sandbox.sync(&[]);
        let wanted: Vec<(String, u64)> = TYPES.iter().map(|(table, ..)| ((*table).to_owned(), 1)).collect();
        assert_eq!(updated(&outcome), wanted, "{outcome}");
        assert_eq!(outcome.report()["totals"]["healed"], 0, "{outcome}");
        sandbox.assert_equal(&[]);
    }
}

/// The source's wall clock is six hours behind UTC and the warehouse's sessions are nine ahead: neither moves a watermark.
/// Then the source's zone is changed under it, as a wrong setting is put right: forwards, and back.
#[test]
fn clock_timezone_difference() {
    let own = Own::start(
        "zones",
        &[("ETL_SYNC_MARIADB_OPTS", "--default-time-zone=-06:00"), ("ETL_SYNC_PG_OPTS", "-c timezone=Asia/Tokyo")],
    );
    let sandbox = Sandbox::on(own.hosts.clone(), "zones");
    world(&sandbox);
    for (night, zone) in ["-06:00", "-06:00", "+13:00", "+13:00", "-06:00", "-06:00", "+00:00"].into_iter().enumerate() {
        // Sessions of applications take the server's zone over when they begin.
        sandbox.source_sql(&[&format!("SET GLOBAL time_zone = '{zone}'")]);
        for (table, ..) in TYPES {
            sandbox.source_sql(&[
                &format!("UPDATE {table} SET v = v + 1, updated = NOW(6) WHERE id = {}", 10 + night),
                &format!("INSERT INTO {table} VALUES ({}, 0, NOW(6))", 1000 + night),
            ]);
        }
        let outcome = sandbox.sync(&[]);
        let told = format!("night {night} in zone {zone}\n{outcome}");
        assert_eq!(outcome.written(), (6, 6, 0), "{told}");
        assert_eq!(outcome.report()["totals"]["healed"], 0, "{told}");
        sandbox.judge(&[]).unwrap_or_else(|text| panic!("{text}\n{told}"));
    }
    // An application that writes the clock of a zone of its own: the lookback is told, and covers it.
    sandbox.source_sql(&["SET GLOBAL time_zone = '+00:00'"]);
    sandbox.config("tables.yml", "tables:\n  \"*\": { primary_incremental_column: updated, lookback_s: 50400 }\n");
    sandbox.sync(&[]);
    for (table, ..) in TYPES {
        let edit = format!("UPDATE {table} SET v = v + 1, updated = NOW(6) WHERE id = 50");
        sandbox.source_sql(&["SET time_zone = '-12:00'", &edit]);
    }
    assert_eq!(sandbox.sync(&[]).written(), (0, 6, 0));
    sandbox.assert_equal(&[]);
}

/// MySQL refuses its whole list of transactions while one of them runs a statement with a character beyond the basic plane:
/// the run goes on, and sees the transaction all the same.
#[test]
fn a_statement_with_an_emoji_hides_no_transaction_on_mysql() {
    let sandbox = Sandbox::new("emoji");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, updated DATETIME(6) NOT NULL)",
        "INSERT INTO t VALUES (1, 0, '2024-01-01'), (2, 0, '2024-01-01')",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: updated, lookback_s: 0 }\n");
    sandbox.config("pipeline.yml", "general: { transaction_wait_s: 1 }\n");
    sandbox.sync(&[]);
    let mut late = sandbox.source();
    ["BEGIN", "UPDATE t SET v = 1, updated = NOW(6) WHERE id = 1"].iter().for_each(|sql| late.query_drop(sql).unwrap());
    // The statement waits for a lock of ours, however long the run takes.
    let mut holder = sandbox.source();
    let lock = format!("emoji {}", sandbox.folder().display()).chars().rev().take(60).collect::<String>();
    holder.query_drop(format!("SELECT GET_LOCK('{lock}', 0)")).unwrap();
    let waits = format!("SELECT '\u{1f9b7}', GET_LOCK('{lock}', 300)");
    let session = std::thread::spawn(move || {
        // The row is older than this statement: only the list of transactions tells of it.
        std::thread::sleep(Duration::from_secs(5));
        late.query_drop(waits).unwrap();
        late
    });
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    assert!(!session.is_finished(), "the statement had ended: this run proves nothing");
    holder.query_drop(format!("SELECT RELEASE_LOCK('{lock}')")).unwrap();
    session.join().unwrap().query_drop("COMMIT").unwrap();
    let outcome = sandbox.sync(&[]);
    assert_eq!((outcome.written(), &outcome.table("t")["rows_read"]), ((0, 1, 0), &1.into()), "{outcome}");
    sandbox.assert_equal(&[]);
}

/// The limit of what counts and watermarks can see, said here so that nobody takes it for covered: an edit that moves no
/// timestamp and lies in no window stays unseen until all rows are read.
#[test]
fn edit_without_timestamp_change_outside_every_window_is_found_by_content() {
    let sandbox = Sandbox::new("unseen");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, fee INT NOT NULL, done DATE NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO t SELECT seq, 150, '2020-01-01', '2024-01-01' FROM seq_1_to_200",
    ]);
    let window = "lookback_resync: { enabled: true, window_days: 30, predicate_columns: [done] }";
    sandbox.config("tables.yml", &format!("tables:\n  t: {{ primary_incremental_column: updated, {window} }}\n"));
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE t SET fee = 160 WHERE id = 7"]);
    assert_eq!(sandbox.sync(&["--audit", "off"]).written(), (0, 0, 0));
    sandbox.judge(&[]).expect_err("neither a count nor a time shows the edit");
    assert_eq!(sandbox.sync(&[]).written(), (0, 1, 0));
    sandbox.assert_equal(&[]);
    sandbox.source_sql(&["UPDATE t SET fee = 170 WHERE id = 7"]);
    assert_eq!(sandbox.sync(&["--full"]).written(), (0, 1, 0));
    sandbox.assert_equal(&[]);
}
