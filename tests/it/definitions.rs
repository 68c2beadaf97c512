//! What a run says of indexes, foreign keys and defaults that PostgreSQL cannot have.

use crate::sandbox::Sandbox;

fn told<'r>(report: &'r serde_json::Value, kind: &str, name: &str) -> (&'r str, &'r str) {
    let all = report["definitions"].as_array().expect("the report lists definitions");
    let found = all.iter().find(|one| one["kind"] == kind && one["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{kind} {name} is not in {all:#?}"));
    (found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default())
}

#[test]
fn what_cannot_be_built_is_listed_and_fails_nothing() {
    let sandbox = Sandbox::new("defs");
    sandbox.config("pipeline.yml", "general: {indexes: all, foreign_keys: true, defaults: true, sequences: true}\n");
    sandbox.source_sql(&[
        "CREATE TABLE parent (id INT PRIMARY KEY, code INT, KEY code (code))",
        "CREATE TABLE t (id INT PRIMARY KEY, body TEXT, pid INT, code INT, big LONGTEXT, d DATETIME DEFAULT '2024-01-01 00:00:00' \
         ON UPDATE CURRENT_TIMESTAMP, KEY start (body(10)), FULLTEXT KEY words (body), KEY pid (pid), KEY code (code), \
         CONSTRAINT t_parent FOREIGN KEY (pid) REFERENCES parent (id), CONSTRAINT t_code FOREIGN KEY (code) REFERENCES parent (code))",
        "SET foreign_key_checks = 0",
        "INSERT INTO t VALUES (1, 'x', 77, NULL, NULL, '2024-01-01 00:00:00')",
    ]);
    let report = sandbox.sync(&[]).report();
    for (kind, name, status, reason) in [
        ("index", "start", "not_possible", "beginning of column body"),
        ("index", "words", "not_possible", "FULLTEXT"),
        ("foreign_key", "t_code", "not_possible", "not unique in the warehouse"),
        // The source holds an orphan.
        ("foreign_key", "t_parent", "failed", "23503"),
        ("default", "d", "not_possible", "ON UPDATE"),
        ("index", "t_pid", "built", ""),
    ] {
        let (found, why) = told(&report, kind, name);
        assert!(found == status && why.contains(reason) && !why.contains("77"), "{kind} {name}: {found}: {why}");
    }
    let again = sandbox.sync(&[]).report();
    assert_eq!(told(&again, "index", "t_pid").0, "existing");
}

/// The name of an index is the same whichever tables a run is about.
#[test]
fn a_run_of_one_table_takes_no_name_of_another() {
    let sandbox = Sandbox::new("defnames");
    sandbox.config("pipeline.yml", "general: {indexes: all}\n");
    sandbox.source_sql(&[
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, KEY n_code (n), KEY pkey (n))",
        "CREATE TABLE t_n (id INT PRIMARY KEY, code INT, KEY code (code))",
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO t_n VALUES (1, 1)",
    ]);
    sandbox.sync(&["--tables", "t_n"]);
    let report = sandbox.sync(&[]).report();
    let built = report["definitions"].as_array().expect("definitions").iter().filter(|one| one["status"] == "built").count();
    assert_eq!(built, 2, "{report:#}");
    let sql = "SELECT count(*) FROM pg_index WHERE indrelid = 'raw.t'::regclass AND NOT indisprimary";
    assert_eq!(sandbox.count(sql), 2);
}
