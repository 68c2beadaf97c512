//! Tables that are compared part by part: every part has its turn, whatever other runs do meanwhile, and nothing is called proved
//! before all parts had it. And the trust in a column that missed changes.

use crate::audit::{SETTLED, changes, clinic, missed};
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use mysql::prelude::Queryable;
use serde_json::json;

/// Behind the watermark, one in each third of the keys.
const EDITS: &str = "UPDATE claim_file SET name = 'edited', edited = edited WHERE id IN (5, 20000, 39000)";

const THIRDS: [&str; 4] = ["--audit", "1/3", "--tables", "claim_file"];

/// A table in a file, with more buckets.
fn with_file(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    clinic(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE claim_file LIKE claim_isam",
        "INSERT INTO claim_file SELECT * FROM claim",
        "ANALYZE TABLE claim_file",
    ]);
    sandbox.sync(&[]);
    sandbox.source_sql(&[EDITS]);
    sandbox
}

fn mended(outcome: &Outcome) -> u64 {
    outcome.table("claim_file")["updated"].as_u64().unwrap()
}

/// Runs without an audit use up no turn.
#[test]
fn loads_without_an_audit_use_up_no_turn() {
    let sandbox = with_file("turns");
    let mut found = Vec::new();
    for _ in 0..3 {
        for _ in 0..2 {
            assert_eq!(mended(&sandbox.sync(&["--audit", "off", "--tables", "claim_file"])), 0);
        }
        found.push(mended(&sandbox.sync(&THIRDS)));
    }
    assert_eq!(found, [1, 1, 1]);
    sandbox.assert_equal(&[]);
}

/// That nothing moved since a part was compared says nothing of the other parts.
#[test]
fn evidence_skips_nothing_that_was_never_compared() {
    let sandbox = with_file("turnsev");
    std::thread::sleep(SETTLED);
    let night = || sandbox.sync(&[&THIRDS[..], &["--verify", "evidence"]].concat());
    assert_eq!((0..3).map(|_| mended(&night())).collect::<Vec<_>>(), [1, 1, 1]);
    sandbox.assert_equal(&[]);
    // The write of the last mend is our own, and all parts were compared since the last edit.
    let quiet = night();
    assert_eq!(quiet.status("claim_file"), "unmoved", "{quiet}");
    let certificate = &quiet.table("claim_file")["certificate"];
    assert_eq!((&certificate["checked"], &certificate["rows_compared"]), (&json!("evidence"), &json!(0)), "{quiet}");
    assert!(quiet.table("claim_file")["reason"].to_string().contains("its file was last written 20"), "{quiet}");
}

/// Reading it whole would keep its writers waiting, so it is copied in its turn, and at once when a hand wrote to the target.
#[test]
fn a_locking_table_without_ranges_is_copied_to_be_compared() {
    let sandbox = Sandbox::new("turnslock");
    clinic(&sandbox);
    sandbox.source_sql(&[
        "CREATE TABLE claim_word (k VARCHAR(20) PRIMARY KEY, name VARCHAR(2100), edited DATETIME NOT NULL) ENGINE = MyISAM",
        "INSERT INTO claim_word SELECT CONCAT('k', id), name, edited FROM claim",
    ]);
    sandbox.sync(&[]);
    sandbox.source_sql(&["UPDATE claim_word SET name = 'edited', edited = edited WHERE k = 'k80'"]);
    let run = || sandbox.sync(&["--tables", "claim_word"]);
    let first = run();
    assert_eq!(
        (changes(&first, "claim_word"), &first.table("claim_word")["certificate"]["checked"]),
        ((0, 1, 0), &json!("content"))
    );
    assert!(first.table("claim_word")["reason"].to_string().contains("copied to be compared"), "{first}");
    let second = run();
    assert_eq!(
        (&second.table("claim_word")["rows_read"], &second.table("claim_word")["certificate"]["checked"]),
        (&json!(0), &json!("counts"))
    );
    sandbox
        .warehouse()
        .batch_execute("UPDATE claim_word SET name = 'hand' WHERE k = 'k88'; SELECT pg_stat_force_next_flush()")
        .unwrap();
    assert_eq!(changes(&run(), "claim_word"), (0, 1, 0));
    sandbox.assert_equal(&[]);
}

/// Rows that come behind the watermark show in the counts, which mend them: that they were missed is told all the same, with what
/// the look finds after it, and the column loses its trust. What takes its trust away outlives the history of attempts.
#[test]
fn what_counts_find_was_missed_too() {
    let sandbox = Sandbox::new("turnsmiss");
    clinic(&sandbox);
    sandbox.sync(&[]);
    let run = || sandbox.sync(&["--tables", "claim"]);
    for night in 1..=3 {
        sandbox.source_sql(&[
            &format!("INSERT INTO claim (id, name, edited) VALUES (-{night}, 'late', '2024-01-01')"),
            &format!("UPDATE claim SET name = 'edited {night}', edited = edited WHERE id = 30000"),
        ]);
        let found = run();
        assert_eq!((missed(&found, "claim"), changes(&found, "claim")), (2, (1, 1, 0)), "{found}");
        assert_eq!(found.table("claim")["certificate"]["drift"], json!(2), "{found}");
        found.says("edited missed ");
    }
    let others = "INSERT INTO etl_sync.table_attempt (job, table_name, run_id, outcome, rows_read, inserted, updated, deleted, seconds) \
                  SELECT 'raw', 'claim', 'other', 'loaded', 0, 0, 0, 0, 0 FROM generate_series(1, 150)";
    sandbox.warehouse().batch_execute(others).unwrap();
    for _ in 0..2 {
        let told = run();
        let reason = told.table("claim")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("edited missed changes in 3 of the last"), "{reason}");
    }
    assert!(
        sandbox.count("SELECT count(*) FROM etl_sync.table_attempt WHERE table_name = 'claim'") < 110,
        "the history is bounded"
    );
}

/// On evidence the source is not read; what is written to it before the snapshot is for the next run, which finds it by its column.
#[test]
fn what_is_written_after_the_evidence_is_read_by_the_next_run() {
    let sandbox = Sandbox::new("turnsstand");
    clinic(&sandbox);
    sandbox.source_sql(&["CREATE TABLE busy (id INT PRIMARY KEY) ENGINE = InnoDB"]);
    sandbox.config("pipeline.yml", "general: { transaction_wait_s: 20 }\n");
    std::thread::sleep(SETTLED);
    sandbox.sync(&[]);
    let hand = "UPDATE claim_isam SET name = 'hand' WHERE id = 8; SELECT pg_stat_force_next_flush()";
    sandbox.warehouse().batch_execute(hand).unwrap();
    let marks = "SELECT watermark::text FROM etl_sync.etl_table_state WHERE table_name = 'claim_isam'";
    let mark = || sandbox.warehouse().query_one(marks, &[]).unwrap().get::<_, String>(0);
    let before = mark();
    // Open transactions are waited for after the evidence was taken and before the snapshot.
    let mut busy = sandbox.source();
    busy.query_drop("START TRANSACTION").unwrap();
    busy.query_drop("INSERT INTO busy VALUES (1)").unwrap();
    let mut command = sandbox.command();
    command.args(["run", "--json", "-vv", "--parallel", "2", "--verify", "evidence"]);
    let running = Running::start(command);
    std::thread::sleep(std::time::Duration::from_secs(3));
    busy.query_drop("UPDATE claim_isam SET name = 'day', edited = UTC_TIMESTAMP() WHERE id = 19992").unwrap();
    busy.query_drop("COMMIT").unwrap();
    let told = running.wait(RUN_MAX);
    told.expect(0);
    let table = told.table("claim_isam");
    assert_eq!(table["certificate"]["checked"], json!("evidence"), "{told}");
    assert_eq!(table["healed"]["cause"], json!("warehouse"), "{told}");
    assert_eq!(mark(), before, "what was not read is not behind the watermark");
    let next = sandbox.sync(&["--verify", "evidence"]);
    assert_eq!((changes(&next, "claim_isam"), next.table("claim_isam")["healed"].is_null()), ((0, 1, 0), true), "{next}");
    sandbox.assert_equal(&[]);
}
