//! A database on the source and a schema on the warehouse for one test, dropped at its end.
//!
//! The servers come from the environment; without them a test fails, because a skipped proof proves nothing.

#![allow(clippy::panic, clippy::print_stderr)]

use etl_sync::value::{Cell, DateTime, Time};
use mysql::Value;
use mysql::prelude::Queryable;

/// Names the server of the source: a `mysql://` URL of a user that may create databases and users.
const SOURCE: &str = "ETL_SYNC_ADMIN_SOURCE_URL";
/// Names the server of the warehouse: a `postgresql://` URL of a user that may create schemas.
const WAREHOUSE: &str = "ETL_SYNC_ADMIN_WAREHOUSE_URL";

/// Both sides of one test.
pub struct Servers {
    pub source: mysql::Conn,
    pub warehouse: postgres::Client,
    /// The source's database and the warehouse's schema.
    pub name: String,
}

impl Servers {
    /// Connects, pins the sessions and makes an empty database and schema called after the test and this process.
    pub fn start(test: &str) -> Self {
        let name = format!("etl_sync_{test}_{}", std::process::id());
        let mut source = connect_source(&required(SOURCE));
        run(&mut source, &format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4"));
        run(&mut source, &format!("USE `{name}`"));
        let mut warehouse = postgres::Client::connect(&required(WAREHOUSE), postgres::NoTls)
            .unwrap_or_else(|error| panic!("warehouse ({WAREHOUSE}): {error:?}"));
        warehouse
            .batch_execute(&format!(
                "CREATE SCHEMA {name}; SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET DateStyle = 'ISO';
                 SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET synchronous_commit = off"
            ))
            .unwrap_or_else(|error| panic!("warehouse: {error:?}"));
        Self { source, warehouse, name }
    }

    /// A second source session as another user.
    pub fn source_as(&self, user: &str, password: &str) -> mysql::Conn {
        let opts = source_opts(&required(SOURCE));
        let opts = mysql::OptsBuilder::from_opts(opts).user(Some(user)).pass(Some(password)).db_name(Some(&self.name));
        mysql::Conn::new(opts).unwrap_or_else(|error| panic!("source as {user}: {error}"))
    }

    /// Runs one statement on the source.
    pub fn source(&mut self, sql: &str) {
        run(&mut self.source, sql);
    }

    /// Version text of the source, and whether it is MariaDB.
    pub fn version(&mut self) -> (String, bool) {
        let version: Option<String> = self.source.query_first("SELECT VERSION()").unwrap_or_else(|e| panic!("version: {e}"));
        let version = version.unwrap_or_else(|| panic!("the source has no version"));
        let mariadb = version.contains("MariaDB");
        (version, mariadb)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Err(error) = self.source.query_drop(format!("DROP DATABASE `{}`", self.name)) {
            eprintln!("left over on the source: {error}");
        }
        if let Err(error) = self.warehouse.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)) {
            eprintln!("left over on the warehouse: {error}");
        }
    }
}

fn required(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: this test needs a source and a warehouse server of its own"))
}

/// Over TCP throughout: with the driver's own preference a session ends on the socket, as a user of another host.
fn source_opts(url: &str) -> mysql::Opts {
    let opts = mysql::Opts::from_url(url).unwrap_or_else(|error| panic!("{SOURCE}: {error}"));
    mysql::OptsBuilder::from_opts(opts).prefer_socket(false).into()
}

fn connect_source(url: &str) -> mysql::Conn {
    let mut conn = mysql::Conn::new(source_opts(url)).unwrap_or_else(|error| panic!("source ({SOURCE}): {error}"));
    run(&mut conn, "SET NAMES utf8mb4");
    run(&mut conn, "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'");
    conn
}

fn run(conn: &mut mysql::Conn, sql: &str) {
    conn.query_drop(sql).unwrap_or_else(|error| panic!("source: {error}: {sql}"));
}

/// A value of the binary protocol as a cell.
pub fn cell(value: &Value) -> Cell<'_> {
    match *value {
        Value::NULL => Cell::Null,
        Value::Bytes(ref bytes) => Cell::Bytes(bytes),
        Value::Int(value) => Cell::Int(value),
        Value::UInt(value) => Cell::UInt(value),
        Value::Float(value) => Cell::Float(value),
        Value::Double(value) => Cell::Double(value),
        Value::Date(year, month, day, hour, minute, second, micro) => {
            Cell::DateTime(DateTime { year, month, day, hour, minute, second, micro })
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            Cell::Time(Time { negative, hours: days * 24 + u32::from(hours), minutes, seconds, micros })
        }
    }
}
