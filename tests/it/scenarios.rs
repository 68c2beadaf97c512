//! The faults that every copy of this kind meets sooner or later, as a list: each is a case folder or a test whose name
//! begins with its words.

use crate::cases::{folders, name};
use crate::hosts::project;
use crate::notes;
use std::collections::BTreeSet;

/// Faults of the data's way, in their own words.
const FAULTS: [&str; 46] = [
    "source column added mid-life",
    "target table dropped by hand with state intact",
    "target table emptied by hand with state intact",
    "target missing rows in the middle",
    "one new row plus stale hole",
    "delete of 1 row",
    "delete of 99 %",
    "delete plus insert keeping the count",
    "edit without timestamp change",
    "edit with timestamp equal to the watermark second",
    "10,000 rows with an identical timestamp across batch limits",
    "future-dated timestamp",
    "clock/timezone difference",
    "watermark column changed in config",
    "composite PK",
    "no PK",
    "string PK",
    "negative and >2^63 keys",
    "non-monotonic PK",
    "tinyint that later takes 2",
    "zero date",
    "0001-01-01",
    "TIME -838:59:59",
    "unsigned max",
    "NUL byte",
    "invalid UTF-8",
    "4-byte emoji",
    "empty string vs NULL",
    "16 MB text",
    "BIT(1)",
    "JSON",
    "ENUM ''",
    "kill -9 mid copy",
    "kill -9 before the merge",
    "kill -9 mid merge",
    "kill -9 before state",
    "kill -9 after state before the record",
    "kill -9 mid swap",
    "kill -9 after replica write before state",
    "connection lost mid scan",
    "replica write fails with 1054",
    "tracking DB unreachable",
    "two runs at once",
    "reader querying during refresh",
    "dependent view present",
    "edit without timestamp change outside every window",
];

/// Lower-case words joined by `_`.
fn words(text: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    text.chars().map(word).collect::<String>().split_whitespace().collect::<Vec<_>>().join("_")
}

/// Names of all case folders, and of all test functions beside this file.
fn names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = folders(&project().join("tests/cases")).iter().map(|case| name(case)).collect();
    for entry in std::fs::read_dir(project().join("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let tests = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(tests.map(str::to_owned));
        }
    }
    names
}

/// Faults that have no test and are not in the list of those, and the other way round.
fn complaints(names: &BTreeSet<String>) -> Vec<String> {
    let mut out = Vec::new();
    for fault in FAULTS {
        let wanted = words(fault);
        let is_there = names.iter().any(|name| *name == wanted || name.starts_with(&format!("{wanted}_")));
        if !is_there {
            out.push(format!("{fault}: no case and no test is called {wanted}"));
        }
    }
    out
}

#[test]
fn every_fault_has_its_test() {
    let mut names = names();
    assert_eq!(complaints(&names), Vec::<String>::new());
    notes::add(&format!("faults: all {} have a test named after them", FAULTS.len()));
    // The check itself: a name that goes.
    assert!(names.remove("delete_of_1_row"));
    assert_eq!(complaints(&names), ["delete of 1 row: no case and no test is called delete_of_1_row"]);
}
