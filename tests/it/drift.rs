//! Columns and tables that change between runs: what is altered, what is made anew, what stays because others rest on it.

use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use etl_sync::catalog::widen::{Fit, fit};

/// A type and its ends.
const ENDS: &[(&str, &[&str])] = &[
    ("smallint", &["-32768", "32767"]),
    ("integer", &["-2147483648", "2147483647"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("numeric(20,0)", &["-99999999999999999999", "18446744073709551615"]),
    ("numeric(4,0)", &["-9999", "9999"]),
    ("numeric(9,0)", &["-999999999", "999999999"]),
    ("numeric(18,0)", &["-999999999999999999", "999999999999999999"]),
    ("numeric(10,2)", &["-99999999.99", "0.01"]),
    ("numeric(12,2)", &["-9999999999.99", "0.01"]),
    ("numeric(12,4)", &["-99999999.9999", "0.0001"]),
    ("real", &["-3.4028235e38", "1.1754944e-38", "0.1"]),
    ("double precision", &["-1.7976931348623157e308", "0.1"]),
    ("character varying(10)", &["żółć 12345", "  ", ""]),
    ("character varying(20)", &["12345678901234567890"]),
    ("text", &["text "]),
    ("date", &["0001-01-01", "9999-12-31"]),
    ("timestamp(0) without time zone", &["9999-12-31 23:59:59"]),
    ("timestamp(3) without time zone", &["9999-12-31 23:59:59.999"]),
    ("timestamp without time zone", &["1000-01-01 00:00:00.000001"]),
    ("timestamp(3) with time zone", &["2038-01-19 03:14:07.999+00"]),
    ("timestamp(6) with time zone", &["2038-01-19 03:14:07.999999+00"]),
    ("time(0) without time zone", &["23:59:59"]),
    ("time(3) without time zone", &["23:59:59.999"]),
    ("interval(0)", &["-838:59:59"]),
    ("interval(6)", &["838:59:59.000001"]),
];

/// The table of types is what PostgreSQL does: every value stays, and storage is written anew exactly where it says so.
#[test]
fn types_widen_as_the_table_says() {
    let sandbox = Sandbox::new("widen");
    let mut client = sandbox.warehouse();
    let mut decided = 0;
    for (from, ends) in ENDS {
        for (to, _) in ENDS {
            let Fit::Widens { rewrites } = fit(from, to) else { continue };
            decided += 1;
            let values = ends.iter().map(|end| format!("('{end}'::{from})")).collect::<Vec<_>>().join(", ");
            client.batch_execute(&format!("CREATE TEMP TABLE w AS SELECT v, v AS old FROM (VALUES {values}) AS t(v)")).unwrap();
            let mut storage = || -> u32 { client.query_one("SELECT pg_relation_filenode('w'::regclass)", &[]).unwrap().get(0) };
            let before = storage();
            client.batch_execute(&format!("ALTER TABLE w ALTER COLUMN v TYPE {to}")).unwrap();
            let mut storage = || -> u32 { client.query_one("SELECT pg_relation_filenode('w'::regclass)", &[]).unwrap().get(0) };
            assert_eq!(storage() != before, rewrites, "{from} to {to}: rewritten or not");
            let back = format!("SELECT count(*) FROM w WHERE v::text::{from} IS DISTINCT FROM old");
            // A whole number has no way back from `1.00`; its value can be compared as it is.
            let same = if to.starts_with("numeric") || to.starts_with("timestamp") && *from == "date" {
                "SELECT count(*) FROM w WHERE v <> old".to_owned()
            } else {
                back
            };
            let changed: i64 = client.query_one(&same, &[]).unwrap().get(0);
            assert_eq!(changed, 0, "{from} to {to}: values");
            client.batch_execute("DROP TABLE w").unwrap();
        }
    }
    assert!(decided > 30, "{decided} pairs");
}

/// One table of every change, and one that cannot be done.
fn changed(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        "CREATE TABLE patient (id INT PRIMARY KEY AUTO_INCREMENT, n INT, name VARCHAR(20), old INT NOT NULL, \
         updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO patient (n, name, old, updated) SELECT seq, seq, 1, '2024-01-01' FROM seq_1_to_50",
        "CREATE TABLE code (id INT PRIMARY KEY, v VARCHAR(20))",
        "INSERT INTO code SELECT seq, seq FROM seq_1_to_50",
        "CREATE TABLE viewed (id INT PRIMARY KEY, v INT)",
        "INSERT INTO viewed VALUES (1, 1)",
        "CREATE TABLE gone (id INT PRIMARY KEY)",
    ]);
    sandbox.config("pipeline.yml", "general:\n  retries: 0\n");
    sandbox.config("tables.yml", "tables:\n  patient: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("CREATE SCHEMA mart; CREATE VIEW mart.v AS SELECT v FROM viewed").unwrap();
    sandbox.source_sql(&[
        "ALTER TABLE patient MODIFY n BIGINT, MODIFY name VARCHAR(40), ADD COLUMN born DATE DEFAULT '2000-01-01', DROP COLUMN old",
        "ALTER TABLE code MODIFY v INT",
        "ALTER TABLE viewed MODIFY v BIGINT",
        "DROP TABLE gone",
        "CREATE TABLE fresh (id INT PRIMARY KEY)",
    ]);
    sandbox
}

fn plan(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.arg("plan").args(more);
    Running::start(command).wait(RUN_MAX)
}

#[test]
fn plan_shows_every_change_and_makes_none() {
    let sandbox = changed("driftplan");
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'patient'::regclass AND attnum > 0";
    let before = sandbox.count(columns);
    plan(&sandbox, &[])
        .expect(1)
        .says("patient: column \"n\" widens in place from integer to bigint: PostgreSQL rewrites the table, readers wait")
        .says(
            "patient: column \"name\" widens in place from character varying(20) to character varying(40): nothing is rewritten",
        )
        .says("patient: column \"born\" (date) is new: it is added, and all rows are read for it")
        .says("patient: column \"old\" no longer comes from the source: it stays, its NOT NULL goes, later rows have NULL in it")
        .says("all rows: columns of the target change")
        .says("code: column \"v\" is character varying(20), the source asks for integer, which may not hold its values")
        .says("exchange")
        .says("column \"v\" of its target raw.viewed is to widen from integer to bigint, but in its way: view mart.v")
        .says("drop what is in the way (keep its definition), run again, and make it again")
        .says("warning: table gone is gone from the source: its last copy stays")
        .says("first_load");
    let outcome = plan(&sandbox, &["--json"]);
    let report = outcome.report();
    let code = report["tables"].as_array().unwrap().iter().find(|table| table["table"] == "code").unwrap();
    assert_eq!((&code["action"], code["drift"].as_array().unwrap().len()), (&"exchange".into(), 1), "{code}");
    assert_eq!(sandbox.count(columns), before);
}

#[test]
fn a_run_makes_every_change_but_the_one_in_the_way_and_tells_them() {
    let sandbox = changed("driftrun");
    let outcome = sandbox.run(&[]);
    outcome
        .expect(1)
        .says("table patient: column \"old\" no longer comes from the source: it stays, its NOT NULL goes")
        .says("table gone is gone from the source: its last copy stays")
        .says("view mart.v");
    let told = outcome.table("patient");
    assert_eq!((&told["rows_read"], &told["updated"], told["drift"].as_array().unwrap().len()), (&50.into(), &50.into(), 4));
    assert_eq!((outcome.status("code"), outcome.status("viewed")), ("loaded".into(), "refused".into()));
    assert_eq!(outcome.report()["warnings"].as_array().unwrap().len(), 2, "{outcome}");
    assert_eq!(sandbox.count("SELECT count(*) FROM patient WHERE born = '2000-01-01' AND old = 1"), 50);
    assert_eq!(sandbox.count("SELECT sum(v) FROM code"), 1275);
    assert!(sandbox.holds("SELECT load_status = 'missing' FROM etl_load_status WHERE table_name = 'gone'"));
    sandbox.assert_clean();

    let mut status = sandbox.command();
    status.arg("status");
    Running::start(status).wait(RUN_MAX).expect(0).says("missing");

    // The view goes, the table follows, and the view may come back; the watermark goes on; the table comes back.
    sandbox.warehouse().batch_execute("DROP VIEW mart.v").unwrap();
    sandbox.source_sql(&[
        "CREATE TABLE gone (id INT PRIMARY KEY)",
        "INSERT INTO gone VALUES (1)",
        "INSERT INTO patient (n, name) VALUES (3000000000, 'a name of more than twenty characters')",
    ]);
    let outcome = sandbox.sync(&[]);
    assert!(outcome.table("patient")["reason"].as_str().unwrap().contains("increments by updated"), "{outcome}");
    sandbox.warehouse().batch_execute("CREATE VIEW mart.v AS SELECT v FROM viewed").unwrap();
    assert!(sandbox.holds("SELECT load_status = 'success' FROM etl_load_status WHERE table_name = 'gone'"));
    assert!(sandbox.holds("SELECT bool_or(old IS NULL) FROM patient"), "later rows have NULL");
    sandbox.assert_equal(&["--allow-extra-columns"]);
    sandbox.sync(&[]);
}

/// Somebody drops a column of the target by hand: its values come back, although neither source nor fingerprint changed.
#[test]
fn a_column_that_the_warehouse_lost_is_filled_again() {
    let sandbox = Sandbox::new("handdrop");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO t SELECT seq, seq, '2024-01-01' FROM seq_1_to_100",
    ]);
    sandbox.config("tables.yml", "tables:\n  t: { primary_incremental_column: updated }\n");
    sandbox.sync(&[]);
    sandbox.warehouse().batch_execute("ALTER TABLE t DROP COLUMN v").unwrap();
    sandbox.sync(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM t WHERE v = id"), 100);
    sandbox.assert_equal(&[]);
}

/// What people gave the old table is the new one's.
#[test]
fn an_exchanged_table_keeps_what_people_gave_it() {
    let sandbox = Sandbox::new("exchange");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20), w INT COMMENT 'of the source', x INT)",
        "INSERT INTO t (v, w, x) SELECT seq, seq, seq FROM seq_1_to_400",
        "ANALYZE TABLE t",
    ]);
    sandbox.config("pipeline.yml", "general:\n  retries: 0\n  sequences: true\n");
    sandbox.config("tables.yml", "tables:\n  t: { chunk_rows: 100 }\n");
    sandbox.sync(&[]);
    let reader = format!("{}_reader", sandbox.name);
    let mut client = sandbox.warehouse();
    client
        .batch_execute(&format!(
            "CREATE ROLE {reader}; GRANT SELECT, INSERT ON t TO {reader} WITH GRANT OPTION; GRANT UPDATE (x) ON t TO {reader}; \
             ALTER TABLE t ADD CONSTRAINT \"Only w\" UNIQUE (w); CREATE INDEX \"Odd \"\"name\" ON t (lower(x::text)) WHERE x > 3; \
             CREATE UNIQUE INDEX u ON t (x DESC NULLS LAST) INCLUDE (w); ALTER TABLE t SET (fillfactor = 70); \
             ALTER TABLE t ALTER COLUMN x SET DEFAULT 3; COMMENT ON TABLE t IS 'said'; COMMENT ON COLUMN t.v IS 'it''s'; \
             ALTER DEFAULT PRIVILEGES FOR ROLE etl_sync GRANT SELECT ON TABLES TO PUBLIC"
        ))
        .unwrap();
    let look = "SELECT string_agg(l, E'\\n' ORDER BY l) FROM ( \
         SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass UNION ALL \
         SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n' UNION ALL \
         SELECT (g.grantee, g.privilege_type, g.is_grantable)::text FROM pg_class, aclexplode(relacl) g WHERE oid = 't'::regclass UNION ALL \
         SELECT (attname, g.grantee, g.privilege_type)::text FROM pg_attribute, aclexplode(attacl) g WHERE attrelid = 't'::regclass UNION ALL \
         SELECT attname || coalesce(col_description(attrelid, attnum), '') || coalesce(pg_get_expr(adbin, adrelid), '') || attnotnull \
         FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 't'::regclass AND attnum > 0 UNION ALL \
         SELECT obj_description('t'::regclass) || pg_get_serial_sequence('raw.t', 'id') UNION ALL \
         SELECT reloptions::text || relowner::regrole FROM pg_class WHERE oid = 't'::regclass) AS x(l)";
    let mut ask = |sql: &str| -> String { client.query_one(sql, &[]).unwrap().get(0) };
    let (before, oid) = (ask(look), ask("SELECT 't'::regclass::oid::text"));
    assert!(before.contains("nextval") && before.contains("fillfactor") && before.contains("it's"), "{before}");
    sandbox.source_sql(&["ALTER TABLE t MODIFY v INT", "INSERT INTO t (v, w, x) VALUES (1000, 1000, 1000)"]);
    let outcome = sandbox.sync(&[]);
    let told = outcome.table("t");
    assert_eq!((&told["rows"], &told["strategy"]), (&401.into(), &"copy_csv".into()), "{outcome}");
    assert_ne!(ask("SELECT 't'::regclass::oid::text"), oid);
    assert_eq!(ask(look), before);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    client.batch_execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}")).unwrap();
}

/// Each of these would be lost with the old table, or would hold it.
#[test]
fn what_cannot_be_carried_over_keeps_the_old_table() {
    let sandbox = Sandbox::new("holds");
    let rests: &[(&str, &str)] = &[
        ("CREATE VIEW v AS SELECT count(*) FROM t0", "view raw.v"),
        (
            "CREATE FUNCTION f() RETURNS SETOF raw.t1 LANGUAGE sql BEGIN ATOMIC SELECT id, v, _loaded_at FROM raw.t1; END",
            "function raw.f()",
        ),
        ("CREATE PUBLICATION p FOR TABLE t2", "publication"),
        ("CREATE TABLE child (id int REFERENCES t3)", "constraint child_id_fkey on table raw.child"),
        ("ALTER TABLE t4 ADD CHECK (id > 0)", "constraint t4_id_check on table raw.t4"),
        ("ALTER TABLE t5 ENABLE ROW LEVEL SECURITY", "row level security"),
        ("CREATE STATISTICS s ON id, v FROM t6", "statistics object raw.s"),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t7 FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger g on table raw.t7",
        ),
        ("CREATE RULE r AS ON DELETE TO t8 DO ALSO NOTIFY x", "rule r on table raw.t8"),
        ("CREATE TABLE heir () INHERITS (t9)", "inheritance"),
        ("ALTER TABLE t10 REPLICA IDENTITY FULL", "replica identity"),
        ("ALTER TABLE t11 ADD COLUMN own int", "only the old table has [\"own\"]"),
        ("ALTER TABLE t12 OWNER TO postgres", "owner postgres"),
    ];
    for n in 0..rests.len() {
        sandbox.source_sql(&[
            &format!("CREATE TABLE t{n} (id INT PRIMARY KEY, v VARCHAR(20))"),
            &format!("INSERT INTO t{n} VALUES (1, '1')"),
        ]);
    }
    sandbox.config("tables.yml", "exclude: [child, heir]\n");
    sandbox.sync(&[]);
    let mut client = sandbox.warehouse();
    let admin: String = client.query_one("SELECT current_user::text", &[]).unwrap().get(0);
    let files = "SELECT string_agg(oid || '/' || relfilenode, ' ' ORDER BY oid) FROM pg_class WHERE relname ~ '^t[0-9]+$'";
    for (n, (sql, _)) in rests.iter().enumerate() {
        let sql = sql.replace("OWNER TO postgres", &format!("OWNER TO {admin}"));
        client.batch_execute(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        sandbox.source_sql(&[&format!("ALTER TABLE t{n} MODIFY v INT")]);
    }
    let before: String = client.query_one(files, &[]).unwrap().get(0);
    let outcome = sandbox.run(&[]);
    outcome.expect(1);
    for (n, (_, said)) in rests.iter().enumerate() {
        let told = outcome.table(&format!("t{n}"));
        assert_eq!(told["status"], "refused", "{said}: {told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(&said.replace("owner postgres", &format!("owner {admin}"))), "{said}: {message}");
    }
    let after: String = client.query_one(files, &[]).unwrap().get(0);
    assert_eq!(before, after, "nothing was touched");
    sandbox.assert_clean();
}

/// A source view that is asked for by name has a target like a table's.
#[test]
fn the_target_of_a_view_keeps_what_reads_it() {
    let sandbox = Sandbox::new("viewdrift");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO t VALUES (1, 1)",
        "CREATE VIEW seen AS SELECT id, v FROM t",
    ]);
    sandbox.sync(&["--tables", "seen"]);
    sandbox.warehouse().batch_execute("CREATE VIEW reads AS SELECT v FROM seen").unwrap();
    sandbox.source_sql(&["ALTER TABLE t MODIFY v BIGINT", "CREATE OR REPLACE VIEW seen AS SELECT id, v FROM t"]);
    sandbox.run(&["--tables", "seen"]).expect(1).says("in its way: view raw.reads; nothing was touched");
    sandbox.warehouse().batch_execute("DROP VIEW reads").unwrap();
    sandbox.sync(&["--tables", "seen"]);
}

/// What rests on the table as a whole, or on its other columns, does not mind a wider column.
#[test]
fn what_does_not_read_a_column_lets_it_widen() {
    let sandbox = Sandbox::new("widenfree");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT NOT NULL)",
        "INSERT INTO t VALUES (1, 1, 1)",
        "CREATE TABLE u (id INT PRIMARY KEY, v INT)",
        "INSERT INTO u VALUES (1, 1)",
    ]);
    sandbox.config("tables.yml", "exclude: [child]\n");
    sandbox.sync(&[]);
    sandbox
        .warehouse()
        .batch_execute(
            "CREATE VIEW others AS SELECT id, w FROM t; CREATE PUBLICATION p FOR TABLE t; CREATE STATISTICS s ON v, w FROM t; \
             ALTER TABLE t ADD CHECK (v > 0), REPLICA IDENTITY FULL; CREATE INDEX ON t (v) WHERE v > 0; \
             CREATE TABLE child (id int PRIMARY KEY REFERENCES t, v int); INSERT INTO child VALUES (1, 1); \
             CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); \
             ALTER TABLE u ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON u USING (v > 0)",
        )
        .unwrap();
    sandbox.source_sql(&["ALTER TABLE t MODIFY v BIGINT", "ALTER TABLE u MODIFY v BIGINT"]);
    let outcome = sandbox.run(&[]);
    outcome.expect(1).says("is to widen from integer to bigint, but in its way: policy own on table raw.u");
    assert_eq!((outcome.status("t"), outcome.status("u")), ("loaded".into(), "refused".into()));
    assert!(
        sandbox.holds("SELECT atttypid = 'bigint'::regtype FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'")
    );
    sandbox.warehouse().batch_execute("DROP POLICY own ON u").unwrap();
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
}

/// A transaction with an older snapshot would find a table empty that is written anew under it.
#[test]
fn a_table_is_not_written_anew_under_an_older_snapshot() {
    for (word, change) in [("snapwiden", "ALTER TABLE t MODIFY v BIGINT"), ("snapanew", "ALTER TABLE t MODIFY v VARCHAR(20)")] {
        let sandbox = Sandbox::new(word);
        sandbox.source_sql(&[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_100",
            "CREATE TABLE other (id INT PRIMARY KEY)",
        ]);
        sandbox.config("pipeline.yml", "general:\n  retries: 0\n");
        sandbox.sync(&[]);
        sandbox.source_sql(&[change, "INSERT INTO t VALUES (1000, 1)"]);
        // Of another role, which the program's role may not look into.
        let url = sandbox.warehouse_account("");
        let mut reader = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        sandbox
            .warehouse()
            .batch_execute(&format!("GRANT USAGE ON SCHEMA raw TO {0}; GRANT SELECT ON t TO {0}", sandbox.name))
            .unwrap();
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1").unwrap();
        sandbox.run(&[]).expect(1).says("that would see it empty").says("when nobody reads it");
        let rows: i64 = reader.query_one("SELECT count(*) FROM raw.t", &[]).unwrap().get(0);
        assert_eq!(rows, 100, "the reader sees its own moment");
        // Now it holds a lock too.
        sandbox.run(&[]).expect(1);
        reader.batch_execute("COMMIT").unwrap();
        sandbox.sync(&[]);
        assert_eq!(sandbox.count("SELECT count(*) FROM t"), 101);
        sandbox.warehouse().batch_execute(&format!("DROP OWNED BY {}", sandbox.name)).unwrap();
        sandbox.assert_equal(&[]);
        sandbox.assert_clean();
    }
}

/// A reader that does not end keeps the lock; the run fails that table after a short wait and changes nothing.
#[test]
fn a_reader_is_waited_for_shortly() {
    let sandbox = Sandbox::new("reader");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]);
    sandbox.config("pipeline.yml", "general:\n  retries: 0\n");
    sandbox.sync(&[]);
    sandbox.source_sql(&["ALTER TABLE t ADD COLUMN v INT DEFAULT 7"]);
    let mut reader = sandbox.warehouse();
    reader.batch_execute("BEGIN; SELECT id FROM t").unwrap();
    let outcome = sandbox.run(&[]);
    outcome.expect(1).says("when nobody reads it");
    assert!(outcome.took.as_secs() < 20, "{outcome}");
    reader.batch_execute("COMMIT").unwrap();
    sandbox.sync(&[]);
    assert_eq!(sandbox.count("SELECT v::bigint FROM t"), 7);
    sandbox.assert_equal(&[]);
}

#[test]
fn most_of_a_table_is_not_exchanged_away_unless_told() {
    let sandbox = Sandbox::new("exguard");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t SELECT seq, 1 FROM seq_1_to_3000"]);
    sandbox.sync(&[]);
    sandbox.source_sql(&["DELETE FROM t WHERE id > 100", "ALTER TABLE t MODIFY v INT"]);
    sandbox.run(&[]).expect(1).says("2900 of 3000 rows would be deleted").says("--accept-deletes");
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 3000);
    sandbox.assert_clean();
    sandbox.sync(&["--accept-deletes"]);
    sandbox.assert_equal(&[]);
}

/// A table of the same name that somebody else made is not ours to replace.
#[test]
fn a_table_that_was_not_loaded_is_not_exchanged() {
    let sandbox = Sandbox::new("foreign");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)"]);
    let create = "SET ROLE etl_sync; CREATE SCHEMA raw; CREATE TABLE raw.t (id integer PRIMARY KEY, v text); INSERT INTO raw.t VALUES (7, 'theirs')";
    sandbox.hosts.warehouse(&sandbox.name).batch_execute(create).unwrap();
    sandbox.run(&[]).expect(1).says("column \\\"v\\\" is text, the source asks for integer").says("rename the old table away");
    assert_eq!(sandbox.count("SELECT count(*) FROM t WHERE v = 'theirs'"), 1);
}
