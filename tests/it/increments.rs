//! Loads by increments: what a watermark sees, what it cannot see, and what the counts find.

use crate::program::Outcome;
use crate::sandbox::Sandbox;
use serde_json::Value;

/// A table of 1,090 rows whose `updated` moves with every change, and its rule.
fn medication(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    let rows: Vec<String> =
        (1..=1086).chain(1542..=1545).map(|id| format!("({id}, 'drug {id}', '2024-01-01 00:00:00')")).collect();
    sandbox.source_sql(&[
        "CREATE TABLE medication (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(255) NOT NULL, \
         updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        &format!("INSERT INTO medication (id, name, updated) VALUES {}", rows.join(", ")),
    ]);
    sandbox.config("tables.yml", "tables:\n  medication: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM medication"), 1090);
    sandbox
}

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tables"].as_array().unwrap().iter().find(|t| t["table"] == name).unwrap()
}

fn run(sandbox: &Sandbox) -> (Outcome, Value) {
    let outcome = sandbox.run(&["--verbose"]);
    outcome.expect(0);
    let report = outcome.report();
    (outcome, report)
}

#[test]
fn only_what_changed_is_read_on_mysql() {
    let sandbox = medication("incr");
    let (_, report) = run(&sandbox);
    assert_eq!(table(&report, "medication")["rows_read"], 0);
    sandbox.source_sql(&[
        "UPDATE medication SET name = 'changed' WHERE id = 7",
        "INSERT INTO medication (name) VALUES ('new')",
        "DELETE FROM medication WHERE id IN (9, 1542)",
    ]);
    let (_, report) = run(&sandbox);
    let told = table(&report, "medication");
    assert_eq!((&told["inserted"], &told["updated"], &told["deleted"]), (&1.into(), &1.into(), &2.into()), "{told}");
    sandbox.assert_equal(&[]);
    let (_, report) = run(&sandbox);
    let told = table(&report, "medication");
    assert_eq!((&told["inserted"], &told["updated"], &told["deleted"]), (&0.into(), &0.into(), &0.into()), "{told}");
    assert!(told["healed"].is_null(), "{told}");
    sandbox.assert_clean();
}

/// The incident that the design goes back to: rows vanish from the warehouse, the state says that they are there.
#[test]
fn rows_that_vanished_come_back_in_one_run() {
    for one_new_row in [false, true] {
        let sandbox = medication(if one_new_row { "stalenew" } else { "stale" });
        sandbox.warehouse().batch_execute("DELETE FROM medication WHERE id NOT IN (171, 1542, 1543, 1544, 1545)").unwrap();
        assert_eq!(sandbox.count("SELECT count(*) FROM medication"), 5);
        if one_new_row {
            sandbox.source_sql(&["INSERT INTO medication (id, name) VALUES (2000, 'of today')"]);
        }
        let (outcome, report) = run(&sandbox);
        let (rows, read, left) = if one_new_row { (1091, 1, 6) } else { (1090, 0, 5) };
        outcome
            .says(&format!("Replication has {rows} rows vs analytics {left} rows for medication, analytics needs updating"))
            .says(&format!(
                "Incremental query returned {read} rows for medication, but analytics needs updating. Falling back to a full load"
            ))
            .says(&format!("HYBRID FIX: Successfully loaded {} rows for medication via a full load", rows - 5));
        assert_eq!(table(&report, "medication")["healed"]["target"], left);
        assert_eq!(sandbox.count("SELECT count(*) FROM medication"), rows);
        sandbox.assert_equal(&[]);
        let (_, report) = run(&sandbox);
        assert!(table(&report, "medication")["healed"].is_null(), "nothing is mended twice");
    }
}

/// 120,000 rows in six buckets; rows go and come in two of them without any trace in the watermark.
#[test]
fn only_the_ranges_that_differ_are_read_again() {
    let sandbox = Sandbox::new("ranges");
    sandbox.source_sql(&[
        "CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, \
         updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO t (id, v, updated) SELECT seq * 3, 0, '2024-01-01' FROM seq_1_to_240000",
        "ANALYZE TABLE t",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: updated }\n");
    // What a look at both sides finds has tests of its own.
    sandbox.config("pipeline.yml", "general: { audit: 'off' }\n");
    sandbox.sync(&[]);
    sandbox.source_sql(&["DELETE FROM t WHERE id IN (300, 303)"]);
    sandbox.warehouse().batch_execute("DELETE FROM t WHERE id = 719997").unwrap();
    let (outcome, report) = run(&sandbox);
    let told = table(&report, "t");
    assert_eq!(told["healed"]["via"], "2 key ranges", "{outcome}");
    assert_eq!((&told["inserted"], &told["updated"], &told["deleted"]), (&1.into(), &0.into(), &2.into()), "{told}");
    let read = told["rows_read"].as_u64().unwrap();
    assert!((20_000..80_000).contains(&read), "{read} rows were read again");
    sandbox.assert_equal(&[]);
}

#[test]
fn most_of_a_table_is_only_deleted_when_told() {
    for (word, rule) in [("guard", ""), ("guardinc", "primary_incremental_column: updated")] {
        let sandbox = Sandbox::new(word);
        sandbox.source_sql(&[
            "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            "INSERT INTO t (updated) SELECT '2024-01-01' FROM seq_1_to_3000",
            "CREATE TABLE small (id INT PRIMARY KEY)",
            "INSERT INTO small SELECT seq FROM seq_1_to_900",
        ]);
        sandbox.config("tables.yml", &format!("tables:\n  t: {{ {rule} }}\n"));
        sandbox.sync(&[]);
        sandbox.source_sql(&["DELETE FROM t WHERE id > 100", "DELETE FROM small"]);
        let outcome = sandbox.run(&[]);
        outcome.expect(1).says("2900 of 3000 rows would be deleted").says("--accept-deletes");
        assert_eq!(outcome.status("small"), "loaded", "below 1000 rows there is no guard");
        assert_eq!(sandbox.count("SELECT count(*) FROM t"), 3000);
        sandbox.sync(&["--accept-deletes"]);
        sandbox.assert_equal(&[]);
    }
}

#[test]
fn a_watermark_that_does_not_fit_is_void_and_all_rows_are_read() {
    let sandbox = medication("void");
    let reads = |why: &str, all: bool| {
        let (outcome, report) = run(&sandbox);
        let told = table(&report, "medication");
        assert!(told["reason"].as_str().unwrap().contains(why), "{told}");
        // What a counter leads to depends on statements that other tests run.
        let counter = why.contains(" id");
        assert!(counter || (told["rows_read"].as_u64().unwrap() >= 1090) == all, "{outcome}");
        sandbox.assert_equal(&[]);
    };
    reads("increments by updated", false);
    let state = |sql: &str| {
        let sql = format!("UPDATE etl_sync.etl_table_state SET {sql} WHERE table_name = 'medication'");
        sandbox.warehouse().batch_execute(&sql).unwrap();
    };
    state("watermark = NULL");
    reads("the last load left no watermark", true);
    state("watermark = '{\"version\": 99}'");
    reads("another version", true);
    state("watermark = jsonb_set(watermark, '{now}', to_jsonb((watermark ->> 'now')::bigint + 3600000000))");
    reads("the source's clock is", true);
    state("target_oid = 1");
    reads("not the table that was loaded", true);
    state("fingerprint = 'x'");
    reads("columns, types, policies or filter changed", true);
    sandbox.config("tables.yml", "tables:\n  medication: { primary_incremental_column: id }\n");
    reads("other incremental columns", true);
    reads("increments by id", false);
    sandbox.config("tables.yml", "tables:\n  medication: { incremental_columns: [id, updated, name] }\n");
    reads("other incremental columns", true);
    reads("increments by id, updated", false);
    sandbox.config("tables.yml", "tables:\n  medication: { incremental_columns: [updated], extraction_strategy: full_table }\n");
    reads("full_table is configured", true);
}

/// Every command of the runbook, in its order, after the incident that it is about.
#[test]
fn the_runbook_mends_what_it_says() {
    let sandbox = medication("runbook");
    sandbox.warehouse().batch_execute("DELETE FROM medication WHERE id NOT IN (171, 1542, 1543, 1544, 1545)").unwrap();
    let text = std::fs::read_to_string(crate::hosts::project().join("docs/runbook-stale-state.md")).unwrap();
    let commands: Vec<&str> = text.split("```sh\n").skip(1).map(|rest| rest.lines().next().unwrap()).collect();
    let expected = [1, 1, 0, 0, 0, 0];
    assert_eq!(commands.len(), expected.len(), "{commands:?}");
    for (step, (command, code)) in commands.iter().zip(expected).enumerate() {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("etl-sync"));
        let mut process = sandbox.command();
        process.args(words);
        let outcome = crate::program::Running::start(process).wait(crate::sandbox::RUN_MAX);
        outcome.expect(code);
        if step == 2 {
            let told = text.split("```\n").find(|block| block.starts_with("Replication has")).unwrap();
            for line in told.lines() {
                outcome.says(line);
            }
        }
    }
    sandbox.assert_equal(&[]);
}

/// The figures of the original's table `adjustment`: OR reads 5,651 rows, AND 3,713 of them.
#[test]
fn and_logic_misses_rows_and_says_how_many() {
    let sandbox = Sandbox::new("andlogic");
    sandbox.source_sql(&[
        "CREATE TABLE adjustment (id INT PRIMARY KEY AUTO_INCREMENT, n INT, entered DATETIME NOT NULL, edited DATETIME NOT NULL)",
        "INSERT INTO adjustment (n, entered, edited) SELECT 0, '1902-01-01', '1980-01-01' FROM seq_1_to_9000",
    ]);
    let rule = |logic: &str| {
        let text =
            format!("tables:\n  adjustment: {{ incremental_columns: [entered, edited], incremental_strategy: {logic} }}\n");
        sandbox.config("tables.yml", &text);
    };
    rule("and_logic");
    // What the rule leaves out is what an audit would bring.
    sandbox.config("pipeline.yml", "general: { audit: 'off' }\n");
    sandbox.sync(&[]);
    sandbox.source_sql(&[
        "UPDATE adjustment SET n = 1, entered = NOW(), edited = NOW() WHERE id <= 3713",
        "UPDATE adjustment SET n = 1, edited = NOW() WHERE id > 3713 AND id <= 5651",
    ]);
    let (outcome, report) = run(&sandbox);
    outcome.says("table adjustment: incremental_strategy and_logic misses 1938 rows that or_logic reads");
    assert_eq!(table(&report, "adjustment")["updated"], 3713);
    sandbox.judge(&[]).expect_err("rows are missed");
    rule("or_logic");
    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE etl_sync.etl_table_state SET watermark = jsonb_set(jsonb_set(watermark, \
        '{marks,0,value}', to_jsonb((watermark #>> '{marks,0,value}')::bigint - 600000000)), \
        '{marks,1,value}', to_jsonb((watermark #>> '{marks,1,value}')::bigint - 600000000))",
        )
        .unwrap();
    let (_, report) = run(&sandbox);
    let told = table(&report, "adjustment");
    assert_eq!((&told["rows_read"], &told["updated"]), (&5651.into(), &1938.into()), "{told}");
    sandbox.assert_equal(&[]);
}
