//! `check --data` against a real run of the same rows: what it counts is what the run nulls, strips and rejects.

use crate::program::{Outcome, Running};
use crate::random::Random;
use crate::sandbox::{RUN_MAX, Sandbox};
use std::collections::BTreeMap;
use std::time::Duration;

/// Column, its declaration, the type that a rule makes of it (or none), and values: good ones, bad ones, NULL.
type ColumnCase = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const COLUMNS: &[ColumnCase] = &[
    ("d", "DATE", "", &["'2024-02-29'", "'0000-00-00'", "'2024-02-30'", "'2024-00-10'", "'2024-01-00'", "'0000-01-01'", "'1900-02-29'", "'2023-04-31'", "NULL"]),
    ("dt", "DATETIME(6)", "date", &["'2024-02-29'", "'2024-02-29 00:00:00.000001'", "'2024-02-29 10:00:00'", "'2024-02-30 10:00:00'", "'0000-00-00'"]),
    ("ts", "TIMESTAMP NULL", "", &["'2024-01-01 00:00:01'", "'0000-00-00'", "NULL"]),
    ("dc", "DATETIME(6)", "timestamp(2)", &["'2024-01-01 00:00:00.12'", "'2024-01-01 00:00:00.123'", "'0000-00-00 00:00:00.123'"]),
    ("tm", "TIME(6)", "time(3)", &["'23:59:59.999'", "'24:00:00'", "'24:00:00.001'", "'-00:00:01'", "'-00:00:00.5'", "'12:00:00.0001'", "'838:59:59'", "NULL"]),
    ("iv", "TIME(6)", "interval(0)", &["'-838:59:59'", "'-00:00:00.5'", "'01:00:00.000001'"]),
    ("tx", "TEXT", "", &["'é😀'", "'a\\0b'", "X'61EDA08062'", "X'6100EDBFBF'", "X'EDA080EDB080'", "''", "X'F48FBFBF'", "NULL"]),
    ("la", "VARCHAR(20) CHARACTER SET latin1", "", &["'ü'", "'a\\0'", "''"]),
    ("u2", "VARCHAR(20) CHARACTER SET ucs2", "", &["X'00410042'", "X'D800'", "X'0000'"]),
    ("u3", "VARCHAR(20) CHARACTER SET utf8mb3", "", &["'é'", "X'61EDA080'"]),
    ("vc", "VARCHAR(20)", "varchar(3)", &["'abc'", "'abcd'", "'abc '", "'éüö'", "'ab\\0c'", "'ab\\0cd'", "'😀😀😀😀'"]),
    ("en", "ENUM('a','bcd')", "varchar(2)", &["'a'", "'bcd'"]),
    ("i", "INT", "smallint", &["32767", "32768", "-32768", "-32769", "NULL"]),
    ("bu", "BIGINT UNSIGNED", "bigint", &["9223372036854775807", "9223372036854775808", "0"]),
    ("bs", "BIGINT", "numeric(5,2)", &["999", "1000", "-999", "-9223372036854775808"]),
    ("de", "DECIMAL(20,6)", "numeric(8,2)", &["1.25", "1.255", "-1.255", "999999.99", "1000000", "-1000000.5"]),
    ("dx", "DECIMAL(10,3)", "varchar(5)", &["1.125", "10.125", "-1.125", "NULL"]),
    ("fl", "TINYINT(1)", "boolean", &["0", "1", "2", "-1", "NULL"]),
    ("b4", "BIT(4)", "boolean", &["b'0'", "b'1'", "b'10'"]),
    ("b8", "BIT(8)", "bit(5)", &["b'11111'", "b'100000'"]),
    ("iz", "INT(5) ZEROFILL", "varchar(3)", &["7", "999", "1000"]),
    ("yr", "YEAR", "varchar(3)", &["0", "2024"]),
    ("ud", "VARCHAR(60)", "uuid", &["'6ccd780c-baba-1026-9564-5b8c656024db'", "'{6CCD780C-baba-1026-9564-5b8c656024db}'", "'6ccd780cbaba102695645b8c656024db'", "'sixteen letters!'", "'no guid'", "'6ccd780c-baba-1026-9564-5b8c656024db\\n'", "'{6ccd780cbaba102695645b8c656024db}'", "'urn:uuid:6ccd780c-baba-1026-9564-5b8c656024db'", "''", "NULL"]),
    ("ub", "VARBINARY(36)", "uuid", &["X'6ccd780cbaba102695645b8c656024db'", "X'00'", "'6ccd780c-baba-1026-9564-5b8c656024db'", "X'ff80'"]),
    ("ip", "VARCHAR(60)", "inet", &["'1.2.3.4'", "'255.255.255.255'", "'01.2.3.4'", "'256.1.1.1'", "'::1'", "'::ffff:1.2.3.4'", "'::ffff:01.2.3.4'", "'x'", "''", "X'EDA080'", "'1:2:3:4:5:6:7::'", "'1::2:3:4:5:6:7:8'", "'::1%eth0'", "'1.2.3.4/8'", "'1.2.3.4\\n'", "'12345::'", "'::\\0'", "'1:2:3:4:5:6:7:8'", "'::FFFF'", "'1:2:3:4:5:6:1.2.3.4'", "'1:2:3:4:5:6:7:1.2.3.4'"]),
    ("jb", "LONGTEXT", "jsonb", &["'{\"a\": \"\\\\u0041\"}'", "'\"\\\\u0000\"'", "'\"\\\\\\\\u0000\"'", "'\"\\\\ud83d\"'", "'\"\\\\ud83d\\\\ude00\"'", "'\"\\\\uDE00é\"'", "'\"\\\\u0000\\\\ud83d\"'", "'\"\\\\ud83d\\\\u0000\"'", "'\"\\\\ud83d\\\\ud83d\\\\ude00\"'", "'\"\\\\\\\\ud83d\\\\ude00\"'", "NULL"]),
];

/// The policies of one of the tables that hold the same rows.
const TABLES: [(&str, &str); 3] = [
    ("strict", "zero_dates: reject"),
    ("mixed", "out_of_range: null"),
    ("loose", "zero_dates: null, nul_bytes: strip, invalid_utf8: null, out_of_range: null"),
];

/// Tables of the same rows under several policies; in the first rows one value at a time is bad.
fn faulty(word: &str, rows: usize) -> Sandbox {
    let sandbox = Sandbox::new(word);
    let columns: Vec<String> = COLUMNS.iter().map(|(name, declared, ..)| format!("{name} {declared}")).collect();
    let mut random = Random::of_environment();
    let mut values: Vec<Vec<&str>> = Vec::new();
    for (at, (_, _, _, list)) in COLUMNS.iter().enumerate() {
        for value in *list {
            let mut row: Vec<&str> = COLUMNS.iter().map(|(.., list)| list[0]).collect();
            row[at] = value;
            values.push(row);
        }
    }
    for _ in 0..rows {
        // A few bad values per row, or every row would be rejected for the first column.
        let pick = |random: &mut Random, list: &[&'static str]| match random.below(12) {
            0 => list[usize::try_from(random.below(list.len() as u64)).unwrap()],
            _ => list[0],
        };
        values.push(COLUMNS.iter().map(|(.., list)| pick(&mut random, list)).collect());
    }
    let rows: Vec<String> = (1..).zip(&values).map(|(id, row)| format!("({id}, {})", row.join(", "))).collect();
    let mut rules = String::from("tables:\n");
    for (table, policies) in TABLES {
        sandbox.source_sql(&["SET NAMES utf8mb4", &format!("CREATE TABLE {table} (id INT PRIMARY KEY, {})", columns.join(", "))]);
        let mut source = sandbox.source();
        for sql in
            ["SET NAMES utf8mb4, sql_mode = 'ALLOW_INVALID_DATES'", &format!("INSERT INTO {table} VALUES {}", rows.join(", "))]
        {
            mysql::prelude::Queryable::query_drop(&mut source, sql).unwrap_or_else(|e| panic!("{e}"));
        }
        rules.push_str(&format!("  {table}:\n    column_rules:\n      - {{{policies}}}\n"));
        for (name, _, to, _) in COLUMNS.iter().filter(|(_, _, to, _)| !to.is_empty()) {
            rules.push_str(&format!("      - {{column: {name}, to: \"{to}\"}}\n"));
        }
    }
    sandbox.config("tables.yml", &rules);
    sandbox.config("pipeline.yml", "general: {rejected_rows_max: 100000}\n");
    sandbox
}

fn check(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    // Nothing but the source is asked.
    command.args(["check", "--data", "--json", "--parallel", "2"]).args(more);
    command.env("ETL_SYNC_WAREHOUSE_URL", "postgresql://nobody:x@127.0.0.1:1/nowhere");
    Running::start(command).wait(RUN_MAX)
}

/// Column and fault → number, of the values that a policy changed.
type Changed = BTreeMap<(String, String, String), u64>;

fn changed(list: &serde_json::Value, done: &str) -> Changed {
    let entry = |one: &serde_json::Value| {
        let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        ((word("column"), word("fault"), word(done)), one["count"].as_u64().unwrap())
    };
    let all = list.as_array().expect("a list").iter().map(entry);
    all.filter(|((_, _, done), count)| matches!(done.as_str(), "null" | "strip") && *count > 0).collect()
}

/// Whether the run did to a table what was told before; gives the rows that were rejected.
#[track_caller]
fn compare(told: &Outcome, run: &Outcome, table: &str) -> u64 {
    let (before, after) = (told.table(table), run.table(table));
    let (left, right) = (changed(&before["found"], "policy"), changed(&after["values"], "done"));
    assert_eq!(left, right, "table {table}: told on the left, done on the right");
    let rejected = after["rejected"].as_u64().unwrap();
    let range = [&before["rejected"]["at_least"], &before["rejected"]["at_most"]].map(|n| n.as_u64().unwrap());
    assert!((range[0]..=range[1]).contains(&rejected), "table {table}: {rejected} rows rejected, told {range:?}");
    assert_eq!(before["rows"], after["rows_read"], "table {table}");
    rejected
}

#[test]
fn what_is_counted_is_what_a_run_does() {
    let sandbox = faulty("data", 400);
    let told = check(&sandbox, &[]);
    let run = sandbox.run(&[]);
    told.expect(3);
    run.expect(3);
    let mut rejected = Vec::new();
    for (table, _) in TABLES {
        rejected.push(compare(&told, &run, table));
        // Only JSON that is none is a guess, and there is none here.
        let found = told.table(table)["found"].clone();
        let exact = |one: &serde_json::Value| one["exact"] == true || (table == "loose" && one["column"] == "jb");
        assert!(found.as_array().unwrap().iter().all(exact), "{found:#}");
        assert_eq!(told.table(table)["rejected"]["at_least"], told.table(table)["rejected"]["at_most"], "{table}");
    }
    assert!(rejected[0] > rejected[1] && rejected[1] > 0, "{rejected:?}");
    assert_eq!(rejected[2], 0, "under loose policies every row arrives");
    assert_eq!(told.report()["totals"]["nulled"], run.report()["totals"]["nulled"]);
    assert_eq!(told.report()["totals"]["stripped"], run.report()["totals"]["stripped"]);
    sandbox.assert_clean();
}

#[test]
fn every_column_of_the_quarantine_was_told() {
    let sandbox = faulty("dataq", 0);
    let told = check(&sandbox, &["--tables", "strict"]);
    sandbox.run(&["--tables", "strict"]).expect(3);
    // One bad value per row: so rows in quarantine are values by column and fault.
    let sql = "SELECT column_name, reason, count(*) FROM etl_quarantine.rejected_row GROUP BY 1, 2 ORDER BY 1, 2";
    let rows = sandbox.warehouse().query(sql, &[]).unwrap();
    let kept: BTreeMap<(String, String), u64> =
        rows.iter().map(|row| ((row.get(0), row.get(1)), row.get::<_, i64>(2).try_into().unwrap())).collect();
    let found = told.table("strict")["found"].clone();
    let told: BTreeMap<(String, String), u64> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            ((one["column"].as_str().unwrap().into(), one["fault"].as_str().unwrap().into()), one["count"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(told, kept, "told on the left, in quarantine on the right");
    assert!(kept.len() > 25, "{kept:?}");
}

#[test]
fn json_long_rows_and_failures_are_told() {
    let sandbox = Sandbox::new("datax");
    sandbox.source_sql(&[
        "CREATE TABLE plain (id INT PRIMARY KEY, n BIGINT, b BLOB)",
        "INSERT INTO plain VALUES (1, 1, 'a\\0')",
        "CREATE TABLE doc (id INT PRIMARY KEY, j TEXT NOT NULL, native JSON)",
        "INSERT INTO doc VALUES (1, '{}', '{\"a\": 1}'), (2, 'no json', NULL), (3, '', '\"\\\\u0000\"'), (4, '[1', '[]')",
        "CREATE TABLE big (id INT PRIMARY KEY, d DATE, t MEDIUMTEXT)",
        "SET sql_mode = ''",
        "INSERT INTO big VALUES (1, '0000-00-00', REPEAT('x', 1500000)), (2, '0000-00-00', 'x'), (3, '0000-00-00', 'a\\0')",
        "CREATE TABLE strict (id INT PRIMARY KEY, d DATE)",
        "INSERT INTO strict VALUES (1, '0000-00-00'), (2, '2024-01-01')",
        "CREATE TABLE many (id INT PRIMARY KEY, t TEXT)",
        "INSERT INTO many SELECT id, 'a\\0' FROM plain UNION ALL SELECT id + 1, 'b\\0' FROM plain",
    ]);
    sandbox.config(
        "tables.yml",
        "tables:\n  doc: {column_rules: [{column: j, to: jsonb}]}\n  strict: {column_rules: [{zero_dates: fail}]}\n",
    );
    sandbox.config("pipeline.yml", "general: {row_mb_max: 1}\n");
    let told = check(&sandbox, &["--tables", "doc", "big", "plain"]);
    let run = sandbox.run(&["--tables", "doc", "big", "plain"]);
    told.expect(3);
    run.expect(3);
    assert_eq!(told.report()["not_read"], serde_json::json!(["plain"]));
    assert_eq!([compare(&told, &run, "doc"), compare(&told, &run, "big")], [3, 2]);
    assert_eq!(told.table("doc")["rejected"], serde_json::json!({"at_least": 1, "at_most": 3}));

    // Failures: by policy, and by number.
    sandbox.config("pipeline.yml", "general: {rejected_rows_max: 1}\n");
    let told = check(&sandbox, &["--tables", "strict,many"]);
    let run = sandbox.run(&["--tables", "strict", "many"]);
    told.expect(1).says("its policy is fail").says("rejected_rows_max (1)");
    run.expect(1);
    assert_eq!([run.status("strict"), run.status("many")], ["failed", "failed"]);
    // Only nulled values are a success.
    sandbox.config("tables.yml", "tables: {}\n");
    check(&sandbox, &["--tables", "strict"]).expect(0);
    // As text; and without --data there is nothing to ask tables for.
    let mut command = sandbox.command();
    command.args(["check", "--data", "--tables", "strict", "many"]);
    Running::start(command).wait(RUN_MAX).expect(1).says("zero_date").says("many would fail");
    let mut command = sandbox.command();
    command.args(["check", "--tables", "strict"]);
    Running::start(command).wait(RUN_MAX).expect(2).says("--data");
    check(&sandbox, &["--tables", "stirct"]).expect(2).says("strict");
}

#[test]
fn a_filter_and_unwanted_columns_are_left_out() {
    let sandbox = Sandbox::new("dataf");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT, w TEXT)",
        "INSERT INTO t VALUES (1, 'a\\0', 'b\\0'), (2, 'a\\0', ''), (3, '', 'b\\0')",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: {filter: \"id > 1\", columns: {except: [w]}}\n");
    let told = check(&sandbox, &[]);
    let run = sandbox.run(&[]);
    assert_eq!(compare(&told, &run, "t"), 1);
    assert_eq!(told.table("t")["rows"], 2);
}

#[test]
fn a_signal_ends_the_query_at_the_source() {
    let sandbox = Sandbox::new("datas");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, ''), (2, ''), (3, '')"]);
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(60) = 0\" }\n");
    let mut command = sandbox.command();
    command.args(["check", "--data", "--json"]);
    let running = Running::start(command);
    let asked =
        format!("SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT COUNT(1)%'", sandbox.name);
    let ids = || -> Vec<u64> { mysql::prelude::Queryable::query(&mut sandbox.source(), &asked).unwrap() };
    crate::hosts::wait_for("the query runs", || (!ids().is_empty()).then_some(()));
    running.signal("TERM");
    let outcome = running.wait(Duration::from_secs(30));
    outcome.expect(143);
    assert_eq!(outcome.report()["status"], "stopped");
    crate::hosts::wait_for("the query has ended", || ids().is_empty().then_some(()));
}
