//! The one quoting function of each side against its server: whatever may be a name becomes one, is read back as it was,
//! and is dropped by it. At the end a whole run over tables with such names, judged from outside.

use crate::notes;
use crate::properties::times;
use crate::random::Random;
use crate::sandbox::Sandbox;
use crate::servers::Servers;
use etl_sync::catalog::names;
use etl_sync::name::{POSTGRES_NAME_BYTES_MAX, TableName, literal_postgres, quote_mysql, quote_postgres};
use mysql::prelude::Queryable;
use std::collections::BTreeSet;

/// Longest name of MySQL, in characters.
const MYSQL_CHARS_MAX: u64 = 64;

/// Characters that quoting, a file system or a terminal may stumble over.
const ODD: [char; 24] = [
    '`', '"', '\'', '\\', '\n', '\r', '\t', ' ', '.', '/', '%', '$', '-', ';', '@', '#', '*', '\u{1}', '\u{1b}', '\u{7f}',
    '\u{a0}', 'é', '字', '\u{ffff}',
];

/// A name of 1 to 64 characters without NUL.
fn name(random: &mut Random, emoji: bool) -> String {
    let most = if random.below(3) == 0 { MYSQL_CHARS_MAX } else { 8 };
    let char = |random: &mut Random| match random.below(10) {
        0..5 => ODD[usize::try_from(random.below(24)).unwrap()],
        5..8 => char::from(b'a' + u8::try_from(random.below(26)).unwrap()),
        8 if emoji && random.below(30) == 0 => '😀',
        // Anything of the basic plane before the surrogates.
        _ => char::from_u32(u32::try_from(1 + random.below(0xd7ff)).unwrap()).unwrap(),
    };
    let mut name: String = (0..=random.below(most)).map(|_| char(random)).collect();
    // A blank at the end, which MySQL forbids, is rare.
    if name.ends_with(char::is_whitespace) && random.below(8) > 0 {
        name.pop();
        name.push('.');
    }
    name
}

/// Whether a source must take a name: of the basic plane, no blank at the end (a rule of MySQL), and short enough for the
/// file of a table, where an odd character takes five bytes.
fn must_be_taken(name: &str) -> bool {
    let file_bytes: usize = name.chars().map(|c| if c.is_ascii_alphanumeric() { 1 } else { 5 }).sum();
    !name.ends_with(char::is_whitespace) && name.chars().all(|c| c <= '\u{ffff}') && file_bytes <= 240
}

/// What the source makes of a name that it takes: MySQL puts a `?` for what MariaDB refuses.
fn kept(name: &str) -> String {
    name.chars().map(|c| if c > '\u{ffff}' { '?' } else { c }).collect()
}

#[test]
fn every_name_is_a_name_on_the_source() {
    let mut servers = Servers::start("quotemy");
    let mut random = Random::of_environment();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..150 * times() {
        let (table, column) = (name(&mut random, true), name(&mut random, true));
        let target = TableName::new(servers.name.as_str(), table.as_str());
        let create = format!("CREATE TABLE {} ({} INT) ENGINE = MyISAM", target.mysql(), quote_mysql(&column));
        if let Err(error) = servers.source.query_drop(&create) {
            assert!(!(must_be_taken(&table) && must_be_taken(&column)), "{error}: {table:?} ({column:?})");
            refused += 1;
            continue;
        }
        let sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?";
        let found: Vec<(String, String)> = servers.source.exec(sql, (&servers.name,)).unwrap();
        assert_eq!(found, [(kept(&table), kept(&column))]);
        servers.source(&format!("DROP TABLE {}", target.mysql()));
        taken += 1;
    }
    assert!(taken > refused, "{taken} names taken, {refused} refused");
    notes::add(&format!("quoting on the source: {taken} names, {refused} that the server does not allow"));
}

#[test]
fn every_name_is_a_name_on_the_target() {
    let mut servers = Servers::start("quotepg");
    let mut random = Random::of_environment();
    let sql = "SELECT relname::text, attname::text, coalesce(obj_description(c.oid), '') FROM pg_class c
               JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 WHERE relnamespace = $1::text::regnamespace";
    let mut hashed = 0;
    for _ in 0..300 * times() {
        let (source_table, source_column) = (name(&mut random, true), name(&mut random, true));
        let (table, column) = (names::table(&source_table), names::column(&source_column));
        for (before, after) in [(&source_table, &table), (&source_column, &column)] {
            assert!(after.len() <= POSTGRES_NAME_BYTES_MAX, "{after:?}");
            assert!(after == before || before.len() > POSTGRES_NAME_BYTES_MAX, "{before:?} became {after:?}");
            hashed += usize::from(after != before);
        }
        let target = TableName::new(servers.name.as_str(), table.as_str());
        let comment = name(&mut random, true);
        let create = format!(
            "CREATE TABLE {0} ({1} integer); COMMENT ON TABLE {0} IS {2}",
            target.postgres(),
            quote_postgres(&column),
            literal_postgres(&comment)
        );
        servers.warehouse.batch_execute(&create).unwrap_or_else(|error| panic!("{create:?}: {error:?}"));
        let found = servers.warehouse.query(sql, &[&servers.name]).unwrap();
        let found: Vec<[String; 3]> = found.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
        assert_eq!(found, [[table, column, comment]]);
        servers.warehouse.batch_execute(&format!("DROP TABLE {}", target.postgres())).unwrap();
    }
    assert!(hashed > 0, "no name was too long");
}

#[test]
fn a_run_carries_every_name() {
    let sandbox = Sandbox::new("names");
    let mut random = Random::of_environment();
    let mut made: BTreeSet<String> = BTreeSet::new();
    let mut conn = sandbox.source();
    while made.len() < 20 {
        let [table, key, value] = [0; 3].map(|_| name(&mut random, false));
        let (quoted, key, value) = (quote_mysql(&table), quote_mysql(&key), quote_mysql(&value));
        let engine = if made.len().is_multiple_of(2) { "InnoDB" } else { "MyISAM" };
        let create = format!("CREATE TABLE {quoted} ({key} INT PRIMARY KEY, {value} VARCHAR(64)) ENGINE = {engine}");
        // Two columns may be the same to the server, a file's name may be too long: another name then.
        if conn.query_drop(create).is_err() {
            continue;
        }
        let rows = if made.is_empty() { 0 } else { 1 + random.below(9) };
        for row in 0..rows {
            conn.exec_drop(format!("INSERT INTO {quoted} VALUES (?, ?)"), (row, name(&mut random, true))).unwrap();
        }
        made.insert(table);
    }
    sandbox.config("tables.yml", "tables:\n  \"*\": { chunk_rows: 3 }\n");
    let outcome = sandbox.sync(&[]);
    let found: BTreeSet<String> =
        outcome.report()["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, made);
    sandbox.assert_equal(&[]);
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
    sandbox.assert_clean();
}
