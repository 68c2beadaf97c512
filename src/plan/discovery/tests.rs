//! Every combination of what columns declare, and generated files: nothing that shows inserts only is taken for more, what
//! is there stays, and a second look has nothing to do.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::catalog::TableKind;
use crate::catalog::definitions::IndexPart;
use crate::config::edit::{FieldValue, Given};
use crate::config::{Extraction, IncrementalStrategy, Policies, SyncProfile, TableRule};
use crate::name::TableName;
use crate::value::ColumnType;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn column(name: &str, declared: &str, nullable: bool) -> Column {
    let is_time = declared.starts_with("datetime") || declared.starts_with("timestamp");
    Column {
        name: name.into(),
        target: name.into(),
        declared: declared.into(),
        data_type: declared.split('(').next().unwrap().into(),
        nullable,
        comment: String::new(),
        ty: if is_time { ColumnType::Timestamp { digits: 6 } } else { ColumnType::Int64 },
        rule: "test",
        policies: Policies::default(),
        invisible: false,
        generated: false,
        auto_increment: name == "id",
        charset: None,
        position: 1,
    }
}

fn table(columns: Vec<Column>) -> SourceTable {
    SourceTable {
        name: TableName::new("d", "t"),
        kind: TableKind::Base,
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        rows_estimated: 0,
        bytes_estimated: 0,
        columns,
        key: vec![0],
        key_kind: KeyKind::Primary,
        key_index: Some("PRIMARY".into()),
        identity: String::new(),
        counter: None,
    }
}

/// `a+` is set at inserts, `a*` at changes, `a+*` at both, `a?` may be NULL, `a!` leads an index; `id` is the counter.
fn facts_of(source: &SourceTable, words: &str) -> (Vec<Candidate>, Vec<String>) {
    let mut own = Definitions::default();
    for word in words.split(' ').filter(|word| *word != "id" && !word.is_empty()) {
        let name = word[..1].to_owned();
        let text = word.contains('+').then(|| "current_timestamp()".to_owned());
        if word.contains(['+', '*']) {
            own.defaults.push(ColumnDefault {
                table: "t".into(),
                column: name.clone(),
                text,
                bare: false,
                on_update: word.contains('*'),
            });
        }
        if word.contains('!') {
            let parts = vec![IndexPart { column: Some(name.clone()), prefix: false, descending: false }];
            own.indexes.push(Index { table: "t".into(), name, unique: false, kind: "BTREE".into(), parts });
        }
    }
    (candidates(source, &own), Vec::new())
}

fn source_of(words: &str) -> SourceTable {
    let mut columns = vec![column("k", "int(11)", false)];
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        columns.push(match word {
            "id" => column("id", "bigint(20)", false),
            word => column(&word[..1], if word.contains('6') { "datetime(6)" } else { "datetime" }, word.contains('?')),
        });
    }
    table(columns)
}

fn decided(words: &str, rule: &TableRule, given: &[(&str, FieldValue)], refresh: bool) -> Decision {
    let source = source_of(words);
    let (candidates, cascades) = facts_of(&source, words);
    let facts = Facts { source: &source, candidates, cascades, rows: Rows::Exactly(50_000) };
    let given = given.iter().map(|(f, v)| ((*f).to_owned(), Given { value: Some(v.clone()), own: true })).collect();
    decide(&facts, Asked { given: &given, rule, refresh })
}

fn chosen(words: &str) -> (String, String) {
    let decision = decided(words, &TableRule::default(), &[], false);
    (decision.proposal.columns.join(" "), decision.reason)
}

#[test]
fn what_the_catalog_declares_decides() {
    for (words, want) in [
        ("", ""),
        ("id", ""),
        ("a", ""),
        ("a+", ""),
        ("id a+ b", ""),
        ("a+*", "a"),
        ("id a+ b+*", "b"),
        ("id a+*? b+*!", "b"),
        ("a+* b+*6", "b"),
        ("a+*6 b+*!", "b"),
        ("a+*? b+*", "b"),
        ("a* id", "id a"),
        ("a* b+", "b a"),
        ("a* b+! id", "b a"),
        ("a*", ""),
        ("a*?", "a"),
    ] {
        assert_eq!(chosen(words).0, want, "{words}: {}", chosen(words).1);
    }
    let mut keyless = source_of("a+*");
    keyless.key_kind = KeyKind::None;
    let (candidates, cascades) = facts_of(&keyless, "a+*");
    let facts = Facts { source: &keyless, candidates, cascades, rows: Rows::Exactly(1) };
    let given = BTreeMap::new();
    let decision = decide(&facts, Asked { given: &given, rule: &TableRule::default(), refresh: false });
    assert_eq!((decision.proposal.extraction, decision.proposal.columns.len()), (Extraction::FullTable, 0));
    assert!(decision.reason.contains("no key"), "{}", decision.reason);
}

#[test]
fn defaults_and_indexes_are_read_as_both_servers_spell_them() {
    let source = source_of("id a b c d");
    let default = |column: &str, text: &str, bare| ColumnDefault {
        table: "t".into(),
        column: column.into(),
        text: Some(text.into()),
        bare,
        on_update: false,
    };
    let index = |kind: &str, column: Option<&str>, prefix| Index {
        table: "t".into(),
        name: "i".into(),
        unique: false,
        kind: kind.into(),
        parts: vec![IndexPart { column: column.map(str::to_owned), prefix, descending: false }],
    };
    let own = Definitions {
        defaults: vec![
            default("a", "CURRENT_TIMESTAMP(6)", false),
            default("b", "'2020-01-01 00:00:00'", false),
            default("c", "CURRENT_TIMESTAMP", true),
        ],
        indexes: vec![index("HASH", Some("a"), false), index("BTREE", None, false), index("BTREE", Some("d"), true)],
        ..Definitions::default()
    };
    let found = candidates(&source, &own);
    let moves: Vec<(&str, Moves, bool)> = found.iter().map(|c| (c.column.as_str(), c.moves, c.indexed)).collect();
    let application = Moves::Application;
    assert_eq!(
        moves,
        [
            ("id", Moves::Counter, false),
            ("a", Moves::Inserts, false),
            ("b", application, false),
            ("c", application, false),
            ("d", application, false)
        ]
    );
}

#[test]
fn cascades_that_change_rows_are_named() {
    let key = |on_update: &str, on_delete: &str| ForeignKey {
        table: "t".into(),
        name: "f".into(),
        columns: vec!["p".into()],
        parent_schema: "d".into(),
        parent: "p".into(),
        parent_columns: vec!["id".into()],
        on_update: on_update.into(),
        on_delete: on_delete.into(),
    };
    let all = ["RESTRICT", "NO ACTION", "CASCADE", "SET NULL"];
    for (update, delete) in all.iter().flat_map(|update| all.map(|delete| (*update, delete))) {
        let wanted = ["CASCADE", "SET NULL"].contains(&update) || delete == "SET NULL";
        assert_eq!(cascades(&[key(update, delete)]).len(), usize::from(wanted), "{update} {delete}");
    }
    assert_eq!(cascades(&[key("CASCADE", "SET NULL")]), ["foreign key f (ON UPDATE CASCADE, ON DELETE SET NULL)"]);
}

#[test]
fn a_class_is_kept_near_its_limits() {
    use Category::{Large, Medium, Small, Tiny};
    for (rows, now, want) in [
        (0, None, Tiny),
        (9_999, None, Tiny),
        (10_000, None, Small),
        (100_000, None, Medium),
        (1_000_000, None, Large),
        (11_999, Some(Tiny), Tiny),
        (12_000, Some(Tiny), Small),
        (8_000, Some(Small), Small),
        (7_999, Some(Small), Tiny),
        (800_000, Some(Large), Large),
        (799_999, Some(Large), Medium),
        (ROWS_OF_INTEREST - 1, Some(Medium), Medium),
        (ROWS_OF_INTEREST, Some(Medium), Large),
        (5, Some(Large), Tiny),
    ] {
        assert_eq!(category(Rows::Exactly(rows), now), want, "{rows} {now:?}");
    }
    assert_eq!(category(Rows::AtLeast(ROWS_OF_INTEREST), Some(Medium)), Large);
}

fn word(text: &str) -> FieldValue {
    FieldValue::Word(text.into())
}

#[test]
fn what_is_there_stays_and_what_is_added_goes_with_it() {
    let rule = TableRule { primary_incremental_column: Some("id".into()), ..TableRule::default() };
    let decision = decided("id a+*", &rule, &[("primary_incremental_column", word("id"))], false);
    let set: BTreeMap<_, _> = decision.set.into_iter().collect();
    assert_eq!(set["incremental_columns"], FieldValue::List(vec!["id".into()]));
    assert!(!set.contains_key("primary_incremental_column") && set["extraction_strategy"] == word("incremental"));
    assert_eq!((decision.kept[0].field, decision.kept[0].proposed.as_str()), ("primary_incremental_column", "a"));
    assert_eq!(decision.in_use, ["id"]);
    assert!(decision.marks[0].contains("id shows inserted rows only, but rows change: a has ON UPDATE"), "{:?}", decision.marks);

    // The same with --refresh, unless it is pinned.
    let decision = decided("id a+*", &rule, &[("primary_incremental_column", word("id"))], true);
    assert!(decision.set.contains(&("primary_incremental_column", word("a"))) && decision.marks.is_empty());
    let pinned = TableRule { pinned: true, ..rule };
    let decision = decided("id a+*", &pinned, &[("primary_incremental_column", word("id"))], true);
    assert!(decision.set.is_empty() && decision.kept.len() == 7, "{decision:?}");

    // Null is a person's "none".
    let rule = TableRule::default();
    let decision = decided("a", &rule, &[("primary_incremental_column", word(""))], false);
    assert!(decision.kept.is_empty() && decision.set.len() == 6, "{decision:?}");
}

#[test]
fn append_only_is_a_persons_word() {
    let rule = TableRule { sync_profile: Some(SyncProfile::AppendOnly), ..TableRule::default() };
    let given = [("sync_profile", word("append_only"))];
    let decision = decided("id a+", &rule, &given, false);
    assert_eq!((decision.in_use.as_slice(), decision.marks.len()), (&["id".to_owned()][..], 0));
    // It is not taken where rows do change, nor by --refresh.
    assert_eq!(decided("id a+ b+*", &rule, &given, false).in_use, ["b"]);
    assert!(decided("id a+", &rule, &given, true).in_use.is_empty());
    let rule = TableRule { extraction: Some(Extraction::FullTable), ..rule };
    let given = [("sync_profile", word("append_only")), ("extraction_strategy", word("full_table"))];
    assert!(decided("id a+", &rule, &given, false).kept.is_empty(), "who reads all rows is left alone");
}

#[test]
fn marks_name_what_the_columns_in_use_do_not_show() {
    let marks = |words: &str, columns: &[&str], strategy, profile| {
        let rule = TableRule {
            incremental_columns: Some(columns.iter().map(|c| (*c).to_owned()).collect()),
            incremental_strategy: Some(strategy),
            sync_profile: Some(profile),
            ..TableRule::default()
        };
        let list = FieldValue::List(columns.iter().map(|c| (*c).to_owned()).collect());
        let given = [("incremental_columns", list), ("incremental_strategy", word("x")), ("sync_profile", word("x"))];
        decided(words, &rule, &given, false).marks.join(" | ")
    };
    use IncrementalStrategy::{AndLogic, OrLogic, SingleColumn};
    let (append, change) = (SyncProfile::AppendOnly, SyncProfile::InPlaceUpdates);
    for (words, columns, strategy, profile, want) in [
        ("a+*", &["a"][..], SingleColumn, change, ""),
        ("id", &["id"], SingleColumn, append, ""),
        ("id", &["id"], SingleColumn, change, "id shows inserted rows only, but sync_profile is in_place_updates"),
        (
            "id a+*",
            &["id"],
            SingleColumn,
            append,
            "id shows inserted rows only, but rows change: a has ON UPDATE CURRENT_TIMESTAMP",
        ),
        ("id a*", &["id", "a"], OrLogic, change, ""),
        ("id a*", &["a"], SingleColumn, change, "a is not set when a row is inserted: no DEFAULT CURRENT_TIMESTAMP"),
        ("a*?", &["a"], SingleColumn, change, ""),
        (
            "id a*",
            &["id", "a"],
            AndLogic,
            append,
            "id, a is not set when a row is inserted: no DEFAULT CURRENT_TIMESTAMP | id, a shows inserted rows only, but rows change: a has ON UPDATE CURRENT_TIMESTAMP",
        ),
        ("a", &["a"], SingleColumn, append, "a: written by the application, so nobody knows which changes move it"),
        ("a b+*", &["a", "b"], OrLogic, change, ""),
    ] {
        assert_eq!(marks(words, columns, strategy, profile), want, "{words} {columns:?}");
    }
    let source = source_of("a+*");
    let (candidates, _) = facts_of(&source, "a+*");
    let facts = Facts {
        source: &source,
        candidates,
        cascades: vec!["foreign key f (ON DELETE SET NULL)".into()],
        rows: Rows::Exactly(1),
    };
    let given = BTreeMap::new();
    let decision = decide(&facts, Asked { given: &given, rule: &TableRule::default(), refresh: false });
    assert_eq!(decision.marks, ["foreign key f (ON DELETE SET NULL) changes rows without moving a"]);
}

/// The file after a decision was written, as far as this test knows it.
fn written(rule: &TableRule, given: &BTreeMap<String, Given>, decision: &Decision) -> (TableRule, BTreeMap<String, Given>) {
    let (mut rule, mut given) = (rule.clone(), given.clone());
    let put = decision.set.iter().map(|(field, _)| *field).collect::<Vec<_>>();
    let now = decision.proposal.clone();
    for (field, value) in &decision.set {
        given.insert((*field).to_owned(), Given { value: Some(value.clone()), own: true });
        match (*field, value) {
            ("incremental_columns", FieldValue::List(columns)) => rule.incremental_columns = Some(columns.clone()),
            ("primary_incremental_column", FieldValue::Word(column)) => rule.primary_incremental_column = Some(column.clone()),
            ("extraction_strategy", FieldValue::Word(text)) => {
                rule.extraction = Some(match text.as_str() {
                    "full_table" => Extraction::FullTable,
                    "incremental" => Extraction::Incremental,
                    _ => Extraction::IncrementalChunked,
                });
            }
            ("incremental_strategy", FieldValue::Word(text)) => {
                rule.incremental_strategy = Some(match text.as_str() {
                    "none" => IncrementalStrategy::None,
                    "or_logic" => IncrementalStrategy::OrLogic,
                    _ => IncrementalStrategy::SingleColumn,
                });
            }
            _ => {}
        }
    }
    if put.contains(&"sync_profile") {
        rule.sync_profile = Some(now.profile);
    }
    if put.contains(&"performance_category") {
        rule.category = Some(now.category);
    }
    (rule, given)
}

fn columns_word() -> impl Strategy<Value = String> {
    let one =
        prop::collection::vec(prop::sample::select(vec!["", "+", "*", "?", "!", "6"]), 0..4).prop_map(|parts| parts.concat());
    let time = (prop::sample::select(vec!["a", "b", "c"]), one).prop_map(|(name, rest)| format!("{name}{rest}"));
    (any::<bool>(), prop::collection::vec(time, 0..3)).prop_map(|(id, mut times)| {
        times.sort();
        times.dedup_by_key(|time| time[..1].to_owned());
        if id {
            times.insert(0, "id".into());
        }
        times.join(" ")
    })
}

proptest! {
    #[test]
    fn a_second_look_has_nothing_to_do(
        words in columns_word(),
        rows in 0_u64..2_000_000,
        primary in prop::option::of(prop::sample::select(vec!["id", "a", "b", "none", ""])),
        profile in prop::option::of(prop::sample::select(vec![SyncProfile::AppendOnly, SyncProfile::InPlaceUpdates])),
        category in prop::option::of(prop::sample::select(vec![Category::Tiny, Category::Small, Category::Medium, Category::Large])),
        refresh in any::<bool>(),
        pinned in any::<bool>(),
    ) {
        let source = source_of(&words);
        let (candidates, cascades) = facts_of(&source, &words);
        let facts = Facts { source: &source, candidates, cascades, rows: Rows::Exactly(rows) };
        let mut given = BTreeMap::new();
        let mut give = |field: &str, value: &str| given.insert(field.to_owned(), Given { value: Some(word(value)), own: true });
        primary.map(|column| give("primary_incremental_column", column));
        profile.map(|_| give("sync_profile", "x"));
        category.map(|_| give("performance_category", "x"));
        let rule = TableRule { pinned, primary_incremental_column: primary.map(str::to_owned), sync_profile: profile, category, ..TableRule::default() };
        let first = decide(&facts, Asked { given: &given, rule: &rule, refresh });
        if pinned {
            prop_assert!(first.set.is_empty());
        }
        for (field, _) in &first.set {
            prop_assert!(refresh || !given.contains_key(*field), "{field} was there");
        }
        let (rule, given) = written(&rule, &given, &first);
        let second = decide(&facts, Asked { given: &given, rule: &rule, refresh });
        prop_assert_eq!(&second.set, &vec![], "{:?}", second);
        prop_assert_eq!(&second.marks, &first.marks);
        // What a proposal of its own uses shows every change that a column can show.
        let own = decide(&facts, Asked { given: &BTreeMap::new(), rule: &TableRule::default(), refresh: false });
        prop_assert_eq!(&own.marks, &Vec::<String>::new(), "{:?}", own.proposal);
        prop_assert_eq!(own.in_use, own.proposal.columns);
    }
}
