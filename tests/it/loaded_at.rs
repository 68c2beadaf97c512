//! `_loaded_at`: what the report says of tables without it, that its arrival rewrites nothing, and its setting.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};

fn told(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.args(args);
    Running::start(command).wait(RUN_MAX)
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let all = outcome.report()["warnings"].clone();
    let said = all.as_array().unwrap().iter().filter_map(|w| w.as_str().map(str::to_owned));
    said.filter(|w| w.starts_with("no column")).collect()
}

#[test]
fn tables_without_it_are_named_with_the_reason() {
    let sandbox = Sandbox::new("stamp");
    let columns = |count: usize| (1..count).map(|n| format!(", c{n} BIT(1)")).collect::<String>();
    sandbox.source_sql(&[
        "CREATE TABLE own_b (id INT PRIMARY KEY, _Loaded_At INT)",
        "CREATE TABLE own_a (id INT PRIMARY KEY, _loaded_at DATETIME)",
        "CREATE TABLE plain (id INT PRIMARY KEY)",
        // InnoDB takes 1,017 columns.
        &format!("CREATE TABLE full (id INT PRIMARY KEY{}) ENGINE = MyISAM", columns(1600)),
        &format!("CREATE TABLE room (id INT PRIMARY KEY{}) ENGINE = MyISAM", columns(1599)),
    ]);
    let own = "no column _loaded_at in own_a, own_b: the source has a column of that name";
    let full = "no column _loaded_at in full: the table has as many columns as PostgreSQL takes";
    let plan = told(&sandbox, &["plan", "--json"]);
    assert_eq!(warnings(&plan), [own, full], "{plan}");
    let ddl = told(&sandbox, &["ddl", "--tables", "own_a", "own_b", "full", "room", "plain"]);
    ddl.expect(0).says("-- no column _loaded_at in own_b: the source has").says("-- no column _loaded_at in full:");
    let declared = "  \"_loaded_at\" timestamptz NOT NULL DEFAULT now() -- when this version of the row was written\n);";
    assert_eq!(ddl.stdout.matches(declared).count(), 2, "{ddl}");
    for run in [sandbox.sync(&[]), sandbox.sync(&[])] {
        assert_eq!(warnings(&run), [own, full], "{run}");
    }
    let with = "SELECT string_agg(relname::text, ' ' ORDER BY relname) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid \
                WHERE attname = '_loaded_at' AND relnamespace = 'raw'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'etl\\_%'";
    let with: String = sandbox.warehouse().query_one(with, &[]).unwrap().get(0);
    assert_eq!(with, "own_a plain room");
    sandbox.assert_equal(&["--allow-empty"]);
    let off = sandbox.run_with("ETL_SYNC_LOADED_AT", "false", &[]);
    off.expect(0);
    assert_eq!(warnings(&off), Vec::<String>::new(), "nothing was wanted");
    sandbox.run_with("ETL_SYNC_LOADED_AT", "perhaps", &[]).expect(2).says("ETL_SYNC_LOADED_AT");
}

/// Rows that stand where they stood and when they were written, and the table's file.
fn rows(sandbox: &Sandbox) -> (Vec<String>, i64) {
    let rows = sandbox.warehouse().query("SELECT concat_ws(' ', ctid, xmin, t._loaded_at) FROM t ORDER BY id", &[]).unwrap();
    let file = sandbox.warehouse().query_one("SELECT pg_relation_filenode('t')::bigint", &[]).unwrap();
    (rows.iter().map(|row| row.get(0)).collect(), file.get(0))
}

#[test]
fn its_arrival_rewrites_nothing_and_a_rerun_writes_nothing() {
    let sandbox = Sandbox::new("stamped");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (7, 7)"]);
    sandbox.run_with("ETL_SYNC_LOADED_AT", "false", &[]).expect(0);
    sandbox.warehouse().batch_execute("ALTER TABLE t ADD COLUMN _loaded_at timestamptz").unwrap();
    let before = rows(&sandbox);
    sandbox.warehouse().batch_execute("ALTER TABLE t DROP COLUMN _loaded_at").unwrap();
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    assert_eq!(rows(&sandbox), before, "the column arrived: old rows stay where they are and have no time");
    sandbox.source_sql(&["UPDATE t SET v = 0 WHERE id = 7"]);
    assert_eq!(sandbox.sync(&[]).written(), (0, 1, 0));
    let changed = rows(&sandbox);
    assert_eq!(changed.0.iter().zip(&before.0).filter(|(a, b)| a != b).count(), 1, "one row was stamped");
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    assert_eq!(rows(&sandbox), changed, "nothing had changed");
}
