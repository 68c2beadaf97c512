//! Roles with no more rights than README asks for, and who may see what.

use crate::sandbox::Sandbox;

/// The schemas exist and belong to the role; it may make nothing else in the database.
#[test]
fn a_role_that_owns_its_schemas_is_enough() {
    let sandbox = Sandbox::new("rights");
    sandbox
        .source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'a'), (2, CONCAT('x', CHAR(0)))"]);
    let url = sandbox.warehouse_account("NOSUPERUSER");
    let schemas = ["raw", "etl_sync", "etl_quarantine"];
    let create = schemas.map(|schema| format!("CREATE SCHEMA {schema} AUTHORIZATION {};", sandbox.name)).concat();
    sandbox.warehouse().batch_execute(&create).expect("the schemas can be made");
    for _ in 0..2 {
        sandbox.run_with("ETL_SYNC_WAREHOUSE_URL", &url, &[]).expect(3);
    }
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.t"), 1);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_quarantine.rejected_row"), 1);
}

/// Rejected rows hold keys, which are cell values: another role sees none of them.
#[test]
fn nobody_else_may_look_into_the_quarantine() {
    let sandbox = Sandbox::new("quarantine");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, CONCAT('x', CHAR(0)))"]);
    sandbox.run(&[]).expect(3);
    let other = sandbox.warehouse_account("NOSUPERUSER");
    let mut client = postgres::Client::connect(&other, postgres::NoTls).expect("the other role can log in");
    for sql in ["SELECT key FROM etl_quarantine.rejected_row", "SELECT run_id FROM etl_sync.etl_table_state"] {
        let error = client.query(sql, &[]).expect_err("the other role must not read this");
        assert_eq!(error.code(), Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
}
