//! What is not changed stays byte for byte, whatever way of writing; what cannot be changed by lines is said.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const FILE: &str = "\
# head
include: ['*']   # all
tables:
  # about a
  a:
    primary_incremental_column: x  # because
    filter: |
      v > 1
    # trailing remark of a
    #chunk_mb: 64

  # unseen changes: old

  # unseen changes: kept up to date
  'b c': {chunk_mb: 8, filter: \"x = '}'\"} # flow
  empty:
  nothing: ~  # yet
  list:
    incremental_columns:
    # first
    - A
    - B
    sync_profile: append_only
# tail
exclude:
- tmp_*
";

fn text(file: &str) -> TablesText {
    TablesText::parse(Some(file.to_owned()), PathBuf::from("t.yml")).unwrap()
}

fn word(field: &'static str, value: &str) -> (&'static str, FieldValue) {
    (field, FieldValue::Word(value.into()))
}

fn set(table: &str, fields: &[(&'static str, FieldValue)]) -> Change {
    Change { table: table.into(), set: fields.to_vec(), ..Change::default() }
}

fn edit(file: &str, changes: &[Change]) -> Edited {
    text(file).edit(changes).unwrap_or_else(|error| panic!("{error}\n{file}"))
}

/// The lines of the diff that are not context.
fn changed(edited: &Edited) -> Vec<&str> {
    edited
        .diff
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .collect()
}

#[test]
fn nothing_to_do_changes_nothing() {
    let edited = edit(FILE, &[]);
    assert_eq!((edited.text.as_str(), edited.diff.as_str()), (FILE, ""));
}

#[test]
fn missing_fields_go_to_the_end_of_their_entry() {
    let new = [word("sync_profile", "append_only")];
    for (table, want) in [
        ("a", vec!["+    sync_profile: append_only"]),
        (
            "b c",
            vec![
                "-  'b c': {chunk_mb: 8, filter: \"x = '}'\"} # flow",
                "+  'b c': {chunk_mb: 8, filter: \"x = '}'\", sync_profile: append_only} # flow",
            ],
        ),
        ("empty", vec!["+    sync_profile: append_only"]),
        ("nothing", vec!["-  nothing: ~  # yet", "+  nothing: # yet", "+    sync_profile: append_only"]),
    ] {
        let edited = edit(FILE, &[set(table, &new)]);
        assert_eq!(changed(&edited), want, "{table}");
        assert!(edited.untouched.is_empty());
    }
    let all = ["a", "b c", "empty", "nothing", "list"].map(|table| set(table, &[word("performance_category", "tiny")]));
    let edited = edit(FILE, &all);
    assert_eq!(edited.text.matches("performance_category: tiny").count(), 5, "{}", edited.text);
    assert_eq!(text(&edited.text).edit(&[]).unwrap().diff, "");
}

#[test]
fn fields_are_replaced_and_remarks_stay() {
    let columns = ("incremental_columns", FieldValue::List(vec!["C".into()]));
    let edited = edit(FILE, &[set("list", &[columns, word("sync_profile", "in_place_updates")])]);
    let want = [
        "-    incremental_columns:",
        "+    incremental_columns: [C]",
        "-    - A",
        "-    - B",
        "-    sync_profile: append_only",
        "+    sync_profile: in_place_updates",
    ];
    let mut got = changed(&edited);
    got.retain(|line| !line.ends_with("# first"));
    got.sort_unstable();
    let mut want = want.to_vec();
    want.sort_unstable();
    assert_eq!(got, want, "{}", edited.diff);
    assert!(edited.text.contains("    # first\n"));
    let edited = edit(FILE, &[set("a", &[word("primary_incremental_column", "z")])]);
    assert!(edited.text.contains("    primary_incremental_column: z  # because\n"), "{}", edited.text);
    // A value in braces is not replaced.
    let edited = edit("tables:\n  a: {sync_profile: x}\n", &[set("a", &[word("sync_profile", "y")])]);
    assert!(edited.diff.is_empty() && edited.untouched.len() == 1, "{edited:?}");
}

#[test]
fn marks_are_ours_and_other_comments_are_not() {
    let marks = |table: &str, marks: &[&str]| Change {
        marks: Some(marks.iter().map(|mark| (*mark).to_owned()).collect()),
        ..set(table, &[])
    };
    let edited = edit(FILE, &[marks("a", &["one", "two\nlines"]), marks("b c", &["kept up to date"])]);
    assert_eq!(changed(&edited), ["+  # unseen changes: one", "+  # unseen changes: two\\u{a}lines"]);
    let again = edit(&edited.text, &[marks("a", &["one", "two\nlines"])]);
    assert_eq!(again.diff, "");
    let gone = edit(&edited.text, &[marks("a", &[]), marks("b c", &[])]);
    assert_eq!(gone.text, FILE.replace("  # unseen changes: kept up to date\n", ""));
}

#[test]
fn new_entries_go_to_the_end_of_the_section() {
    let new =
        [set("zz", &[word("sync_profile", "append_only")]), set("a*b", &[("incremental_columns", FieldValue::List(vec![]))])];
    let edited = edit(FILE, &new);
    let want = "    sync_profile: append_only\n  zz:\n    sync_profile: append_only\n  \"a\\\\*b\":\n    incremental_columns: []\n# tail\n";
    assert!(edited.text.contains(want), "{}", edited.text);
    for (file, want) in [
        ("", "tables:\n  zz:\n    sync_profile: append_only\n"),
        ("include: [x]", "include: [x]\ntables:\n  zz:\n    sync_profile: append_only\n"),
        ("tables: {}  # none\ninclude: [x]\n", "tables: # none\n  zz:\n    sync_profile: append_only\ninclude: [x]\n"),
        ("tables:\n  #a:\n    #b: 1\n\n# end\n", "tables:\n  #a:\n    #b: 1\n  zz:\n    sync_profile: append_only\n\n# end\n"),
        (
            "tables:\r\n    a:\r\n        key: [x]",
            "tables:\r\n    a:\r\n        key: [x]\n    zz:\r\n        sync_profile: append_only\r\n",
        ),
        (
            "tables:\n  a:\n    key: [x]\n    #chunk_mb: 1\n",
            "tables:\n  a:\n    key: [x]\n    #chunk_mb: 1\n  zz:\n    sync_profile: append_only\n",
        ),
    ] {
        assert_eq!(edit(file, &new[..1]).text, want, "{file:?}");
    }
    for file in ["tables: {a: {key: [x]}}\n", "tables: [a]\n"] {
        assert!(text(file).edit(&new[..1]).is_err(), "{file:?}");
    }
}

#[test]
fn what_means_something_else_alone_is_left_alone() {
    let new = [word("sync_profile", "append_only")];
    let anchors = "base: 1\ntables:\n  a: &a\n    key: [x]\n  b:\n    <<: *a\n    chunk_mb: 1\n  c: *a\n";
    for table in ["b", "c"] {
        let edited = edit(anchors, &[set(table, &new)]);
        assert!(edited.diff.is_empty() && edited.untouched[0].0 == table, "{edited:?}");
    }
    // It would reach the entries that take it in.
    assert!(text(anchors).edit(&[set("a", &new)]).is_err());
    // A line of the scalar looks like a remark behind the entry.
    let scalar = "tables:\n  a:\n    filter: |\n      v > 1\n      # not a remark\n  b:\n    key: [x]\n";
    let edited = edit(scalar, &[set("a", &new)]);
    assert!(edited.diff.is_empty() && edited.untouched.len() == 1, "{}", edited.diff);
}

#[test]
fn given_is_the_own_entry_before_the_last_glob() {
    let file = "tables:\n  '*': {sync_profile: append_only, performance_category: ~, filter: \"${F}\"}\n  a: {sync_profile: ~, key: ['${K}']}\n";
    let given = text(file).given("a");
    assert_eq!(given["sync_profile"], Given { value: Some(FieldValue::Word(String::new())), own: true });
    assert!(!given.contains_key("performance_category") && !given["filter"].own && !given["key"].own);
    assert_eq!(text(file).given("b")["sync_profile"], Given { value: Some(FieldValue::Word("append_only".into())), own: false });
    assert_eq!(text(FILE).tables(), ["a", "b c", "empty", "nothing", "list"]);
}
