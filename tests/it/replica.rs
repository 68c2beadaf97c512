//! Through a replica: both hops, what the second reads, and what happens when one of them did not come to its end.

use crate::notes;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use crate::types;
use mysql::prelude::Queryable;
use serde_json::Value;
use std::time::Duration;

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tables"].as_array().unwrap().iter().find(|t| t["table"] == name).unwrap()
}

/// Rows read of a table by the first hop and by the second.
fn read(outcome: &Outcome, name: &str) -> (u64, u64) {
    let report = outcome.report();
    let rows = |report: &Value| table(report, name)["rows_read"].as_u64().unwrap();
    (rows(&report["replicate"]), rows(&report))
}

/// One table of each kind: by increments, always whole, without a key, empty.
fn clinic(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word).with_replica();
    let rows = |count: i32, row: &dyn Fn(i32) -> String| (1..=count).map(row).collect::<Vec<_>>();
    let day = |n| if n % 7 == 0 { "0000-00-00" } else { "2024-02-29" };
    let payments = rows(3000, &|n| format!("({n} / 3, 'n\u{e4}chste {n}', '{}', '2024-01-01')", day(n)));
    let definitions = rows(200, &|n| format!("('c{n}', REPEAT('it\\\\\\'s ', {n}))"));
    let signals = rows(50, &|n| format!("('2024-05-05 05:05:05.123', '{}')", if n % 2 == 0 { "off" } else { "on" }));
    sandbox.source_sql(&[
        "SET SESSION sql_mode = ''",
        "CREATE TABLE payment (id BIGINT PRIMARY KEY AUTO_INCREMENT, amount DOUBLE NOT NULL, note VARCHAR(99) COLLATE latin1_swedish_ci, \
         paid DATE NOT NULL, edited TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE = MyISAM \
         COMMENT = 'what patients pay; in cash'",
        &format!("INSERT INTO payment (amount, note, paid, edited) VALUES {}", payments.join(", ")),
        "CREATE TABLE definition (code VARCHAR(9) PRIMARY KEY, text MEDIUMTEXT) ENGINE = InnoDB",
        &format!("INSERT INTO definition VALUES {}", definitions.join(", ")),
        "CREATE TABLE signal_log (at DATETIME(3), what ENUM('on','off'))",
        &format!("INSERT INTO signal_log VALUES {}", signals.join(", ")),
        "CREATE TABLE nothing (id INT PRIMARY KEY)",
    ]);
    sandbox.config("tables.yml", "tables:\n  payment: { primary_incremental_column: edited }\n");
    sandbox
}

#[test]
fn both_hops_bring_every_row_and_later_only_what_changed_on_mysql() {
    let sandbox = clinic("hops");
    let outcome = sandbox.sync(&[]);
    assert_eq!((read(&outcome, "payment"), read(&outcome, "signal_log")), ((3000, 3000), (50, 50)));
    sandbox.assert_equal(&[]);
    assert_eq!(read(&sandbox.sync(&[]), "payment"), (0, 0), "nothing changed");
    sandbox.source_sql(&[
        "UPDATE payment SET amount = -0.0 WHERE id = 7",
        "INSERT INTO payment (amount, paid) VALUES (1, '2024-03-03'), (2, '2024-03-03')",
        "DELETE FROM payment WHERE id = 9",
        "DELETE FROM definition WHERE code = 'c7'",
        "UPDATE definition SET text = 'other' WHERE code = 'c8'",
    ]);
    let outcome = sandbox.sync(&[]);
    let report = outcome.report();
    let counts = |told: &Value| ["inserted", "updated", "deleted"].map(|word| told[word].as_u64().unwrap());
    assert_eq!(counts(table(&report["replicate"], "payment")), [2, 1, 1]);
    assert_eq!(counts(table(&report, "payment")), [2, 1, 1]);
    assert_eq!(counts(table(&report, "definition")), [0, 1, 1], "a table that is always replaced loses its rows, too");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    assert_eq!(leftovers(&sandbox), Vec::<String>::new());
}

/// Tables of the replica that are neither of the source nor ours, and temporary names.
fn leftovers(sandbox: &Sandbox) -> Vec<String> {
    let sql =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'etl\\_sync%'";
    sandbox.replica().query(sql).unwrap()
}

#[test]
fn each_hop_alone_hands_over_what_it_wrote_on_mysql() {
    let sandbox = clinic("hopone");
    assert_eq!(sandbox.command_json("load", &[]).code, Some(2), "nothing was replicated");
    sandbox.command_json("replicate", &[]).expect(0);
    sandbox.command_json("load", &[]).expect(0);
    sandbox.assert_equal(&[]);
    // Two nights of the first hop for one of the second.
    sandbox.source_sql(&["UPDATE payment SET amount = 5 WHERE id = 5"]);
    sandbox.command_json("replicate", &[]).expect(0);
    sandbox.source_sql(&["UPDATE payment SET amount = 6 WHERE id = 6"]);
    sandbox.command_json("replicate", &[]).expect(0);
    let load = || {
        let outcome = sandbox.command_json("load", &[]);
        outcome.expect(0);
        let told = table(&outcome.report(), "payment").clone();
        ["rows_read", "updated", "deleted"].map(|word| told[word].as_u64().unwrap())
    };
    assert_eq!(load(), [2, 2, 0], "only what either night wrote is read");
    sandbox.assert_equal(&[]);
    sandbox.source_sql(&["DELETE FROM payment WHERE id = 100"]);
    sandbox.command_json("replicate", &[]).expect(0);
    assert_eq!(load()[2], 1, "what is gone shows in the counts");
    sandbox.assert_equal(&[]);
}

#[test]
fn a_replica_that_somebody_changed_is_mended_before_it_is_loaded_on_mysql() {
    let sandbox = clinic("hopmend");
    sandbox.sync(&[]);
    let mut replica = sandbox.replica();
    replica.query_drop("DELETE FROM payment WHERE id BETWEEN 10 AND 20").unwrap();
    let outcome = sandbox.sync(&[]);
    assert!(!table(&outcome.report()["replicate"], "payment")["healed"].is_null(), "{outcome}");
    sandbox.assert_equal(&[]);
    // Another table under the same name: its incarnation is not the one that the state tells of.
    replica.query_drop("CREATE TABLE etl_sync_copy LIKE payment").unwrap();
    replica.query_drop("DROP TABLE payment").unwrap();
    replica.query_drop("RENAME TABLE etl_sync_copy TO payment").unwrap();
    replica.query_drop("ALTER TABLE payment COMMENT = 'etl-sync other;'").unwrap();
    assert_eq!(read(&sandbox.sync(&[]), "payment"), (2999 + 1, 3000));
    sandbox.assert_equal(&[]);
}

#[test]
fn nothing_of_somebody_elses_is_replaced() {
    let sandbox = clinic("hopforeign");
    sandbox.replica().query_drop("CREATE TABLE definition (mine INT)").unwrap();
    let outcome = sandbox.run(&[]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    outcome.says("the replica has one that etl-sync did not make");
    let columns: Vec<String> = sandbox.replica().query("SELECT mine FROM definition").unwrap();
    assert!(columns.is_empty());
    // The other tables are there all the same.
    assert_eq!(sandbox.count("SELECT count(*) FROM payment"), 3000);
}

#[test]
fn status_of_the_first_hop() {
    let sandbox = clinic("hopstatus");
    sandbox.sync(&[]);
    let sql = "SELECT table_name, copy_status, rows_copied, COALESCE(primary_column_name, '') FROM etl_copy_status ORDER BY 1";
    let rows: Vec<(String, String, u64, String)> = sandbox.replica().query(sql).unwrap();
    let wanted = [("definition", 200, ""), ("nothing", 0, ""), ("payment", 3000, "edited"), ("signal_log", 50, "")];
    let wanted: Vec<_> = wanted.map(|(name, n, column)| (name.into(), "success".into(), n, column.into())).into();
    assert_eq!(rows, wanted);
}

/// Every value case straight and through the replica: the same type, the same value, the same refusal.
#[test]
fn every_type_survives_the_hop_on_mysql() {
    let sandbox = Sandbox::new("hoptypes").with_replica();
    let mut source = sandbox.source();
    let version: String = source.query_first("SELECT VERSION()").unwrap().unwrap();
    let cases: Vec<_> = types::cases().into_iter().enumerate().map(|(n, case)| (format!("t{n}"), case)).collect();
    let cases: Vec<_> =
        cases.iter().filter(|(_, case)| types::skip(case, &version, version.contains("MariaDB")).is_none()).collect();
    for (table, case) in &cases {
        case.statements(table).iter().for_each(|sql| source.query_drop(sql).unwrap());
    }
    let run = |schema: &str, direct: bool| {
        let mut command = sandbox.run_command(&[]);
        command.env("ETL_SYNC_WAREHOUSE_SCHEMA", schema);
        if direct {
            command.env_remove("ETL_SYNC_REPLICA_URL");
        }
        Running::start(command).wait(RUN_MAX)
    };
    let direct = run("straight", true).report();
    let outcome = run("hopped", false);
    let hopped = outcome.report();
    let mut client = sandbox.warehouse();
    let mut image = |schema: &str, table: &str| -> Option<String> {
        let exists = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&format!("{schema}.{table}")]).unwrap();
        exists.get::<_, bool>(0).then(|| {
            let sql =
                format!("SELECT string_agg(pg_typeof(c)::text || ' ' || coalesce(c::text, 'NULL'), '|') FROM {schema}.{table}");
            client.query_one(&sql, &[]).unwrap().get::<_, Option<String>>(0).unwrap_or_default()
        })
    };
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let found = |report: &Value| report["tables"].as_array().unwrap().iter().find(|t| t["table"] == *name).cloned();
        let rejected = |report: &Value| found(report).and_then(|table| table["rejected"].as_u64());
        let straight = (image("straight", name), rejected(&direct));
        let other = (image("hopped", name), rejected(&hopped));
        if straight != other {
            let why = &table(&hopped["replicate"], name)["error"]["message"];
            wrong.push(format!("{} {}: {straight:?}, through the replica {other:?} {why}", case.mysql_type, case.sql_literal));
        }
    }
    notes::add(&format!("types through a replica: {} cases, {} differ", cases.len(), wrong.len()));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Killed at any moment: the next run brings both sides together, and the status tells of no run that is not there.
#[test]
fn a_killed_run_is_gone_on_with() {
    let sandbox = clinic("hopkill");
    let mut random = crate::random::Random::of_environment();
    for kill in 0..12 {
        let running = sandbox.start(&[]);
        std::thread::sleep(Duration::from_millis(random.below(1200)));
        running.kill();
        sandbox.source_sql(&[
            &format!("UPDATE payment SET amount = amount + {kill} WHERE id % 13 = {kill}"),
            &format!("DELETE FROM definition WHERE code = 'c{kill}'"),
        ]);
    }
    // The first goes on with what the last one had begun, and keeps what that had finished; the second sees what is new.
    sandbox.sync(&[]);
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    assert_eq!(leftovers(&sandbox), Vec::<String>::new());
    let other = "SELECT COUNT(*) FROM etl_copy_status WHERE copy_status <> 'success'";
    assert_eq!(sandbox.replica().query_first::<u64, _>(other).unwrap(), Some(0));
}

#[test]
fn two_runs_do_not_write_to_one_replica() {
    let sandbox = clinic("hoplock");
    let mut holder = sandbox.replica();
    holder.query_drop("SELECT GET_LOCK(CONCAT('etl-sync/', LEFT(SHA2(DATABASE(), 256), 40)), 0)").unwrap();
    assert_eq!(sandbox.command_json("replicate", &[]).code, Some(75));
    drop(holder);
    sandbox.command_json("replicate", &[]).expect(0);
    // A run that slept through its own death: its epoch is not the last one any more.
    let mut replica = sandbox.replica();
    replica
        .query_drop(
            "CREATE TRIGGER take_over BEFORE INSERT ON etl_chunk_ledger FOR EACH ROW UPDATE etl_job SET epoch = epoch + 1",
        )
        .unwrap();
    sandbox.config("tables.yml", "tables: { payment: { chunk_rows: 100 } }\n");
    let outcome = sandbox.command_json("replicate", &["--full", "--tables", "payment"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    outcome.says("another run took this replica over");
}

#[test]
fn the_source_is_no_replica_and_another_source_is_asked_about() {
    let sandbox = clinic("hopsame");
    let same = sandbox.hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", &sandbox.name).replace("127.0.0.1", "localhost");
    let outcome = sandbox.run_with("ETL_SYNC_REPLICA_URL", &same, &[]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    sandbox.command_json("replicate", &[]).expect(0);
    sandbox.replica().query_drop("UPDATE etl_job SET source_identity = 'other/db'").unwrap();
    let outcome = sandbox.command_json("replicate", &[]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    outcome.says("filled from another source (other/db)");
    sandbox.command_json("replicate", &["--accept-new-source"]).expect(0);
}

#[test]
fn the_plan_of_the_first_hop_and_its_rights() {
    let sandbox = clinic("hopplan");
    let plan = sandbox.command_json("plan", &[]).report();
    assert_eq!(table(&plan, "payment")["action"], "first_load");
    let nothing = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";
    assert_eq!(sandbox.replica().query_first::<u64, _>(nothing).unwrap(), Some(0), "a plan makes nothing");
    sandbox.sync(&[]);
    let plan = sandbox.command_json("plan", &[]).report();
    assert_eq!(table(&plan, "payment")["action"], "refresh");
    let check = sandbox.command_json("check", &[]);
    check.expect(0);
    check.says("CREATE TEMPORARY TABLES on");
}

#[test]
fn what_an_interrupted_first_hop_has_finished_stays_done() {
    let sandbox = clinic("hopresume");
    sandbox.command_json("replicate", &[]).expect(0);
    let again = |sql: &str, more: &[&str]| {
        sandbox.replica().query_drop(sql).unwrap();
        let outcome = sandbox.command_json("replicate", more);
        outcome.expect(0);
        ["payment", "definition"].map(|name| outcome.status(name))
    };
    // As a kill leaves it, when all but one table are done.
    let killed = "UPDATE etl_job SET outcome = NULL, ended_at = NULL";
    assert_eq!(again(killed, &[]), ["kept", "kept"]);
    let other = "UPDATE etl_table_state, etl_job SET outcome = NULL, etl_table_state.run_id = 'x', etl_table_state.sync_id = 'x' \
                 WHERE table_name = 'definition'";
    assert_eq!(again(other, &[]), ["kept", "loaded"]);
    assert_eq!(again(killed, &["--full"]), ["loaded", "loaded"]);
    assert_eq!(again("UPDATE etl_job SET outcome = NULL, started_at = '2020-01-01'", &[]), ["loaded", "loaded"]);
    assert_eq!(again("SELECT 1", &[]), ["loaded", "loaded"], "a sync that ended is not gone on with");
}

/// A column that somebody drops in the replica: the table is made anew instead of failing every night.
#[test]
fn replica_write_fails_with_1054_never_twice() {
    let sandbox = clinic("hop1054");
    sandbox.sync(&[]);
    sandbox.replica().query_drop("ALTER TABLE payment DROP COLUMN note, ADD COLUMN mine INT").unwrap();
    sandbox.source_sql(&["UPDATE payment SET note = 'edited' WHERE id = 3"]);
    let outcome = sandbox.sync(&[]);
    let report = outcome.report();
    let reason = table(&report["replicate"], "payment")["reason"].as_str().unwrap();
    assert!(reason.contains("the replica's table was altered"), "{reason}");
    sandbox.assert_equal(&[]);
    assert_eq!(read(&sandbox.sync(&[]), "payment").1, 0);
}

/// Rows are merged, or stand in the table that takes the place of the old one, and the state has not followed.
#[test]
fn kill_9_after_replica_write_before_state() {
    let sandbox = clinic("hopkillstate");
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE payment SET amount = 8 WHERE id = 8", "UPDATE definition SET text = 'new' WHERE code = 'c3'"]);
    // Ours below are open transactions of the source's server, too.
    sandbox.config("pipeline.yml", "general: { transaction_wait_s: 0 }\n");
    let steps = [
        ("SELECT * FROM etl_table_state WHERE table_name = 'payment' FOR UPDATE", "insert into etl_table_state", &[][..]),
        ("SELECT * FROM definition", "rename table", &["--full"][..]),
    ];
    for (lock, waits_in, more) in steps {
        let mut holder = sandbox.replica();
        holder.query_drop("START TRANSACTION").unwrap();
        holder.query_drop(lock).unwrap();
        let running = sandbox.start(more);
        let waits = || {
            let rows: Vec<mysql::Row> = sandbox.source().query("SHOW FULL PROCESSLIST").unwrap();
            let text = |row: &mysql::Row| row.get::<Option<String>, _>("Info").flatten().unwrap_or_default();
            rows.iter().any(|row| text(row).to_lowercase().starts_with(waits_in))
        };
        let seen = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            waits()
        });
        let killed = running.kill();
        drop(holder);
        assert!(seen, "no session was in {waits_in}: {killed}");
    }
    sandbox.sync(&["--full"]);
    sandbox.assert_equal(&[]);
    sandbox.source_sql(&["UPDATE payment SET amount = 9 WHERE id = 8"]);
    assert_eq!(read(&sandbox.sync(&[]), "payment").1, 1, "only what changed goes on");
    sandbox.assert_equal(&[]);
    assert_eq!(leftovers(&sandbox), Vec::<String>::new());
}
