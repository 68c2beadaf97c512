//! The marks by which each row of the table of strategies can be told from outside: workers, chunks, transactions, ledger,
//! memory, snapshot; and that the rows are the same whichever way they took.

use crate::hosts::project;
use crate::program::Outcome;
use crate::sandbox::{RUN_MAX, Sandbox};
use etl_sync::plan::strategy::{STRATEGIES, Staging, Workers};
use serde_json::Value;
use std::time::Duration;

/// Writes every chunk down: in which order, in which session, and whether it was alone. A chunk takes a moment, so that
/// what may run at once does.
const WATCH: &str = "
    CREATE TABLE public.seen (at serial, name text, chunk int, pid int, alone boolean);
    CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.seen (name, chunk, pid, alone)
        VALUES (NEW.table_name, NEW.chunk, pg_backend_pid(), pg_try_advisory_xact_lock(hashtext(NEW.table_name)));
        PERFORM pg_sleep(0.05);
        RETURN NEW;
    END $$;
    CREATE TRIGGER see AFTER INSERT ON etl_sync.chunk_ledger FOR EACH ROW EXECUTE FUNCTION public.see()";

/// What the ledger has seen of a table.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    chunks: Vec<i32>,
    sessions: usize,
    alone: bool,
}

/// Makes our own tables without loading anything, and watches the ledger.
fn watched(word: &str, tables: &str, source: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(source);
    sandbox.config("tables.yml", tables);
    let mut command = sandbox.command();
    command.args(["tracking", "init"]);
    crate::program::Running::start(command).wait(RUN_MAX).expect(0);
    sandbox.warehouse().batch_execute(WATCH).unwrap();
    sandbox
}

/// What was seen since the last call.
fn seen(sandbox: &Sandbox, table: &str) -> Seen {
    let sql = "WITH taken AS (DELETE FROM public.seen WHERE name = $1 RETURNING at, chunk, pid, alone) SELECT chunk, pid, alone FROM taken ORDER BY at";
    let rows = sandbox.warehouse().query(sql, &[&table]).unwrap();
    let mut sessions: Vec<i32> = rows.iter().map(|row| row.get(1)).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let chunks = rows.iter().map(|row| row.get(0)).collect();
    Seen { chunks, sessions: sessions.len(), alone: rows.iter().all(|row| row.get(2)) }
}

/// Transactions that have left rows in the table.
fn transactions(sandbox: &Sandbox, table: &str) -> i64 {
    sandbox.count(&format!("SELECT count(DISTINCT xmin::text) FROM {table}"))
}

fn strategy(outcome: &Outcome, table: &str) -> (String, u64, Value) {
    let told = outcome.table(table);
    assert_eq!(told["snapshot"], "shared", "{told}");
    (told["strategy"].as_str().unwrap().to_owned(), told["chunks"].as_u64().unwrap(), told)
}

#[test]
fn standard_is_one_chunk_in_one_transaction_without_a_ledger() {
    let sandbox = watched(
        "standard",
        "tables: {}\n",
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
            "INSERT INTO t SELECT seq, 0 FROM seq_1_to_30000",
            "ANALYZE TABLE t",
        ],
    );
    let (word, chunks, told) = strategy(&sandbox.sync(&[]), "t");
    assert_eq!((word.as_str(), chunks, &told["reason"]), ("standard", 1, &"fits one chunk".into()));
    assert_eq!(transactions(&sandbox, "t"), 1);
    sandbox.source_sql(&["UPDATE t SET v = 1 WHERE id % 3 = 0"]);
    let (word, chunks, told) = strategy(&sandbox.sync(&[]), "t");
    assert_eq!((word.as_str(), chunks, &told["updated"]), ("standard", 1, &10_000.into()));
    assert_eq!(transactions(&sandbox, "t"), 2);
    assert_eq!(seen(&sandbox, "t").chunks, Vec::<i32>::new());
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// 130 MB without a key: one stream, and no more memory than for a small table.
#[test]
fn streaming_is_one_stream_in_bounded_memory() {
    let sandbox = watched(
        "streaming",
        "tables: {}\n",
        &[
            "CREATE TABLE t (v INT NOT NULL, note VARCHAR(2000) NOT NULL)",
            "INSERT INTO t SELECT seq, REPEAT(CHAR(65 + seq % 26), 1800) FROM seq_1_to_70000",
            "ANALYZE TABLE t",
        ],
    );
    let mut running = sandbox.start(&["--parallel", "4"]);
    let mut peak = 0;
    while !running.has_ended() {
        peak = running.peak_kib().unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = running.wait(RUN_MAX);
    outcome.expect(0);
    let (word, chunks, told) = strategy(&outcome, "t");
    assert_eq!((word.as_str(), chunks, &told["reason"]), ("streaming", 1, &"no key to split by: one stream".into()));
    assert!(told["bytes"].as_u64().unwrap() > 120 << 20, "{told}");
    assert!((1..70 << 10).contains(&peak), "{peak} KiB for a table of 130 MB");
    assert_eq!(transactions(&sandbox, "t"), 1);
    assert_eq!(seen(&sandbox, "t").chunks, Vec::<i32>::new());
    assert_eq!(sandbox.count("SELECT count(*) FROM t"), 70_000);
    sandbox.assert_clean();
}

#[test]
fn chunked_is_one_chunk_after_the_other_in_key_order() {
    let sandbox = watched(
        "chunked",
        "tables:\n  t: { strategy: chunked, chunk_rows: 500 }\n",
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
            "INSERT INTO t SELECT seq, 0 FROM seq_1_to_3000",
            "ANALYZE TABLE t",
        ],
    );
    for staging in [Staging::Shadow, Staging::Unlogged] {
        let (word, chunks, _) = strategy(&sandbox.sync(&["--parallel", "4"]), "t");
        let seen = seen(&sandbox, "t");
        let wanted: Vec<i32> = (0..i32::try_from(chunks).unwrap()).collect();
        assert!(word == "chunked" && chunks >= 5, "{word}, {chunks} chunks");
        assert_eq!((&seen.chunks, seen.alone), (&wanted, true), "{staging:?}");
        if staging == Staging::Shadow {
            assert_eq!(transactions(&sandbox, "t"), i64::try_from(chunks).unwrap(), "a transaction per chunk");
        }
        sandbox.assert_equal(&[]);
        sandbox.source_sql(&["UPDATE t SET v = v + 1 WHERE id <= 1500"]);
    }
    assert_eq!(sandbox.count("SELECT count(DISTINCT xmin::text) FROM t WHERE v = 0"), 3, "unchanged rows are not written");
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// From a million rows on, however short: both on one table, the first load and its refresh.
#[test]
fn copy_csv_and_parallel_are_all_workers_at_once() {
    let sandbox = watched(
        "parallel",
        "tables: {}\n",
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
            "INSERT INTO t SELECT seq, 0 FROM seq_1_to_1100000",
            "ANALYZE TABLE t",
        ],
    );
    let (word, chunks, _) = strategy(&sandbox.sync(&["--parallel", "3"]), "t");
    assert_eq!((word.as_str(), chunks % 3), ("copy_csv", 0), "chunks for all workers");
    let first = seen(&sandbox, "t");
    assert_eq!(u64::try_from(first.chunks.len()).unwrap(), chunks, "a ledger row per chunk");
    assert!(first.sessions > 1 && !first.alone, "{first:?}");
    assert_eq!(transactions(&sandbox, "t"), i64::try_from(chunks).unwrap());
    assert_eq!(sandbox.count("SELECT count(*) FROM pg_class WHERE relname = 't' AND relpersistence = 'p'"), 1);
    sandbox.source_sql(&["UPDATE t SET v = 7 WHERE id % 100000 = 0", "DELETE FROM t WHERE id = 77"]);
    let (word, chunks, told) = strategy(&sandbox.sync(&["--parallel", "3"]), "t");
    assert_eq!((word.as_str(), &told["updated"], &told["deleted"]), ("parallel", &11.into(), &1.into()), "{told}");
    let second = seen(&sandbox, "t");
    assert_eq!(u64::try_from(second.chunks.len()).unwrap(), chunks);
    assert!(second.sessions > 1 && !second.alone, "{second:?}");
    let written = "SELECT count(*) FROM t WHERE v = 7 AND xmin::text IN (SELECT xmin::text FROM t GROUP BY xmin::text HAVING count(*) = 11)";
    assert_eq!(sandbox.count(written), 11, "one transaction merges");
    sandbox.assert_equal(&["--fast"]);
    sandbox.assert_clean();
}

/// What is configured is done, or the plan says what instead and why.
#[test]
fn the_strategy_of_a_table_can_be_set() {
    let source = [
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO t SELECT seq, 0 FROM seq_1_to_900",
        "ANALYZE TABLE t",
    ];
    for (configured, first, then) in [
        ("standard", "standard", "standard"),
        ("streaming", "streaming", "streaming"),
        ("chunked", "chunked", "chunked"),
        ("copy_csv", "copy_csv", "parallel"),
        ("parallel", "copy_csv", "parallel"),
    ] {
        let sandbox = Sandbox::new("configured");
        sandbox.source_sql(&source);
        sandbox.config("tables.yml", &format!("tables:\n  t: {{ strategy: {configured}, chunk_rows: 100 }}\n"));
        for wanted in [first, then] {
            let (word, chunks, told) = strategy(&sandbox.sync(&[]), "t");
            let reason = if wanted == configured { "configured".into() } else { format!("{configured} is configured; ") };
            assert!(word == wanted && told["reason"].as_str().unwrap().starts_with(&reason), "{configured}: {told}");
            assert_eq!(chunks > 1, wanted != "standard" && wanted != "streaming", "{told}");
            sandbox.assert_equal(&[]);
        }
    }
}

/// The page for people and the table in the code say the same.
#[test]
fn the_architecture_page_has_the_table() {
    let page = std::fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    for row in STRATEGIES {
        let word = row.strategy.word();
        let line = page.lines().find(|line| line.starts_with(&format!("| `{word}` |"))).unwrap_or_else(|| panic!("no {word}"));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let workers = if row.workers == Workers::All { "all" } else { "1" };
        let chunks = if row.is_split() { "n" } else { "1" };
        assert_eq!((cells[3], cells[4]), (workers, chunks), "{line}");
        let staging = |word: &str, has: Option<Staging>, wanted: Staging| {
            assert_eq!(cells[6].contains(word), has == Some(wanted), "{line}: {word}");
        };
        staging("shadow", row.first_load, Staging::Shadow);
        staging("itself", row.first_load, Staging::Table);
        staging("temporary", row.refresh, Staging::Temporary);
        staging("unlogged", row.refresh, Staging::Unlogged);
    }
}
