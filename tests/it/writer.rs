//! An application that works on while the tests copy its database: four sessions, seeded, with inserts, updates,
//! deletes, changed keys, transfers and rollbacks, on tables with and without transactions.

use crate::hosts::Hosts;
use crate::random::Random;
use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Sum of the two tables that money moves between; it is the same at every moment that ever existed.
pub const TOTAL: i64 = 200 * 1000;

const SESSIONS: u64 = 4;

/// The sessions at work.
pub struct Writer {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// Makes and fills the tables that the sessions work on, and the rules that cut them into chunks.
pub fn tables(sandbox: &Sandbox) {
    sandbox.source_sql(&[
        "CREATE TABLE people (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, n INT, at DATETIME(6) NOT NULL)",
        "INSERT INTO people (name, n, at) SELECT CONCAT('person ', seq), seq, NOW(6) FROM seq_1_to_6000",
        "CREATE TABLE visits (id INT AUTO_INCREMENT PRIMARY KEY, person BIGINT NOT NULL, note TEXT) ENGINE=MyISAM",
        "INSERT INTO visits (person, note) SELECT seq, REPEAT('note, \"quoted\"\n', seq MOD 9) FROM seq_1_to_4000",
        "CREATE TABLE recall (id INT AUTO_INCREMENT PRIMARY KEY, n INT, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP \
         ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM",
        "INSERT INTO recall (n) SELECT seq FROM seq_1_to_4000",
        "CREATE TABLE codes (code VARCHAR(30) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT NOT NULL)",
        "INSERT INTO codes SELECT CONCAT('Code ', seq), seq FROM seq_1_to_2000",
        "CREATE TABLE loose (a INT, b VARCHAR(20))",
        "INSERT INTO loose SELECT seq MOD 50, 'x' FROM seq_1_to_500",
        "CREATE TABLE loose_log (a INT, b VARCHAR(20)) ENGINE=MyISAM",
        "INSERT INTO loose_log SELECT seq MOD 50, 'y' FROM seq_1_to_500",
        "CREATE TABLE left_side (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
        "INSERT INTO left_side SELECT seq, 1000 FROM seq_1_to_100",
        "CREATE TABLE right_side LIKE left_side",
        "INSERT INTO right_side SELECT * FROM left_side",
        "ANALYZE TABLE people, visits, recall, codes, loose, loose_log, left_side, right_side",
    ]);
    sandbox.config(
        "tables.yml",
        "tables:\n  people: { chunk_rows: 700, primary_incremental_column: at }\n  visits: { chunk_rows: 700 }\n  \
         codes: { chunk_rows: 400 }\n  recall: { primary_incremental_column: updated }\n",
    );
}

impl Writer {
    pub fn start(sandbox: &Sandbox, seed: u64) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let session = |number: u64| {
            let (hosts, name) = (sandbox.hosts.clone(), sandbox.name.clone());
            let (stop, done, random) = (Arc::clone(&stop), Arc::clone(&done), Random::new(seed.wrapping_add(number)));
            std::thread::spawn(move || work(&hosts, &name, random, &stop, &done))
        };
        let threads = (0..SESSIONS).map(session).collect();
        Self { stop, done, threads }
    }

    /// Transactions committed so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Stops the sessions; returns the transactions they committed.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().expect("a session of the writer does not panic");
        }
        self.done()
    }
}

impl Drop for Writer {
    /// A test that failed must not leave its writer behind.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// A session's life. Its server may be killed at any moment: then it connects anew.
fn work(hosts: &Hosts, database: &str, mut random: Random, stop: &AtomicBool, done: &AtomicU64) {
    let options = mysql::Opts::from_url(&hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", database)).expect("a MySQL URL");
    let timeout = Some(Duration::from_secs(5));
    let options = mysql::OptsBuilder::from_opts(options).read_timeout(timeout).tcp_connect_timeout(timeout).prefer_socket(false);
    while !stop.load(Ordering::SeqCst) {
        let Ok(mut conn) = mysql::Conn::new(options.clone()) else {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        while !stop.load(Ordering::SeqCst) {
            match transaction(&mut conn, &mut random) {
                Ok(()) => drop(done.fetch_add(1, Ordering::SeqCst)),
                // A duplicate key or a deadlock is the application's everyday life; the rest is a lost server.
                Err(mysql::Error::MySqlError(error)) if matches!(error.code, 1062 | 1213 | 1205) => {
                    if conn.query_drop("ROLLBACK").is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
            std::thread::sleep(Duration::from_millis(random.below(15)));
        }
    }
}

fn transaction(conn: &mut mysql::Conn, random: &mut Random) -> mysql::Result<()> {
    conn.query_drop("START TRANSACTION")?;
    for _ in 0..=random.below(3) {
        for sql in statements(random) {
            conn.query_drop(sql)?;
        }
    }
    std::thread::sleep(Duration::from_millis(random.below(10)));
    conn.query_drop(if random.below(10) == 0 { "ROLLBACK" } else { "COMMIT" })
}

/// 40 % inserts, 35 % updates, 10 % deletes, 5 % changed keys, 10 % transfers.
fn statements(random: &mut Random) -> Vec<String> {
    let n = random.next() % 100_000;
    let id = 1 + n % 6000;
    let table = random.below(6);
    match random.below(100) {
        0..40 => vec![match table {
            0 => format!("INSERT INTO people (name, n, at) VALUES ('new {n}', {n}, NOW(6))"),
            1 => format!("INSERT INTO visits (person, note) VALUES ({id}, NULL)"),
            2 => format!("INSERT INTO codes VALUES ('New {n}', {n})"),
            3 => format!("INSERT INTO recall (n) VALUES ({n})"),
            4 => format!("INSERT INTO loose VALUES ({}, 'n')", n % 50),
            _ => format!("INSERT INTO loose_log VALUES ({}, NULL)", n % 50),
        }],
        40..75 => vec![match table {
            0 => format!("UPDATE people SET n = {n}, at = NOW(6) WHERE id = {id}"),
            1 => format!("UPDATE visits SET note = 'changed {n}' WHERE id = {id}"),
            2 => format!("UPDATE codes SET v = {n}, code = UPPER(code) WHERE code = 'code {id}'"),
            3 => format!("UPDATE recall SET n = {n} WHERE id = {id}"),
            4 => format!("UPDATE loose SET b = '{}' WHERE a = {} LIMIT 2", n % 7, n % 50),
            _ => format!("UPDATE loose_log SET b = '{}' WHERE a = {} LIMIT 2", n % 7, n % 50),
        }],
        75..85 => vec![match table {
            0 => format!("DELETE FROM people WHERE id = {id}"),
            1 => format!("DELETE FROM visits WHERE id = {id}"),
            2 => format!("DELETE FROM codes WHERE code = 'code {id}'"),
            3 => format!("DELETE FROM recall WHERE id = {id}"),
            4 => format!("DELETE FROM loose WHERE a = {} LIMIT 1", n % 50),
            _ => format!("DELETE FROM loose_log WHERE a = {} LIMIT 1", n % 50),
        }],
        85..90 => vec![match table {
            // A key that changes and no clock would be one row less and one more in the same counts.
            0 => format!("UPDATE people SET at = NOW(6), id = {} WHERE id = {id}", 1_000_000 + n),
            3 => format!("UPDATE recall SET id = {} WHERE id = {id}", 1_000_000 + n),
            1 | 4 => format!("UPDATE visits SET id = {} WHERE id = {id}", 1_000_000 + n),
            _ => format!("UPDATE codes SET code = 'Moved {n}' WHERE code = 'code {id}'"),
        }],
        _ => {
            let (from, to) = if n.is_multiple_of(2) { ("left_side", "right_side") } else { ("right_side", "left_side") };
            vec![
                format!("UPDATE {from} SET amount = amount - {0} WHERE id = {1}", n % 17, 1 + n % 100),
                format!("UPDATE {to} SET amount = amount + {0} WHERE id = {1}", n % 17, 1 + n % 100),
            ]
        }
    }
}
