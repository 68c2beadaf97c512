//! The status tables: a record for every configured table, what an attempt may change in it, and that no record ever
//! decides what a run does.

use crate::hosts::project;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use etl_sync::config::{self, Config, Environment, Overrides};
use etl_sync::track::RunIdentity;
use etl_sync::track::runs::EngineLog;
use etl_sync::track::schema::COPY_STATUS;
use etl_sync::track::writer::{Event, Totals, Writer};
use mysql::prelude::Queryable;

fn told(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(args);
    Running::start(command).wait(RUN_MAX)
}

/// The rows that a query answers, columns joined by a blank, NULL as `-`.
fn ask(sandbox: &Sandbox, sql: &str) -> Vec<String> {
    let messages = sandbox.warehouse().simple_query(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let row = |message| match message {
        postgres::SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

const LOADS: &str = "SELECT table_name, load_status, rows_loaded, last_loaded > '1970-01-01' AS loaded, _loaded_at IS NOT NULL, \
                     primary_column_name, last_primary_value FROM etl_load_status ORDER BY table_name COLLATE \"C\"";

const TRANSFORMS: &str = "SELECT table_name, transformation_status, rows_transformed, last_transformed, last_primary_value \
                          FROM etl_transform_status ORDER BY table_name COLLATE \"C\"";

/// The query of the README that has this word in it.
fn of_the_readme(word: &str) -> String {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let blocks = readme.split("```sql\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.map(str::to_owned).find(|block| block.contains(word)).expect("the README has the query")
}

#[test]
fn init_makes_a_record_for_every_configured_table_and_loads_nothing() {
    let sandbox = Sandbox::new("init");
    let long = "t".repeat(64);
    sandbox.source_sql(&[
        "CREATE TABLE a (id INT PRIMARY KEY)",
        "CREATE TABLE `A \"quoted\" 'n`` €` (id INT PRIMARY KEY)",
        &format!("CREATE TABLE {long} (id INT PRIMARY KEY)"),
        // It cannot be copied, but is configured.
        "CREATE TABLE etl_load_status (id INT PRIMARY KEY)",
        "CREATE TABLE left_out (id INT PRIMARY KEY)",
        "CREATE VIEW v AS SELECT id FROM a",
        "INSERT INTO a VALUES (1), (2)",
    ]);
    sandbox.config("tables.yml", "exclude: [left_out]\n");
    let first = told(&sandbox, &["tracking", "init"]);
    first.expect(0).says("4 tables are configured\nraw.etl_load_status: 0 records were there, 4 added\n");
    first.says("raw.etl_transform_status: 0 records were there, 4 added\n");
    let pending = |name: &str| format!("{name} pending 0 f f - -");
    let odd = "A \"quoted\" 'n` €";
    assert_eq!(ask(&sandbox, LOADS), [odd, "a", "etl_load_status", &long].map(pending));
    let pending = |name: &str| format!("{name} pending 0 1969-01-01 00:00:00 -");
    assert_eq!(ask(&sandbox, TRANSFORMS), [odd, "a", "etl_load_status", &long].map(pending));
    let relations = "SELECT relname FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' ORDER BY 1";
    assert_eq!(ask(&sandbox, relations), ["etl_load_status", "etl_transform_status"], "nothing is loaded");
    assert_eq!(ask(&sandbox, "SELECT count(*) FROM etl_sync.job"), ["0"], "it is no run");
    sandbox.assert_clean();

    let coverage = of_the_readme("configured_table");
    assert_eq!(ask(&sandbox, &coverage), ["4 4 100.0"]);
    let rows = "SELECT xmin, id, table_name FROM etl_load_status ORDER BY id";
    let before = ask(&sandbox, rows);
    let again = told(&sandbox, &["tracking", "init", "--json"]);
    let records = again.expect(0).report()["records"].clone();
    assert_eq!(records[0], serde_json::json!({"table": "etl_load_status", "there": 4, "added": 0}));
    assert_eq!(ask(&sandbox, rows), before, "nothing was written");
    sandbox.warehouse().batch_execute("DELETE FROM etl_load_status WHERE table_name = 'a'").unwrap();
    assert_eq!(ask(&sandbox, &coverage), ["4 3 75.0"]);
    told(&sandbox, &["tracking", "init"]).expect(0).says("raw.etl_load_status: 3 records were there, 1 added\n");
    assert_eq!(ask(&sandbox, &coverage), ["4 4 100.0"]);
}

#[test]
fn a_run_of_one_table_makes_the_records_of_all() {
    let sandbox = Sandbox::new("records");
    sandbox.source_sql(&[
        "CREATE TABLE one (id INT PRIMARY KEY)",
        "CREATE TABLE two (id INT PRIMARY KEY)",
        "CREATE VIEW v AS SELECT id FROM one",
        "INSERT INTO one VALUES (1), (2)",
    ]);
    sandbox.sync(&["--tables", "one", "v"]);
    assert_eq!(ask(&sandbox, LOADS), ["one success 2 t t - -", "two pending 0 f f - -", "v success 2 t t - -"]);
    assert_eq!(ask(&sandbox, &of_the_readme("configured_table")), ["3 3 100.0"]);
    let tables = "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM etl_transform_status";
    assert_eq!(ask(&sandbox, tables), ["one two v"]);
    // A table that is gone from the source is no longer configured; its record stays.
    sandbox.source_sql(&["DROP TABLE two"]);
    sandbox.sync(&[]);
    assert_eq!(ask(&sandbox, LOADS).len(), 3);
    assert_eq!(ask(&sandbox, &of_the_readme("configured_table")), ["1 1 100.0"]);
    assert_eq!(ask(&sandbox, "SELECT count(*) FROM etl_load_status WHERE table_name = 'one' AND rows_loaded = 2"), ["1"]);
}

#[test]
fn columns_types_and_indexes_are_as_they_were_known() {
    let sandbox = Sandbox::new("statuscolumns");
    // Of another program: an older shape, whose rows stay.
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    let older = "SET ROLE etl_sync; CREATE SCHEMA raw;
                 CREATE TABLE raw.etl_transform_status (id serial PRIMARY KEY, table_name varchar(255) NOT NULL UNIQUE,
                     transform_status varchar(50), _transformed_at timestamp);
                 INSERT INTO raw.etl_transform_status (table_name, transform_status) VALUES ('t', 'success'), ('old', 'success')";
    sandbox.warehouse().batch_execute(older).unwrap();
    assert_eq!(sandbox.sync(&[]).report()["totals"]["events_lost"], 0);
    let columns = |table: &str| {
        let sql = format!(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'raw.{table}'::regclass \
             AND attnum > 0 AND attname NOT IN ('transform_status', '_transformed_at') ORDER BY attname COLLATE \"C\""
        );
        ask(&sandbox, &sql)
    };
    let common = |last: &str, rows: &str, status: &str| {
        let mut all: Vec<String> =
            ["_created_at", "_updated_at", last].map(|n| format!("{n} timestamp without time zone t")).into();
        all.push("_loaded_at timestamp without time zone f".into());
        all.extend(["last_primary_value", "primary_column_name"].map(|n| format!("{n} character varying(255) f")));
        all.extend(["id integer t".into(), "table_name character varying(255) t".into()]);
        all.extend([format!("{rows} bigint t"), format!("{status} character varying(50) t")]);
        all.sort();
        all
    };
    assert_eq!(columns("etl_load_status"), common("last_loaded", "rows_loaded", "load_status"));
    assert_eq!(columns("etl_transform_status"), common("last_transformed", "rows_transformed", "transformation_status"));
    let indexed = "SELECT indrelid::regclass, attname, bool_or(indisunique) FROM pg_index JOIN pg_attribute ON attrelid = indrelid \
                   AND attnum = indkey[0] WHERE indrelid IN ('etl_load_status'::regclass, 'etl_transform_status'::regclass) \
                   GROUP BY 1, 2";
    let wanted = |table: &str, last: &str| {
        ["id t".into(), format!("{last} f"), "last_primary_value f".into(), "table_name t".into()].map(|c| format!("{table} {c}"))
    };
    let mut both = [wanted("etl_load_status", "last_loaded"), wanted("etl_transform_status", "last_transformed")].concat();
    both.sort();
    let mut found = ask(&sandbox, indexed);
    found.sort();
    assert_eq!(found, both);
    let kept = "SELECT table_name, transform_status, transformation_status FROM etl_transform_status ORDER BY 1";
    assert_eq!(ask(&sandbox, kept), ["old success pending", "t success pending"]);
}

#[test]
fn a_failing_attempt_changes_the_status_word_alone() {
    let sandbox = Sandbox::new("attempt");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2)"]);
    sandbox.sync(&[]);
    let mark = "UPDATE etl_load_status SET primary_column_name = 'id', last_primary_value = '2'";
    sandbox.warehouse().batch_execute(mark).unwrap();
    let record = "SELECT last_loaded, _loaded_at, rows_loaded, primary_column_name, last_primary_value FROM etl_load_status";
    let before = ask(&sandbox, record);
    assert!(before[0].ends_with(" 2 id 2"), "{before:?}");
    sandbox.source_sql(&["ALTER TABLE t MODIFY v VARCHAR(20)"]);
    sandbox.warehouse().batch_execute("CREATE VIEW keeps AS SELECT v FROM t").unwrap();
    sandbox.run(&[]).expect(1);
    assert_eq!(ask(&sandbox, "SELECT load_status FROM etl_load_status"), ["failed"]);
    assert_eq!(ask(&sandbox, record), before, "a failure is no news about the last success");
    // And not one that begins and is killed either.
    sandbox.warehouse().batch_execute("UPDATE etl_load_status SET load_status = 'running'").unwrap();
    told(&sandbox, &["tracking", "init"]).expect(0);
    assert_eq!(ask(&sandbox, "SELECT load_status, rows_loaded FROM etl_load_status"), ["success 2"]);
}

#[test]
fn records_decide_nothing() {
    let sandbox = Sandbox::new("decide");
    let rows = |table: &str| format!("INSERT INTO {table} VALUES (1, '1999-01-01'), (7, '1999-01-07'), (50, '1999-02-19')");
    sandbox.source_sql(&[
        "CREATE TABLE by_key (id INT PRIMARY KEY, changed DATETIME NOT NULL)",
        "CREATE TABLE by_time (id INT PRIMARY KEY, changed DATETIME NOT NULL)",
        &rows("by_key"),
        &rows("by_time"),
    ]);
    let rules = "tables:\n  by_key: { primary_incremental_column: id, incremental_columns: [id] }\n  \
                 by_time: { primary_incremental_column: changed, incremental_columns: [changed] }\n";
    sandbox.config("tables.yml", rules);
    told(&sandbox, &["tracking", "init"]).expect(0);
    // A first time that hides older rows, a success that never was, a date for an integer key, and a watermark far ahead.
    let lies = [
        "last_loaded = '2024-01-01'",
        "last_loaded = '2099-01-01', load_status = 'success', rows_loaded = 3, last_primary_value = '50', primary_column_name = 'id'",
        "last_primary_value = '2099-01-01 00:00:00', primary_column_name = 'id'",
        "last_primary_value = '999999999', primary_column_name = 'changed', load_status = 'success'",
        "load_status = 'failed', last_primary_value = NULL, primary_column_name = 'no such column'",
    ];
    for (number, lie) in lies.iter().enumerate() {
        let transform = "transformation_status = 'failed', last_transformed = '2099-01-01'";
        let sql = format!("UPDATE etl_load_status SET {lie}; UPDATE etl_transform_status SET {transform}");
        sandbox.warehouse().batch_execute(&sql).unwrap();
        if number > 0 {
            sandbox.source_sql(&[
                &format!("INSERT INTO by_key VALUES ({}, NOW())", 50 + number),
                &format!("INSERT INTO by_time VALUES ({}, NOW())", 50 + number),
                "UPDATE by_time SET changed = NOW() WHERE id = 7",
            ]);
        }
        sandbox.sync(&[]);
        sandbox.assert_equal(&[]);
        assert_eq!(sandbox.count("SELECT count(*) FROM by_key"), 3 + i64::try_from(number).unwrap(), "{lie}");
    }
    // Without the tables themselves, too.
    sandbox.warehouse().batch_execute("DROP TABLE etl_load_status, etl_transform_status").unwrap();
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    let records = "SELECT table_name, load_status, rows_loaded FROM etl_load_status ORDER BY 1";
    assert_eq!(ask(&sandbox, records), ["by_key success 7", "by_time success 7"]);
}

#[test]
fn a_success_that_moved_no_row_is_a_success() {
    let sandbox = Sandbox::new("unmoved");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]);
    sandbox.sync(&[]);
    let record = "SELECT last_loaded, load_status FROM etl_load_status";
    let before = ask(&sandbox, record);
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    let after = ask(&sandbox, record);
    assert!(after > before && after[0].ends_with(" success"), "{before:?} and then {after:?}");
}

#[test]
fn records_are_true_again_after_a_kill() {
    let sandbox = Sandbox::new("true");
    sandbox.source_sql(&[
        "CREATE TABLE done (id INT PRIMARY KEY)",
        "CREATE TABLE half (id INT PRIMARY KEY)",
        "CREATE TABLE object (id INT PRIMARY KEY)",
        "INSERT INTO done VALUES (1), (2), (3)",
    ]);
    sandbox.sync(&["--tables", "done", "object"]);
    // As a kill leaves them: committed with a watermark, and the record not written; begun, and nothing committed.
    let killed = "UPDATE etl_load_status SET load_status = 'running', last_loaded = '2020-01-01', rows_loaded = 1;
                  INSERT INTO etl_load_status (table_name, load_status) VALUES ('half', 'running')
                  ON CONFLICT (table_name) DO UPDATE SET load_status = 'running', last_loaded = '1969-01-01', rows_loaded = 0;
                  UPDATE etl_sync.etl_table_state SET watermark_column = 'id', watermark = to_jsonb('3'::text) WHERE table_name = 'done';
                  UPDATE etl_sync.etl_table_state SET watermark_column = 'at', watermark = '{\"type\": \"datetime\", \"value\": \"2026-01-01\"}'
                  WHERE table_name = 'object'";
    sandbox.warehouse().batch_execute(killed).unwrap();
    told(&sandbox, &["tracking", "init"]).expect(0);
    let wanted = ["done success 3 t t id 3", "half pending 0 f f - -", "object success 0 t t at 2026-01-01"];
    assert_eq!(ask(&sandbox, LOADS), wanted);
    let same = "SELECT count(*) FROM etl_load_status s JOIN etl_sync.etl_table_state t USING (table_name) \
                WHERE s.last_loaded = t.finished_at AT TIME ZONE 'UTC' AND s._loaded_at = s.last_loaded";
    assert_eq!(ask(&sandbox, same), ["2"]);
}

/// The configuration of the sandbox, for the library.
pub fn configuration(sandbox: &Sandbox) -> Config {
    let overrides = Overrides {
        source_url: Some(sandbox.hosts.url("ETL_SYNC_SOURCE_URL", &sandbox.name)),
        warehouse_url: Some(sandbox.hosts.url("ETL_SYNC_WAREHOUSE_URL", &sandbox.name)),
        ..Overrides::default()
    };
    let env = Environment { cwd: sandbox.folder().to_owned(), cores: 2, ..Environment::default() };
    config::load(&overrides, &env).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Feeds a writer of its own.
fn write(sandbox: &Sandbox, tables: &[&str], events: &[Event]) -> Totals {
    let run = RunIdentity { job: "raw".into(), epoch: 1, run_id: "test".into(), sync_id: "test".into() };
    let tables = tables.iter().map(|&table| table.to_owned()).collect();
    let (tracker, writer) = Writer::start(&EngineLog::new(&configuration(sandbox), &run.run_id), &run, tables).unwrap();
    events.iter().for_each(|event| tracker.send(event.clone()));
    drop(tracker);
    writer.join()
}

#[test]
fn a_success_writes_its_watermark_and_a_failure_keeps_it() {
    let sandbox = Sandbox::new("mark");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    told(&sandbox, &["tracking", "init"]).expect(0);
    let table = || "t".to_owned();
    let loaded = |rows, value: &str| Event::Loaded { table: table(), rows, watermark: Some(("Id".into(), value.into())) };
    let cases = [
        (loaded(7, "42"), "t success 7 t t Id 42"),
        (Event::Failed { table: table() }, "t failed 7 t t Id 42"),
        (Event::Started { table: table() }, "t running 7 t t Id 42"),
        (loaded(0, "42"), "t success 0 t t Id 42"),
        (loaded(9, "it's \"€\"; \\ --"), "t success 9 t t Id it's \"€\"; \\ --"),
        (loaded(9, "a\0b"), "t success 9 t t Id ab"),
        (Event::Loaded { table: table(), rows: 5, watermark: None }, "t success 5 t t - -"),
    ];
    for (event, wanted) in cases {
        // One more in the same batch: the last event of a table counts.
        let totals = write(&sandbox, &[], &[Event::Started { table: table() }, event]);
        assert_eq!(totals, Totals { written: 2, lost: 0 });
        assert_eq!(ask(&sandbox, LOADS), [wanted]);
    }
    // Longer than the column: cut for people, and no event is lost.
    assert_eq!(write(&sandbox, &[], &[loaded(1, &"€".repeat(300))]), Totals { written: 1, lost: 0 });
    assert_eq!(ask(&sandbox, LOADS), [format!("t success 1 t t Id {}", "€".repeat(255))]);
}

#[test]
fn more_tables_than_the_channel_holds_all_get_a_record() {
    let sandbox = Sandbox::new("recordsmany");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    told(&sandbox, &["tracking", "init"]).expect(0);
    let names: Vec<String> = (0..10_000).map(|n| format!("table_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(write(&sandbox, &names, &[]), Totals::default());
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_load_status WHERE load_status = 'pending'"), 10_001);
}

#[test]
fn init_takes_the_run_lock_and_ends_no_interrupted_run() {
    let sandbox = Sandbox::new("initlock");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("UPDATE etl_sync.job SET outcome = 'interrupted'").unwrap();
    let job = "SELECT epoch, run_id, sync_id, sync_started_at, ended_at, outcome FROM etl_sync.job";
    let before = ask(&sandbox, job);
    told(&sandbox, &["tracking", "init"]).expect(0);
    assert_eq!(ask(&sandbox, job), before, "the next run goes on with what the last one left");
    assert!(sandbox.sync(&[]).report()["resumes"].is_string());

    let mut other = sandbox.warehouse();
    let lock = "SELECT pg_advisory_lock(hashtextextended('etl-sync/' || current_database() || '/raw', 0))";
    other.batch_execute(lock).unwrap();
    told(&sandbox, &["tracking", "init"]).expect(75).says("another run writes to schema raw");
    drop(other);
    sandbox.warehouse().batch_execute("UPDATE etl_sync.job SET source_identity = 'another server'").unwrap();
    told(&sandbox, &["tracking", "init"]).expect(2).says("was filled from another source");
    told(&sandbox, &["tracking", "init", "--accept-new-source"]).expect(0);
    sandbox.assert_clean();
}

#[test]
fn the_status_table_of_a_replica_is_accepted_by_every_session() {
    let sandbox = Sandbox::new("copystatus");
    let mut conn = sandbox.source();
    let literal = "CREATE TABLE refused (t TIMESTAMP NOT NULL DEFAULT '1969-01-01')";
    for mode in ["TRADITIONAL", "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ANSI_QUOTES", ""] {
        for zone in ["+00:00", "+13:00", "-12:00"] {
            let session = format!("SET SESSION sql_mode = '{mode}', time_zone = '{zone}', default_storage_engine = MyISAM");
            conn.query_drop(session).unwrap();
            let refused = conn.query_drop(literal).unwrap_err().to_string();
            assert!(refused.contains("1067"), "{mode}: {refused}");
            // Twice: it is made at every start.
            for _ in 0..2 {
                conn.query_drop(COPY_STATUS).unwrap_or_else(|e| panic!("{mode}, {zone}: {e}"));
            }
            conn.query_drop("DROP TABLE etl_copy_status").unwrap();
        }
    }
    conn.query_drop(COPY_STATUS).unwrap();
    let columns = "SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY ORDINAL_POSITION";
    let columns: Vec<(String, String, String)> = conn.query(columns).unwrap();
    let columns: Vec<String> = columns.into_iter().map(|(a, b, c)| format!("{a} {b} {c}")).collect();
    assert_eq!(
        columns,
        [
            "id int NO",
            "table_name varchar NO",
            "last_copied timestamp NO",
            "last_primary_value varchar YES",
            "primary_column_name varchar YES",
            "rows_copied bigint NO",
            "copy_status varchar NO",
            "_created_at timestamp NO",
            "_updated_at timestamp NO",
        ]
    );
    let indexes = "SELECT DISTINCT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1";
    let indexes: Vec<String> = conn.query(indexes).unwrap();
    assert_eq!(indexes, ["id", "last_copied", "last_primary_value", "table_name"]);
    // By its name, because another default engine may not hold the keys, and MariaDB would then change them silently.
    let engine = "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
    assert_eq!(conn.query_first::<String, _>(engine).unwrap().as_deref(), Some("InnoDB"));
    // Names that differ in case are two tables; 255 characters fit with their index.
    let long = "€".repeat(255);
    let insert = "INSERT INTO etl_copy_status (table_name, last_primary_value) VALUES (?, ?)";
    for name in ["Case", "case", &long] {
        conn.exec_drop(insert, (name, &long)).unwrap();
    }
    assert!(conn.exec_drop(insert, ("case", "")).is_err(), "one record per table");
    let rows: Vec<(String, u64)> = conn.query("SELECT copy_status, rows_copied FROM etl_copy_status").unwrap();
    assert_eq!(rows, vec![("pending".to_owned(), 0); 3]);
}
