//! JSON in one form: the same bytes for every spelling that `jsonb` takes for one document.
//!
//! PostgreSQL writes a `jsonb` with its own blanks, order of keys and spelling of numbers and characters, so neither text is
//! the other. The form here follows its input rules, and no server has to be asked for it:
//!
//! * of equal keys the last one counts, and the order of keys does not;
//! * a number is its sign, its digits, its power of ten, and the number of digits behind the point that `numeric` would show
//!   (`1.0` is not `1.00`, but `1e2` is `100`); zero has no sign;
//! * characters are UTF-8, however they were escaped; blanks between tokens do not count;
//! * a list or an object is the number of its members and XXH3 (128 bits, seed 0) of what they are, one behind the other.
//!
//! Source: PostgreSQL, `src/backend/utils/adt/jsonb.c`, and `set_var_from_str` in `numeric.c`. How deep
//! a document is costs neither stack nor time: nothing recurses, and no member is copied more than once.

use std::collections::BTreeMap;
use twox_hash::XxHash3_128;

/// Appends the form of a JSON text; false, with nothing appended, for what is no JSON.
pub(super) fn json(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let done = Reader { rest: text }.document(out).is_some();
    if !done {
        out.truncate(start);
    }
    done
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// A container that is not closed yet.
enum Open {
    Array { items: u32, bytes: Vec<u8> },
    Object { members: BTreeMap<Vec<u8>, Vec<u8>>, key: Vec<u8> },
}

impl Reader<'_> {
    fn document(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // A value begins, or a container that has none.
            let mut value = match self.token()? {
                b'[' if self.take(b']') => container(b'a', 0, &[]),
                b'{' if self.take(b'}') => container(b'o', 0, &[]),
                b'[' => {
                    open.push(Open::Array { items: 0, bytes: Vec::new() });
                    continue;
                }
                b'{' => {
                    let key = self.key()?;
                    open.push(Open::Object { members: BTreeMap::new(), key });
                    continue;
                }
                b'"' => {
                    let mut value = vec![b's'];
                    self.string(&mut value)?;
                    value
                }
                first @ (b'-' | b'0'..=b'9') => self.number(first)?,
                b't' => self.word(b"rue", b't')?,
                b'f' => self.word(b"alse", b'f')?,
                b'n' => self.word(b"ull", b'n')?,
                _ => return None,
            };
            // It ends, and with it perhaps what it stands in.
            loop {
                match open.pop() {
                    None => {
                        out.append(&mut value);
                        return self.token().is_none().then_some(());
                    }
                    Some(Open::Array { items, mut bytes }) => {
                        bytes.append(&mut value);
                        let items = items.checked_add(1)?;
                        match self.token()? {
                            b',' => {
                                open.push(Open::Array { items, bytes });
                                break;
                            }
                            b']' => value = container(b'a', items, &bytes),
                            _ => return None,
                        }
                    }
                    Some(Open::Object { mut members, key }) => {
                        members.insert(key, std::mem::take(&mut value));
                        match self.token()? {
                            b',' => {
                                let key = self.key()?;
                                open.push(Open::Object { members, key });
                                break;
                            }
                            b'}' => {
                                let count = u32::try_from(members.len()).ok()?;
                                let members: Vec<u8> =
                                    members.into_iter().flat_map(|(key, member)| [key, member].concat()).collect();
                                value = container(b'o', count, &members);
                            }
                            _ => return None,
                        }
                    }
                }
            }
        }
    }

    /// The next byte that is no blank.
    fn token(&mut self) -> Option<u8> {
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
        }
        None
    }

    /// Whether this is the next token; then it is taken.
    fn take(&mut self, wanted: u8) -> bool {
        let before = self.rest;
        let found = self.token() == Some(wanted);
        if !found {
            self.rest = before;
        }
        found
    }

    /// `"key":`
    fn key(&mut self) -> Option<Vec<u8>> {
        if self.token()? != b'"' {
            return None;
        }
        let mut key = Vec::new();
        self.string(&mut key)?;
        (self.token()? == b':').then_some(key)
    }

    fn word(&mut self, rest: &[u8], sign: u8) -> Option<Vec<u8>> {
        self.rest = self.rest.strip_prefix(rest)?;
        Some(vec![sign])
    }

    /// The characters behind an opening quote, behind their length.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let place = out.len();
        out.extend([0; 4]);
        loop {
            let end = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            let (plain, rest) = self.rest.split_at(end);
            out.extend_from_slice(plain);
            let (mark, rest) = rest.split_first()?;
            self.rest = rest;
            if *mark == b'"' {
                let length = u32::try_from(out.len() - place - 4).ok()?;
                out.get_mut(place..place + 4)?.copy_from_slice(&length.to_be_bytes());
                return Some(());
            }
            let (escape, rest) = self.rest.split_first()?;
            self.rest = rest;
            match escape {
                b'"' | b'\\' | b'/' => out.push(*escape),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let first = self.unit()?;
                    let units = match first {
                        0xd800..=0xdbff => {
                            self.rest = self.rest.strip_prefix(b"\\u")?;
                            [first, self.unit()?].to_vec()
                        }
                        _ => vec![first],
                    };
                    let mut bytes = [0; 4];
                    for character in char::decode_utf16(units) {
                        out.extend_from_slice(character.ok()?.encode_utf8(&mut bytes).as_bytes());
                    }
                }
                _ => return None,
            }
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn digits(&mut self) -> &[u8] {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    /// `-?int(.frac)?([eE][+-]?exp)?`, of which the first byte is taken.
    fn number(&mut self, first: u8) -> Option<Vec<u8>> {
        let negative = first == b'-';
        let mut digits = if negative { Vec::new() } else { vec![first] };
        digits.extend_from_slice(self.digits());
        if digits.is_empty() || digits.len() > 1 && digits.first() == Some(&b'0') {
            return None;
        }
        let mut behind = 0_i64;
        if let Some(rest) = self.rest.strip_prefix(b".") {
            self.rest = rest;
            let fraction = self.digits();
            behind = i64::try_from(fraction.len()).ok().filter(|length| *length > 0)?;
            digits.extend_from_slice(fraction);
        }
        let mut exponent = 0_i64;
        if let Some(rest) = self.rest.strip_prefix(b"e").or_else(|| self.rest.strip_prefix(b"E")) {
            let (sign, rest) = match rest.split_first() {
                Some((b'-', rest)) => (-1, rest),
                Some((b'+', rest)) => (1, rest),
                _ => (1, rest),
            };
            self.rest = rest;
            // Beyond what numeric takes, PostgreSQL refuses the document.
            exponent = sign * std::str::from_utf8(self.digits()).ok()?.parse::<i64>().ok()?;
        }
        let shown = behind.saturating_sub(exponent).max(0);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let mut power = exponent.checked_sub(behind)?;
        let mut mantissa = digits.split_off(leading);
        while mantissa.last() == Some(&b'0') {
            mantissa.pop();
            power = power.checked_add(1)?;
        }
        let zero = mantissa.is_empty();
        let mut value = vec![b'd', u8::from(negative && !zero)];
        value.extend(u32::try_from(mantissa.len()).ok()?.to_be_bytes());
        value.append(&mut mantissa);
        value.extend(if zero { 0 } else { power }.to_be_bytes());
        value.extend(shown.to_be_bytes());
        Some(value)
    }
}

fn container(kind: u8, items: u32, members: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(items.to_be_bytes());
    bytes.extend(XxHash3_128::oneshot(members).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Option<Vec<u8>> {
        let mut out = vec![7];
        let done = json(text.as_bytes(), &mut out);
        assert_eq!(out.remove(0), 7);
        assert!(done || out.is_empty());
        done.then_some(out)
    }

    /// What PostgreSQL 15 and 18 print for the left side is on the right (`SELECT '…'::jsonb`).
    #[test]
    fn spellings_of_one_document_are_one() {
        for (one, other) in [
            (r#"{"b":1,"a":[1,2]}"#, r#"{"a": [1, 2], "b": 1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
            ("1e2", "100"),
            ("1.50e1", "15.0"),
            ("1.5e-3", "0.0015"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("0e5", "0"),
            ("0.0e-3", "0.0000"),
            ("12E+1", "120"),
            (" [ ] ", "[]"),
            ("{\t}", "{}"),
            (r#""\u00e9\/\ud83d\ude00\n""#, "\"é/\u{1f600}\\n\""),
            ("[true,false,null]", "[true, false, null]"),
            (r#"[{"x":{}},[[]]]"#, r#"[{"x": {}}, [[]]]"#),
        ] {
            assert!(of(one).is_some(), "{one}");
            assert_eq!(of(one), of(other), "{one}");
        }
    }

    #[test]
    fn other_documents_are_others() {
        let all = [
            "1",
            "1.0",
            "1.00",
            "-1",
            "10",
            "0",
            "0.0",
            "\"1\"",
            "\"\"",
            "null",
            "true",
            "false",
            "[]",
            "{}",
            "[1]",
            "[1,2]",
            "[12]",
            "[[1],2]",
            "[[1,2]]",
            "[1,[2]]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"ab":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"["a","bc"]"#,
            r#"["ab","c"]"#,
            "[null]",
            r#"["null"]"#,
            "\"a \"",
            "\"a\"",
            "\"A\"",
            "18446744073709551615",
            "18446744073709551616",
            "0.1",
            "0.10000000000000001",
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(of(one).unwrap(), of(other).unwrap(), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_json_has_no_form() {
        for text in [
            "",
            " ",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "[1",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "]",
            "tru",
            "\"a",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12g4\"",
            "1 2",
            "nul",
            "[1]]",
            "+1",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(of(&deep[..deep.len() - 1]).is_none());
        let deep = format!("{}1{}", "{\"a\":[".repeat(100_000), "]}".repeat(100_000));
        assert!(of(&deep).is_some());
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn blanks_do_not_count_and_values_do(one in document(), other in document()) {
            prop_assert_eq!(of(&one.to_string()), of(&serde_json::to_string_pretty(&one).unwrap()));
            prop_assert_eq!(of(&one.to_string()) == of(&other.to_string()), one == other);
        }
    }
}
