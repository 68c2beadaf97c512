//! Texts with NUL bytes, invalid UTF-8 or too many characters; JSON, UUIDs and addresses that are none.
//!
//! Everything is searched in the bytes that a reader would get. Where a regular expression has to look at bytes, they
//! are taken as latin1, one character each, because MySQL gives no binary text to its engine.

use super::{Probe, Source, Wrong, literal};
use crate::config::Policy;
use crate::name::quote_mysql;
use crate::value::{ColumnType, Fault};

/// A half of a surrogate pair without the other half, where the beginning of each half is [`SURROGATE`]: no other
/// character begins like it, and MySQL's engine gives up after so many beginnings.
const LONE_SURROGATE: &str =
    concat!(r"\x01Ud(?:[89abAB][0-9a-fA-F]{2}(?!\x01Ud[c-fC-F])", r"|[c-fC-F](?<!\x01Ud[89abAB][0-9a-fA-F]{2}\x01Ud.))");

/// Stands for the beginning of an escaped half of a pair, in either case.
const SURROGATE: &str = "X'015564'";

/// An IPv4 address as the encoder reads it: no leading zeros.
const IPV4: &str = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}\z";

/// A column's values as SQL.
struct Text {
    /// As text in utf8mb4.
    text: String,
    /// The bytes of that.
    bytes: String,
    /// Whether this is what the encoder has at this point.
    exact: bool,
}

impl Text {
    fn of(source: &Source<'_>) -> Self {
        let name = &source.name;
        let text = match source.column.charset.as_deref() {
            Some("utf8mb4") => name.clone(),
            Some(_) => format!("CONVERT({name} USING utf8mb4)"),
            None => format!("CAST({name} AS CHAR)"),
        };
        let bytes = format!("CAST({text} AS BINARY)");
        Self { text, bytes, exact: true }
    }

    /// The bytes, one character each.
    fn latin1(bytes: &str) -> String {
        format!("CONVERT({bytes} USING latin1) COLLATE latin1_bin")
    }

    /// Without NUL bytes.
    fn strip_nul(&mut self) {
        self.bytes = format!("REPLACE({}, X'00', '')", self.bytes);
        self.text = format!("CONVERT({} USING utf8mb4)", self.bytes);
    }
}

/// The faults of a text that becomes text or JSON.
pub(super) fn probes(source: &Source<'_>) -> Vec<Probe> {
    let mut text = Text::of(source);
    let mut probes = Vec::new();
    // The members of an ENUM, and what the server makes text of, hold neither.
    if is_string(source) {
        probes.push(source.probe(Fault::Nul, format!("LOCATE(X'00', {}) > 0", text.bytes)));
        if source.column.policies.nul_bytes == Policy::Strip {
            text.strip_nul();
        }
        probes.extend(invalid(source, &mut text));
    }
    match source.column.ty {
        ColumnType::Varchar { chars } if longest(source) > chars => {
            let sql = format!("CHAR_LENGTH({}) > {chars}", text.text);
            probes.push(Probe { exact: text.exact, ..source.probe(Fault::OutOfRange, sql) });
        }
        ColumnType::Jsonb => probes.extend(escapes(source, &text)),
        _ => {}
    }
    let checked = source.declared.word() == "json" || source.column.rule == "json check";
    if matches!(source.column.ty, ColumnType::Json | ColumnType::Jsonb) && !checked {
        // PostgreSQL says so itself, row by row, so nothing can take the value's place.
        let policy = if source.column.policies.out_of_range == Policy::Fail { Policy::Fail } else { Policy::Reject };
        probes.push(Probe { wrong: Wrong::NotJson, policy, exact: false, sql: format!("NOT JSON_VALID({})", text.text) });
    }
    probes
}

/// Texts and bytes that are no UUID.
pub(super) fn uuid(source: &Source<'_>) -> Option<Probe> {
    const DIGITS: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
    let sql = match source.declared.word() {
        "uuid" => return None,
        "binary" if source.declared.number(0) == Some(16) => return None,
        "binary" | "varbinary" => format!("LENGTH({}) <> 16", source.name),
        _ => {
            let spelled = literal(&format!(r"^([0-9a-fA-F]{{32}}|{DIGITS}|[{{]{DIGITS}[}}]|urn:uuid:{DIGITS})\z"));
            format!("NOT {} REGEXP {spelled}", Text::latin1(&Text::of(source).bytes))
        }
    };
    Some(source.probe(Fault::OutOfRange, sql))
}

/// Texts that are no address.
pub(super) fn inet(source: &Source<'_>) -> Vec<Probe> {
    if !is_string(source) {
        return Vec::new();
    }
    let mut text = Text::of(source);
    let mut probes: Vec<Probe> = invalid(source, &mut text).into_iter().collect();
    let latin1 = Text::latin1(&text.bytes);
    let (alone, behind) = (literal(&format!("^{IPV4}")), literal(&format!(":{IPV4}")));
    // The server's own check reads up to a NUL byte, and takes leading zeros in an IPv4 address at the end.
    let whole = literal(r"^[0-9a-fA-F:.]+\z");
    let six =
        format!("IS_IPV6({}) AND {latin1} REGEXP {whole} AND (LOCATE('.', {latin1}) = 0 OR {latin1} REGEXP {behind})", text.text);
    let sql = format!("NOT ({latin1} REGEXP {alone} OR ({six}))");
    probes.push(Probe { exact: text.exact, ..source.probe(Fault::OutOfRange, sql) });
    probes
}

/// CHAR to LONGTEXT: any bytes of their character set.
fn is_string(source: &Source<'_>) -> bool {
    let word = source.declared.word();
    matches!(word, "char" | "varchar") || word.ends_with("text")
}

/// What comes back changed from UTF-16 is no UTF-8 for a reader: MariaDB stores halves of surrogate pairs in utf8mb4 and
/// both servers in ucs2. It goes back into its own character set, because MySQL's CONVERT cuts what a reader gets whole.
fn invalid(source: &Source<'_>, text: &mut Text) -> Option<Probe> {
    let charset = source.column.charset.as_deref().unwrap_or_default();
    if !["utf", "ucs"].iter().any(|start| charset.starts_with(start)) {
        return None;
    }
    let name = &source.name;
    let back = format!("CAST(CONVERT(CONVERT({name} USING utf16) USING {}) AS BINARY)", quote_mysql(charset));
    let probe = source.probe(Fault::InvalidUtf8, format!("NOT CAST({name} AS BINARY) <=> {back}"));
    // What is left of a stripped text is not to be had in SQL.
    text.exact = text.exact && source.column.policies.invalid_utf8 != Policy::Strip;
    Some(probe)
}

/// Escapes of JSON that jsonb does not take. Escaped backslashes are put out of the way first, so that each backslash
/// that is left begins an escape. The encoder stops at the first bad one.
fn escapes(source: &Source<'_>, text: &Text) -> [Probe; 2] {
    // Of the same length: MariaDB moves the rest of the text for each pair otherwise.
    let plain = format!("REPLACE({}, X'5C5C', '##')", text.bytes);
    let nul = format!("LOCATE(X'5C7530303030', {plain})");
    // Few texts have such an escape at all.
    let some = format!("LOCATE(X'5C7564', {plain}) + LOCATE(X'5C7544', {plain}) > 0");
    let marked = format!("REPLACE(REPLACE({plain}, X'5C7564', {SURROGATE}), X'5C7544', {SURROGATE})");
    let lone = format!("IF({some}, REGEXP_INSTR({}, {}), 0)", Text::latin1(&marked), literal(LONE_SURROGATE));
    let first = source.probe(Fault::Nul, format!("({nul} > 0 AND ({lone} = 0 OR {nul} < {lone}))"));
    let second = source.probe(Fault::OutOfRange, format!("{lone} > 0"));
    [first, second].map(|probe| Probe { exact: text.exact, ..probe })
}

/// Most characters that the source's type takes.
fn longest(source: &Source<'_>) -> u32 {
    match source.declared.word() {
        "char" | "varchar" => source.declared.number(0).unwrap_or(1),
        "tinytext" => 0xff,
        "text" => 0xffff,
        "mediumtext" => 0xff_ffff,
        "inet4" => 15,
        "inet6" => 45,
        "uuid" => 36,
        _ => u32::MAX,
    }
}
