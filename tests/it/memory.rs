//! The limit of memory: long rows arrive under it, workers wait for each other because of it, and a run that cannot keep it stops
//! cleanly and is gone on with.

use crate::sandbox::{RUN_MAX, Sandbox};
use mysql::prelude::Queryable;
use std::time::Duration;

/// Rows that take 50 ms each from the 90th on.
fn slow(sandbox: &Sandbox, tables: &[&str], rows: u32) {
    for table in tables {
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} (id INT PRIMARY KEY, v INT NOT NULL)"),
            &format!("INSERT INTO {table} SELECT seq, 0 FROM seq_1_to_{rows}"),
        ]);
    }
    sandbox.config("tables.yml", "tables:\n  \"slow*\": { filter: \"id < 90 OR SLEEP(0.05) = 0\" }\n");
}

#[test]
fn rows_of_sixty_megabytes_arrive_under_a_limit_of_256() {
    let sandbox = Sandbox::new("bigrows");
    for table in ["first", "second"] {
        sandbox.source_sql(&[&format!("CREATE TABLE {table} (id INT PRIMARY KEY, v LONGBLOB NOT NULL)")]);
        let mut source = sandbox.source();
        for id in 1..=3 {
            // By parts, because no function of the server gives so much at once.
            source.query_drop(format!("INSERT INTO {table} VALUES ({id}, '')")).unwrap();
            let part = vec![b'a' + id; 10 << 20];
            for _ in 0..6 {
                source.exec_drop(format!("UPDATE {table} SET v = CONCAT(v, ?) WHERE id = {id}"), (&part,)).unwrap();
            }
        }
        sandbox.source_sql(&[&format!("ANALYZE TABLE {table}")]);
    }
    sandbox.config("pipeline.yml", "general: { memory_limit_mb: 256 }\n");
    let outcome = sandbox.sync(&["--parallel", "4"]);
    let report = outcome.report();
    assert_eq!(report["memory"]["limit_mb"], 256, "{outcome}");
    let high = report["memory"]["high_mb"].as_u64().unwrap();
    assert!((100..256).contains(&high), "{high} MiB: a row is there at least twice, and the limit is kept\n{outcome}");
    let predicted = report["memory"]["predicted_mb"].as_u64().unwrap();
    assert!((high..=256).contains(&predicted), "{predicted} MiB were expected, {high} were taken\n{outcome}");
    for table in ["first", "second"] {
        let sums: Vec<String> = sandbox.source().query(format!("SELECT MD5(v) FROM {table} ORDER BY id")).unwrap();
        let found = sandbox.warehouse().query(&format!("SELECT md5(v) FROM {table} ORDER BY id"), &[]).unwrap();
        assert_eq!(found.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), sums);
    }
    crate::notes::add(&format!("memory: six rows of 60 MiB, 4 workers, limit 256 MiB: {high} MiB at the most"));
}

/// The most reading sessions at once.
fn at_once(sandbox: &Sandbox) -> (u64, crate::program::Outcome) {
    let mut running = sandbox.start(&[]);
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT `id`%SLEEP%'",
        sandbox.name
    );
    let (mut source, mut most) = (sandbox.source(), 0);
    while !running.has_ended() {
        let reading: Option<u64> = source.query_first(&sql).unwrap();
        most = most.max(reading.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    (most, running.wait(RUN_MAX))
}

#[test]
fn workers_wait_for_each_other_when_there_is_no_memory() {
    let sandbox = Sandbox::new("memwait");
    slow(&sandbox, &["slow_a", "slow_b"], 100);
    let (most, outcome) = at_once(&sandbox);
    outcome.expect(0);
    assert_eq!(most, 2, "both workers read at once");
    sandbox.source_sql(&["UPDATE slow_a SET v = 1", "UPDATE slow_b SET v = 1"]);
    // The program alone is larger.
    sandbox.config("pipeline.yml", "general: { memory_limit_mb: 4 }\n");
    let (most, outcome) = at_once(&sandbox);
    // On a busy machine the second one may not come to its turn before the run stops.
    assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
    outcome.says("more than 80 % of the limit of 4 MiB (memory_limit_mb)");
    assert_eq!(most, 1, "one at a time\n{outcome}");
    assert!(outcome.report()["warnings"].to_string().contains("MiB of memory are expected and the limit is 4 MiB"), "{outcome}");
    sandbox.config("pipeline.yml", "general: { memory_limit_mb: 4096 }\n");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
}

#[test]
fn a_run_that_stays_above_its_limit_stops_cleanly_and_is_gone_on_with() {
    let sandbox = Sandbox::new("memstop");
    slow(&sandbox, &["quick"], 100);
    slow(&sandbox, &["slow_a"], 390);
    // In chunks of a second: the one in hand is finished.
    sandbox.config(
        "tables.yml",
        "tables:\n  slow_a: { strategy: chunked, chunk_rows: 20, filter: \"id < 90 OR SLEEP(0.05) = 0\" }\n",
    );
    sandbox.config("pipeline.yml", "general: { memory_limit_mb: 4 }\n");
    let outcome = sandbox.run(&[]);
    outcome.expect(1);
    let error = outcome.report()["error"].clone();
    assert_eq!(error["kind"], "memory", "{outcome}");
    assert!(error["message"].to_string().contains("limit of 4 MiB (memory_limit_mb)"), "{outcome}");
    assert!(error["hint"].to_string().contains("raise memory_limit_mb or lower --parallel"), "{outcome}");
    assert_eq!(outcome.status("slow_a"), "not_reached");
    sandbox.config("pipeline.yml", "general: { memory_limit_mb: 4096 }\n");
    sandbox.source_sql(&["DELETE FROM slow_a WHERE id > 100"]);
    let outcome = sandbox.sync(&[]);
    assert_eq!(outcome.status("quick"), "kept", "{outcome}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}
