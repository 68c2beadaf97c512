//! Rows of the source that are in quarantine instead of the target: they are not missing.

use super::look::Without;
use crate::conn::postgres::PostgresConn;
use crate::error::{Doing, Kind, Result};
use crate::plan::TablePlan;
use crate::sink::postgres::counts;
use serde_json::Value;
use std::collections::BTreeSet;

/// Keys that are read; a table with more rows in quarantine fails by default.
const KEYS_MAX: i64 = 100_000;

/// The rows in quarantine of one table.
#[derive(Debug, Default)]
pub struct Quarantined {
    keys: BTreeSet<String>,
    /// Rows without a key that were not accounted for yet.
    keyless: u64,
}

impl Quarantined {
    /// Reads the keys, as of the table's last finished load; none where this role may not.
    ///
    /// # Errors
    /// The classified server error.
    pub fn read(conn: &mut PostgresConn, job: &str, table: &TablePlan, quarantine: Without) -> Result<Self> {
        let mut all = Self::default();
        if quarantine != Without::Nothing {
            return Ok(all);
        }
        let doing = format!("reading the quarantine of table {}", table.name());
        for row in conn.rows(&counts::rejected_keys_sql(KEYS_MAX), &[&job, &table.name()], &doing)? {
            match row.get::<_, Option<String>>(0) {
                Some(key) => {
                    let key: Value = serde_json::from_str(&key).doing(Kind::Internal, || doing.clone())?;
                    all.keys.insert(plain(&key));
                }
                None => all.keyless += 1,
            }
        }
        Ok(all)
    }

    /// Whether a missing row is one of these; a row without a key is any of those without.
    pub fn takes(&mut self, key: Option<&Value>) -> bool {
        match key {
            Some(key) => self.keys.contains(&plain(key)),
            None => {
                let takes = self.keyless > 0;
                self.keyless = self.keyless.saturating_sub(1);
                takes
            }
        }
    }
}

/// One spelling of a key: times are kept with all their digits there, and shown with as many as they have here.
fn plain(key: &Value) -> String {
    let Value::Object(columns) = key else { return key.to_string() };
    let parts = columns.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name:?}:{:?}", plain_text(text)),
        other => format!("{name:?}:{:?}", other.to_string()),
    });
    parts.collect::<Vec<_>>().join(",")
}

fn plain_text(text: &str) -> &str {
    let looks_like_time = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:. ".contains(&byte));
    if !looks_like_time || !text.contains(':') {
        return text;
    }
    let text = text.strip_suffix("+00").unwrap_or(text);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    text.strip_suffix(" 00:00:00").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_found_however_their_times_are_spelled() {
        let kept =
            json!({"id": 7, "at": "2024-01-02 03:04:05.500000", "day": "2024-01-02 00:00:00.000000", "t": "-838:00:00.000000"});
        let shown = json!({"id": 7, "at": "2024-01-02 03:04:05.5+00", "day": "2024-01-02", "t": "-838:00:00"});
        assert_eq!(plain(&kept), plain(&shown));
        let other = json!({"id": 7, "at": "2024-01-02 03:04:05.51", "day": "2024-01-02", "t": "-838:00:00"});
        assert_ne!(plain(&kept), plain(&other));
        assert_eq!(plain_text("100.00"), "100.00");
        assert_ne!(plain(&json!({"a": "1"})), plain(&json!({"a": "10"})));
    }

    #[test]
    fn rows_without_a_key_are_taken_once_each() {
        let mut all = Quarantined { keyless: 1, ..Quarantined::default() };
        assert!(all.takes(None) && !all.takes(None) && !all.takes(Some(&json!({"id": 1}))));
    }
}
