//! `tracking init`: the status tables and a record for every configured table, without loading anything.

use super::planning;
use crate::cancel::Cancel;
use crate::catalog::{self, SourceCatalog};
use crate::config::Config;
use crate::conn::mysql::MysqlConn;
use crate::conn::watchdog::Watchdog;
use crate::error::Result;
use crate::report::SCHEMA_VERSION;
use crate::report::tracking::{StatusRecords, TrackingReport};
use crate::track::schema::COPY_STATUS_NAME;
use crate::track::{copies, lock, records};
use std::collections::BTreeSet;

/// Names of the tables that the configuration selects, those that cannot be copied included, and of what was asked for.
#[must_use]
pub fn configured(config: &Config, catalog: &SourceCatalog, asked: &[String]) -> Vec<String> {
    let tables = catalog.tables.iter().map(|table| &table.name).chain(catalog.refused.iter().map(|refused| &refused.name));
    let selected = tables.map(|name| &name.table).filter(|name| config.tables.selects(name));
    let all: BTreeSet<&String> = selected.chain(asked).collect();
    all.into_iter().cloned().collect()
}

/// Makes the status tables and the records that are missing, under the run lock.
///
/// # Errors
/// [`crate::error::Kind::Locked`] while a run works; [`crate::error::Kind::Config`] for names that do not exist and for a
/// target that another source filled; the classified error of a server.
pub fn init(config: &Config, watchdog: &Watchdog) -> Result<TrackingReport> {
    let mut source = MysqlConn::connect(&config.source)?;
    let identity = format!("{}/{}", source.server.identity, config.source.database);
    let mut catalog = catalog::mysql::read(&mut source.conn, &config.source.database)?;
    planning::configure(config, &mut catalog, &[])?;
    let tables = configured(config, &catalog, &[]);
    let job = (config.warehouse_schema.as_str(), identity.as_str(), config.settings.accept_new_source);
    let mut warehouse = lock::hold(&config.warehouse, watchdog, job, &Cancel::new())?;
    let mut records = records::ensure(&mut warehouse, &config.warehouse_schema, &tables)?.to_vec();
    if let Some(replica) = &config.replica {
        let added = copies::ensure(&mut MysqlConn::connect(replica)?, &tables)?;
        let there = u64::try_from(tables.len()).unwrap_or(u64::MAX).saturating_sub(added);
        records.push(records::Records { table: COPY_STATUS_NAME, there, added });
    }
    Ok(TrackingReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        status: "ok",
        exit_code: 0,
        source: config.source.to_string(),
        warehouse: config.warehouse.to_string(),
        schema: config.warehouse_schema.clone(),
        configured: tables.len(),
        records: records.into_iter().map(|r| StatusRecords { table: r.table, there: r.there, added: r.added }).collect(),
        warnings: config.warnings.clone(),
    })
}
