//! SIGTERM, SIGINT and `--until`: whatever a run waits for or works at, it ends within 10 s, nothing of it runs on at either
//! server, and the next run goes on and proves both sides equal.

use crate::hosts::{self, Hosts, Private, Side, wait_for};
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use mysql::prelude::Queryable;
use std::time::{Duration, Instant};

/// What SIGTERM promises; the process's own seconds, not those of a busy machine's scheduler.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A filter that makes each of so many rows take time at the source, so that a statement lasts.
fn slow_rows(of: &str, seconds: &str) -> String {
    format!("tables:\n  {of}: {{ filter: \"id < 0 OR SLEEP({seconds}) = 0\" }}\n")
}

fn table(sandbox: &Sandbox, name: &str, rows: u32) {
    sandbox.source_sql(&[
        &format!("CREATE TABLE {name} (id INT PRIMARY KEY, v INT NOT NULL, pad CHAR(100) NOT NULL DEFAULT 'x')"),
        &format!("INSERT INTO {name} (id, v) SELECT seq, seq FROM seq_1_to_{rows}"),
        &format!("ANALYZE TABLE {name}"),
    ]);
}

/// Sends the signal and expects a clean end in time, with nothing of the run at either server.
fn ends(sandbox: &Sandbox, running: Running, signal: &str, code: i32) -> Outcome {
    running.signal(signal);
    let asked = Instant::now();
    let outcome = running.wait(RUN_MAX);
    let took = asked.elapsed();
    outcome.expect(code);
    assert!(took < ENDS_WITHIN, "it took {took:?} to stop\n{outcome}");
    let report = outcome.report();
    assert_eq!((report["status"].as_str(), report["exit_code"].as_i64()), (Some("stopped"), Some(code.into())), "{outcome}");
    assert_eq!(report["totals"]["failed"], 0, "a stop is no failure\n{outcome}");
    is_gone(sandbox);
    outcome
}

/// No session of the run is left at either server.
fn is_gone(sandbox: &Sandbox) {
    let ours =
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%'";
    wait_for("no session at the warehouse", || sandbox.holds(ours).then_some(()));
    wait_for("no session at the source", || {
        let rows: Vec<mysql::Row> = sandbox.source().query("SHOW PROCESSLIST").unwrap();
        let text = |row: &mysql::Row, at: &str| row.get::<Option<String>, _>(at).flatten().unwrap_or_default();
        let ours = |row: &&mysql::Row| text(row, "db").starts_with(&sandbox.name) && text(row, "User") != "root";
        (!rows.iter().any(|row| ours(&row))).then_some(())
    });
}

/// The next run goes on, and both sides are equal.
fn goes_on(sandbox: &Sandbox) -> Outcome {
    sandbox.config("tables.yml", "");
    let outcome = sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    outcome
}

/// A statement of the run at the source that looks like this.
fn at_source(sandbox: &Sandbox, statement: &str) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db LIKE '{}%' AND user <> 'root' AND info LIKE '{statement}'",
        sandbox.name
    );
    wait_for(&format!("{statement} runs at the source"), || {
        let count: Option<u64> = sandbox.source().query_first(&sql).unwrap();
        (count != Some(0)).then_some(())
    });
}

/// A statement of the run that waits at the warehouse for a lock.
fn waits(sandbox: &Sandbox, statement: &str) {
    let sql = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%' \
         AND wait_event_type = 'Lock' AND query LIKE '{statement}'"
    );
    wait_for(&format!("{statement} waits for a lock"), || sandbox.holds(&sql).then_some(()));
}

/// On servers of their own: statements that last and tables that are locked keep the snapshots of other tests waiting.
#[test]
fn whatever_a_run_waits_for_at_the_source_is_ended() {
    let private = hosts::private();
    std::thread::scope(|scope| {
        for one in [
            a_chunk_that_takes_long,
            a_count_at_the_source,
            a_source_that_somebody_has_locked,
            the_hop_into_a_replica,
            a_deadline,
        ] {
            let hosts = &private.hosts;
            scope.spawn(move || one(hosts));
        }
    });
    a_large_table_in_many_chunks(&private.hosts);
    a_server_that_stands_still(&private);
}

fn a_chunk_that_takes_long(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stopchunk");
    table(&sandbox, "t", 400);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        sandbox.config("tables.yml", &slow_rows("t", "0.2"));
        let running = sandbox.start(&[]);
        at_source(&sandbox, "SELECT%SLEEP%");
        let outcome = ends(&sandbox, running, signal, code);
        assert_eq!(outcome.status("t"), "not_reached", "{outcome}");
    }
    goes_on(&sandbox);
}

fn a_large_table_in_many_chunks(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stopmany");
    table(&sandbox, "t", 300_000);
    sandbox.config("pipeline.yml", "general: { chunk_mb: 1 }\n");
    let running = sandbox.start(&[]);
    let some = "SELECT count(*) > 3 FROM etl_sync.chunk_ledger";
    wait_for("some chunks are in", || sandbox.holds(some).then_some(()));
    ends(&sandbox, running, "TERM", 143);
    let outcome = goes_on(&sandbox);
    assert!(outcome.table("t")["chunks_kept"].as_u64() > Some(3), "chunks of the stopped run are taken over\n{outcome}");
}

fn a_count_at_the_source(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stopcount");
    table(&sandbox, "t", 2000);
    sandbox.config("tables.yml", "tables:\n  t: { chunk_rows: 200, filter: \"id < 1999 OR SLEEP(30) = 0\" }\n");
    let running = sandbox.start(&[]);
    at_source(&sandbox, "SELECT COUNT(*)%");
    ends(&sandbox, running, "TERM", 143);
    goes_on(&sandbox);
}

#[test]
fn a_merge_that_takes_long_is_ended() {
    let sandbox = Sandbox::new("stopmerge");
    table(&sandbox, "t", 500);
    sandbox.sync(&[]);
    // Each changed row costs a tenth of a second: the merge of all of them takes most of a minute.
    sandbox
        .warehouse()
        .batch_execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$; \
             CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .unwrap();
    sandbox.source_sql(&["UPDATE t SET v = v + 1"]);
    let running = sandbox.start(&[]);
    let sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    wait_for("the merge is at its rows", || sandbox.holds(sleeps).then_some(()));
    ends(&sandbox, running, "TERM", 143);
    sandbox.warehouse().batch_execute("DROP TRIGGER slow ON t").unwrap();
    assert_eq!(sandbox.count("SELECT count(*) FROM t WHERE v <> id"), 0, "nothing of the merge stays");
    goes_on(&sandbox);
}

fn a_source_that_somebody_has_locked(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stoplock");
    // Each of them is waited for 10 s, one after the other.
    ["t", "u", "w"].iter().for_each(|name| table(&sandbox, name, 500));
    let mut other = sandbox.source();
    other.query_drop("LOCK TABLES t WRITE, u WRITE, w WRITE").unwrap();
    let running = sandbox.start(&[]);
    let waiting = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND state LIKE 'Waiting for%lock'",
        sandbox.name
    );
    wait_for("the run waits for the table", || {
        let count: Option<u64> = sandbox.source().query_first(&waiting).unwrap();
        (count != Some(0)).then_some(())
    });
    ends(&sandbox, running, "TERM", 143);
    other.query_drop("UNLOCK TABLES").unwrap();
    goes_on(&sandbox);
}

#[test]
fn a_lock_at_the_warehouse_does_not_hold_the_run() {
    let sandbox = Sandbox::new("stopwait");
    table(&sandbox, "t", 500);
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE t SET v = v + 1 WHERE id < 50"]);
    // The table itself, the status table of people, and the state row: each of them may be held by somebody.
    for (lock, statement) in [
        ("SELECT 1 FROM raw.t WHERE id = 7 FOR UPDATE", "%UPDATE ONLY%"),
        ("LOCK TABLE raw.t IN ACCESS EXCLUSIVE MODE", "%"),
        ("LOCK TABLE raw.etl_load_status IN EXCLUSIVE MODE", "%etl_load_status%"),
        ("LOCK TABLE etl_sync.etl_table_state IN EXCLUSIVE MODE", "%INTO etl_sync.etl_table_state%"),
    ] {
        let mut other = sandbox.warehouse();
        other.batch_execute(&format!("BEGIN; {lock}")).unwrap();
        let running = sandbox.start(&["--full"]);
        waits(&sandbox, statement);
        let outcome = ends(&sandbox, running, "TERM", 143);
        other.batch_execute("ROLLBACK").unwrap();
        assert!(outcome.report()["error"].is_null() || outcome.report()["error"]["kind"] == "stopped", "{outcome}");
    }
    goes_on(&sandbox);
}

#[test]
fn an_index_that_is_being_built_is_ended() {
    let sandbox = Sandbox::new("stopindex");
    table(&sandbox, "t", 500);
    sandbox.source_sql(&["ALTER TABLE t ADD INDEX by_v (v)"]);
    sandbox.config("pipeline.yml", "general: { indexes: all }\n");
    let mut admin = sandbox.warehouse();
    admin
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS public; \
             CREATE FUNCTION public.hold() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_query() LIKE '%by_v%' THEN PERFORM pg_sleep(60); END IF; END $$; \
             CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.hold()",
        )
        .unwrap();
    let running = sandbox.start(&[]);
    let builds = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    wait_for("the index is being built", || sandbox.holds(builds).then_some(()));
    ends(&sandbox, running, "TERM", 143);
    admin.batch_execute("DROP EVENT TRIGGER hold").unwrap();
    let outcome = goes_on(&sandbox);
    assert_eq!(
        (outcome.status("t").as_str(), &outcome.report()["definitions"][0]["status"]),
        ("kept", &"built".into()),
        "{outcome}"
    );
}

fn the_hop_into_a_replica(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stophop").with_replica();
    table(&sandbox, "t", 400);
    sandbox.config("tables.yml", &slow_rows("t", "0.2"));
    let running = sandbox.start(&[]);
    at_source(&sandbox, "SELECT%SLEEP%");
    let outcome = ends(&sandbox, running, "TERM", 143);
    assert_eq!(outcome.report()["replicate"]["exit_code"], 143, "{outcome}");
    // The replica's table is there now; somebody holds it while the next state of it is to be merged.
    sandbox.config("tables.yml", "");
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE t SET v = v + 1"]);
    let mut other = sandbox.replica();
    other.query_drop("BEGIN").unwrap();
    other.query_drop("SELECT * FROM t LIMIT 1 FOR UPDATE").unwrap();
    let running = sandbox.start(&["--full"]);
    at_source(&sandbox, "RENAME TABLE%");
    ends(&sandbox, running, "TERM", 143);
    other.query_drop("ROLLBACK").unwrap();
    goes_on(&sandbox);
}

fn a_deadline(hosts: &Hosts) {
    let sandbox = Sandbox::on(hosts.clone(), "stopuntil");
    table(&sandbox, "t", 400);
    sandbox.config("tables.yml", &slow_rows("t", "0.2"));
    let outcome = sandbox.run(&["--until", "2s"]);
    outcome.expect(4);
    assert!(outcome.took < Duration::from_secs(2) + ENDS_WITHIN, "{outcome}");
    assert_eq!((outcome.report()["status"].as_str(), outcome.status("t").as_str()), (Some("stopped"), "not_reached"));
    is_gone(&sandbox);
    goes_on(&sandbox);
}

#[test]
fn a_comparison_is_ended_at_both_servers_at_once() {
    let sandbox = Sandbox::new("stopverify");
    table(&sandbox, "t", 500);
    sandbox.sync(&[]);
    let mut other = sandbox.warehouse();
    other.batch_execute("BEGIN; LOCK TABLE raw.t IN ACCESS EXCLUSIVE MODE").unwrap();
    let mut command = sandbox.command();
    command.args(["verify", "--json"]);
    let running = Running::start(command);
    waits(&sandbox, "%");
    running.signal("TERM");
    let asked = Instant::now();
    running.wait(RUN_MAX).expect(143);
    assert!(asked.elapsed() < ENDS_WITHIN, "{:?}", asked.elapsed());
    is_gone(&sandbox);
}

/// A server that accepts and says nothing can end no statement, so the process ends around it.
fn a_server_that_stands_still(private: &Private) {
    let sandbox = Sandbox::on(private.hosts.clone(), "stopstill");
    table(&sandbox, "t", 400);
    for side in [Side::Source, Side::Warehouse] {
        sandbox.config("tables.yml", &slow_rows("t", "0.1"));
        let running = sandbox.start(&["--full"]);
        at_source(&sandbox, "SELECT%SLEEP%");
        private.signal(side, "STOP");
        running.signal("TERM");
        let asked = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.wait(RUN_MAX)));
        private.signal(side, "CONT");
        let outcome = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.expect(143);
        assert!(asked.elapsed() < ENDS_WITHIN, "{:?}\n{outcome}", asked.elapsed());
        assert_eq!(outcome.report()["status"], "stopped", "{outcome}");
        is_gone(&sandbox);
    }
    goes_on(&sandbox);
}
