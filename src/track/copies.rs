//! The status table of a replica, written by its one writer thread.

use super::replica;
use super::writer::{Board, Event};
use crate::config::Endpoint;
use crate::conn::mysql::MysqlConn;
use crate::error::Result;
use mysql::Value;

/// Makes the table of records and adds a record `pending` for each table that has none. Returns how many were added.
///
/// # Errors
/// The classified server error.
pub fn ensure(conn: &mut MysqlConn, tables: &[String]) -> Result<u64> {
    replica::make(conn)?;
    let mut added = 0;
    for names in tables.chunks(500) {
        let places = vec!["(?)"; names.len()].join(", ");
        let values = names.iter().map(|name| Value::from(name.as_str())).collect();
        let sql = format!("INSERT IGNORE INTO etl_copy_status (table_name) VALUES {places}");
        added += conn.write(&sql, values, "adding the records of new tables")?;
    }
    Ok(added)
}

/// The connection; without one every event is lost.
pub struct CopyStatus {
    conn: Option<MysqlConn>,
}

impl CopyStatus {
    /// Opens it, with a record for each of `tables`, and makes those true again that a killed run left.
    #[must_use]
    pub fn open(endpoint: &Endpoint, tables: &[String]) -> Self {
        let opened = MysqlConn::connect(endpoint).and_then(|mut conn| {
            conn.make_strict()?;
            ensure(&mut conn, tables)?;
            // Under the replica's lock nobody else is running.
            conn.execute(include_str!("copy_status_true.sql"), "bringing the status table up to date")?;
            Ok(conn)
        });
        Self { conn: opened.map_err(|error| log::warn!("{error}; the run goes on without status rows")).ok() }
    }

    fn put(conn: &mut MysqlConn, event: Event) -> Result<()> {
        let (table, status, rows, watermark) = match event {
            Event::Started { table } => (table, "running", 0, None),
            Event::Failed { table } => (table, "failed", 0, None),
            Event::Gone { table } => (table, "missing", 0, None),
            // The history is the warehouse's.
            Event::Unmoved { .. } | Event::Attempt(_) | Event::Log(_) => return Ok(()),
            Event::Loaded { table, rows, watermark } => (table, "success", i64::try_from(rows).unwrap_or(i64::MAX), watermark),
        };
        let (column, mark) = watermark.unzip();
        let values = vec![table.into(), status.into(), rows.into(), column.into(), mark.into(), status.into()];
        conn.write(include_str!("copy_status_upsert.sql"), values, "writing status rows").map(|_| ())
    }
}

impl Board for CopyStatus {
    fn write(&mut self, events: Vec<Event>) -> bool {
        let Some(conn) = &mut self.conn else { return false };
        // One transaction: a commit per event would wait for the disk each time.
        let written = conn
            .execute("START TRANSACTION", "writing status rows")
            .and_then(|()| events.into_iter().try_for_each(|event| Self::put(conn, event)))
            .and_then(|()| conn.execute("COMMIT", "writing status rows"));
        if let Err(error) = &written {
            log::warn!("{error}; the run goes on without status rows");
            self.conn = None;
        }
        written.is_ok()
    }
}
