//! Types and policies of columns: the catalog's rules, changed by those of the configuration.

use crate::catalog::cast::{Declared, TINYINT1_BOOLEAN};
use crate::catalog::{Column, SourceTable, convert};
use crate::config::{ColumnRule, Config, TinyInt1};
use crate::error::{Error, Kind, Result};
use crate::value::ColumnType;

/// Applies the configuration to tables, before anything is read from them.
///
/// # Errors
/// [`Kind::Config`] with every rule that no conversion can follow.
pub fn apply<'t>(config: &Config, tables: impl IntoIterator<Item = &'t mut SourceTable>) -> Result<()> {
    let mut wrong = Vec::new();
    for table in tables {
        let rules = config.tables.rule(&table.name.table).column_rules;
        for column in &mut table.columns {
            if let Err(text) = of_column(config, &rules, column) {
                wrong.push(format!("table {}: column {:?}: {text}", table.name.table, column.name));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Config, wrong.join("; ")).hint("correct `column_rules` in tables.yml; nothing was touched"))
}

fn of_column(config: &Config, rules: &[ColumnRule], column: &mut Column) -> Result<(), String> {
    let fitting = || rules.iter().filter(|rule| rule.fits(&column.name, &column.declared));
    column.policies = fitting().fold(config.settings.policies, |policies, rule| rule.policies(policies));
    let wanted = fitting().rev().find(|rule| rule.to.is_some());
    let is_flag = column.data_type == "tinyint" && column.declared.starts_with("tinyint(1)");
    match wanted.and_then(|rule| Some((rule.to.as_deref()?, rule.conversion.as_deref()))) {
        Some((to, meant)) => {
            let (ty, name) = conversion(column, to, meant)?;
            (column.ty, column.rule) = (ty, name);
        }
        None if is_flag && column.policies.tinyint1 == TinyInt1::Boolean => {
            (column.ty, column.rule) = (ColumnType::Boolean, TINYINT1_BOOLEAN);
        }
        None => {}
    }
    Ok(())
}

fn conversion(column: &Column, to: &str, meant: Option<&str>) -> Result<(ColumnType, &'static str), String> {
    let ty = convert::parse(to).ok_or_else(|| format!("{to:?} is no type that a column can become"))?;
    let declared = Declared::parse(&column.data_type, &column.declared, column.ty == ColumnType::Jsonb);
    let name =
        convert::conversion(&declared, ty).ok_or_else(|| format!("no conversion leads from {} to {ty}", column.declared))?;
    match meant {
        Some(meant) if meant != name => {
            Err(format!("the conversion from {} to {ty} is {name:?}, not {meant:?}", column.declared))
        }
        _ if ty == ColumnType::Uuid && column.data_type.ends_with("binary") => Ok((ColumnType::UuidBytes, name)),
        _ => Ok((ty, name)),
    }
}
