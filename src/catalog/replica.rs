//! Tables of a replica: made anew from the source's catalog, never by the source's own DDL (its engine, its collations and
//! its version comments need not exist there).
//!
//! InnoDB, utf8mb4, text compared by bytes as PostgreSQL does it: what the source's key keeps apart stays apart. Each table
//! has the source's columns, its key, and [`NUMBER`]. Its comment begins with its incarnation: the state of a table is only
//! that of the incarnation it names, because MySQL cannot commit a rename together with a row.

use super::{Column, KeyKind, SourceCatalog, SourceTable, cast};
use crate::conn::mysql::ServerInfo;
use crate::error::{Error, Kind, Result};
use crate::name::{TableName, quote_mysql};
use crate::value::ColumnType;

/// The column that tells which `replicate` wrote a row version: the next `load` reads what is past the one it knows.
pub const NUMBER: &str = "_replicated_in";

/// First part of the name of a table that is being filled, or that was replaced.
pub const STAGING: &str = "etl_sync_";

/// Our own tables of a replica.
pub const OWN: [&str; 4] = ["etl_job", "etl_table_state", "etl_chunk_ledger", "etl_copy_status"];

/// What a comment of ours begins with.
const MARK: &str = "etl-sync ";

/// Bytes of an InnoDB key at most, all parts together.
const KEY_BYTES_MAX: u32 = 3072;

/// Bytes that all columns together may have in a row, long texts aside: the server's 65,535 less what it adds.
const ROW_BYTES_MAX: u32 = 60_000;

/// What the comment of a column begins with that is JSON at the source and its text in the replica.
const JSON: &str = "etl-sync json;";

/// Longest column comment, characters.
const COLUMN_COMMENT_CHARS_MAX: usize = 1024;

/// Longest table comment, characters.
const COMMENT_CHARS_MAX: usize = 2048;

/// What a table is made as.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// A table of the replica: its incarnation, and the number that its first rows get.
    Table {
        /// Unique to this table among all that ever had its name.
        incarnation: &'a str,
        /// Of the run that fills it.
        number: i64,
    },
    /// Rows to be merged; gone with the connection.
    Staging,
}

/// Whether a table of the source has a name that a replica keeps for itself.
#[must_use]
pub fn is_reserved(table: &str) -> bool {
    OWN.contains(&table) || table.starts_with(STAGING)
}

/// The incarnation of a table of ours; none for a table that somebody else made.
#[must_use]
pub fn incarnation(comment: &str) -> Option<&str> {
    let rest = comment.strip_prefix(MARK)?;
    Some(rest.split_once(';').map_or(rest, |(incarnation, _)| incarnation))
}

/// Takes off of a replica's catalog what is ours, so that its tables look like the source's.
///
/// # Errors
/// None in practice: JSON has a type rule.
pub fn as_source(catalog: &mut SourceCatalog) -> Result<()> {
    catalog.tables.retain(|table| !is_reserved(&table.name.table));
    catalog.refused.retain(|table| !is_reserved(&table.name.table));
    for table in &mut catalog.tables {
        // It is the last column, so no key moves.
        table.columns.retain(|column| column.name != NUMBER);
        if incarnation(&table.comment).is_some() {
            table.comment = table.comment.split_once(';').map(|(_, own)| own.to_owned()).unwrap_or_default();
        }
        for column in &mut table.columns {
            if let Some(own) = column.comment.strip_prefix(JSON) {
                column.comment = own.to_owned();
                (column.declared, column.data_type) = ("json".into(), "json".into());
                (column.ty, column.rule) = cast::column(&table.name, &column.name, "json", "json", false)?;
            }
        }
    }
    Ok(())
}

/// The statement that makes the table.
///
/// # Errors
/// [`Kind::Config`] for a type that the replica's server does not have.
pub fn create_table(name: &TableName, source: &SourceTable, server: &ServerInfo, form: Form<'_>) -> Result<String> {
    let long = widths(source) > ROW_BYTES_MAX;
    let mut lines = Vec::with_capacity(source.columns.len() + 2);
    for (index, column) in source.columns.iter().enumerate() {
        let is_key = source.key.contains(&index);
        lines.push(format!("{} {}", quote_mysql(&column.name), definition(source, column, server, long && !is_key)?));
    }
    let mut comment = String::new();
    let word = match form {
        Form::Staging => "TEMPORARY ",
        Form::Table { incarnation, number } => {
            let hidden = if has_invisible(server) { " INVISIBLE" } else { "" };
            lines.push(format!("{} BIGINT NOT NULL DEFAULT {number}{hidden}", quote_mysql(NUMBER)));
            let text: String = format!("{MARK}{incarnation};{}", source.comment).chars().take(COMMENT_CHARS_MAX).collect();
            comment = format!(" COMMENT = {}", literal(&text));
            ""
        }
    };
    if source.key_kind != KeyKind::None {
        lines.push(format!("PRIMARY KEY ({})", key(source).join(", ")));
    }
    Ok(format!(
        "CREATE {word}TABLE {} ({}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {}{comment}",
        name.mysql(),
        lines.join(", "),
        collation(server)
    ))
}

/// What decides how the table is made, whatever its name is: another text is another table.
#[must_use]
pub fn shape(source: &SourceTable) -> String {
    let column = |c: &Column| {
        let charset = c.charset.as_deref().unwrap_or("");
        format!("{} {} {charset} {} {}", quote_mysql(&c.name), c.declared, u8::from(c.nullable), literal(&c.comment))
    };
    let columns: Vec<String> = source.columns.iter().map(column).collect();
    let key: Vec<&str> = source.key_columns().map(|c| c.name.as_str()).collect();
    format!("1;{};{}", columns.join(","), key.join(","))
}

/// A string literal of a session without `NO_BACKSLASH_ESCAPES`.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\0', "\\0"))
}

/// Everything that differs by one byte differs. Without padding: `'a'` and `'a '` are two keys to many collations.
fn collation(server: &ServerInfo) -> &'static str {
    match (server.mariadb, major(server)) {
        (true, _) => "utf8mb4_nopad_bin",
        (false, 8..) => "utf8mb4_0900_bin",
        (false, _) => "utf8mb4_bin",
    }
}

fn major(server: &ServerInfo) -> u32 {
    server.version.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn has_invisible(server: &ServerInfo) -> bool {
    major(server) >= if server.mariadb { 10 } else { 8 }
}

fn definition(source: &SourceTable, column: &Column, server: &ServerInfo, shorten: bool) -> Result<String> {
    let word = column.data_type.as_str();
    if !server.mariadb && matches!(word, "uuid" | "inet4" | "inet6") {
        let text = format!("table {}, column {}: the replica's server has no type {word}", source.name.table, column.name);
        return Err(Error::new(Kind::Config, text).hint("use a MariaDB server as the replica, or leave the column out"));
    }
    let declared = column.declared.split("/*").next().unwrap_or_default().trim();
    let mut text = match word {
        // MariaDB calls it longtext; its check came with the word.
        _ if is_json(column) && server.mariadb => "json".to_owned(),
        // MySQL would take 1.50 for the number 1.5 and write it so.
        _ if is_json(column) => format!("longtext CHARACTER SET utf8mb4 COLLATE {}", collation(server)),
        "geomcollection" => "geometrycollection".to_owned(),
        _ if column.charset.is_some() => {
            let declared = wide_enough(column, declared, shorten);
            format!("{declared} CHARACTER SET utf8mb4 COLLATE {}", collation(server))
        }
        _ => declared.to_owned(),
    };
    match (column.nullable, word) {
        // Without a word of its own the first TIMESTAMP gets ON UPDATE from older servers.
        (true, "timestamp") => text.push_str(" NULL DEFAULT NULL"),
        (false, "timestamp") => text.push_str(" NOT NULL DEFAULT '1970-01-02 00:00:00'"),
        (false, _) => text.push_str(" NOT NULL"),
        (true, _) => {}
    }
    let mark = if is_json(column) && !server.mariadb { JSON } else { "" };
    if !(mark.is_empty() && column.comment.is_empty()) {
        let comment: String = format!("{mark}{}", column.comment).chars().take(COLUMN_COMMENT_CHARS_MAX).collect();
        text.push_str(&format!(" COMMENT {}", literal(&comment)));
    }
    Ok(text)
}

const fn is_json(column: &Column) -> bool {
    matches!(column.ty, ColumnType::Json | ColumnType::Jsonb)
}

/// The declared type, or a longer one where the same text has more bytes in utf8mb4, or a row would have too many.
fn wide_enough(column: &Column, declared: &str, shorten: bool) -> String {
    let grows = !matches!(column.charset.as_deref(), Some("utf8" | "utf8mb3" | "utf8mb4" | "ascii"));
    match column.data_type.as_str() {
        "tinytext" if grows => "text".into(),
        "text" if grows => "mediumtext".into(),
        "mediumtext" if grows => "longtext".into(),
        // The source may hold the index 0, which reads as '' and which a strict session does not write.
        "enum" if !["('',", "('')", ",'',", ",'')"].iter().any(|empty| declared.contains(empty)) => {
            format!("{},'')", declared.trim_end_matches(')'))
        }
        "varchar" | "char" if shorten && characters(column) > 255 => "mediumtext".into(),
        _ => declared.to_owned(),
    }
}

fn characters(column: &Column) -> u32 {
    let inside = column.declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.and_then(|(digits, _)| digits.trim().parse().ok()).unwrap_or(0)
}

/// Bytes of the columns that count in full, in utf8mb4.
fn widths(source: &SourceTable) -> u32 {
    let bytes = |column: &Column| match column.data_type.as_str() {
        "varchar" | "char" => characters(column).saturating_mul(4).saturating_add(2),
        "varbinary" | "binary" => characters(column).saturating_add(2),
        _ => 12,
    };
    source.columns.iter().map(bytes).fold(0, u32::saturating_add)
}

/// The columns of the key; of long ones the beginning, as the source has it.
fn key(source: &SourceTable) -> Vec<String> {
    let parts = u32::try_from(source.key.len()).unwrap_or(u32::MAX).max(1);
    let part = |column: &Column| {
        let word = column.data_type.as_str();
        let length = match (word.ends_with("text"), word.ends_with("blob")) {
            (true, _) => format!("({})", KEY_BYTES_MAX / 4 / parts),
            (_, true) => format!("({})", KEY_BYTES_MAX / parts),
            _ => String::new(),
        };
        format!("{}{length}", quote_mysql(&column.name))
    };
    source.key_columns().map(part).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Policies;

    fn server(version: &str) -> ServerInfo {
        ServerInfo { version: version.into(), mariadb: version.contains("MariaDB"), identity: "i".into() }
    }

    fn column(name: &str, declared: &str, charset: Option<&str>, nullable: bool) -> Column {
        Column {
            name: name.into(),
            target: name.into(),
            declared: declared.into(),
            data_type: declared.split(['(', ' ']).next().unwrap().into(),
            nullable,
            comment: String::new(),
            ty: ColumnType::Text,
            rule: "",
            policies: Policies::default(),
            invisible: false,
            generated: false,
            auto_increment: false,
            charset: charset.map(Into::into),
            position: 1,
        }
    }

    fn source(columns: Vec<Column>, key: &[usize]) -> SourceTable {
        SourceTable {
            name: TableName::new("d", "t"),
            kind: crate::catalog::TableKind::Base,
            engine: "MyISAM".into(),
            transactional: false,
            comment: "it's".into(),
            rows_estimated: 0,
            bytes_estimated: 0,
            counter: None,
            columns,
            key: key.to_vec(),
            key_kind: if key.is_empty() { KeyKind::None } else { KeyKind::Primary },
            key_index: None,
            identity: String::new(),
        }
    }

    fn made(columns: Vec<Column>, key: &[usize], version: &str) -> String {
        let form = Form::Table { incarnation: "etl_sync_1", number: 7 };
        create_table(&TableName::new("r", "t"), &source(columns, key), &server(version), form).unwrap()
    }

    #[test]
    fn a_table_is_made_from_the_catalog() {
        let columns = vec![
            column("id", "int(10) unsigned", None, false),
            column("at", "timestamp", None, false),
            column("seen", "timestamp(6)", None, true),
            column("note", "text", Some("latin1"), true),
            column("kind", "enum('a','b')", Some("utf8mb3"), false),
        ];
        let bin = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
        let wanted = format!(
            "CREATE TABLE `r`.`t` (`id` int(10) unsigned NOT NULL, `at` timestamp NOT NULL DEFAULT '1970-01-02 00:00:00', \
             `seen` timestamp(6) NULL DEFAULT NULL, `note` mediumtext {bin}, `kind` enum('a','b','') {bin} NOT NULL, \
             `_replicated_in` BIGINT NOT NULL DEFAULT 7 INVISIBLE, PRIMARY KEY (`id`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC \
             DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin COMMENT = 'etl-sync etl_sync_1;it\\'s'"
        );
        assert_eq!(made(columns, &[0], "10.11.19-MariaDB"), wanted);
        assert_eq!(incarnation("etl-sync etl_sync_1;it's"), Some("etl_sync_1"));
        assert_eq!(incarnation("it's"), None);
    }

    #[test]
    fn servers_differ_in_collations_types_and_hidden_columns() {
        let text = || vec![column("a", "varchar(9)", Some("utf8mb4"), true)];
        assert!(made(text(), &[], "9.7.4").contains("utf8mb4_0900_bin"));
        let old = made(text(), &[], "5.7.44-log");
        assert!(old.contains("COLLATE utf8mb4_bin") && !old.contains("INVISIBLE"), "{old}");
        let uuid = source(vec![column("u", "uuid", None, true)], &[]);
        let refused = create_table(&uuid.name, &uuid, &server("9.7.4"), Form::Staging).unwrap_err();
        assert!(refused.to_string().contains("column u") && refused.to_string().contains("uuid"), "{refused}");
    }

    #[test]
    fn wide_rows_keep_their_key_and_lose_their_limits() {
        let columns = (0..10).map(|n| column(&format!("c{n}"), "varchar(2000)", Some("latin1"), true)).collect();
        let made = made(columns, &[0], "10.11.19-MariaDB");
        assert_eq!((made.matches("varchar(2000)").count(), made.matches("mediumtext").count()), (1, 9), "{made}");
    }

    #[test]
    fn an_empty_member_is_not_added_twice() {
        for declared in ["enum('')", "enum('','a')", "enum('a','')", "enum('a','','b')"] {
            let made = made(vec![column("e", declared, Some("utf8mb4"), true)], &[], "10.11.19-MariaDB");
            assert!(made.contains(declared), "{made}");
        }
    }
}
