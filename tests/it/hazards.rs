//! Known hazards of tracking by a primary incremental column, each kept out by a test: here those of a run's own
//! watermark. Those of the status tables are in `tracking`; the list is at the end.

use crate::program::Outcome;
use crate::sandbox::Sandbox;

/// Two tables of 3,000 rows whose numbers are a day's year and more, and their rules.
fn world(word: &str, rules: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    for (table, engine) in [("t", "InnoDB"), ("isam", "MyISAM")] {
        sandbox.source_sql(&[
            &format!(
                "CREATE TABLE {table} (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, \
                 updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE={engine}"
            ),
            &format!("INSERT INTO {table} (v, updated) SELECT 0, '2001-02-03' FROM seq_1_to_3000"),
            &format!("ANALYZE TABLE {table}"),
        ]);
    }
    sandbox.config("tables.yml", rules);
    sandbox.sync(&[]);
    sandbox
}

const BY_TIME: &str = "tables:\n  \"{t,isam}\": { primary_incremental_column: updated }\n";
const BY_NUMBER: &str = "tables:\n  \"{t,isam}\": { primary_incremental_column: id }\n";

fn one(sandbox: &Sandbox, sql: &str) -> String {
    let rows = sandbox.warehouse().query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or("NULL".into())).collect::<Vec<_>>().join("; ")
}

fn marks(sandbox: &Sandbox) -> String {
    one(
        sandbox,
        "SELECT concat_ws(' ', table_name, run_id, watermark, watermark_column) FROM etl_sync.etl_table_state ORDER BY 1",
    )
}

fn read(outcome: &Outcome) -> [Option<u64>; 2] {
    ["t", "isam"].map(|table| outcome.table(table)["rows_read"].as_u64())
}

/// Hazard: the failure handler writes NULL over the good watermark and moves its time to now.
#[test]
fn a_failed_increment_keeps_the_watermark_of_the_last_success() {
    let sandbox = world("hazfail", BY_TIME);
    let before = marks(&sandbox);
    let record = "SELECT concat_ws(' ', table_name, last_loaded, rows_loaded, primary_column_name, last_primary_value) \
                  FROM etl_load_status ORDER BY 1";
    let shown = one(&sandbox, record);
    assert!(shown.contains(" updated 20"), "{shown}");
    sandbox.source_sql(&["UPDATE t SET v = 1 WHERE id = 7", "UPDATE isam SET v = 1 WHERE id = 7"]);
    let swallow = "CREATE FUNCTION raw.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                   CREATE TRIGGER swallow BEFORE UPDATE ON raw.t FOR EACH ROW EXECUTE FUNCTION raw.swallow();
                   CREATE TRIGGER swallow BEFORE UPDATE ON raw.isam FOR EACH ROW EXECUTE FUNCTION raw.swallow()";
    sandbox.warehouse().batch_execute(swallow).unwrap();
    for _ in 0..2 {
        let failed = sandbox.run(&[]);
        failed.expect(1);
        assert_eq!([failed.status("t"), failed.status("isam")], ["failed", "failed"]);
        assert_eq!(marks(&sandbox), before, "a failed attempt is no news about the last success");
        assert_eq!(one(&sandbox, record), shown);
        assert_eq!(one(&sandbox, "SELECT load_status::text FROM etl_load_status"), "failed; failed");
    }
    sandbox.warehouse().batch_execute("DROP FUNCTION raw.swallow CASCADE").unwrap();
    let outcome = sandbox.sync(&[]);
    assert_eq!(read(&outcome), [Some(1), Some(1)], "read from where the last success was\n{outcome}");
    assert_eq!(outcome.written(), (0, 2, 0));
    sandbox.assert_equal(&[]);
}

/// Hazard: with no stored value a number is compared with the time of the last load, and `id > '2026-06-24'` means
/// `id > 2026`. Hazard: the value is stored as text, compared as text, and 999 comes after 3000.
#[test]
fn a_number_is_never_compared_with_a_date() {
    let sandbox = world("haznumber", BY_NUMBER);
    let state = |sql: &str| {
        let sql = format!("UPDATE etl_sync.etl_table_state SET {sql}");
        assert_eq!(sandbox.warehouse().execute(&sql, &[]).unwrap(), 2);
    };
    let lies = [
        "watermark = NULL, watermark_column = NULL",
        "watermark = NULL",
        "watermark = jsonb_set(watermark, '{marks,0,scale}', '\"instant\"')",
        "watermark = jsonb_set(watermark, '{marks,0,value}', '\"2026-06-24 00:00:00\"')",
        "watermark = jsonb_set(watermark, '{marks,0,value}', '\"999\"')",
        "watermark = jsonb_set(watermark, '{marks,0,declared}', '\"timestamp\"')",
        "watermark = to_jsonb('2026-06-24 00:00:00'::text)",
        "watermark = to_jsonb(999)",
    ];
    for lie in lies {
        // All are below 2026, and below 3000 as text or not.
        sandbox.warehouse().batch_execute("DELETE FROM t WHERE id < 900; DELETE FROM isam WHERE id < 900").unwrap();
        sandbox.source_sql(&["UPDATE t SET v = v + 1 WHERE id = 1000", "UPDATE isam SET v = v + 1 WHERE id = 1000"]);
        state(lie);
        let outcome = sandbox.sync(&[]);
        assert_eq!(read(&outcome), [Some(3000), Some(3000)], "{lie}\n{outcome}");
        assert_eq!(outcome.report()["totals"]["healed"], 0, "{lie}: void at once, not found by the counts\n{outcome}");
        sandbox.assert_equal(&[]);
    }
    // A value that fits is used as a number.
    state("watermark = jsonb_set(watermark, '{marks,0,value}', '999')");
    let outcome = sandbox.sync(&[]);
    assert_eq!(read(&outcome), [Some(2002), Some(2002)], "{outcome}");
}

/// Hazard: the columns are looked at before the primary column, so an empty list means a full load.
#[test]
fn an_empty_list_beside_a_primary_column_is_no_full_refresh() {
    let sandbox = world(
        "hazlist",
        "tables:\n  t: { primary_incremental_column: updated, incremental_columns: [] }\n  \
         isam: { primary_incremental_column: updated, incremental_columns: [], incremental_strategy: single_column }\n",
    );
    sandbox.source_sql(&["UPDATE t SET v = 1 WHERE id = 7", "UPDATE isam SET v = 1 WHERE id = 7"]);
    let outcome = sandbox.sync(&[]);
    assert_eq!(read(&outcome), [Some(1), Some(1)], "{outcome}");
    // None, nothing and a blank leave it to the list; without a usable column everything is read.
    for (primary, list, rows) in [
        ("none", "[updated]", 1),
        ("\"\"", "[updated]", 1),
        ("null", "[updated]", 1),
        ("none", "[]", 3000),
        ("v", "[updated]", 3000),
    ] {
        sandbox.config(
            "tables.yml",
            &format!("tables:\n  \"{{t,isam}}\": {{ primary_incremental_column: {primary}, incremental_columns: {list} }}\n"),
        );
        sandbox.sync(&[]);
        sandbox.source_sql(&[
            "UPDATE t SET v = v + 1, updated = NOW() WHERE id = 7",
            "UPDATE isam SET v = v + 1, updated = NOW() WHERE id = 7",
        ]);
        let outcome = sandbox.sync(&[]);
        assert_eq!(read(&outcome), [Some(rows), Some(rows)], "{primary} {list}\n{outcome}");
        sandbox.assert_equal(&[]);
    }
}

/// Hazard: tracking is only updated when rows were moved, and stores NULL as the value.
#[test]
fn a_night_that_moves_nothing_has_a_watermark_all_the_same() {
    for (word, rules, column) in [("hazidlet", BY_TIME, "updated"), ("hazidlen", BY_NUMBER, "id")] {
        let sandbox = world(word, rules);
        let now =
            "SELECT (watermark ->> 'now') FROM etl_sync.etl_table_state WHERE watermark_column IS NOT NULL ORDER BY table_name";
        let value = |sandbox: &Sandbox| {
            one(sandbox, "SELECT primary_column_name || ' ' || last_primary_value FROM etl_load_status ORDER BY table_name")
        };
        let (before, shown) = (one(&sandbox, now), value(&sandbox));
        assert!(shown.starts_with(column) && !shown.contains("NULL"), "{shown}");
        let outcome = sandbox.sync(&[]);
        assert_eq!(outcome.written(), (0, 0, 0));
        let (after, shown_after) = (one(&sandbox, now), value(&sandbox));
        assert!(after > before && !after.contains("NULL"), "{before} and then {after}");
        // Not "later": another session's statement may be older now, and a safe point goes back with it.
        assert!(shown_after.starts_with(column) && !shown_after.contains("NULL"), "{shown} and then {shown_after}");
    }
}

/// Where each hazard of the status tables is kept out; a test that is renamed has to be renamed here, too.
#[test]
fn every_hazard_has_its_test() {
    let hazards = [
        ("a default time that servers refuse", "the_status_table_of_a_replica_is_accepted_by_every_session"),
        ("a key too long for another default engine", "the_status_table_of_a_replica_is_accepted_by_every_session"),
        ("a failure that wipes the record", "a_failing_attempt_changes_the_status_word_alone"),
        ("a failure that wipes the record, by its event", "a_success_writes_its_watermark_and_a_failure_keeps_it"),
        ("a failure that wipes the watermark", "a_failed_increment_keeps_the_watermark_of_the_last_success"),
        ("an initial date that hides older rows", "records_decide_nothing"),
        ("a number compared with a date", "a_number_is_never_compared_with_a_date"),
        ("an empty list of columns", "an_empty_list_beside_a_primary_column_is_no_full_refresh"),
        ("a strict > on ties", "edit_with_timestamp_equal_to_the_watermark_second"),
        ("no tracking when nothing moved", "a_night_that_moves_nothing_has_a_watermark_all_the_same"),
        ("no tracking when nothing moved, in the record", "a_success_that_moved_no_row_is_a_success"),
    ];
    let text: String = ["tracking", "hazards", "clocks"]
        .map(|file| std::fs::read_to_string(crate::hosts::project().join(format!("tests/it/{file}.rs"))).unwrap())
        .concat();
    for (hazard, test) in hazards {
        assert!(text.contains(&format!("#[test]\nfn {test}()")), "{hazard}: there is no test {test}");
    }
    // Unquoted names and literals: a case.
    assert!(crate::hosts::project().join("tests/cases/incremental_columns_with_odd_names").is_dir());
}
