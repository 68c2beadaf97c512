//! What a night costs the warehouse where nothing has changed, and that every change is seen all the same.

use crate::sandbox::Sandbox;

/// Columns of a small table, two values of each that differ as little as they can, and the target's type where that matters.
const COLUMNS: [(&str, &str, &str); 17] = [
    ("tinyint", "1", "2"),
    ("bigint unsigned", "18446744073709551615", "18446744073709551614"),
    ("decimal(20,6)", "1.500000", "1.500001"),
    ("double", "1e0", "1.0000000000000002e0"),
    ("float", "1e-7", "2e-7"),
    ("varchar(20) character set utf8mb4", "'a'", "'a '"),
    ("text character set utf8mb4", "''", "NULL"),
    ("varbinary(20)", "x'00ff'", "x'00fe'"),
    ("datetime(6)", "'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'"),
    ("timestamp(3) null", "'2024-01-01 00:00:00.001'", "'2024-01-01 00:00:00.002'"),
    ("date", "'2024-02-29'", "'2024-02-28'"),
    ("time(6)", "'-838:59:58.999999'", "'838:59:58.999999'"),
    ("year", "2024", "1901"),
    ("bit(12)", "b'1'", "b'10'"),
    ("enum('a','b')", "'a'", "'b'"),
    ("set('a','b')", "'a'", "'a,b'"),
    ("point", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 3)')"),
];

fn world(sandbox: &Sandbox) {
    for (at, (ty, one, _)) in COLUMNS.iter().enumerate() {
        let engine = if at % 2 == 0 { "InnoDB" } else { "MyISAM" };
        sandbox.source_sql(&[
            &format!("CREATE TABLE t{at} (id INT PRIMARY KEY, v {ty}) ENGINE={engine}"),
            &format!("INSERT INTO t{at} VALUES (1, {one}), (2, {one}), (3, NULL)"),
            &format!("CREATE TABLE keyless{at} (v {ty}) ENGINE={engine}"),
            &format!("INSERT INTO keyless{at} VALUES ({one}), ({one}), (NULL)"),
        ]);
    }
    sandbox.source_sql(&["CREATE TABLE void (id INT PRIMARY KEY)"]);
    sandbox.sync(&[]);
    // As administrator: who may make tables may not watch who makes some.
    let mut admin = sandbox.warehouse();
    admin
        .batch_execute(
            "CREATE TABLE public.made (what text); GRANT INSERT ON public.made TO PUBLIC; \
             CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO public.made SELECT command_tag || ' ' || object_identity FROM pg_event_trigger_ddl_commands() \
             WHERE command_tag LIKE 'CREATE TABLE%'; END $$; \
             CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch()",
        )
        .unwrap();
}

fn made(sandbox: &Sandbox) -> Vec<String> {
    let rows = sandbox.warehouse().query("SELECT what FROM public.made", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn an_unchanged_small_table_makes_no_table_in_the_warehouse() {
    let sandbox = Sandbox::new("unchanged");
    world(&sandbox);
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    assert_eq!(made(&sandbox), Vec::<String>::new(), "staging of tables that had not changed");
    // csv cannot be compared byte for byte; it shows that the trigger sees what it is there for.
    assert_eq!(sandbox.run_with("ETL_SYNC_COPY_FORMAT", "csv", &[]).expect(0).written(), (0, 0, 0));
    assert_eq!(made(&sandbox).len(), 2 * COLUMNS.len());
}

#[test]
fn the_least_change_of_any_type_is_seen() {
    let sandbox = Sandbox::new("leastchange");
    world(&sandbox);
    for (at, (_, _, other)) in COLUMNS.iter().enumerate() {
        sandbox.source_sql(&[
            &format!("UPDATE t{at} SET v = {other} WHERE id = 2"),
            &format!("INSERT INTO keyless{at} VALUES ({other})"),
        ]);
    }
    let tables = u64::try_from(COLUMNS.len()).unwrap();
    let outcome = sandbox.sync(&[]);
    for (at, (ty, ..)) in COLUMNS.iter().enumerate() {
        assert_eq!(outcome.table(&format!("t{at}"))["updated"], 1, "{ty}");
    }
    assert_eq!(outcome.written(), (tables, tables, 0));
    sandbox.assert_equal(&["--allow-empty"]);
    // By hand on the other side: as many rows, other values; one row more, one less.
    let mut warehouse = sandbox.warehouse();
    warehouse
        .batch_execute(
            "UPDATE t0 SET v = v + 5 WHERE id = 1; INSERT INTO t1 (id) VALUES (99); DELETE FROM t2 WHERE id = 1; \
             UPDATE keyless0 SET v = 77 WHERE ctid = '(0,1)'; INSERT INTO void (id) VALUES (1)",
        )
        .unwrap();
    assert_eq!(sandbox.sync(&[]).written(), (2, 1, 3));
    sandbox.assert_equal(&["--allow-empty"]);
}

/// A role may be made to open every transaction above READ COMMITTED: what somebody commits while a run waits for its lock
/// is compared all the same.
#[test]
fn a_write_that_the_run_waits_for_is_seen() {
    let sandbox = Sandbox::new("seenlate");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)"]);
    sandbox.sync(&[]);
    let mut hand = sandbox.warehouse();
    let role = format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", sandbox.name);
    hand.batch_execute(&role).unwrap();
    hand.batch_execute("BEGIN; UPDATE t SET v = 99").unwrap();
    let run = sandbox.start(&[]);
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while !sandbox.holds(waits) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    hand.batch_execute("COMMIT").unwrap();
    let outcome = run.wait(crate::sandbox::RUN_MAX);
    assert_eq!(outcome.expect(0).written(), (0, 1, 0), "{outcome}");
    sandbox.assert_equal(&[]);
}
