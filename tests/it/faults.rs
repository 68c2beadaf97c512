//! Servers that stall and die, and a program that is killed: it ends by itself, the next run finishes the work, both
//! sides are equal, and nothing is left behind.

use crate::hosts::{self, Side, wait_for};
use crate::program::{Outcome, Running};
use crate::random::Random;
use crate::sandbox::{RUN_MAX, Sandbox};
use std::time::{Duration, Instant};

/// Short deadlines on both sides, so that a stall is noticed within seconds.
const IMPATIENT: &str = "connections:\n  source: { stall_timeout_s: 3, statement_timeout_s: 600, connect_timeout_s: 3 }\n  \
                         warehouse: { stall_timeout_s: 3, statement_timeout_s: 4, connect_timeout_s: 3 }\n\
                         general: { server_down_wait_s: 2 }\n";

/// Longest time from a stall to the process's end, with the deadlines above and a busy machine.
const STALL_END_MAX: Duration = Duration::from_secs(60);

/// A table that is read for some seconds in many chunks, and three that are done at once.
fn slow(sandbox: &Sandbox) {
    sandbox.source_sql(&[
        "CREATE TABLE slow (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO slow SELECT seq, seq FROM seq_1_to_1200",
        "ANALYZE TABLE slow",
    ]);
    for n in 1..=3 {
        // Larger than the slow one, so that they come first.
        sandbox.source_sql(&[
            &format!("CREATE TABLE done{n} (id INT PRIMARY KEY, v CHAR(200) NOT NULL)"),
            &format!("INSERT INTO done{n} SELECT seq, seq FROM seq_1_to_2000"),
            &format!("ANALYZE TABLE done{n}"),
        ]);
    }
    sandbox.config("tables.yml", "tables:\n  slow: { filter: \"SLEEP(0.01) = 0\", chunk_rows: 50 }\n");
}

/// Waits until the small tables are done and some chunks of the slow one are in.
fn in_the_middle(sandbox: &Sandbox) {
    let sql = "SELECT (SELECT count(*) FROM etl_sync.chunk_ledger JOIN etl_sync.job USING (run_id) WHERE rows > 0 AND ended_at IS NULL) > 1 \
               AND (SELECT count(*) FROM etl_sync.etl_table_state) = 3";
    wait_for("three tables are done and the slow one is in the middle", || sandbox.holds(sql).then_some(()));
}

/// The next run takes up what was done and finishes the rest.
fn goes_on(sandbox: &Sandbox) -> Outcome {
    sandbox.config("pipeline.yml", "");
    sandbox.config("tables.yml", "");
    let outcome = sandbox.run(&[]);
    outcome.expect(0);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    for n in 1..=3 {
        assert_eq!(outcome.status(&format!("done{n}")), "kept", "{outcome}");
    }
    assert_eq!(outcome.status("slow"), "loaded", "{outcome}");
    outcome
}

fn stalls(side: Side) {
    let private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "stall");
    slow(&sandbox);
    sandbox.config("pipeline.yml", IMPATIENT);
    let running = sandbox.start(&[]);
    in_the_middle(&sandbox);
    private.signal(side, "STOP");
    let stopped = Instant::now();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.wait(STALL_END_MAX)));
    private.signal(side, "CONT");
    let outcome = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let took = stopped.elapsed();
    outcome.expect(69);
    assert!(outcome.report()["error"]["hint"].is_string(), "the result says what to do\n{outcome}");
    crate::notes::add(&format!("stalled {side:?}: the process ended after {:.0} s", took.as_secs_f64()));
    goes_on(&sandbox);
}

#[test]
fn a_stalled_source_ends_the_run_with_69() {
    stalls(Side::Source);
}

#[test]
fn a_stalled_warehouse_ends_the_run_with_69() {
    stalls(Side::Warehouse);
}

#[test]
fn a_killed_source_is_waited_for() {
    let mut private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "killsrc");
    slow(&sandbox);
    sandbox.config("pipeline.yml", "general: { server_down_wait_s: 60 }\n");
    let running = sandbox.start(&[]);
    in_the_middle(&sandbox);
    private.signal(Side::Source, "KILL");
    std::thread::sleep(Duration::from_millis(500));
    private.up();
    let outcome = running.wait(RUN_MAX);
    outcome.expect(0);
    let rounds = outcome.table("slow")["rounds"].as_u64();
    assert!(rounds > Some(1), "the slow table was begun anew in another snapshot\n{outcome}");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    sandbox.config("tables.yml", "");
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
}

#[test]
fn a_source_that_stays_away_is_69() {
    let mut private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "away");
    slow(&sandbox);
    sandbox.config("pipeline.yml", IMPATIENT);
    let running = sandbox.start(&[]);
    in_the_middle(&sandbox);
    private.signal(Side::Source, "KILL");
    let outcome = running.wait(STALL_END_MAX);
    private.up();
    outcome.expect(69);
    goes_on(&sandbox);
}

#[test]
fn a_killed_warehouse_ends_the_run_and_the_next_one_goes_on() {
    let mut private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "killwh");
    slow(&sandbox);
    sandbox.config("pipeline.yml", IMPATIENT);
    let running = sandbox.start(&[]);
    in_the_middle(&sandbox);
    private.signal(Side::Warehouse, "KILL");
    let outcome = running.wait(STALL_END_MAX);
    private.up();
    outcome.expect(69);
    goes_on(&sandbox);
}

/// A backend that dies takes the whole server through a crash recovery, which empties unlogged tables: staging and
/// ledger. The run must not take that for rows that are gone.
#[test]
fn a_warehouse_that_recovers_from_a_crash_loses_nothing() {
    let private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "recover");
    slow(&sandbox);
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE slow SET v = v + 1"]);
    let running = sandbox.start(&[]);
    let sql = "SELECT count(*) > 1 FROM etl_sync.chunk_ledger WHERE rows > 0";
    wait_for("the refresh is in the middle", || sandbox.holds(sql).then_some(()));
    let pid = sandbox.count("SELECT pid::bigint FROM pg_stat_activity WHERE backend_type = 'walwriter'");
    hosts::kill(u32::try_from(pid).unwrap(), "KILL");
    let outcome = running.wait(RUN_MAX);
    assert!(matches!(outcome.code, Some(0 | 1 | 69)), "{outcome}");
    wait_for("the warehouse is back", || sandbox.holds("SELECT true").then_some(()));
    let rows = sandbox.count("SELECT count(*) FROM slow");
    assert_eq!(rows, 1200, "no row went with the staging\n{outcome}");
    sandbox.config("tables.yml", "");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

#[test]
fn one_lost_session_on_either_side_is_made_good() {
    let sandbox = Sandbox::new("lost");
    slow(&sandbox);
    let running = sandbox.start(&[]);
    in_the_middle(&sandbox);
    let worker = "SELECT pid::bigint FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync/%' \
                  AND query ~ 'COPY|ledger' ORDER BY query_start DESC LIMIT 1";
    let pid = wait_for("a worker's session", || Some(sandbox.count(worker)).filter(|pid| *pid > 0));
    sandbox.count(&format!("SELECT pg_terminate_backend({pid})::int::bigint"));
    let thread: Option<u64> = wait_for("a reading session", || {
        let sql =
            format!("SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT `id`%'", sandbox.name);
        mysql::prelude::Queryable::query_first(&mut sandbox.source(), sql).unwrap().map(Some)
    });
    sandbox.source_sql(&[&format!("KILL {}", thread.unwrap())]);
    running.wait(RUN_MAX).expect(0);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// Puts the status tables right and compares them with the state, which decides. A COMMIT that the killed program had sent
/// may come through afterwards, so it is looked at more than once.
fn records_are_true(sandbox: &Sandbox) {
    let untrue = "SELECT count(*) FROM etl_load_status s LEFT JOIN etl_sync.etl_table_state t USING (table_name) \
                  WHERE (load_status, rows_loaded) IS DISTINCT FROM (CASE WHEN t.job IS NULL THEN 'pending' ELSE 'success' END, coalesce(t.rows, 0))";
    wait_for("the records are true", || {
        let mut command = sandbox.command();
        command.args(["tracking", "init"]);
        Running::start(command).wait(RUN_MAX).expect(0);
        (sandbox.count(untrue) == 0 && sandbox.count("SELECT count(*) FROM etl_load_status") == 4).then_some(())
    });
}

#[test]
fn a_killed_program_leaves_what_the_next_run_finishes() {
    let sandbox = Sandbox::new("kill9");
    slow(&sandbox);
    let mut random = Random::of_environment();
    for _ in 0..5 {
        let running = sandbox.start(&[]);
        std::thread::sleep(Duration::from_millis(random.below(3000)));
        running.kill();
        records_are_true(&sandbox);
        // The rows change, so that a chunk of the dead run would be seen.
        sandbox.source_sql(&["UPDATE slow SET v = v + 1", "INSERT INTO slow SELECT MAX(id) + 1, 0 FROM slow"]);
    }
    sandbox.run(&[]).expect(0);
    // Tables that the killed runs had done are kept as they were then; one more run sees all of them.
    sandbox.config("tables.yml", "");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
}

#[test]
fn a_signal_stops_cleanly_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new("term");
    slow(&sandbox);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let running = sandbox.start(&["--full"]);
        in_the_middle(&sandbox);
        running.signal(signal);
        let asked = Instant::now();
        let outcome = running.wait(RUN_MAX);
        outcome.expect(code);
        assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?} to stop\n{outcome}", asked.elapsed());
        assert_eq!(outcome.report()["status"], "stopped", "{outcome}");
        // Chunks that are in stay for the next run, and nothing else.
        let left = sandbox.leftovers();
        assert!(left.iter().all(|what| what.contains("load_") || what.contains("slow/")), "{left:#?}");
    }
    goes_on(&sandbox);
}
