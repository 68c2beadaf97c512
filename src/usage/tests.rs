//! Counters, shapes and the document that keeps them.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::Strategy;
use super::*;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

static LEVELS: Mutex<()> = Mutex::new(());

/// The level is the process's: tests that count or set it stand in a row.
fn alone() -> MutexGuard<'static, ()> {
    LEVELS.lock().unwrap_or_else(PoisonError::into_inner)
}

const LARGE: Shape = Shape { class: Class::Large, strategy: Strategy::Parallel };

fn cells(method: &'static Method, shape: Shape) -> (u64, u64, u64) {
    let cells = &method.cells[shape.index()];
    (cells.calls.load(Relaxed), cells.failures.load(Relaxed), cells.rows.load(Relaxed))
}

#[test]
fn what_is_not_told_to_have_succeeded_has_failed() {
    static METHOD: Method = Method::new("Test.outcomes", "");
    let _alone = alone();
    let fails = || -> Result<u64, ()> {
        let call = METHOD.attempt(LARGE);
        Err::<u64, ()>(())?;
        call.ends(Ok(1))
    };
    assert_eq!(fails(), Err(()));
    assert_eq!(cells(&METHOD, LARGE), (1, 1, 0));
    let mut call = METHOD.attempt(LARGE);
    call.rows(7);
    call.ends::<u64, ()>(Ok(1)).unwrap();
    METHOD.run::<u64, ()>(LARGE, || Err(())).unwrap_err();
    METHOD.run::<u64, ()>(LARGE, || Ok(1)).unwrap();
    drop(METHOD.enter(LARGE));
    assert_eq!(cells(&METHOD, LARGE), (5, 2, 7));
    assert_eq!(cells(&METHOD, Shape::NONE), (0, 0, 0));
    assert!(METHOD.first.load(Relaxed) > 1_700_000_000_000_000 && METHOD.last.load(Relaxed) >= METHOD.first.load(Relaxed));
}

#[test]
fn a_panic_is_a_failure() {
    static METHOD: Method = Method::new("Test.panics", "");
    let _alone = alone();
    let panicked = std::panic::catch_unwind(|| {
        let _call = METHOD.enter(LARGE);
        panic!("planted");
    });
    assert!(panicked.is_err());
    assert_eq!(cells(&METHOD, LARGE), (1, 1, 0));
}

#[test]
fn levels_say_what_is_counted() {
    static METHOD: Method = Method::new("Test.levels", "");
    let _alone = alone();
    set_level(Level::Off);
    drop(METHOD.enter(LARGE));
    assert_eq!((cells(&METHOD, LARGE), METHOD.first.load(Relaxed)), ((0, 0, 0), 0));
    set_level(Level::Calls);
    METHOD.record(LARGE, true, 3, Duration::from_secs(5));
    let nanos = || METHOD.cells[LARGE.index()].nanos.load(Relaxed);
    assert_eq!((cells(&METHOD, LARGE), nanos()), ((1, 0, 3), 0));
    set_level(Level::Times);
    METHOD.record(LARGE, true, 3, Duration::from_secs(5));
    assert_eq!(cells(&METHOD, LARGE), (2, 0, 6));
    assert!((5_000_000_000..50_000_000_000).contains(&nanos()), "{}", nanos());
}

#[test]
fn threads_and_calls_of_many_threads_add_up() {
    static METHOD: Method = Method::new("Test.threads", "");
    let _alone = alone();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..1_000).for_each(|_| drop(METHOD.enter(LARGE))));
        }
    });
    assert_eq!(cells(&METHOD, LARGE).0, 8_000);
    let threads = METHOD.threads.load(Relaxed).count_ones();
    // Other tests may have used up the bits of single threads.
    assert!((1..=8).contains(&threads), "{threads}");
}

#[test]
fn ids_are_unique_and_have_a_type_and_a_purpose() {
    let ids: BTreeSet<&str> = METHODS.iter().map(|method| method.id).collect();
    assert_eq!(ids.len(), METHODS.len());
    for method in METHODS {
        let (ty, name) = method.id.split_once('.').unwrap();
        assert!(ty.starts_with(char::is_uppercase) && name.starts_with(char::is_lowercase), "{}", method.id);
        assert!(!method.purpose.is_empty() && !method.purpose.ends_with('.'), "{}", method.id);
    }
}

#[test]
fn a_run_is_what_came_between_two_looks() {
    let _alone = alone();
    drop(DDL.enter(Shape::NONE));
    let before = Snapshot::begin();
    let begun = now_micros();
    DDL.run::<(), ()>(LARGE, || Err(())).unwrap_err();
    let counted = Snapshot::now().since(&before);
    let ddl = &counted["Ddl.ddl"];
    assert_eq!((ddl.total().calls, ddl.total().failures, ddl.threads), (1, 1, 1));
    assert_eq!(ddl.shapes.keys().copied().collect::<Vec<_>>(), [LARGE]);
    assert!(ddl.first >= begun && ddl.last >= ddl.first, "{ddl:?} {begun}");
    let run = Run::new(DateTime::<Utc>::UNIX_EPOCH, "token", &before);
    assert_eq!((run.run_id.as_str(), run.syncs, run.calls["Ddl.ddl"]), ("1970-01-01T00:00:00.000000Z", false, 1));
    let text = serde_json::to_value(&run).unwrap();
    assert!(text.get("counted").is_none(), "{text}");
}

/// A run that called some methods.
fn run(second: u32, calls: &BTreeMap<&str, u64>) -> Run {
    let at = |micros: u32| format!("2026-11-{:02}T00:{:02}:{:02}.{micros:06}Z", second / 3600 + 1, second / 60 % 60, second % 60);
    let counted = |calls: u64| Record {
        call_count: calls,
        failures: calls / 2,
        first_seen: Some(at(1)),
        last_seen: Some(at(2)),
        total_us: calls * 10,
        max_us: calls,
        threads_max: 2,
        shapes: vec![ShapeRecord { class: "tiny".into(), strategy: "standard".into(), calls, ..ShapeRecord::default() }],
        ..Record::default()
    };
    Run {
        run_id: at(0),
        token: second.to_string(),
        syncs: true,
        calls: calls.iter().map(|(id, calls)| ((*id).to_owned(), *calls)).collect(),
        counted: calls.iter().map(|(id, calls)| ((*id).to_owned(), counted(*calls))).collect(),
    }
}

fn added(runs: impl IntoIterator<Item = Run>) -> Document {
    let mut document = Document::default();
    for run in runs {
        document.add(run);
    }
    // What the file does not keep of runs is no difference.
    Document::parse(&serde_json::to_string(&document).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn runs_add_up_in_any_order_and_once(
        runs in prop::collection::btree_map(0..3_000_u32, prop::collection::btree_map(
            prop::sample::select(vec!["Chunk.merge", "Chunk.finish", "Gone.method"]), 1..100_u64, 0..3), 0..12),
        seed in any::<u64>(),
    ) {
        let all: Vec<Run> = runs.iter().map(|(second, calls)| run(*second, calls)).collect();
        let in_order = added(all.clone());
        let sum: u64 = runs.values().filter_map(|calls| calls.get("Chunk.merge")).sum();
        prop_assert_eq!(in_order.methods["Chunk.merge"].call_count, sum);
        prop_assert_eq!(in_order.methods["Chunk.merge"].shapes.iter().map(|shape| shape.calls).sum::<u64>(), sum);
        prop_assert_eq!(in_order.runs_total, u64::try_from(runs.len()).unwrap());
        // Another order, and every run a second time at another place.
        let mut twice = [all.clone(), all].concat();
        let mut state = seed;
        for at in (1..twice.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            twice.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        prop_assert_eq!(added(twice), in_order);
    }
}

#[test]
fn only_the_newest_runs_are_kept_one_by_one() {
    let calls = BTreeMap::from([("Chunk.merge", 1)]);
    let many = u32::try_from(KEPT_RUNS).unwrap() + 5;
    let mut document = added((0..many).map(|second| run(second, &calls)));
    let merge = document.methods["Chunk.merge"].clone();
    assert_eq!((merge.call_count, merge.runs), (u64::from(many), u64::from(many)));
    assert_eq!((merge.run_ids.len(), document.runs.len()), (KEPT_RUN_IDS, KEPT_RUNS));
    assert_eq!(document.runs[0].run_id, run(5, &calls).run_id);
    assert_eq!(merge.run_ids.last(), Some(&run(many - 1, &calls).run_id));
    assert!(!document.add(run(3, &calls)), "it is in the sums already");
    assert_eq!(document.methods["Chunk.merge"], merge);
}

#[test]
fn two_runs_of_one_moment_are_two() {
    let calls = BTreeMap::from([("Chunk.merge", 1)]);
    let document = added([run(1, &calls), Run { token: "other".into(), ..run(1, &calls) }]);
    assert_eq!(document.methods["Chunk.merge"].call_count, 2);
    let ids: Vec<&str> = document.runs.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!(ids, ["2026-11-01T00:00:01.000000Z", "2026-11-01T00:00:01.000001Z"]);
}

#[test]
fn damage_and_newer_files_are_told_apart() {
    let good = serde_json::to_string(&Document::default()).unwrap();
    assert_eq!(Document::parse(&good), Ok(Document::default()));
    let never = &Document::default().methods["Why.why"];
    assert_eq!((never.call_count, &never.first_seen), (0, &None));
    for end in 0..good.len() {
        assert_eq!(Document::parse(&good[..end]), Err(Unreadable::Corrupt), "{end}");
    }
    assert_eq!(Document::parse("{\"schema_version\": 2, \"other\": 1}"), Err(Unreadable::Newer(2)));
}
