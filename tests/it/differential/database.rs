//! A random database: tables of every engine and kind of key, columns of every type, rows with NULLs and odd values.

use crate::random::Random;
use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;

pub struct Database {
    pub tables: Vec<String>,
    pub columns: usize,
}

/// A declared type and a literal of it.
type Declared = (&'static str, fn(&mut Random) -> String);

fn integer(random: &mut Random, bits: u32, unsigned: bool) -> String {
    let value = random.next() >> (64 - bits) >> random.below(u64::from(bits));
    if unsigned { value.to_string() } else { (i128::from(value) - (1 << (bits - 1))).to_string() }
}

fn digits(random: &mut Random, whole: usize, fraction: usize) -> String {
    let mut digit = |_| char::from(b'0' + u8::try_from(random.below(10)).unwrap());
    let whole: String = (0..whole).map(&mut digit).collect();
    let fraction: String = (0..fraction).map(&mut digit).collect();
    let sign = if random.below(2) == 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text literal of the characters that csv treats in ways of its own, and others.
pub fn text(random: &mut Random, most: u64) -> String {
    let odd: Vec<char> = "\"',\n\r\\.\tN \u{1}é字😀\u{1a}".chars().collect();
    let length = random.below(most + 1);
    let text: String =
        (0..length).map(|_| odd[usize::try_from(random.below(u64::try_from(odd.len()).unwrap())).unwrap()]).collect();
    if text.is_empty() { "''".into() } else { format!("CONVERT(x'{}' USING utf8mb4)", hexadecimal(text.as_bytes())) }
}

fn octets(random: &mut Random, length: u64) -> String {
    let bytes: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
    format!("x'{}'", hexadecimal(&bytes))
}

fn any_octets(random: &mut Random, most: u64) -> String {
    let length = random.below(most + 1);
    octets(random, length)
}

fn day(random: &mut Random) -> String {
    match random.below(12) {
        0 => "0000-00-00".into(),
        1 => format!("{:04}-00-{:02}", 1000 + random.below(9000), random.below(29)),
        _ => format!("{:04}-{:02}-{:02}", 1 + random.below(9999), 1 + random.below(12), 1 + random.below(28)),
    }
}

fn clock(random: &mut Random) -> String {
    format!("{:02}:{:02}:{:02}.{:06}", random.below(24), random.below(60), random.below(60), random.below(1_000_000))
}

fn json(random: &mut Random) -> String {
    let parts = [r#""a""#, "1", "-2.50", "1e3", "null", "true", r#""\\u00e9\\n""#, r#"{"k":[]}"#, "[]", r#""😀""#];
    let mut part = || parts[usize::try_from(random.below(10)).unwrap()];
    format!("'{{\"b\": [{}, {}], \"a\": {}}}'", part(), part(), part())
}

/// What both servers have.
const TYPES: &[Declared] = &[
    ("TINYINT", |random| integer(random, 8, false)),
    ("SMALLINT UNSIGNED", |random| integer(random, 16, true)),
    ("MEDIUMINT", |random| integer(random, 24, false)),
    ("INT UNSIGNED", |random| integer(random, 32, true)),
    ("BIGINT", |random| integer(random, 64, false)),
    ("BIGINT UNSIGNED", |random| integer(random, 64, true)),
    ("DECIMAL(12,4)", |random| digits(random, 8, 4)),
    ("DECIMAL(65,30)", |random| digits(random, 35, 30)),
    ("FLOAT", |random| format!("{}e{}", digits(random, 1, 7), integer(random, 6, false))),
    ("DOUBLE", |random| format!("{}e{}", digits(random, 1, 17), integer(random, 9, false))),
    ("BIT(1)", |random| random.below(2).to_string()),
    ("BIT(43)", |random| integer(random, 43, true)),
    ("CHAR(9)", |random| text(random, 9)),
    ("VARCHAR(40)", |random| text(random, 40)),
    ("TEXT", |random| text(random, 80)),
    ("LONGTEXT", |random| text(random, 300)),
    ("ENUM('a','b,\"c\"','')", |random| (1 + random.below(3)).to_string()),
    ("SET('x','y','z')", |random| random.below(8).to_string()),
    ("BINARY(7)", |random| octets(random, 7)),
    ("VARBINARY(30)", |random| any_octets(random, 30)),
    ("BLOB", |random| any_octets(random, 200)),
    ("DATE", |random| format!("'{}'", day(random))),
    ("DATETIME(6)", |random| format!("'{} {}'", day(random), clock(random))),
    ("DATETIME", |random| format!("'{} 11:12:13'", day(random))),
    ("TIMESTAMP(3) NULL", |random| format!("FROM_UNIXTIME({}.{:03})", 1 + random.below(2_000_000_000), random.below(1000))),
    ("TIME(4)", |random| {
        format!("'{}{}:59:58.{:04}'", ["", "-"][usize::from(random.below(2) == 0)], random.below(838), random.below(10_000))
    }),
    ("YEAR", |random| (1901 + random.below(255)).to_string()),
    ("JSON", json),
    ("POINT", |random| format!("ST_GeomFromText('POINT({} {})')", integer(random, 8, false), integer(random, 8, false))),
    // Octets in a text: rejected where they are no text.
    ("VARCHAR(20) CHARACTER SET latin1", |random| {
        format!("CONVERT({} USING latin1)", any_octets(random, 20).replace("00", "41"))
    }),
];

const MARIADB: &[Declared] = &[
    ("UUID", |random| {
        let hex = octets(random, 16);
        format!("'{}-{}-4{}-8{}-{}'", &hex[2..10], &hex[10..14], &hex[15..18], &hex[19..22], &hex[22..34])
    }),
    ("INET6", |random| format!("'{:x}::{:x}'", 1 + random.below(65_535), random.below(65_536))),
];

/// A kind of key: its columns, its index, and the value of the first column from the number of the row.
type Key = (&'static str, &'static str, fn(u64) -> String);

const KEYS: [Key; 6] = [
    ("id INT NOT NULL", "PRIMARY KEY (id)", |n| n.to_string()),
    ("id BIGINT UNSIGNED NOT NULL", "PRIMARY KEY (id)", |n| (u64::MAX / 300 * n).to_string()),
    ("id VARCHAR(20) COLLATE utf8mb4_bin NOT NULL", "PRIMARY KEY (id)", |n| format!("'k{}\"{n}'", n % 7)),
    ("id INT NOT NULL, part INT NOT NULL DEFAULT 3", "PRIMARY KEY (part, id)", |n| (n * n).to_string()),
    ("id DATETIME NOT NULL", "UNIQUE (id)", |n| format!("'2020-01-01' + INTERVAL {n} HOUR")),
    ("id INT", "KEY (id)", |n| (n % 5).to_string()),
];

impl Database {
    /// Twelve tables; each type stands in some of them.
    pub fn random(sandbox: &Sandbox, random: &mut Random) -> Self {
        let mut conn = sandbox.source();
        // What no strict server lets in may still be there from older days.
        conn.query_drop("SET SESSION sql_mode = '', time_zone = '+00:00'").unwrap();
        let version: String = conn.query_first("SELECT VERSION()").unwrap().unwrap();
        let mut types: Vec<&Declared> = TYPES.iter().collect();
        if version.contains("MariaDB") {
            types.extend(MARIADB);
        }
        let (mut tables, mut next, mut columns) = (Vec::new(), 0, 0);
        for number in 0..12 {
            let (first, key, value_of) = KEYS[number % KEYS.len()];
            let engine = if number % 4 == 3 { "MyISAM" } else { "InnoDB" };
            let count = 4 + usize::try_from(random.below(6)).unwrap();
            let own: Vec<&Declared> = (next..next + count).map(|at| types[at % types.len()]).collect();
            next += count;
            columns += count + 1;
            let declared: Vec<String> = own.iter().enumerate().map(|(at, (ty, _))| format!("c{at} {ty}")).collect();
            let table = format!("t{number}");
            let create = format!("CREATE TABLE {table} ({first}, {}, {key}) ENGINE = {engine}", declared.join(", "));
            conn.query_drop(&create).unwrap_or_else(|error| panic!("{create}: {error}"));
            let names: Vec<String> = (0..own.len()).map(|at| format!("c{at}")).collect();
            let rows: Vec<String> = (0..100 + random.below(100)).map(|row| values(random, &own, &value_of(row))).collect();
            let insert = format!("INSERT INTO {table} (id, {}) VALUES {}", names.join(", "), rows.join(", "));
            conn.query_drop(&insert).unwrap_or_else(|error| panic!("{create}: {error}"));
            tables.push(table);
        }
        // The plan goes by the server's estimates, which it makes when it has time for them.
        conn.query_drop(format!("ANALYZE TABLE {}", tables.join(", "))).unwrap();
        Self { tables, columns }
    }
}

fn values(random: &mut Random, columns: &[&Declared], key: &str) -> String {
    let mut row = vec![key.to_owned()];
    for (_, literal) in columns {
        row.push(if random.below(6) == 0 { "NULL".into() } else { literal(random) });
    }
    format!("({})", row.join(", "))
}
