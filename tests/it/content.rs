//! `verify --depth rows`: both sides by content. What a count does not see is found, named by key and column, and nothing
//! else is.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use crate::tracking::configuration;
use crate::types;
use etl_sync::app::verify::{Asked, verify as verify_both};
use etl_sync::cancel::Cancel;
use etl_sync::conn::watchdog::Watchdog;
use etl_sync::verify::look::Depth;
use etl_sync::verify::rows;
use mysql::prelude::Queryable;
use serde_json::{Value, json};
use std::fs::File;
use std::process::Stdio;

pub fn verify(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut asked = sandbox.command();
    asked.args(["verify", "--depth", "rows", "--json", "--parallel", "2"]).args(more);
    Running::start(asked).wait(RUN_MAX)
}

/// Missing, surplus and changed rows of a table.
#[track_caller]
fn found(outcome: &Outcome, table: &str) -> (u64, u64, u64) {
    let content = &outcome.table(table)["content"];
    let rows = |name: &str| content[name].as_u64().unwrap_or_else(|| panic!("{table}: {content:#}"));
    (rows("missing_rows"), rows("surplus_rows"), rows("changed_rows"))
}

/// Kind, key and columns of each row that differs, sorted.
pub fn differing(outcome: &Outcome, table: &str) -> Vec<Value> {
    let differences = outcome.table(table)["content"]["differences"].as_array().expect("a list").clone();
    let mut rows: Vec<Value> = differences
        .iter()
        .map(|one| {
            let columns: Vec<&Value> = one["columns"].as_array().expect("a list").iter().map(|c| &c["column"]).collect();
            json!([one["kind"], one["key"], columns])
        })
        .collect();
    rows.sort_by_key(Value::to_string);
    rows
}

/// Every type and odd value: the row on its way and the row read back have one digest, whichever format it came in.
#[test]
fn every_type_has_one_digest_from_both_ends_on_mysql() {
    for format in ["binary", "csv"] {
        let sandbox = Sandbox::new(&format!("digest_{format}"));
        let mut source = sandbox.source();
        let version: String = source.query_first("SELECT VERSION()").expect("an answer").expect("a version");
        let mut tables = 0;
        for (number, case) in types::cases().iter().enumerate() {
            if types::skip(case, &version, version.contains("MariaDB")).is_none() {
                case.statements(&format!("t{number}")).iter().for_each(|sql| source.query_drop(sql).expect(sql));
                tables += 1;
            }
        }
        drop(source);
        sandbox.config("pipeline.yml", &format!("general: {{ copy_format: {format} }}\n"));
        let synced = sandbox.run(&[]);
        // Some cases are there to be refused; their rows are in quarantine and stand on neither side.
        assert!([Some(0), Some(3)].contains(&synced.code), "{synced:?}");
        let seen = verify(&sandbox, &[]);
        seen.expect(0);
        assert!(
            tables > 200 && seen.report()["totals"]["equal"] == json!(tables),
            "{tables} tables: {:#}",
            seen.report()["totals"]
        );
    }
}

/// What a value is shown as is what PostgreSQL writes.
#[test]
fn values_are_shown_as_postgresql_writes_them() {
    use etl_sync::encode::image::{Fields, inside, tuples};
    use etl_sync::value::ColumnType as T;
    let sandbox = Sandbox::new("shown");
    let mut warehouse = sandbox.warehouse();
    let numeric = T::Decimal { precision: 9, scale: 2 };
    let (interval, time) = (T::Interval { digits: 6 }, T::Timestamp { digits: 6 });
    let mut cases: Vec<(T, String)> = Vec::new();
    let mut add = |ty: T, pg: &str, values: &[&str]| cases.extend(values.iter().map(|v| (ty, format!("'{v}'::{pg}"))));
    add(numeric, "numeric", &["NaN", "Infinity", "-Infinity", "0", "-0.05", "10000", "12345678901234567890.5", "1e-9"]);
    let months =
        ["1 year 2 mons 3 days 04:05:06.7", "-1 year -2 mons +3 days -04:05:06", "1 mon -1 day +00:00:01", "0", "-3 days"];
    add(interval, "interval", &months);
    add(interval, "interval", &["-838:59:59.5", "2 days", "-1 days +00:00:00.000001", "11 mons"]);
    let floats = [
        "1e300",
        "1e15",
        "123456789012345",
        "999999999999999.9",
        "0.0001",
        "0.00001",
        "-0",
        "0.1",
        "-2.5e-5",
        "1e-300",
        "5e-324",
    ];
    add(T::Float64, "double precision", &floats);
    add(T::Float64, "double precision", &["NaN", "Infinity", "-Infinity", "100", "1.7976931348623157e308", "9007199254740993"]);
    let singles = ["1000000", "999999", "100000", "1234567", "0.0001", "1e-5", "16777216", "0.1", "3.4028235e38", "1e-45", "NaN"];
    add(T::Float32, "real", &singles);
    add(time, "timestamp", &["2024-01-02 03:04:05.12", "2024-01-02 03:04:10", "0999-12-31 00:00:00.000001"]);
    let all: Vec<&str> = cases.iter().map(|(_, sql)| sql.as_str()).collect();
    let mut image = Vec::new();
    let copy = format!("COPY (SELECT {}) TO STDOUT (FORMAT binary)", all.join(", "));
    std::io::Read::read_to_end(&mut warehouse.copy_out(&copy).expect("a copy"), &mut image).expect("its bytes");
    let tuple = tuples(inside(&image).expect("a whole copy")).expect("rows")[0];
    for ((ty, sql), field) in cases.iter().zip(Fields::of(tuple)) {
        let written: String = warehouse.query_one(&format!("SELECT ({sql})::text"), &[]).expect("a text").get(0);
        assert_eq!(etl_sync::encode::show::value(*ty, field), json!(written), "{sql}");
    }
}

/// Every kind of key and table with some thousand rows.
pub fn tables(sandbox: &Sandbox) {
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40), x FLOAT, doc JSON, at DATETIME(6))",
        "INSERT INTO t SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d, CONCAT('row ', a.d), 0.1, '{\"b\": 1, \"a\": [1.50, 1e2]}', \
         '2024-01-01 00:00:00.5' FROM digit a, digit b, digit c, digit e",
        "CREATE TABLE isam ENGINE = MyISAM AS SELECT id, name, x FROM t",
        "ALTER TABLE isam ADD PRIMARY KEY (id)",
        "CREATE TABLE word (k VARCHAR(20) PRIMARY KEY, v INT) AS SELECT CONCAT('k', id) AS k, id AS v FROM t",
        "CREATE TABLE pair (a BIGINT UNSIGNED, b DATETIME, v INT, PRIMARY KEY (a, b)) AS \
         SELECT 18446744073709551615 AS a, TIMESTAMPADD(SECOND, id, '2024-01-01') AS b, 1 AS v FROM t WHERE id < 100",
        "CREATE TABLE keyless (v INT, w VARCHAR(9))",
        "INSERT INTO keyless VALUES (1, 'a'), (1, 'a'), (1, NULL), (NULL, '')",
    ]);
}

#[test]
fn what_counts_do_not_see_is_found_and_named_on_mysql() {
    let sandbox = Sandbox::new("content");
    tables(&sandbox);
    sandbox.sync(&[]);
    let equal = verify(&sandbox, &[]);
    equal.expect(0);
    assert_eq!(equal.table("t")["compared_by"], json!("rows"));
    let digest = equal.table("t")["content"]["digest"].clone();
    assert_eq!(digest, verify(&sandbox, &["--tables", "t"]).table("t")["content"]["digest"], "the same rows, the same digest");

    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE t SET name = 'Row 5' WHERE id = 5;
             UPDATE t SET x = 0.10000001 WHERE id = 6;
             UPDATE t SET name = NULL, at = at + interval '1 microsecond' WHERE id = 7;
             UPDATE t SET doc = '{\"a\": [1.5, 100], \"b\": 1}' WHERE id = 8;
             DELETE FROM t WHERE id = 9999; INSERT INTO t (id) VALUES (10000);
             UPDATE isam SET name = CASE id WHEN 1 THEN 'row 2' ELSE 'row 1' END WHERE id IN (1, 2);
             UPDATE word SET v = 77 WHERE k = 'k5000';
             DELETE FROM word WHERE k = 'k1'; INSERT INTO word VALUES ('K1', 1);
             UPDATE pair SET v = 2 WHERE b = '2024-01-01 00:00:03';
             DELETE FROM keyless WHERE v = 1 AND w = 'a'; INSERT INTO keyless VALUES (2, 'b'), (2, 'b')",
        )
        .expect("the warehouse can be changed");
    let counted = sandbox.command_json("verify", &["--depth", "counts"]);
    assert_eq!(counted.status("isam"), "equal", "counts see nothing of it");
    let seen = verify(&sandbox, &[]);
    seen.expect(1);
    assert_eq!(found(&seen, "t"), (1, 1, 4));
    assert_eq!(
        differing(&seen, "t"),
        [
            json!(["changed", {"id": 5}, ["name"]]),
            json!(["changed", {"id": 6}, ["x"]]),
            json!(["changed", {"id": 7}, ["name", "at"]]),
            json!(["changed", {"id": 8}, ["doc"]]),
            json!(["missing", {"id": 9999}, []]),
            json!(["surplus", {"id": 10000}, []]),
        ]
    );
    assert_eq!(differing(&seen, "isam"), [json!(["changed", {"id": 1}, ["name"]]), json!(["changed", {"id": 2}, ["name"]])]);
    assert_eq!(
        differing(&seen, "word"),
        [json!(["changed", {"k": "k5000"}, ["v"]]), json!(["missing", {"k": "k1"}, []]), json!(["surplus", {"k": "K1"}, []])]
    );
    let key = json!({"a": "18446744073709551615", "b": "2024-01-01 00:00:03"});
    assert_eq!(differing(&seen, "pair"), [json!(["changed", key, ["v"]])]);
    assert_eq!(found(&seen, "keyless"), (2, 2, 0));
    assert_eq!(seen.status("digit"), "equal");
    assert!(!seen.stdout.contains("Row 5"), "no values unless they are asked for");
    let values = verify(&sandbox, &["--tables", "t", "--values", "--rows", "1"]);
    let told = values.table("t")["content"]["differences"].as_array().expect("a list").len();
    assert_eq!((told, found(&values, "t")), (1, (1, 1, 4)), "told are as many as asked, counted are all");
    let shown = verify(&sandbox, &["--tables", "t", "--values"]);
    assert!(shown.stdout.contains("\"Row 5\"") && shown.stdout.contains("\"row 5\""), "{}", shown.stdout);

    // Empty on one side.
    sandbox.warehouse().batch_execute("TRUNCATE t; TRUNCATE word; TRUNCATE keyless").expect("truncated");
    let empty = verify(&sandbox, &["--tables", "t,word,keyless"]);
    assert_eq!(
        (found(&empty, "t"), found(&empty, "word"), found(&empty, "keyless")),
        ((10_000, 0, 0), (10_000, 0, 0), (4, 0, 0))
    );
}

/// Rows that PostgreSQL refused and rows that a policy keeps out are in quarantine, and so not missing.
#[test]
fn rows_in_quarantine_are_not_missing() {
    let sandbox = Sandbox::new("content_quarantine");
    sandbox.source_sql(&[
        "CREATE TABLE doc (id INT, day DATE, j JSON, PRIMARY KEY (id, day))",
        "INSERT INTO doc VALUES (1, '2024-01-01', '1'), (2, '2024-01-02', '1e200000'), (3, '2024-01-03', '\"\\\\u0000\"')",
    ]);
    sandbox.run(&[]).expect(3);
    let seen = verify(&sandbox, &[]);
    seen.expect(0);
    assert_eq!((&seen.table("doc")["source_rows"], &seen.table("doc")["quarantined_rows"]), (&json!(3), &json!(2)));
    sandbox.warehouse().batch_execute("DELETE FROM doc WHERE id = 1").expect("deleted");
    let seen = verify(&sandbox, &[]);
    seen.expect(1);
    assert_eq!(differing(&seen, "doc"), [json!(["missing", {"id": 1, "day": "2024-01-01"}, []])]);
}

/// What a policy keeps out is accounted for by the quarantine, in every part of the table.
#[test]
fn rows_kept_out_are_in_quarantine_or_the_table_differs() {
    let sandbox = Sandbox::new("content_kept_out");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))",
        "INSERT INTO t VALUES (1, 'a'), (2, CONCAT('x', CHAR(0))), (3, 'c')",
        "CREATE TABLE word (k VARCHAR(9) PRIMARY KEY, v VARCHAR(9))",
        "INSERT INTO word VALUES ('a', 'a'), ('b', CONCAT('x', CHAR(0)))",
    ]);
    sandbox.run(&[]).expect(3);
    let equal = verify(&sandbox, &[]);
    equal.expect(0);
    assert_eq!((&equal.table("t")["quarantined_rows"], &equal.table("t")["content"]["kept_out_rows"]), (&json!(1), &json!(1)));
    let mut warehouse = sandbox.warehouse();
    warehouse.batch_execute("CREATE TABLE kept AS SELECT * FROM etl_quarantine.rejected_row").expect("a copy");
    // A row that is nowhere.
    warehouse.batch_execute("DELETE FROM etl_quarantine.rejected_row").expect("rejects can go");
    let lost = verify(&sandbox, &[]);
    lost.expect(1);
    assert_eq!((lost.status("t"), lost.status("word")), ("different".into(), "different".into()));
    let text = told(&sandbox, &[]);
    text.expect(1).says("t: 1 rows of the source cannot be in the warehouse, 0 are in quarantine");
    // One that is at both places.
    warehouse
        .batch_execute(
            "INSERT INTO etl_quarantine.rejected_row (job, table_name, key, reason, run_id, round)
                 SELECT job, table_name, key, reason, run_id, round FROM kept;
             INSERT INTO etl_quarantine.rejected_row (job, table_name, key, reason, run_id, round)
                 SELECT job, table_name, '{\"id\": 3}', 'twice', run_id, round FROM kept WHERE table_name = 't'",
        )
        .expect("rejects can be added");
    let twice = verify(&sandbox, &[]);
    twice.expect(1);
    assert_eq!((twice.status("t"), twice.status("word")), ("different".into(), "equal".into()));
    // A load that has not come to its finish counts for nothing.
    warehouse
        .batch_execute(
            "UPDATE etl_quarantine.rejected_row SET run_id = 'next' WHERE reason = 'twice'; UPDATE etl_sync.job SET run_id = 'next'",
        )
        .expect("our tables can be changed");
    verify(&sandbox, &[]).expect(0);
}

/// The same as text.
fn told(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut asked = sandbox.command();
    asked.args(["verify", "--depth", "rows", "--parallel", "2"]).args(more);
    Running::start(asked).wait(RUN_MAX)
}

/// Rows beyond one pass: read in parts, in memory of a bounded size, and told exactly.
#[test]
fn large_buckets_are_told_apart_in_parts() {
    let sandbox = Sandbox::new("content_parts");
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        "CREATE TABLE keyless (v INT, w INT)",
        "INSERT INTO keyless SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d, 1 \
         FROM digit a, digit b, digit c, digit e, digit f WHERE f.d < 5",
        "INSERT INTO keyless SELECT v + 100000, 2 FROM keyless WHERE v < 20000",
        // One key far away leaves all others in one range.
        "CREATE TABLE outlier (id BIGINT PRIMARY KEY, w INT)",
        "INSERT INTO outlier SELECT * FROM keyless",
        "INSERT INTO outlier VALUES (9000000000000000000, 1)",
    ]);
    sandbox.sync(&[]);
    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE keyless SET w = 3 WHERE v = 47777; DELETE FROM keyless WHERE v = 5;
             UPDATE outlier SET w = 3 WHERE id IN (7, 47777); DELETE FROM outlier WHERE id = 5",
        )
        .expect("changed");
    let seen = verify(&sandbox, &[]);
    seen.expect(1);
    assert_eq!((found(&seen, "keyless"), found(&seen, "outlier")), ((2, 1, 0), (1, 0, 2)));
    for table in ["keyless", "outlier"] {
        assert_eq!(seen.table(table)["content"]["is_exact"], json!(true), "{table}");
    }
}

/// Fewer rows told do not change what is found, also where rows come and go between the looks.
#[test]
fn how_many_rows_are_told_decides_nothing() {
    let sandbox = Sandbox::new("content_told");
    tables(&sandbox);
    sandbox.sync(&[]);
    let sql = |sql: &str| sandbox.warehouse().batch_execute(sql).expect("the warehouse can be changed");
    sql("CREATE TABLE saved AS SELECT * FROM t WHERE id IN (7, 8); UPDATE t SET name = 'by hand' WHERE id < 3");
    for rows in ["0", "1", "10000"] {
        sql("DELETE FROM t WHERE id = 7");
        let log = sandbox.folder().join("verify.log");
        let mut command = sandbox.command();
        command.args(["verify", "--depth", "rows", "--rows", rows, "--json", "--tables", "t"]);
        command.stdout(Stdio::piped()).stderr(File::create(&log).expect("a log"));
        let child = command.spawn().expect("the program starts");
        crate::hosts::wait_for("the first look is over", || {
            std::fs::read_to_string(&log).expect("a log").contains("looking again").then_some(())
        });
        sql("INSERT INTO t SELECT * FROM saved WHERE id = 7; DELETE FROM t WHERE id = 8");
        let output = child.wait_with_output().expect("the program ends");
        sql("INSERT INTO t SELECT * FROM saved WHERE id = 8");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a document");
        let content = &report["tables"][0]["content"];
        let counted = ["missing_rows", "surplus_rows", "changed_rows"].map(|name| content[name].clone());
        assert_eq!(counted, [json!(0), json!(0), json!(3)], "--rows {rows}: {content:#}");
    }
}

#[test]
fn a_sample_does_not_read_as_a_whole() {
    let sandbox = Sandbox::new("content_sample");
    tables(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE wide (id INT PRIMARY KEY, v VARCHAR(3000)) AS SELECT id, REPEAT('x', 3000) AS v FROM t",
        "ANALYZE TABLE wide",
    ]);
    sandbox.sync(&[]);
    told(&sandbox, &["--sample", "10"]).expect(0).says("tables equal by rows (1 of them in part: 1 of ");
    let seen = verify(&sandbox, &["--sample", "10"]);
    assert_eq!(seen.report()["totals"]["in_part"], json!(1));
}

/// What is left when all passes are done is told by counts, and a row that may be in quarantine is not called missing.
#[test]
fn beyond_the_passes_rows_in_quarantine_are_not_missing() {
    let sandbox = Sandbox::new("content_passes");
    sandbox.source_sql(&[
        "CREATE TABLE digit (d INT PRIMARY KEY)",
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        "CREATE TABLE word (k VARCHAR(9) PRIMARY KEY, j JSON)",
        "INSERT INTO word SELECT CONCAT('k', a.d, b.d, c.d), IF(c.d = 7 AND b.d = 7, '1e200000', '1') FROM digit a, digit b, digit c",
    ]);
    sandbox.run(&[]).expect(3);
    let look = || {
        let bounds = rows::Bounds { rows_at_once: 300, passes_max: 2 };
        let depth = rows::Depth { percent: 100, rows_told: 10, values: false, since: None, row_bytes_max: 1 << 20, bounds };
        let asked = Asked { tables: &[], depth: Depth::Rows(depth) };
        let report = verify_both(&configuration(&sandbox), asked, &Cancel::new(), &Watchdog::new()).expect("a comparison");
        let table = report.tables.into_iter().find(|table| table.table == "word").expect("the table");
        let content = table.content.expect("its content");
        (table.status, content.unproven_rows, content.missing_rows, content.is_exact)
    };
    let (status, unproven, missing, is_exact) = look();
    assert!(status == "unproven" && unproven > 0 && missing == 0 && !is_exact, "{status} {unproven} {missing}");
    // One more than the quarantine holds is missing, wherever it is.
    sandbox.warehouse().batch_execute("DELETE FROM word WHERE k = 'k123'").expect("deleted");
    let (status, _, missing, _) = look();
    assert_eq!((status, missing), ("different", 1));
}

/// Rows of late are compared, and the buckets in which they differ are told whole.
#[test]
fn rows_of_late_can_be_compared_alone() {
    let sandbox = Sandbox::new("content_since");
    sandbox.source_sql(&[
        "CREATE TABLE wall (id INT PRIMARY KEY, v INT, at DATETIME)",
        "INSERT INTO wall VALUES (1, 1, '2020-01-01'), (2, 1, '2020-01-01'), (3, 1, NOW()), (4, 1, NOW()), (5, 1, NULL)",
        // Twelve hours before the moment that is asked for: the source's zone may be as far from UTC.
        "INSERT INTO wall VALUES (6, 1, UTC_TIMESTAMP() - INTERVAL 36 HOUR)",
        "CREATE TABLE instant (k VARCHAR(9) PRIMARY KEY, v INT, at TIMESTAMP(3) NULL)",
        "INSERT INTO instant SELECT CONCAT('k', id), v, at FROM wall",
        "CREATE TABLE other (id INT PRIMARY KEY, v INT)",
        "INSERT INTO other VALUES (1, 1)",
    ]);
    let by = "{ primary_incremental_column: at }";
    sandbox.config("tables.yml", &format!("tables:\n  wall: {by}\n  instant: {by}\n"));
    sandbox.sync(&[]);
    let sql = |sql: &str| sandbox.warehouse().batch_execute(sql).expect("the warehouse can be changed");
    let late = verify(&sandbox, &["--since", "24h"]);
    late.expect(0);
    assert_eq!((&late.table("wall")["since_by"], &late.table("other")["since_by"]), (&json!(["at"]), &Value::Null));
    assert_eq!(late.table("wall")["content"]["rows_compared"], json!(3), "zones are allowed for");
    assert_eq!(late.table("instant")["content"]["rows_compared"], json!(2));
    assert!(late.report()["since"].is_string());
    let text = told(&sandbox, &["--since", "24h"]);
    text.expect(0).says("instant (by at), wall (by at)").says("compared whole: other");

    sql("UPDATE wall SET v = 2 WHERE id = 1; UPDATE instant SET v = 2 WHERE k = 'k1'");
    verify(&sandbox, &["--since", "1d"]).expect(0);
    verify(&sandbox, &["--since", "2019-12-31"]).expect(1);
    sql("UPDATE wall SET v = 2 WHERE id = 3; UPDATE instant SET at = '2020-01-01' WHERE k = 'k4'");
    sql("INSERT INTO instant VALUES ('k9', 1, now()); UPDATE other SET v = 2");
    let seen = verify(&sandbox, &["--since", "1d"]);
    seen.expect(1);
    assert_eq!((found(&seen, "wall"), found(&seen, "instant"), found(&seen, "other")), ((0, 0, 2), (0, 1, 2), (0, 0, 1)));
    for args in [["--sample", "10"], ["--depth", "counts"]] {
        let mut asked = sandbox.command();
        asked.args(["verify", "--since", "1d"]).args(args);
        Running::start(asked).wait(RUN_MAX).expect(2);
    }
}
