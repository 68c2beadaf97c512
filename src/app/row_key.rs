//! The key of one row, as somebody asked for it: in one spelling, and in the SQL of either server.

use crate::catalog::Column;
use crate::encode::{show, spelled};
use crate::error::{Error, Kind, Result};
use crate::name::{literal_postgres, quote_mysql, quote_postgres};
use crate::plan::TablePlan;
use crate::track::quarantine::hexadecimal;
use crate::value::ColumnType;
use serde_json::{Map, Value};

/// One column of the key.
struct Part<'a> {
    column: &'a Column,
    /// As `show::key` gives it.
    shown: Value,
    /// None for NULL and for a zero date, which no target's key holds.
    image: Option<Vec<u8>>,
}

/// A row's key.
pub(super) struct RowKey<'a>(Vec<Part<'a>>);

impl<'a> RowKey<'a> {
    /// One value per key column, in key order; or all of them as one JSON object by source column.
    ///
    /// # Errors
    /// [`Kind::Config`] for a table without a key, another number of values, and what is no value of its column.
    pub(super) fn asked(table: &'a TablePlan, asked: &[String]) -> Result<Self> {
        let columns: Vec<&Column> = table.source.key_columns().collect();
        let name = table.name();
        if columns.is_empty() {
            return Err(Error::new(Kind::Config, format!("table {name} has no key by which a row could be told")));
        }
        let object = match asked {
            [one] if one.starts_with('{') => serde_json::from_str::<Value>(one).ok(),
            _ => None,
        };
        let values: Option<Vec<Value>> = match &object {
            Some(object) => columns.iter().map(|column| object.get(&column.name).cloned()).collect(),
            None => (asked.len() == columns.len()).then(|| asked.iter().cloned().map(Value::String).collect()),
        };
        let values = values.ok_or_else(|| {
            let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::new(Kind::Config, format!("table {name}: a row is told by its key: {names}"))
                .hint("give one value per key column, in this order, or a JSON object as `verify --depth rows` shows it")
        })?;
        let part = |(column, value): (&'a Column, Value)| {
            let image = spelled::image(column.ty, &value);
            if image.is_none() && !value.is_null() && !(column.ty.is_calendar() && is_zero_date(&value)) {
                let text = format!("table {name}: what was given for column {} of the key is no {}", column.name, column.ty);
                return Err(Error::new(Kind::Config, text).hint("give the key as `verify --depth rows` shows it"));
            }
            let shown = image.as_deref().map_or(value, |image| show::part(column.ty, Some(image)));
            Ok(Part { column, shown, image })
        };
        Ok(Self(columns.into_iter().zip(values).map(part).collect::<Result<_>>()?))
    }

    /// The key as an object by source column.
    pub(super) fn shown(&self) -> Value {
        Value::Object(self.0.iter().map(|part| (part.column.name.clone(), part.shown.clone())).collect::<Map<_, _>>())
    }

    /// In the source's SQL.
    pub(super) fn at_source(&self) -> String {
        let parts: Vec<String> =
            self.0.iter().map(|part| format!("{} = {}", quote_mysql(&part.column.name), at_source(part))).collect();
        parts.join(" AND ")
    }

    /// In the warehouse's SQL.
    pub(super) fn in_warehouse(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(in_warehouse).collect();
        parts.join(" AND ")
    }
}

/// What the source may have in a column for which the target has no value.
fn is_zero_date(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    (10..=26).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || b"-: .".contains(&byte))
}

fn text(value: &Value) -> String {
    if let Value::String(text) = value { text.clone() } else { value.to_string() }
}

/// A literal that the source compares with the column exactly: a number with a number, never as doubles. Text travels as
/// hexadecimal digits, so nothing of it ends a literal.
fn at_source(part: &Part<'_>) -> String {
    let shown = text(&part.shown);
    let is_number = !shown.is_empty() && shown.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    match (part.column.data_type.as_str(), part.column.ty) {
        _ if part.shown.is_null() => "NULL".to_owned(),
        (_, ColumnType::Boolean) => if shown == "true" { "1" } else { "0" }.to_owned(),
        (_, ColumnType::Bit { .. }) => format!("b'{shown}'+0"),
        (_, ColumnType::Bytes | ColumnType::UuidBytes) => {
            format!("x'{}'", hexadecimal(part.image.as_deref().unwrap_or_default()))
        }
        // The column's own value, to its last bit.
        ("float", _) if let Ok(value) = shown.parse::<f32>() => format!("{:e}", f64::from(value)),
        ("double", _) if let Ok(value) = shown.parse::<f64>() => format!("{value:e}"),
        ("tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year", _) if is_number => shown,
        (_, ColumnType::TimestampTz { .. }) => literal(shown.strip_suffix("+00").unwrap_or(&shown)),
        _ => literal(&shown),
    }
}

fn literal(text: &str) -> String {
    // A literal, so that the column's collation decides.
    format!("_utf8mb4 x'{}'", hexadecimal(text.as_bytes()))
}

/// Casts have no length: one would cut a longer value until another row has it.
fn in_warehouse(part: &Part<'_>) -> String {
    let Some(image) = &part.image else { return "false".to_owned() };
    let shown = literal_postgres(&text(&part.shown));
    let ty = part.column.ty.to_string();
    let literal = match part.column.ty {
        ColumnType::Bytes => format!("'\\x{}'::bytea", hexadecimal(image)),
        ColumnType::Bit { .. } => format!("B{shown}"),
        ColumnType::Varchar { .. } => format!("{shown}::text"),
        _ => format!("{shown}::{}", ty.split('(').next().unwrap_or(&ty)),
    };
    format!("{} = {literal}", quote_postgres(&part.column.target))
}
