//! `etl-sync ddl` is what a first load makes; `plan` says what the configuration changed about columns.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};

/// Everything about a schema's columns, keys and comments, as text.
const DEFINITIONS: &str = "
SELECT concat_ws(' | ', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         col_description(c.oid, a.attnum), obj_description(c.oid)) AS line
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'etl\\_%'
UNION ALL
SELECT concat_ws(' | ', c.relname, k.contype, pg_get_constraintdef(k.oid))
  FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid
 WHERE c.relnamespace = 'raw'::regnamespace AND c.relname NOT LIKE 'etl\\_%' AND k.contype IN ('p', 'u')
 ORDER BY 1";

fn definitions(sandbox: &Sandbox) -> Vec<String> {
    sandbox.warehouse().query(DEFINITIONS, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn told(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(args);
    Running::start(command).wait(RUN_MAX)
}

/// Odd types, names, comments and rules.
fn odd(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    let (long, column) = ("t".repeat(64), "c".repeat(64));
    sandbox.source_sql(&[
        "SET sql_mode = ''",
        "CREATE TABLE types (a INT UNSIGNED, b BIGINT UNSIGNED NOT NULL, c DECIMAL(10,2), d FLOAT, e BIT(9), f VARCHAR(20) NOT NULL, \
         g LONGTEXT, h ENUM('a''b', 'c\n); DROP TABLE x; --', ':x'), i BLOB, j DATETIME(3) NOT NULL, k TIMESTAMP NULL, l TIME(2), m YEAR, \
         n JSON, o POINT, p TINYINT(1), q DATE, UNIQUE KEY u (b, f)) COMMENT 'it''s; \\\\ done'",
        "CREATE TABLE `odd \"na`` me` (`a\nb` INT NOT NULL COMMENT 'one\ntwo', `ctid` INT, `\\\\d` INT, PRIMARY KEY (`a\nb`))",
        &format!("CREATE TABLE {long} (id INT PRIMARY KEY, {column} INT)"),
        "CREATE TABLE nokey (a INT)",
        "CREATE VIEW v AS SELECT a FROM nokey",
    ]);
    sandbox.config(
        "tables.yml",
        "tables:\n  types:\n    columns: {except: [i]}\n    column_rules:\n      - {column: a, to: smallint, out_of_range: null}\n      \
         - {declared: \"tinyint(1)\", to: boolean}\n      - {column: f, nul_bytes: strip}\n      - {column: d, zero_dates: fail}\n",
    );
    sandbox
}

#[test]
fn the_ddl_makes_what_a_first_load_makes() {
    let sandbox = odd("ddl");
    let mut command = sandbox.command();
    // Only the source is asked.
    command.arg("ddl").env("ETL_SYNC_WAREHOUSE_URL", "postgresql://nobody:x@127.0.0.1:1/nowhere");
    let ddl = Running::start(command).wait(RUN_MAX);
    ddl.expect(0);
    sandbox.warehouse().batch_execute(&ddl.stdout).unwrap_or_else(|e| panic!("{e}\n{ddl}"));
    let written = definitions(&sandbox);
    sandbox.warehouse().batch_execute("DROP SCHEMA raw CASCADE").unwrap();
    // psql reads more into a text than the server does.
    let url = sandbox.hosts.url("ETL_SYNC_ADMIN_WAREHOUSE_URL", &sandbox.name);
    let file = sandbox.folder().join("ddl.sql");
    std::fs::write(&file, &ddl.stdout).unwrap();
    match std::process::Command::new("psql").args(["-X", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&file).arg(&url).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}\n{ddl}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(definitions(&sandbox), written);
            sandbox.warehouse().batch_execute("DROP SCHEMA raw CASCADE").unwrap();
        }
        Err(_) => crate::notes::skip("the_ddl_makes_what_a_first_load_makes", "psql is not there"),
    }
    sandbox.sync(&[]);
    assert_eq!(written, definitions(&sandbox), "ddl on the left, a first load on the right\n{ddl}");
    assert!(written.len() == 29, "{written:#?}");
}

#[test]
fn each_column_names_its_rule() {
    let sandbox = odd("ddlrule");
    let ddl = told(&sandbox, &["ddl", "--tables", "types"]);
    ddl.expect(0);
    for words in [
        "rule \"range checked\"; out_of_range: null\n",
        "-- tinyint(1): rule \"zero or one\"\n",
        "\"f\" varchar(20) NOT NULL, -- varchar(20): rule \"char\"; nul_bytes: strip\n",
        "rule \"enum, set\"\n",
        "\"d\" real, -- float: rule \"float\"\n",
    ] {
        ddl.says(words);
    }
    assert!(!ddl.stdout.contains("nokey") && !ddl.stdout.contains("\"i\""), "{ddl}");
    told(&sandbox, &["ddl", "--tables", "v"]).expect(0).says("\"raw\".\"v\"");
    told(&sandbox, &["ddl", "--tables", "tpyes"]).expect(2).says("types");
    let json = told(&sandbox, &["ddl", "--json"]);
    json.expect(0);
    let column = json.table("types")["columns"][0].clone();
    assert_eq!([&column["column"], &column["type"], &column["rule"]], ["a", "smallint", "range checked"], "{column:#}");
    assert_eq!(column["policies"], serde_json::json!([{"policy": "out_of_range", "action": "null"}]));
    assert_eq!(column["by_configuration"], true);
    let renamed = json.table(&"t".repeat(64))["renamed"].clone();
    assert_eq!(renamed.as_array().map(Vec::len), Some(2), "{renamed:#}");
    sandbox.assert_clean();
}

#[test]
fn the_plan_names_what_the_configuration_changed() {
    let sandbox = odd("planrule");
    let plan = told(&sandbox, &["plan"]);
    plan.expect(0).says("becomes smallint (range checked), out_of_range: null").says("types.f: nul_bytes: strip");
    plan.says("types.p: tinyint(1) becomes boolean (zero or one)").says("is called ctid_");
    assert!(!plan.stdout.contains("types.d") && !plan.stdout.contains("types.b:"), "{plan}");
    let json = told(&sandbox, &["plan", "--json"]);
    let columns = json.table("types")["columns"].clone();
    assert_eq!(columns.as_array().map(Vec::len), Some(3), "{columns:#}");
    assert_eq!(json.table("nokey")["columns"], serde_json::json!([]));
}
