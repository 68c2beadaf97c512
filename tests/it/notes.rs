//! What the closing summary of `scripts/test.sh` shall tell: counts, and tests that could not run here. The test
//! harness hides the output of tests that pass, so notes go to a file.

use std::io::Write;

/// Adds a line to the file that `ETL_SYNC_TEST_NOTES` names; without it the line goes to standard error.
pub fn add(line: &str) {
    let Some(path) = std::env::var_os("ETL_SYNC_TEST_NOTES") else {
        eprintln!("{line}");
        return;
    };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.expect("the notes file can be opened");
    // In one piece, because tests beside this one write, too.
    file.write_all(format!("{line}\n").as_bytes()).expect("the notes file can be written");
}

/// A test that this machine cannot run.
pub fn skip(test: &str, why: &str) {
    add(&format!("SKIPPED {test}: {why}"));
}
