//! The format, read back by its own rules: what `promtool check metrics` would refuse fails here.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::collections::BTreeSet;

/// A line's name, labels and value; panics where the format is broken.
fn parsed(line: &str) -> (String, Vec<(String, String)>, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let name = line[..end].to_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    assert!(name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    let (mut labels, mut rest) = (Vec::new(), &line[end..]);
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
            let (mut text, mut chars) = (String::new(), value.char_indices());
            let closed = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().unwrap().1 {
                        'n' => text.push('\n'),
                        c @ ('\\' | '"') => text.push(c),
                        c => panic!("escape {c} in {line}"),
                    },
                    (_, c) => text.push(c),
                }
            };
            labels.push((label.to_owned(), text));
            rest = &value[closed + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    (name, labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

/// All series, after a look at the whole: HELP and TYPE once and in front, one group per metric, no series twice.
fn checked(text: &str) -> BTreeMap<(String, Vec<(String, String)>), f64> {
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
    let (mut all, mut known, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && known.insert(name.to_owned()), "{line}");
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()));
            current = name.to_owned();
            continue;
        }
        let (name, labels, value) = parsed(line);
        assert_eq!(name, current, "{line}");
        assert!(name.starts_with("etl_sync_") && !name.ends_with("_total") && value.is_finite(), "{line}");
        assert!(all.insert((name, labels), value).is_none(), "twice: {line}");
    }
    all
}

fn report(exit_code: u8, ended_at: &str) -> RunReport {
    let mut report = RunReport::empty("r".into());
    report.schema = "raw\"\\\n".into();
    report.exit_code = exit_code;
    report.ended_at = ended_at.into();
    report.totals.loaded = 3;
    report
}

#[test]
fn every_text_is_well_formed_and_the_last_success_stays() {
    let job = ("job".to_owned(), "raw\"\\\n".to_owned());
    let success = (LAST_SUCCESS.to_owned(), vec![job.clone()]);
    let failed = text(&report(1, "2026-11-22T01:00:00.000Z"), None, false);
    assert!(!checked(&failed).contains_key(&success), "there was none");
    let good = text(&report(0, "2026-11-22T02:00:00.500Z"), Some(&failed), false);
    assert_eq!(checked(&good)[&success], 1_795_312_800.5);
    let failed = checked(&text(&report(143, "2026-11-22T03:00:00.000Z"), Some(&good), false));
    assert_eq!(failed[&success], 1_795_312_800.5);
    assert_eq!(failed[&("etl_sync_run_exit_code".to_owned(), vec![job.clone()])], 143.0);
    assert_eq!(failed[&("etl_sync_run_success".to_owned(), vec![job.clone()])], 0.0);
    let loaded = [job, ("hop".into(), "warehouse".into()), ("status".into(), "loaded".into())];
    assert_eq!(failed[&("etl_sync_tables".to_owned(), loaded.to_vec())], 3.0);
}

#[test]
fn both_hops_have_series_of_their_own() {
    let mut both = report(0, "2026-11-22T02:00:00.000Z");
    both.replicate = Some(Box::new(report(0, "2026-11-22T01:00:00.000Z")));
    let all = checked(&text(&both, None, true));
    let hops: BTreeSet<&str> =
        all.keys().flat_map(|(_, labels)| labels).filter(|(n, _)| n == "hop").map(|(_, v)| v.as_str()).collect();
    assert_eq!(hops, BTreeSet::from(["replica", "warehouse"]));
}

proptest::proptest! {
    #[test]
    fn any_label_is_escaped(label in "\\PC{0,8}[\\\\\"\n{},= ]{0,6}") {
        let line = format!("x{} 1", written(&[("a", &label)]));
        proptest::prop_assert_eq!(parsed(&line).1, vec![("a".to_owned(), label)]);
    }
}
