//! One row of two million that no count and no watermark shows. A minute in a debug build, so only
//! `ETL_SYNC_TEST_ALL=1` runs it.

use crate::program::{Outcome, Running};
use crate::sandbox::Sandbox;
use serde_json::json;
use std::time::Duration;

/// Rows of the table.
const ROWS: u64 = 2_000_000;

/// Longest time of one run.
const RUN_MAX: Duration = Duration::from_secs(900);

#[test]
fn one_row_of_two_million_is_found_and_mended_by_the_next_run() {
    let test = "one_row_of_two_million_is_found_and_mended_by_the_next_run";
    if std::env::var_os("ETL_SYNC_TEST_ALL").is_none() {
        return crate::notes::skip(test, "it takes a minute; ETL_SYNC_TEST_ALL=1 runs it");
    }
    let sandbox = Sandbox::new("large");
    sandbox.config("tables.yml", "tables:\n  claim: { primary_incremental_column: edited }\n");
    let digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 \
                  UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let thousands = format!(
        "SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 100000 * f.d AS n FROM {digits} a, {digits} b, {digits} c, \
         {digits} d, {digits} e, {digits} f"
    );
    sandbox.source_sql(&[
        "CREATE TABLE claim (id INT PRIMARY KEY, fee INT NOT NULL, edited DATETIME NOT NULL)",
        &format!("INSERT INTO claim SELECT n, n % 1000, '2024-01-01' FROM ({thousands}) AS numbers"),
        "INSERT INTO claim SELECT id + 1000000, fee, edited FROM claim",
        "ANALYZE TABLE claim",
    ]);
    let ask = |command: &[&str]| -> Outcome {
        let mut asked = sandbox.command();
        asked.args(command).args(["--json", "--parallel", "2"]);
        Running::start(asked).wait(RUN_MAX)
    };
    assert_eq!(ask(&["run"]).expect(0).table("claim")["rows"], ROWS);
    sandbox.source_sql(&["UPDATE claim SET fee = fee + 1 WHERE id = 1234567"]);
    let named = ask(&["verify", "--depth", "rows"]);
    let content = named.expect(1).table("claim")["content"].clone();
    let row = json!([{"kind": "changed", "key": {"id": 1_234_567}, "columns": [{"column": "fee"}]}]);
    assert_eq!((&content["changed_rows"], &content["differences"]), (&json!(1), &row), "{content:#}");
    let found = ask(&["run", "--audit", "all"]);
    found.expect(0).says("edited missed 1 changes of claim");
    let table = found.table("claim");
    assert_eq!(
        (&table["updated"], &table["healed"]["missed"], &table["certificate"]["drift"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&table["certificate"]["checked"], &table["certificate"]["rows_compared"]), (&json!("content"), &json!(ROWS)));
    assert!(table["bytes"].as_u64() < Some(8_000_000), "a bucket was read again, not the table: {table:#}");
    ask(&["verify", "--depth", "rows"]).expect(0);
    sandbox.assert_equal(&["--fast"]);
    crate::notes::add(&format!("large: one row of {ROWS} found and mended in {:.0} s", found.took.as_secs_f64()));
}
