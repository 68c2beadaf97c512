//! Tests of checkpoints: every file that is not whole, fresh and of the same kind is refused, and nothing is forgotten.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde_json::json;

const FRESH: Duration = Duration::from_secs(3600);

fn sample() -> Checkpoint {
    let mut checkpoint = Checkpoint::new("run-1", "finger");
    checkpoint.phases.insert("discover".into(), State::Completed);
    checkpoint.phases.insert("load".into(), State::Running);
    for (table, mark) in
        [("a", TableMark::Changed), ("b", TableMark::Unchanged), ("c", TableMark::Planned), ("d", TableMark::Planned)]
    {
        checkpoint.tables.insert(table.into(), mark);
    }
    checkpoint.position = Some(Position { extracted: json!({ "row": 12 }), loaded: json!(34) });
    checkpoint
}

fn read(text: &str) -> Result<Checkpoint> {
    Checkpoint::read(text, "finger", FRESH, Utc::now())
}

#[test]
fn every_prefix_of_a_file_is_refused_or_is_the_whole() {
    let whole = sample();
    let text = whole.text();
    let mut taken = Vec::new();
    for end in 0..=text.len() {
        match read(&text[..end]) {
            Ok(read) => {
                assert_eq!(read, whole, "{end} bytes");
                taken.push(end);
            }
            Err(error) => assert!(error.to_string().contains("cut short"), "{end} bytes: {error}"),
        }
    }
    assert_eq!(taken, [text.len() - 1, text.len()], "only the last line feed may be missing");
}

#[test]
fn a_file_of_another_kind_is_refused_and_says_why() {
    let change = |name: &str, value: Value| {
        let mut document: Value = serde_json::from_str(&sample().text()).unwrap();
        document[name] = value;
        read(&document.to_string()).map_err(|error| error.to_string())
    };
    let why = |name: &str, value: Value| change(name, value).unwrap_err();
    assert!(why("version", json!(2)).contains("version 2"));
    assert!(why("version", json!("1")).contains("no version"));
    assert!(why("version", json!(null)).contains("no version"));
    assert!(why("fingerprint", json!("other")).contains("another configuration"));
    assert!(why("tables", json!({ "a": "half" })).contains("no checkpoint"));
    assert!(why("phases", json!(3)).contains("no checkpoint"));
    let ago = |seconds| json!(Utc::now() - TimeDelta::seconds(seconds));
    assert!(why("written_at", ago(3700)).contains("stale: 61 minutes"));
    assert!(why("written_at", ago(-400)).contains("future"));
    assert!(change("written_at", ago(3500)).is_ok() && change("written_at", ago(-200)).is_ok());
    // What a run had changed that came to its own end does not grow old.
    let ended = Checkpoint { has_ended: true, written_at: Utc::now() - TimeDelta::days(3), ..sample() };
    assert_eq!(read(&ended.text()).unwrap(), ended);
    assert!(read("[]").unwrap_err().to_string().contains("no version"));
}

#[test]
fn a_run_finds_what_another_left_and_its_end_takes_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/checkpoint.json");
    let run = |fingerprint: &str| Checkpoints::at(&path, fingerprint, FRESH);
    let first = run("finger");
    assert!(matches!(first.find(), Found::Nothing));
    first.phase("discover", State::Running);
    assert!(!path.exists(), "nothing is written before the run may");
    first.begin("run-1");
    first.plan(["a", "b", "c"].into_iter());
    first.table("a", TableMark::Changed);
    first.table("b", TableMark::Unchanged);
    first.phase("load", State::Failed);

    let second = run("finger");
    let Found::Usable(found) = second.find() else { panic!("{:?}", second.find()) };
    let marks: Vec<_> = found.tables.values().copied().collect();
    assert_eq!(marks, [TableMark::Changed, TableMark::Unchanged, TableMark::Planned]);
    assert_eq!(found.first_open(&["load", "verify"]), Some("load"));
    let Found::Refused(error) = run("other").find() else { panic!("of another configuration") };
    assert!(error.to_string().contains("checkpoint.json is not used: it is of another configuration"), "{error}");
    second.begin("run-2");
    second.done();
    assert!(!path.exists());
    second.phase("report", State::Completed);
    assert!(!path.exists(), "nothing is written after the end");
}

#[test]
fn what_an_unfinished_run_changed_stays_changed_until_one_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(dir.path().join("c.json"), "finger", FRESH);
    assert_eq!(checkpoints.changed(), None, "nobody knows before the run has begun");
    checkpoints.begin("run-2");
    checkpoints.adopt(&sample(), |table| table == "c");
    checkpoints.plan(["a", "b", "c", "d"].into_iter());
    for table in ["a", "b", "c"] {
        checkpoints.table(table, TableMark::Unchanged);
    }
    let names = |checkpoints: &Checkpoints| checkpoints.changed().map(|names| names.into_iter().collect::<Vec<_>>());
    assert_eq!(names(&checkpoints), Some(vec!["a".into(), "c".into()]));
    checkpoints.table("d", TableMark::Changed);
    assert_eq!(names(&checkpoints).unwrap().len(), 3);
    checkpoints.adopt_unknown();
    assert_eq!(checkpoints.changed(), None);
}

#[test]
fn tables_in_quick_succession_are_written_by_a_later_look() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.json");
    let checkpoints = Checkpoints::at(&path, "finger", FRESH);
    checkpoints.begin("run-1");
    checkpoints.phase("load", State::Running);
    checkpoints.table("a", TableMark::Changed);
    let has = || read(&std::fs::read_to_string(&path).unwrap()).unwrap().tables.contains_key("a");
    assert!(!has(), "two writes in less than a second");
    checkpoints.look();
    assert!(!has());
    checkpoints.keep();
    assert!(has());
}

#[test]
fn a_place_that_cannot_be_written_fails_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let checkpoints = Checkpoints::at(file.path().join("below/a/file.json"), "finger", FRESH);
    checkpoints.begin("run-1");
    checkpoints.table("a", TableMark::Changed);
    assert_eq!(checkpoints.changed().unwrap().len(), 1);
    checkpoints.done();
}

#[test]
fn fingerprints_tell_lists_of_parts_apart() {
    let of = |parts: &[&str]| fingerprint(parts.iter().map(|part| part.as_bytes()));
    assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    assert_ne!(of(&["a"]), of(&["a", ""]));
    assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    assert_eq!(of(&["a"]).len(), 32);
}
