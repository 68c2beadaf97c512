//! The incident that the counts go back to: a table of 1,090 medications of which the warehouse holds four or five, while
//! the state says that everything is there. Every strategy recovers all of them in one run, with and without transactions.

use crate::program::Outcome;
use crate::sandbox::Sandbox;

const STRATEGIES: [&str; 5] = ["standard", "streaming", "chunked", "copy_csv", "parallel"];

/// Medications that allergies refer to, by the allergy's own number.
const REFERENCES: [(i64, i64); 5] = [(3, 1515), (4, 137), (8, 100), (67, 630), (69, 360)];

/// 1,090 numbers: holes below 171, in the middle, and four that came last.
const NUMBERS: &str = "SELECT seq FROM seq_100_to_1184 UNION ALL SELECT 1515 UNION ALL SELECT seq FROM seq_1542_to_1545";

/// A table for every strategy, by the source's engine, and their rules.
fn clinic(word: &str) -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::new(word);
    let (mut tables, mut rules) = (Vec::new(), String::from("tables:\n"));
    for (engine, short) in [("InnoDB", ""), ("MyISAM", "_isam")] {
        for strategy in STRATEGIES {
            let table = format!("medication_{strategy}{short}");
            sandbox.source_sql(&[
                &format!(
                    "CREATE TABLE {table} (MedicationNum BIGINT PRIMARY KEY AUTO_INCREMENT, MedName VARCHAR(255), GenericNum BIGINT NOT NULL, \
                     Notes TEXT, DateTStamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, RxCui BIGINT NOT NULL) ENGINE={engine}"
                ),
                &format!(
                    "INSERT INTO {table} SELECT seq, CONCAT('drug ', seq), seq, NULL, '2024-05-06 07:08:09', 0 FROM ({NUMBERS}) AS numbers"
                ),
                &format!("ANALYZE TABLE {table}"),
            ]);
            rules.push_str(&format!(
                "  {table}: {{ primary_incremental_column: DateTStamp, strategy: {strategy}, chunk_rows: 200 }}\n"
            ));
            tables.push(table);
        }
    }
    sandbox.source_sql(&["CREATE TABLE allergydef (AllergyDefNum BIGINT PRIMARY KEY, MedicationNum BIGINT NOT NULL)"]);
    let allergies: Vec<String> = REFERENCES.iter().map(|(allergy, medication)| format!("({allergy}, {medication})")).collect();
    sandbox.source_sql(&[&format!("INSERT INTO allergydef VALUES (1, 0), {}", allergies.join(", "))]);
    sandbox.config("tables.yml", &rules);
    sandbox.sync(&[]);
    all_are_there(&sandbox, &tables, 1090);
    (sandbox, tables)
}

fn damage(sandbox: &Sandbox, tables: &[String], gone: &str) {
    for table in tables {
        sandbox.warehouse().batch_execute(&format!("DELETE FROM {table} WHERE {gone}")).unwrap();
    }
}

/// Sets what the state says of all tables: the moment in the marks of their watermarks.
fn state(sandbox: &Sandbox, sql: &str) {
    let sql = format!("UPDATE etl_sync.etl_table_state SET {sql} WHERE table_name LIKE 'medication%'");
    assert_eq!(sandbox.warehouse().execute(&sql, &[]).unwrap(), 10);
}

fn rows(sandbox: &Sandbox, table: &str) -> i64 {
    sandbox.count(&format!("SELECT count(*) FROM {table}"))
}

/// Allergies whose medication is missing in the warehouse, as a relationship test of a model would find them.
fn orphans(sandbox: &Sandbox, table: &str) -> i64 {
    sandbox.count(&format!(
        "SELECT count(*) FROM allergydef a LEFT JOIN {table} m USING (\"MedicationNum\") \
         WHERE a.\"MedicationNum\" <> 0 AND m.\"MedicationNum\" IS NULL"
    ))
}

fn all_are_there(sandbox: &Sandbox, tables: &[String], wanted: i64) {
    for table in tables {
        assert_eq!((rows(sandbox, table), orphans(sandbox, table)), (wanted, 0), "{table}");
    }
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

fn run(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    let outcome = sandbox.run(&[&["--verbose"], more].concat());
    outcome.expect(0);
    outcome
}

/// Words that stand in a log only when something was mended that the increments should have brought.
fn has_no_fallback(outcome: &Outcome) {
    for words in ["HYBRID FIX", "needs updating", "Replication has", "Falling back"] {
        assert!(!outcome.stderr.contains(words), "it says {words}\n{outcome}");
    }
}

/// Nothing was mended.
fn is_silent(outcome: &Outcome) {
    has_no_fallback(outcome);
    assert_eq!(outcome.report()["totals"]["healed"], 0, "{outcome}");
}

/// The three lines of a table that was mended, once each, and the report.
fn tells(outcome: &Outcome, table: &str, (source, target, read): (i64, i64, i64)) {
    let lines = [
        format!("Replication has {source} rows vs analytics {target} rows for {table}, analytics needs updating"),
        format!("Incremental query returned {read} rows for {table}, but analytics needs updating. Falling back to a full load"),
        format!("HYBRID FIX: Successfully loaded {} rows for {table} via a full load", source - target + read),
    ];
    for line in lines {
        let times = outcome.stderr.lines().filter(|said| said.ends_with(&line)).count();
        assert_eq!(times, 1, "{line}\n{outcome}");
    }
    let healed = &outcome.table(table)["healed"];
    assert_eq!((&healed["source"], &healed["target"]), (&source.into(), &target.into()), "{outcome}");
}

/// The target is empty and nothing is known of it.
#[test]
fn an_emptied_table_without_a_state_is_loaded_whole() {
    let (sandbox, tables) = clinic("staleempty");
    damage(&sandbox, &tables, "true");
    sandbox.warehouse().batch_execute("DELETE FROM etl_sync.etl_table_state WHERE table_name LIKE 'medication%'").unwrap();
    assert_eq!(orphans(&sandbox, &tables[0]), 5, "the allergies have lost their medications");
    let outcome = run(&sandbox, &[]);
    all_are_there(&sandbox, &tables, 1090);
    is_silent(&outcome);
    for (table, strategy) in tables.iter().zip(STRATEGIES.iter().cycle()) {
        let told = outcome.table(table);
        // The table exists, so the chunks of copy_csv are merged.
        let done = if *strategy == "copy_csv" { "parallel" } else { strategy };
        assert_eq!((&told["strategy"], &told["inserted"]), (&done.into(), &1090.into()), "{outcome}");
        assert_eq!(told["chunks"].as_u64() > Some(1), ["chunked", "copy_csv", "parallel"].contains(strategy), "{outcome}");
    }
    is_silent(&run(&sandbox, &[]));
}

/// The state says that the last number was loaded at a moment after which nothing has changed: no row is past it.
#[test]
fn a_hole_below_the_watermark_is_recovered_in_one_run() {
    // Five survived in the incident; who deletes all numbers below 1540 leaves four.
    for (word, gone, left) in
        [("stalefive", "\"MedicationNum\" NOT IN (171, 1542, 1543, 1544, 1545)", 5), ("stalefour", "\"MedicationNum\" < 1540", 4)]
    {
        let (sandbox, tables) = clinic(word);
        damage(&sandbox, &tables, gone);
        tables.iter().for_each(|table| assert_eq!(rows(&sandbox, table), left));
        state(
            &sandbox,
            "watermark = jsonb_set(watermark, '{marks,0,value}', \
             to_jsonb((extract(epoch FROM timestamptz '2025-10-11 23:10:58.906547+00') * 1000000)::bigint))",
        );
        let outcome = run(&sandbox, &[]);
        tables.iter().for_each(|table| tells(&outcome, table, (1090, left, 0)));
        assert_eq!(outcome.report()["totals"]["healed"], 10);
        all_are_there(&sandbox, &tables, 1090);
        // The watermark has moved on, and nothing is left to mend.
        let old =
            "SELECT count(*) FROM etl_sync.etl_table_state WHERE (watermark #>> '{marks,0,value}')::bigint < 1760300000000000";
        assert_eq!(sandbox.count(old), 0);
        is_silent(&run(&sandbox, &[]));
        is_silent(&run(&sandbox, &[]));
    }
}

/// The same by the number itself, which the state says to be the last.
#[test]
fn a_hole_below_the_last_number_is_recovered_in_one_run() {
    let (sandbox, tables) = clinic("stalenumber");
    let rules: Vec<String> = tables
        .iter()
        .zip(STRATEGIES.iter().cycle())
        .map(|(table, strategy)| format!("  {table}: {{ primary_incremental_column: MedicationNum, strategy: {strategy} }}"))
        .collect();
    sandbox.config("tables.yml", &format!("tables:\n{}\n", rules.join("\n")));
    run(&sandbox, &[]);
    damage(&sandbox, &tables, "\"MedicationNum\" < 1540");
    // As many history entries as a table has seen runs would do; the mark is what counts.
    state(&sandbox, "watermark = jsonb_set(watermark, '{marks,0,value}', '1546')");
    let outcome = run(&sandbox, &[]);
    tables.iter().for_each(|table| tells(&outcome, table, (1090, 4, 0)));
    all_are_there(&sandbox, &tables, 1090);
}

/// One new row a day made the increments non-empty, and a look only at empty ones was never taken again.
#[test]
fn one_new_row_a_day_hides_no_hole() {
    let (sandbox, tables) = clinic("staledaily");
    for day in 1..=3 {
        damage(&sandbox, &tables, "\"MedicationNum\" < 1540");
        for table in &tables {
            sandbox.source_sql(&[&format!("INSERT INTO {table} (MedName, GenericNum, RxCui) VALUES ('of today', 0, 0)")]);
        }
        let before: Vec<i64> = tables.iter().map(|table| rows(&sandbox, table)).collect();
        let outcome = run(&sandbox, &[]);
        for (table, left) in tables.iter().zip(before) {
            let told = outcome.table(table);
            assert_eq!(told["healed"]["source"], 1090 + day, "{outcome}");
            assert_eq!(told["healed"]["target"], left + 1, "{outcome}");
            outcome.says(&format!("HYBRID FIX: Successfully loaded {} rows for {table} via a full load", 1090 + day - left));
        }
        all_are_there(&sandbox, &tables, 1090 + day);
        is_silent(&run(&sandbox, &[]));
    }
}

/// Whoever asks for all rows gets them without a look at the increments first, and is told that a hand had taken some away.
#[test]
fn a_full_refresh_bypasses_the_increments() {
    let (sandbox, tables) = clinic("stalefull");
    damage(&sandbox, &tables, "\"MedicationNum\" < 1540");
    let outcome = run(&sandbox, &["--full"]);
    has_no_fallback(&outcome);
    for table in &tables {
        let told = outcome.table(table);
        assert_eq!((&told["healed"]["cause"], &told["healed"]["drift"]), (&"warehouse".into(), &1086.into()), "{outcome}");
        assert_eq!((&told["inserted"], &told["rows_read"]), (&1086.into(), &1090.into()), "{outcome}");
        assert!(told["reason"].as_str().unwrap().contains("--full"), "{outcome}");
    }
    all_are_there(&sandbox, &tables, 1090);
    is_silent(&run(&sandbox, &[]));
}

/// Nights of a healthy database: edits, new rows, nothing at all.
#[test]
fn nothing_triggers_on_a_healthy_database() {
    let (sandbox, tables) = clinic("stalehealthy");
    for night in 0..4 {
        for table in &tables {
            match night {
                1 => sandbox.source_sql(&[&format!("UPDATE {table} SET Notes = 'changed' WHERE MedicationNum = 171")]),
                2 => sandbox.source_sql(&[&format!("INSERT INTO {table} (MedName, GenericNum, RxCui) VALUES ('new', 0, 0)")]),
                _ => {}
            }
        }
        let outcome = run(&sandbox, &[]);
        is_silent(&outcome);
        let written = [(0, 0, 0), (0, 10, 0), (10, 0, 0), (0, 0, 0)];
        assert_eq!(outcome.written(), written[night], "{outcome}");
        for table in &tables {
            assert!(outcome.table(table)["rows_read"].as_u64() < Some(3), "{outcome}");
        }
    }
    all_are_there(&sandbox, &tables, 1091);
}
