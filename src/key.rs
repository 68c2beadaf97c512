//! Key values and half-open key ranges, and the one function that turns a range into a SQL condition.
//!
//! Values keep the type and the bytes the server gave; ranges are compared by the server only, because the order of
//! strings differs between servers, collations and this program.

use crate::name::quote_mysql;

/// One component of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyValue {
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer.
    UInt(u64),
    /// Text, bytes, dates and decimals: as the server sent them, bound as a parameter, never printed.
    Bytes(Vec<u8>),
}

/// The values of all key columns, in key order.
pub type Key = Vec<KeyValue>;

/// `low <= key < high`; an absent end is open, so rows beyond every value seen while planning still belong somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyRange {
    /// First key that belongs to the range.
    pub low: Option<Key>,
    /// First key that does not.
    pub high: Option<Key>,
}

impl KeyRange {
    /// The whole table.
    #[must_use]
    pub const fn everything() -> Self {
        Self { low: None, high: None }
    }

    /// Consecutive ranges cut at `boundaries`; n boundaries give n + 1 ranges, the first and the last one open.
    #[must_use]
    pub fn cut(boundaries: Vec<Key>) -> Vec<Self> {
        let mut ranges = Vec::with_capacity(boundaries.len() + 1);
        let mut low = None;
        for boundary in boundaries {
            ranges.push(Self { low, high: Some(boundary.clone()) });
            low = Some(boundary);
        }
        ranges.push(Self { low, high: None });
        ranges
    }

    /// The range of an integer key in the SQL of either server; `key` is a quoted column. No range in SQL is made of any other
    /// key across servers, because they order strings differently.
    #[must_use]
    pub fn of_integers(&self, key: &str) -> String {
        let bound = |sign: &str, end: &Option<Key>| match end.as_deref() {
            Some([KeyValue::Int(value)]) => Some(format!("{key} {sign} {value}")),
            Some([KeyValue::UInt(value)]) => Some(format!("{key} {sign} {value}")),
            _ => None,
        };
        let both: Vec<String> = bound(">=", &self.low).into_iter().chain(bound("<", &self.high)).collect();
        if both.is_empty() { "true".into() } else { format!("({})", both.join(" AND ")) }
    }

    /// A MySQL condition on the key columns and the values of its parameters; `None` for the whole table. Each column
    /// comes with its placeholder: `?`, or an expression with one `?` in it.
    ///
    /// Composite keys are spelled out, because neither server uses an index for `(a, b) >= (?, ?)`; the leading
    /// `a >= ?` gives the index range.
    #[must_use]
    pub fn condition(&self, columns: &[(&str, &str)]) -> Option<(String, Vec<KeyValue>)> {
        let mut text = Vec::new();
        let mut values = Vec::new();
        if let Some(low) = &self.low {
            text.push(bound(columns, low, '>', true, &mut values));
        }
        if let Some(high) = &self.high {
            text.push(bound(columns, high, '<', false, &mut values));
        }
        if text.is_empty() { None } else { Some((text.join(" AND "), values)) }
    }
}

/// `key > value` (or `<`) in lexicographic order, `or_equal` for the closed end.
fn bound(columns: &[(&str, &str)], key: &[KeyValue], sign: char, or_equal: bool, values: &mut Vec<KeyValue>) -> String {
    let last = columns.len().saturating_sub(1);
    let mut text = String::new();
    if last > 0 {
        text.push_str(&format!("{} {sign}= {} AND (", quote_mysql(columns[0].0), columns[0].1));
        values.extend(key.first().cloned());
    }
    for (i, ((column, place), value)) in columns.iter().zip(key).enumerate() {
        let name = quote_mysql(column);
        let equal = if i == last && or_equal { "=" } else { "" };
        if i < last {
            text.push_str(&format!("{name} {sign} {place} OR ({name} = {place} AND ("));
            values.push(value.clone());
        } else {
            text.push_str(&format!("{name} {sign}{equal} {place}"));
        }
        values.push(value.clone());
    }
    text.push_str(&")".repeat(2 * last));
    if last > 0 {
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(values: &[i64]) -> Key {
        values.iter().map(|v| KeyValue::Int(*v)).collect()
    }

    #[test]
    fn single_column() {
        let range = KeyRange { low: Some(int(&[1])), high: Some(int(&[9])) };
        assert_eq!(range.condition(&[("id", "?")]), Some(("`id` >= ? AND `id` < ?".to_owned(), [int(&[1]), int(&[9])].concat())));
        assert_eq!(KeyRange::everything().condition(&[("id", "?")]), None);
    }

    #[test]
    fn integers_are_written_out() {
        let range = KeyRange { low: Some(int(&[-1])), high: Some(vec![KeyValue::UInt(u64::MAX)]) };
        assert_eq!(range.of_integers("t.k"), "(t.k >= -1 AND t.k < 18446744073709551615)");
        assert_eq!(KeyRange::everything().of_integers("k"), "true");
    }

    #[test]
    fn composite_is_lexicographic() {
        let range = KeyRange { low: Some(int(&[1, 2, 3])), high: None };
        let (text, values) = range.condition(&[("a", "?"), ("b", "?"), ("c", "?")]).unwrap_or_default();
        assert_eq!(text, "`a` >= ? AND (`a` > ? OR (`a` = ? AND (`b` > ? OR (`b` = ? AND (`c` >= ?)))))");
        assert_eq!(values, int(&[1, 1, 1, 2, 2, 3]));
    }

    #[test]
    fn cut_covers_everything_once() {
        let ranges = KeyRange::cut(vec![int(&[5]), int(&[7])]);
        assert_eq!(ranges.len(), 3);
        assert_eq!(ranges[0], KeyRange { low: None, high: Some(int(&[5])) });
        assert_eq!(ranges[2], KeyRange { low: Some(int(&[7])), high: None });
        assert_eq!(KeyRange::cut(vec![]), vec![KeyRange::everything()]);
    }
}
