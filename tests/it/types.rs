//! Every type and its odd values, from a real source to a real warehouse and back out as text.
//!
//! `type_cases.csv` holds one value per line: declared type, literal, expected target type and exactly what
//! `COPY … TO STDOUT` prints (`ERROR:` for values that must be refused). Each value goes through a table of one column
//! and through one of two, because csv quotes them differently, and through both formats.

#![allow(clippy::panic, clippy::unwrap_used)]

use crate::servers::{Servers, cell};
use etl_sync::catalog::ddl::{CreateOptions, create_table, is_not_null, matches};
use etl_sync::catalog::{self, SourceTable};
use etl_sync::config::Policy;
use etl_sync::encode::{Fate, Format, NullToken, RowWriter, Target};
use etl_sync::name::{TableName, column_list, quote_mysql, quote_postgres};
use etl_sync::value::{Cell, ColumnType};
use mysql::Value;
use mysql::prelude::Queryable;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

#[derive(serde::Deserialize)]
pub struct Case {
    pub mysql_type: String,
    pub sql_literal: String,
    pg_type: String,
    pg_text: String,
    /// The sql_mode that lets the value in; `none` is no mode at all, empty the strict one.
    sql_mode: String,
    /// The server it needs; empty for all.
    server: String,
    #[serde(rename = "note")]
    _note: String,
}

pub fn cases() -> Vec<Case> {
    let mut reader = csv::Reader::from_reader(include_str!("type_cases.csv").as_bytes());
    reader.deserialize().map(|case| case.unwrap()).collect()
}

/// Why a case cannot run here, or none.
pub fn skip(case: &Case, version: &str, mariadb: bool) -> Option<String> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let fits = match case.server.as_str() {
        "" => true,
        "mariadb" => mariadb,
        "mariadb 11.7" => mariadb && found >= (11, 7),
        "mysql 8" => !mariadb && found >= (8, 0),
        "mysql 9" => !mariadb && found >= (9, 0),
        other => panic!("type_cases.csv: unknown server {other:?}"),
    };
    (!fits).then(|| format!("needs {}", case.server))
}

#[test]
fn every_value_arrives_as_it_was() {
    let mut servers = Servers::start("types");
    let (version, mariadb) = servers.version();
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut planned = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        match skip(&case, &version, mariadb) {
            Some(why) => *skipped.entry(why).or_default() += 1,
            None => planned.push((format!("t{number}"), case)),
        }
    }
    for (table, case) in &planned {
        fill(&mut servers, table, case);
    }

    let mut catalog = catalog::mysql::read(&mut servers.source, &servers.name).unwrap();
    assert!(catalog.refused.is_empty(), "{:?}", catalog.refused);
    for (name, case) in planned.iter().filter(|(_, case)| case.pg_type == "json") {
        let table = catalog.tables.iter_mut().find(|table| table.name.table == *name).unwrap();
        assert_eq!(table.columns[1].ty, ColumnType::Jsonb, "{}", case.mysql_type);
        table.columns[1].ty = ColumnType::Json;
    }
    let source = |name: &str| catalog.tables.iter().find(|table| table.name.table == name).unwrap();
    let mut wrong = Vec::new();
    for (table, case) in &planned {
        if let Err(why) = check(&mut servers, source(table), case) {
            wrong.push(format!("{} {}: {why}", case.mysql_type, case.sql_literal));
        }
    }
    // What was made is what the next run asks for: the type names of both sides agree.
    let schema = servers.name.clone();
    for (name, found) in catalog::postgres::read(&mut servers.warehouse, &schema).unwrap() {
        if let Some(table) = name.strip_suffix("_two_csv") {
            wrong.extend(matches(source(table), &found).iter().map(|difference| format!("{name}: {difference}")));
        }
    }
    let pair = crate::hosts::shared().pair().name;
    let (run, skips) = (planned.len(), skipped.values().sum::<usize>());
    crate::notes::add(&format!("types on {pair}: {run} run, {} failed, {skips} skipped {skipped:?}", wrong.len()));
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), planned.len(), wrong.join("\n"));
    assert!(planned.len() > 200, "only {} cases ran", planned.len());
}

fn fill(servers: &mut Servers, table: &str, case: &Case) {
    case.statements(table).iter().for_each(|sql| servers.source(sql));
}

impl Case {
    /// Makes a table of two columns with the value, on the source.
    pub fn statements(&self, table: &str) -> [String; 3] {
        let mode = match self.sql_mode.as_str() {
            "" => "STRICT_ALL_TABLES",
            "none" => "",
            other => other,
        };
        [
            format!("SET SESSION sql_mode = '{mode}'"),
            format!("CREATE TABLE {table} (id INT NOT NULL, c {})", self.mysql_type),
            format!("INSERT INTO {table} (id, c) VALUES (7, {})", self.sql_literal),
        ]
    }
}

/// Copies the case in every way: with the other column and alone, as csv and binary.
fn check(servers: &mut Servers, source: &SourceTable, case: &Case) -> Result<(), String> {
    let mut source = source.clone();
    let column = &mut source.columns[1];
    // A case that has to be refused says so by its expectation; nothing else of it is left to the default.
    column.policies.zero_dates = if case.pg_text.starts_with("ERROR:") { Policy::Reject } else { Policy::Null };
    let found = column.ty.to_string();
    if found != case.pg_type {
        return Err(format!("became {found}, expected {}", case.pg_type));
    }
    let mut alone = source.clone();
    alone.columns.remove(0);
    for (suffix, table) in [("two", &source), ("one", &alone)] {
        for (word, format) in [("csv", Format::Csv(NullToken::random())), ("binary", Format::Binary)] {
            let target = TableName::new(servers.name.clone(), format!("{}_{suffix}_{word}", source.name.table));
            let got = copy(servers, table, &target, &format);
            let expected = match case.pg_text.as_str() {
                "ERROR:zero-date-not-null" => Err("zero_date".to_owned()),
                "ERROR:nul-in-text" | "ERROR:jsonb-u0000" => Err("nul_byte".to_owned()),
                "ERROR:invalid-utf8" => Err("invalid_utf8".to_owned()),
                text => Ok(text.to_owned()),
            };
            if got != expected {
                return Err(format!("{word}, {suffix} column(s): got {got:?}, expected {expected:?}"));
            }
        }
    }
    Ok(())
}

/// Creates the target, copies all rows into it, and gives back what COPY TO prints of column `c`.
fn copy(servers: &mut Servers, table: &SourceTable, target: &TableName, format: &Format) -> Result<String, String> {
    let none = BTreeSet::new();
    let sql =
        create_table(target, table, CreateOptions { logged: true, temporary: false, nullable: &none, own: &[], in_work: false });
    servers.warehouse.batch_execute(&sql).map_err(|error| format!("{sql}: {error:?}"))?;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let select = format!("SELECT {} FROM {}", column_list(names.iter().copied(), quote_mysql), table.name.mysql());
    let rows: Vec<mysql::Row> = servers.source.exec(select, ()).map_err(|error| error.to_string())?;
    let rows: Vec<Vec<Value>> = rows.into_iter().map(mysql::Row::unwrap).collect();
    let targets: Vec<Target> =
        table.columns.iter().enumerate().map(|(index, column)| Target::of(column, is_not_null(index, column, &none))).collect();
    let cells: Vec<Vec<Cell<'_>>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    copy_rows(&mut servers.warehouse, target, &names, &targets, &cells, format)?;
    let text = read_out(&mut servers.warehouse, &format!("SELECT c FROM {}", target.postgres()));
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn copy_rows(
    client: &mut postgres::Client,
    target: &TableName,
    names: &[&str],
    targets: &[Target],
    rows: &[Vec<Cell<'_>>],
    format: &Format,
) -> Result<u64, String> {
    let columns = column_list(names.iter().copied(), quote_postgres);
    let sql = format!("COPY {} ({columns}) FROM STDIN {}", target.postgres(), format.copy_options(names));
    let mut sink = client.copy_in(sql.as_str()).map_err(|error| format!("{sql}: {error:?}"))?;
    sink.write_all(format.prologue()).map_err(|error| error.to_string())?;
    let mut out = RowWriter::new(format, targets.to_vec(), &mut sink);
    for row in rows {
        if let Fate::Rejected { fault, .. } = out.row(row).map_err(|error| error.to_string())? {
            return Err(fault.word().to_owned());
        }
    }
    out.flush().map_err(|error| error.to_string())?;
    drop(out);
    sink.write_all(format.epilogue()).map_err(|error| error.to_string())?;
    sink.finish().map_err(|error| error.code().map_or_else(|| format!("{error:?}"), |code| code.code().to_owned()))
}

fn read_out(client: &mut postgres::Client, select: &str) -> String {
    let mut text = String::new();
    client.copy_out(&format!("COPY ({select}) TO STDOUT")).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Values that end a COPY or lose a row when they are quoted wrongly.
const HOSTILE: [Option<&str>; 10] = [
    Some("\\."),
    Some(""),
    None,
    Some("\\N"),
    Some("a\n\\.\nb"),
    Some("\n"),
    Some("\r"),
    Some("\r\n\\."),
    Some("\""),
    Some("\\.,"),
];

#[test]
fn no_text_ends_a_copy_or_turns_into_null() {
    let mut servers = Servers::start("hostile");
    let schema = servers.name.clone();
    let cells: Vec<Cell<'_>> = HOSTILE.iter().map(|text| text.map_or(Cell::Null, |text| Cell::Bytes(text.as_bytes()))).collect();
    for width in [1, 2, 3] {
        let names = &["Co\"l", "b", "c"][..width];
        let target = TableName::new(schema.as_str(), format!("hostile {width}"));
        let columns: Vec<String> = names.iter().map(|name| format!("{} text", quote_postgres(name))).collect();
        let with_row_number = format!("{}, n bigserial", columns.join(", "));
        servers.warehouse.batch_execute(&format!("CREATE TABLE {} ({with_row_number})", target.postgres())).unwrap();
        // Every combination of two neighbours, so that a value also stands before and after each other one.
        let rows: Vec<Vec<Cell<'_>>> =
            (0..100).map(|n| (0..width).map(|column| cells[(n / 10_usize.pow(u32::from(column == 1))) % 10]).collect()).collect();
        let targets = vec![Target::new(ColumnType::Text, false); width];
        let format = Format::Csv(NullToken::random());
        assert_eq!(copy_rows(&mut servers.warehouse, &target, names, &targets, &rows, &format), Ok(100));
        let select =
            format!("SELECT {} FROM {} ORDER BY n", column_list(names.iter().copied(), quote_postgres), target.postgres());
        let found = servers.warehouse.query(select.as_str(), &[]).unwrap();
        for (row, expected) in found.iter().zip(&rows) {
            for (index, expected) in expected.iter().enumerate() {
                let text: Option<&str> = row.get(index);
                assert_eq!(text.map_or(Cell::Null, |text| Cell::Bytes(text.as_bytes())), *expected);
            }
        }
    }
}

#[test]
fn the_sign_of_zero_and_every_float_survives() {
    let mut servers = Servers::start("floats");
    let target = TableName::new(servers.name.clone(), "f");
    servers.warehouse.batch_execute(&format!("CREATE TABLE {} (f real, d double precision)", target.postgres())).unwrap();
    let floats = [-0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.1, 16_777_216.0, f32::INFINITY];
    let doubles = [-0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 1e16, f64::NEG_INFINITY];
    let rows: Vec<Vec<Cell<'_>>> = floats.iter().zip(doubles).map(|(&f, d)| vec![Cell::Float(f), Cell::Double(d)]).collect();
    let targets = [Target::new(ColumnType::Float32, true), Target::new(ColumnType::Float64, true)];
    for format in [Format::Csv(NullToken::random()), Format::Binary] {
        servers.warehouse.batch_execute(&format!("TRUNCATE {}", target.postgres())).unwrap();
        assert_eq!(copy_rows(&mut servers.warehouse, &target, &["f", "d"], &targets, &rows, &format), Ok(7));
        same_bits(&mut servers.warehouse, &target, &floats, &doubles);
    }
}

fn same_bits(client: &mut postgres::Client, target: &TableName, floats: &[f32], doubles: &[f64]) {
    let found = client.query(&format!("SELECT f, d FROM {}", target.postgres()), &[]).unwrap();
    assert_eq!(found.len(), floats.len());
    for ((row, f), d) in found.iter().zip(floats).zip(doubles) {
        assert_eq!(row.get::<_, f32>(0).to_bits(), f.to_bits());
        assert_eq!(row.get::<_, f64>(1).to_bits(), d.to_bits());
    }
}
