//! Our csv against what the source itself writes of the same rows, both read by parsers of this test's own.

use super::database::text;
use crate::notes;
use crate::properties::times;
use crate::random::Random;
use crate::servers::{Servers, cell};
use etl_sync::catalog;
use etl_sync::encode::{Fate, Format, NullToken, RowWriter, Target};
use mysql::Value;
use mysql::prelude::Queryable;
use std::path::PathBuf;

/// A row of cells; none is NULL.
type Cells = Vec<Option<Vec<u8>>>;

const CREATE: &str = "CREATE TABLE t (id INT PRIMARY KEY, i BIGINT, u BIGINT UNSIGNED, d DECIMAL(30,10), v VARCHAR(50),
    c CHAR(20), t TEXT, e ENUM('a','\"',','), y YEAR, day DATE, at DATETIME(6), f DOUBLE) CHARACTER SET utf8mb4";

/// Columns that are numbers with more than one spelling.
const DOUBLES: [usize; 1] = [11];

#[test]
fn csv_holds_what_the_source_writes_itself() {
    let mut servers = Servers::start("outfile");
    let mut random = Random::of_environment();
    servers.source(CREATE);
    servers.source("SET SESSION sql_mode = ''");
    let rows = 500 * u64::try_from(times()).unwrap();
    for id in 0..rows {
        let sql = format!("INSERT INTO t VALUES ({})", row(&mut random, id));
        servers.source(&sql);
    }
    let theirs = match outfile(&mut servers) {
        Ok(theirs) => theirs,
        Err(why) => return notes::skip("differential::outfile", &why),
    };
    let ours = csv(&mut servers);
    assert_eq!(ours.len(), usize::try_from(rows).unwrap());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.len(), theirs.len(), "{ours:?}\n{theirs:?}");
        for (column, (our, their)) in ours.iter().zip(theirs).enumerate() {
            let number = |cell: &Option<Vec<u8>>| cell.as_ref().map(|text| String::from_utf8_lossy(text).parse::<f64>().unwrap());
            let same = if DOUBLES.contains(&column) { number(our) == number(their) } else { our == their };
            assert!(same, "row {:?}, column {column}: {our:?} and {their:?}", ours[0]);
        }
    }
    notes::add(&format!("csv against INTO OUTFILE: {rows} rows"));
}

fn row(random: &mut Random, id: u64) -> String {
    let number = random.next();
    let nanos = random.below(1_000_000_000);
    let mut cells = vec![
        id.to_string(),
        format!("{}", i128::from(number) - (1 << 63)),
        number.to_string(),
        format!("-{}.{nanos:010}", number % 1_000_000),
        text(random, 50),
        text(random, 20),
        text(random, 300),
        (1 + random.below(3)).to_string(),
        (1901 + random.below(255)).to_string(),
        format!("'{:04}-{:02}-{:02}'", 1 + random.below(9999), 1 + random.below(12), 1 + random.below(28)),
        format!("'2020-01-01 00:00:00' + INTERVAL {} MICROSECOND", random.below(1 << 50)),
        format!("{number}e{}", random.below(100)),
    ];
    for cell in cells.iter_mut().skip(1) {
        if random.below(7) == 0 {
            *cell = "NULL".into();
        }
    }
    cells.join(", ")
}

/// The server's file, when it may write one and we may read it.
fn outfile(servers: &mut Servers) -> Result<Vec<Cells>, String> {
    let folder: Option<Option<String>> = servers.source.query_first("SELECT @@secure_file_priv").unwrap();
    // NULL is everywhere to MariaDB and nowhere to MySQL, which then says so.
    let folder = match folder.flatten() {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => std::env::temp_dir(),
    };
    let file = folder.join(format!("{}.txt", servers.name));
    let path = file.display().to_string();
    let sql = format!("SELECT * FROM t ORDER BY id INTO OUTFILE '{path}' CHARACTER SET utf8mb4");
    servers.source.query_drop(sql).map_err(|error| error.to_string())?;
    let bytes = std::fs::read(&file).map_err(|error| format!("{path}: {error}"))?;
    // It belongs to the server's user, who may be another one.
    if let Err(error) = std::fs::remove_file(&file) {
        notes::add(&format!("left behind: {path}: {error}"));
    }
    Ok(escaped_lines(&bytes))
}

/// MySQL's own format: tabs between cells, lines, a backslash before what needs one, `\N` for NULL.
fn escaped_lines(bytes: &[u8]) -> Vec<Cells> {
    let (mut rows, mut row, mut cell, mut null) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => match rest.next() {
                Some(b'N') => null = true,
                Some(b'0') => cell.push(0),
                Some(&other) => cell.push(other),
                None => panic!("a backslash at the end"),
            },
            b'\t' | b'\n' => {
                let done = std::mem::take(&mut cell);
                row.push(if std::mem::take(&mut null) { None } else { Some(done) });
                if byte == b'\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            other => cell.push(other),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "the file ends inside a line");
    rows
}

/// The same rows by the binary protocol and our csv.
fn csv(servers: &mut Servers) -> Vec<Cells> {
    let catalog = catalog::mysql::read(&mut servers.source, &servers.name).unwrap();
    let table = &catalog.tables[0];
    let rows: Vec<mysql::Row> = servers.source.exec("SELECT * FROM t ORDER BY id", ()).unwrap();
    let token = NullToken::random();
    let targets = table.columns.iter().map(|column| Target::of(column, false)).collect();
    let mut writer = RowWriter::new(&Format::Csv(token.clone()), targets, Vec::new());
    for row in rows {
        let values: Vec<Value> = row.unwrap();
        let cells: Vec<_> = values.iter().map(cell).collect();
        assert_eq!(writer.row(&cells).unwrap(), Fate::Written);
    }
    writer.flush().unwrap();
    quoted_lines(writer.sink(), token.as_str().as_bytes())
}

/// RFC 4180, with a token outside quotes for NULL.
fn quoted_lines(bytes: &[u8], token: &[u8]) -> Vec<Cells> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut rest = bytes.iter().peekable();
    while let Some(&byte) = rest.next() {
        match byte {
            b'"' => {
                quoted = true;
                // To the quote that has no second one behind it.
                loop {
                    match rest.next() {
                        Some(b'"') if rest.next_if(|next| **next == b'"').is_none() => break,
                        Some(&inside) => cell.push(inside),
                        None => panic!("an open quote at the end"),
                    }
                }
            }
            b',' | b'\n' => {
                let done = std::mem::take(&mut cell);
                row.push(if !std::mem::take(&mut quoted) && done == token { None } else { Some(done) });
                if byte == b'\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            other => cell.push(other),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "the csv ends inside a line");
    rows
}

#[test]
fn both_formats_are_read_by_their_rules() {
    let cells = |row: [Option<&str>; 3]| row.map(|cell| cell.map(|text| text.as_bytes().to_vec())).to_vec();
    assert_eq!(escaped_lines(b"a\\\tb\t\\N\t\\\\N\\0\n"), [cells([Some("a\tb"), None, Some("\\N\0")])]);
    assert_eq!(quoted_lines(b"\"a\"\",\n\",T,\"T\"\n", b"T"), [cells([Some("a\",\n"), None, Some("T")])]);
}
