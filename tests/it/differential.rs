//! The same rows in two ways, which must give the same table: csv against the source's own `INTO OUTFILE`, one chunk
//! against many, one worker against eight, csv against binary, straight against through a replica. None of it needs an expectation.

mod database;
mod outfile;

use crate::notes;
use crate::program::Running;
use crate::properties::times;
use crate::random::Random;
use crate::sandbox::{RUN_MAX, Sandbox};
use database::Database;
use std::fmt::Write;

/// One way to run, and the schema that it fills.
struct Way {
    schema: &'static str,
    copy_format: &'static str,
    parallel: &'static str,
    chunk_rows: Option<u64>,
    replica: bool,
}

/// The first is what the others are compared with.
const WAYS: [Way; 7] = [
    Way { schema: "plain", copy_format: "csv", parallel: "1", chunk_rows: None, replica: false },
    Way { schema: "many_chunks", copy_format: "csv", parallel: "1", chunk_rows: Some(23), replica: false },
    Way { schema: "eight_workers", copy_format: "csv", parallel: "8", chunk_rows: Some(61), replica: false },
    Way { schema: "as_binary", copy_format: "binary", parallel: "1", chunk_rows: None, replica: false },
    Way { schema: "all_at_once", copy_format: "binary", parallel: "8", chunk_rows: Some(17), replica: false },
    Way { schema: "two_hops", copy_format: "binary", parallel: "1", chunk_rows: None, replica: true },
    Way { schema: "two_hops_at_once", copy_format: "csv", parallel: "4", chunk_rows: Some(29), replica: true },
];

#[test]
fn every_way_gives_the_same_tables() {
    let mut random = Random::of_environment();
    for _ in 0..times().min(5) {
        let sandbox = Sandbox::new("ways").with_replica();
        let database = Database::random(&sandbox, &mut random);
        let mut chunks = Vec::new();
        for way in &WAYS {
            let pipeline = format!("general: {{ copy_format: {} }}\npolicies: {{ zero_dates: \"null\" }}\n", way.copy_format);
            sandbox.config("pipeline.yml", &pipeline);
            let rows = way.chunk_rows.map_or(String::new(), |rows| format!("tables: {{ \"*\": {{ chunk_rows: {rows} }} }}\n"));
            sandbox.config("tables.yml", &rows);
            let mut command = sandbox.run_command(&["--parallel", way.parallel]);
            command.env("ETL_SYNC_WAREHOUSE_SCHEMA", way.schema);
            if !way.replica {
                command.env_remove("ETL_SYNC_REPLICA_URL");
            }
            let outcome = Running::start(command).wait(RUN_MAX);
            // Rows may be rejected, by every way the same ones.
            assert!(matches!(outcome.code, Some(0 | 3)), "{}:\n{outcome}", way.schema);
            let report = outcome.report();
            let tables = report["tables"].as_array().unwrap();
            assert_eq!(tables.len(), database.tables.len(), "{}:\n{outcome}", way.schema);
            chunks.push(tables.iter().map(|table| table["chunks"].as_u64().unwrap_or(1)).sum::<u64>());
        }
        assert!(chunks[1] > 3 * chunks[0] && chunks[4] > chunks[1], "chunks of the ways: {chunks:?}");
        let mut rows = 0;
        for way in &WAYS[1..] {
            rows = same(&sandbox, &database, WAYS[0].schema, way.schema);
        }
        assert!(rows > 500, "only {rows} rows");
        sandbox.assert_clean();
        let columns = database.columns;
        notes::add(&format!(
            "differential: {} ways, {} tables, {columns} columns, {rows} rows",
            WAYS.len(),
            database.tables.len()
        ));
    }
}

/// Compares two schemas by the content of their tables, without the time of their rows; gives the number of rows.
fn same(sandbox: &Sandbox, database: &Database, one: &str, other: &str) -> i64 {
    let mut client = sandbox.warehouse();
    let mut rows = 0;
    let mut wrong = String::new();
    for table in &database.tables {
        let columns = format!(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = '{one}.{table}'::regclass AND attnum > 0 AND attname <> '_loaded_at'"
        );
        let columns: String = client.query_one(&columns, &[]).unwrap().get(0);
        let sql = format!(
            "WITH a AS (SELECT ROW({columns})::text AS row FROM {one}.{table}), b AS (SELECT ROW({columns})::text AS row FROM {other}.{table}),
             missing AS (SELECT row FROM a EXCEPT ALL SELECT row FROM b), extra AS (SELECT row FROM b EXCEPT ALL SELECT row FROM a)
             SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT min(row) FROM missing), (SELECT min(row) FROM extra)"
        );
        let row = client.query_one(&sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let (left, right): (i64, i64) = (row.get(0), row.get(1));
        let (missing, extra): (Option<String>, Option<String>) = (row.get(2), row.get(3));
        if left != right || missing.is_some() || extra.is_some() {
            writeln!(wrong, "{table}: {left} and {right} rows\n  only in {one}: {missing:?}\n  only in {other}: {extra:?}")
                .unwrap();
        }
        rows += left;
    }
    assert!(wrong.is_empty(), "{wrong}");
    rows
}
