//! `ddl`: the target's tables as a first load would make them, and the rule behind each column. Asks only the source.

use super::planning::{self, Selected};
use super::telling;
use crate::catalog::ddl::{self, comment_line};
use crate::catalog::loaded_at::{self, LoadedAt};
use crate::catalog::{deleted_at, names};
use crate::config::{Config, Deletes};
use crate::conn::mysql::MysqlConn;
use crate::error::Result;
use crate::name::quote_postgres;
use crate::report::columns::ColumnReport;
use crate::report::ddl::{DdlReport, TableDdl};
use crate::report::{Renamed, SCHEMA_VERSION};
use crate::usage;
use std::collections::BTreeSet;

/// The DDL of these tables, all when empty.
///
/// # Errors
/// [`crate::error::Kind::Config`] for names that do not exist; the classified error of the source.
pub fn ddl(config: &Config, tables: &[String]) -> Result<DdlReport> {
    let call = usage::DDL.attempt(usage::Shape::NONE);
    let mut source = MysqlConn::connect(&config.source)?;
    let (mut selected, refused) = planning::selected(&mut source, config, tables)?;
    selected.sort_by(|a, b| a.source.name.cmp(&b.source.name));
    let report = DdlReport {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        status: "ok",
        exit_code: 0,
        source: config.source.to_string(),
        schema: config.warehouse_schema.clone(),
        create_schema: format!("CREATE SCHEMA IF NOT EXISTS {}", quote_postgres(&config.warehouse_schema)),
        tables: selected.iter().map(|selected| table(config, selected)).collect(),
        refused: telling::refused(&refused),
    };
    call.ends(Ok(report.judged()))
}

fn table(config: &Config, table: &Selected) -> TableDdl {
    let Selected { source, target, filter } = table;
    let columns = telling::columns(source);
    let renamed: Vec<Renamed> = names::renamed(source, target).into_iter().map(Renamed::from).collect();
    let mut sql = String::new();
    for name in renamed.iter().filter(|name| name.column.is_empty()) {
        sql.push_str(&format!("{}\n", comment_line(&format!("{}: called {:?} at the source", name.target, source.name.table))));
    }
    if let Some(filter) = filter {
        sql.push_str(&format!("{}\n", comment_line(&format!("only rows with {filter}"))));
    }
    let loaded_at = LoadedAt::decide(config.settings.loaded_at, source, None);
    for line in loaded_at::left_out([(source.name.table.as_str(), loaded_at)]) {
        sql.push_str(&format!("{}\n", comment_line(&line)));
    }
    let stamp = (loaded_at::DECLARATION, "when this version of the row was written");
    let mark = (deleted_at::DECLARATION, "when the source was first seen without the row");
    let marks = config.tables.rule(&source.name.table).deletes == Deletes::Mark;
    let own = loaded_at.is_kept().then_some(stamp).into_iter().chain(marks.then_some(mark));
    let (own, told): (Vec<&str>, Vec<String>) = own.map(|(column, note)| (column, note.to_owned())).unzip();
    let notes: Vec<String> = columns.iter().map(ColumnReport::note).chain(told).collect();
    sql.push_str(&ddl::create_table_told(target, source, &notes, &own));
    if let Some(key) = ddl::add_primary_key(target, source, &BTreeSet::new()) {
        sql.push_str(&format!("{key};\n"));
    }
    sql.push_str(&ddl::comments(target, source));
    TableDdl { table: source.name.table.clone(), target: target.to_string(), sql, columns, renamed }
}
