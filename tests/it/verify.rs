//! `verify` and `audit` against real servers: equal after a run, and what is changed by hand is found where it is.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

/// Numbers from 0 to 2,999 as a derived table; neither server makes them alike.
const NUMBERS: &str =
    "(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM digit a, digit b, digit c, digit e WHERE e.d < 3) n";

fn ask(sandbox: &Sandbox, command: &[&str]) -> Outcome {
    let mut asked = sandbox.command();
    asked.args(command).args(["--parallel", "2"]);
    Running::start(asked).wait(RUN_MAX)
}

fn verify(sandbox: &Sandbox) -> Outcome {
    ask(sandbox, &["verify", "--json"])
}

/// Statuses by table.
fn statuses(outcome: &Outcome) -> Value {
    let report = outcome.report();
    let tables = report["tables"].as_array().expect("a list of tables");
    tables.iter().map(|t| (t["table"].as_str().expect("a name").to_owned(), t["status"].clone())).collect()
}

/// The one range of a table that differs: rows of the source, of the target, and whether the key lies in it.
#[track_caller]
fn only_range(outcome: &Outcome, table: &str, key: i128) -> (u64, u64, bool) {
    let entry = outcome.table(table);
    let ranges = entry["ranges"].as_array().expect("ranges");
    assert_eq!(ranges.len(), 1, "{entry:#}");
    let end = |name: &str| match &ranges[0][name] {
        Value::Null => None,
        number => Some(number.to_string().parse::<i128>().expect("a number")),
    };
    let inside = end("from").is_none_or(|from| from <= key) && end("below").is_none_or(|below| key < below);
    let rows = |name: &str| ranges[0][name].as_u64().expect("rows");
    (rows("source_rows"), rows("target_rows"), inside)
}

fn digits(sandbox: &Sandbox) {
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
    ]);
}

/// Every kind of key, with values at both ends of the 64-bit numbers.
fn every_key(sandbox: &Sandbox) {
    digits(sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))",
        &format!("INSERT INTO t SELECT n, 'x' FROM {NUMBERS}"),
        "CREATE TABLE unsigned_key (id BIGINT UNSIGNED PRIMARY KEY)",
        "INSERT INTO unsigned_key VALUES (0), (1), (9223372036854775808), (18446744073709551614), (18446744073709551615)",
        "CREATE TABLE signed_key (id BIGINT PRIMARY KEY)",
        "INSERT INTO signed_key VALUES (-9223372036854775808), (-9223372036854775807), (-1), (0), (1), (9223372036854775807)",
        "CREATE TABLE below_zero (id INT PRIMARY KEY)",
        &format!("INSERT INTO below_zero SELECT n - 2000 FROM {NUMBERS}"),
        "CREATE TABLE least (id BIGINT PRIMARY KEY)",
        "INSERT INTO least VALUES (-9223372036854775808)",
        "CREATE TABLE most (id BIGINT UNSIGNED PRIMARY KEY)",
        "INSERT INTO most VALUES (18446744073709551615)",
        "CREATE TABLE year_key (y YEAR PRIMARY KEY)",
        "INSERT INTO year_key VALUES (1999), (2024)",
        "CREATE TABLE isam (id INT PRIMARY KEY) ENGINE = MyISAM",
        &format!("INSERT INTO isam SELECT n FROM {NUMBERS}"),
        "CREATE TABLE pair (a INT, b INT, PRIMARY KEY (a, b))",
        "INSERT INTO pair VALUES (1, 1), (1, 2), (2, 1)",
        "CREATE TABLE word (k VARCHAR(20) PRIMARY KEY)",
        "INSERT INTO word VALUES ('a'), ('b')",
        "CREATE TABLE keyless (v INT)",
        "INSERT INTO keyless VALUES (1), (1), (NULL)",
        "CREATE TABLE nothing (id INT PRIMARY KEY)",
        "ANALYZE TABLE t, below_zero, isam",
    ]);
}

/// A row less or more in every table but `digit` and `year_key`.
fn change_by_hand(sandbox: &Sandbox) {
    sandbox
        .warehouse()
        .batch_execute(
            "DELETE FROM t WHERE id = 1500;
             DELETE FROM unsigned_key WHERE id = 18446744073709551615;
             DELETE FROM signed_key WHERE id = '-9223372036854775808';
             DELETE FROM below_zero WHERE id = -1234;
             DELETE FROM least;
             DELETE FROM most;
             DELETE FROM isam WHERE id = 2999;
             DELETE FROM pair WHERE a = 2;
             DELETE FROM word WHERE k = 'a';
             INSERT INTO keyless VALUES (7);
             INSERT INTO nothing VALUES (7)",
        )
        .expect("the warehouse can be changed");
}

#[test]
fn what_is_changed_by_hand_is_found_in_its_range_on_mysql() {
    let sandbox = Sandbox::new("verify");
    every_key(&sandbox);
    sandbox.sync(&[]);
    let equal = verify(&sandbox);
    equal.expect(0);
    let report = equal.report();
    assert_eq!(
        (&report["status"], &report["totals"]["tables"], &report["totals"]["equal"]),
        (&json!("equal"), &json!(13), &json!(13))
    );
    for (table, by) in [
        ("t", "ranges"),
        ("unsigned_key", "ranges"),
        ("signed_key", "ranges"),
        ("below_zero", "ranges"),
        ("least", "ranges"),
        ("most", "ranges"),
        ("year_key", "ranges"),
        ("isam", "ranges"),
        ("pair", "total"),
        ("word", "total"),
        ("keyless", "total"),
    ] {
        assert_eq!(equal.table(table)["compared_by"], by, "{table}");
        assert!(equal.table(table)["last_success"].is_string());
    }
    sandbox.assert_clean();

    change_by_hand(&sandbox);
    let found = verify(&sandbox);
    found.expect(1);
    assert_eq!(
        statuses(&found),
        json!({
            "digit": "equal", "year_key": "equal", "t": "different", "unsigned_key": "different", "signed_key": "different",
            "below_zero": "different", "least": "different", "most": "different", "isam": "different", "pair": "different",
            "word": "different", "keyless": "different", "nothing": "different"
        })
    );
    for (table, key) in [
        ("t", 1_500),
        ("unsigned_key", i128::from(u64::MAX)),
        ("signed_key", i128::from(i64::MIN)),
        ("below_zero", -1_234),
        ("least", i128::from(i64::MIN)),
        ("most", i128::from(u64::MAX)),
        ("isam", 2_999),
    ] {
        let (source, target, inside) = only_range(&found, table, key);
        assert!(inside && source == target + 1, "{table}: {source} {target}\n{found}");
    }
    assert_eq!(only_range(&found, "nothing", 7), (0, 1, true));
    assert_eq!(found.table("pair")["ranges"], json!([]));
    assert_eq!((&found.table("pair")["source_rows"], &found.table("pair")["target_rows"]), (&json!(3), &json!(2)));
    // As text.
    ask(&sandbox, &["verify", "--tables", "t", "digit"]).expect(1).says("t: keys from ").says("different: 1 of 2 tables equal");
    sandbox.sync(&[]);
    verify(&sandbox).expect(0);
}

#[test]
fn a_row_lost_and_another_too_many_keep_the_total_and_are_found() {
    let sandbox = Sandbox::new("verifys");
    digits(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY)",
        &format!("INSERT INTO t SELECT n FROM {NUMBERS}"),
        "ANALYZE TABLE t",
    ]);
    sandbox.sync(&[]);
    // Far away: the ranges must not become as many as the numbers in between.
    sandbox.warehouse().batch_execute("UPDATE t SET id = 4000000000000 WHERE id = 10").expect("a row can be moved");
    let found = verify(&sandbox);
    found.expect(1);
    let entry = found.table("t");
    assert_eq!((&entry["source_rows"], &entry["target_rows"]), (&json!(3_000), &json!(3_000)));
    let ranges = entry["ranges"].as_array().expect("ranges");
    assert_eq!(ranges.len(), 2, "{entry:#}");
    assert_eq!((&ranges[0]["source_rows"], &ranges[0]["target_rows"]), (&json!(3_000), &json!(2_999)));
    assert_eq!((&ranges[1]["source_rows"], &ranges[1]["target_rows"]), (&json!(0), &json!(1)));
}

#[test]
fn rows_in_quarantine_are_in_the_equation() {
    let sandbox = Sandbox::new("verifyq");
    digits(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))",
        &format!("INSERT INTO t SELECT n, IF(n IN (5, 2500), CONCAT('a', CHAR(0)), 'a') FROM {NUMBERS}"),
        "CREATE TABLE keyless (v VARCHAR(20))",
        "INSERT INTO keyless VALUES ('a'), (CONCAT('a', CHAR(0)))",
        "ANALYZE TABLE t",
    ]);
    sandbox.run(&[]).expect(3);
    let equal = verify(&sandbox);
    equal.expect(0);
    let rows =
        |outcome: &Outcome| ["source_rows", "target_rows", "quarantined_rows"].map(|name| outcome.table("t")[name].clone());
    assert_eq!(rows(&equal), [json!(3_000), json!(2_998), json!(2)]);
    assert_eq!(equal.table("keyless")["quarantined_rows"], 1);

    // Rejects of a load that has not come to its finish say nothing about the target.
    let mut warehouse = sandbox.warehouse();
    let insert = "INSERT INTO etl_quarantine.rejected_row (job, table_name, key, reason, run_id, round) VALUES ('raw', 't', ";
    warehouse
        .batch_execute(&format!("{insert}'{{\"id\": 7}}', 'x', 'next', 0); UPDATE etl_sync.job SET run_id = 'next'"))
        .expect("our tables can be changed");
    verify(&sandbox).expect(0);

    // A row that is nowhere, and one that is at both places.
    warehouse.batch_execute("DELETE FROM etl_quarantine.rejected_row WHERE key ->> 'id' = '2500'").expect("a reject can go");
    let lost = verify(&sandbox);
    lost.expect(1);
    let (source, target, inside) = only_range(&lost, "t", 2_500);
    assert!(inside && source == target + 1);
    let insert = format!(
        "{insert}'{{\"id\": 2500}}', 'x', (SELECT run_id FROM etl_sync.etl_table_state WHERE table_name = 't'), 0); \
         INSERT INTO t VALUES (2500, 'a')"
    );
    warehouse.batch_execute(&insert).expect("a row and its reject can be added");
    let (source, target, _) = only_range(verify(&sandbox).expect(1), "t", 2_500);
    assert_eq!(target, source + 1);
}

/// A run commits between the two looks.
#[test]
fn what_arrives_between_the_looks_is_no_difference() {
    let sandbox = Sandbox::new("verifyf");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"]);
    sandbox.sync(&[]);
    sandbox.source_sql(&["INSERT INTO t VALUES (3)"]);
    let log = sandbox.folder().join("verify.log");
    let mut command = sandbox.command();
    command.args(["verify", "--json"]).stdout(Stdio::piped()).stderr(File::create(&log).expect("a log"));
    let child = command.spawn().expect("the program starts");
    crate::hosts::wait_for("the first look is over", || {
        std::fs::read_to_string(&log).expect("a log").contains("looking again").then_some(())
    });
    sandbox.warehouse().batch_execute("INSERT INTO t VALUES (3)").expect("the row arrives");
    let output = child.wait_with_output().expect("the program ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!((output.status.code(), &report["status"]), (Some(0), &json!("equal")), "{report:#}");
    assert_eq!((&report["tables"][0]["status"], &report["totals"]["in_flight"]), (&json!("in_flight"), &json!(1)));
}

#[test]
fn tables_that_one_side_does_not_have_are_told() {
    let sandbox = Sandbox::new("verifyg");
    let tables = ["stays", "goes", "unwanted", "seen"];
    for table in tables {
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} (id INT PRIMARY KEY)"),
            &format!("INSERT INTO {table} VALUES (1), (2)"),
        ]);
    }
    sandbox.sync(&[]);
    sandbox.source_sql(&["DROP TABLE goes", "CREATE TABLE comes (id INT PRIMARY KEY)", "INSERT INTO comes VALUES (1)"]);
    sandbox.config("tables.yml", "exclude: [unwanted]\n");
    let told = verify(&sandbox);
    told.expect(1);
    assert_eq!(statuses(&told), json!({"stays": "equal", "seen": "equal", "goes": "source_gone", "comes": "missing"}));
    assert_eq!((&told.table("goes")["target_rows"], &told.table("comes")["source_rows"]), (&json!(2), &json!(1)));
    // Whoever asks for some tables is told about those.
    ask(&sandbox, &["verify", "--json", "--tables", "stays"]).expect(0);
    ask(&sandbox, &["verify", "--tables", "stasy"]).expect(2).says("stays");
    ask(&sandbox, &["audit"]).expect(1).says("CRITICAL").says("source_gone");

    // What cannot be compared is neither equal nor different.
    sandbox.warehouse().batch_execute("DROP TABLE goes; DROP TABLE seen; CREATE VIEW seen AS SELECT 1 AS id").expect("DDL");
    sandbox.source_sql(&["DROP TABLE comes"]);
    let told = verify(&sandbox);
    told.expect(3).says("not an ordinary table");
    assert_eq!(statuses(&told), json!({"stays": "equal", "seen": "unproven"}));
    ask(&sandbox, &["audit"]).expect(3).says("not compared (1)");
    assert_eq!(sandbox.count("SELECT count(*) FROM stays"), 2);
}

#[test]
fn select_is_right_enough() {
    let sandbox = Sandbox::new("verifyr");
    sandbox
        .source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'a'), (2, CONCAT('x', CHAR(0)))"]);
    sandbox.source_sql(&["CREATE TABLE u (id INT PRIMARY KEY)", "INSERT INTO u VALUES (1)"]);
    sandbox.run(&[]).expect(3);
    let source = sandbox.source_account(&["SELECT ON {db}.*"]);
    let warehouse = sandbox.warehouse_account("NOSUPERUSER");
    let role = &sandbox.name;
    let grant = |what: &str| sandbox.warehouse().batch_execute(&what.replace("{role}", role)).expect("rights can be granted");
    grant("GRANT USAGE ON SCHEMA raw TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA raw TO {role}");
    let ask = |command: &str| {
        let mut asked = sandbox.command();
        asked
            .args(command.split(' '))
            .arg("--json")
            .env("ETL_SYNC_SOURCE_URL", &source)
            .env("ETL_SYNC_WAREHOUSE_URL", &warehouse);
        Running::start(asked).wait(RUN_MAX)
    };
    let why = ask("why t 1");
    assert_eq!(why.expect(0).says("GRANT USAGE ON SCHEMA etl_sync, etl_quarantine").report()["status"], "same");
    why.says("GRANT SELECT ON etl_sync.table_attempt TO");
    // Without a look into the quarantine a row that is not there proves nothing.
    let deep = ask("verify --depth rows");
    assert_eq!(statuses(deep.expect(3)), json!({"t": "unproven", "u": "equal"}));
    let blind = ask("verify");
    blind.expect(3).says("GRANT USAGE ON SCHEMA etl_sync, etl_quarantine");
    assert_eq!((&blind.table("t")["status"], &blind.table("t")["quarantined_rows"]), (&json!("unproven"), &Value::Null));
    grant(
        "GRANT USAGE ON SCHEMA etl_sync, etl_quarantine TO {role}; \
         GRANT SELECT ON etl_sync.job, etl_sync.etl_table_state, etl_quarantine.rejected_row TO {role}",
    );
    assert_eq!(ask("verify").expect(0).table("t")["quarantined_rows"], 1);
    ask("audit").expect(0);
    let why = ask("why t 1").report();
    assert_eq!((why["warnings"].as_array().map(Vec::len), why["written_by"].is_null()), (Some(1), true), "{why:#}");
    grant("GRANT SELECT ON etl_sync.table_attempt TO {role}");
    let why = ask("why t 1").report();
    assert_eq!((why["warnings"].as_array().map(Vec::len), why["written_by"].is_null()), (Some(0), false), "{why:#}");
    // A table that may not be read is not proven; the others are compared.
    grant("REVOKE SELECT ON raw.t FROM {role}");
    assert_eq!(ask("verify").expect(3).table("t")["error"]["kind"], "refused");
    let deep = ask("verify --depth rows");
    assert_eq!(deep.expect(3).table("t")["error"]["kind"], "refused");
    assert_eq!(statuses(&deep), json!({"t": "unproven", "u": "equal"}));
    sandbox.warehouse().batch_execute(&format!("DROP OWNED BY {role}")).expect("rights can be taken away");
}

#[test]
fn the_audit_weighs_what_is_missing() {
    let sandbox = Sandbox::new("audit");
    digits(&sandbox);
    let tables: [(&str, u32, u32); 6] =
        [("lost", 1_090, 1_085), ("half", 200, 99), ("most", 200, 30), ("small", 50, 1), ("few", 200, 20), ("whole", 10, 0)];
    for (table, rows, _) in tables {
        sandbox.source_sql(&[
            &format!("CREATE TABLE {table} (id INT PRIMARY KEY)"),
            &format!("INSERT INTO {table} SELECT n FROM {NUMBERS} WHERE n < {rows}"),
        ]);
    }
    sandbox.sync(&[]);
    ask(&sandbox, &["audit"]).expect(0).says("equal: 7 of 7 tables equal, 0 CRITICAL, 0 HIGH, 0 MEDIUM, 0 below the threshold");
    for (table, _, missing) in tables {
        sandbox.warehouse().batch_execute(&format!("DELETE FROM {table} WHERE id < {missing}")).expect("rows can be deleted");
    }
    sandbox.warehouse().batch_execute("INSERT INTO whole VALUES (99)").expect("a row can be added");
    let report = ask(&sandbox, &["audit", "--json"]).expect(1).report();
    let listed = |name: &str| -> Vec<Value> {
        let all = report[name].as_array().expect("a list");
        all.iter().map(|one| json!([one["table"], one["severity"], one["missing_rows"], one["surplus_rows"]])).collect()
    };
    assert_eq!(
        listed("findings"),
        [
            json!(["lost", "CRITICAL", 1_085, 0]),
            json!(["half", "HIGH", 99, 0]),
            json!(["most", "HIGH", 30, 0]),
            json!(["small", "MEDIUM", 1, 0])
        ]
    );
    assert_eq!(listed("below_threshold"), [json!(["few", null, 20, 0]), json!(["whole", null, 0, 1])]);
    ask(&sandbox, &["audit"])
        .expect(1)
        .says("differs, below the audit's threshold (2)")
        .says("different: 1 of 7 tables equal, 1 CRITICAL, 2 HIGH, 1 MEDIUM, 2 below the threshold");
}

#[test]
fn a_depth_that_does_not_exist_is_refused() {
    let sandbox = Sandbox::new("verifyd");
    ask(&sandbox, &["verify", "--depth", "deep"]).expect(2);
    ask(&sandbox, &["verify", "--source-url", "mysql://nobody@127.0.0.1:1/x"]).expect(69);
}

#[test]
fn a_signal_ends_the_count_at_the_source() {
    let sandbox = Sandbox::new("verifyk");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"]);
    sandbox.sync(&[]);
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(60) = 0\" }\n");
    let mut command = sandbox.command();
    command.args(["verify", "--json"]);
    let running = Running::start(command);
    let asked =
        format!("SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE '%SLEEP(60)%'", sandbox.name);
    let asked = format!("{asked} AND info NOT LIKE '%processlist%'");
    let ids = || -> Vec<u64> { mysql::prelude::Queryable::query(&mut sandbox.source(), &asked).expect("the list") };
    crate::hosts::wait_for("the count runs", || (!ids().is_empty()).then_some(()));
    running.signal("TERM");
    let outcome = running.wait(Duration::from_secs(30));
    outcome.expect(143);
    assert_eq!((&outcome.report()["status"], &outcome.table("t")["status"]), (&json!("stopped"), &json!("not_reached")));
    crate::hosts::wait_for("the count has ended", || ids().is_empty().then_some(()));
}
