//! Every strategy has its row, and the choice fits action, key and size.

#![allow(clippy::unwrap_used)]

use super::*;

const ALL: [Strategy; 5] = [Strategy::Standard, Strategy::Streaming, Strategy::Chunked, Strategy::CopyCsv, Strategy::Parallel];
const ACTIONS: [Action; 3] = [Action::FirstLoad, Action::Exchange, Action::Refresh];

fn facts() -> Facts {
    Facts { action: Action::FirstLoad, splitter: Splitter::Integer, chunks_wanted: 9, configured: None }
}

#[test]
fn every_strategy_has_its_row() {
    for strategy in ALL {
        let row = traits(strategy);
        assert_eq!(row.strategy, strategy);
        assert!(ACTIONS.iter().any(|action| row.staging(*action).is_some()), "{strategy}");
        let one = [Staging::Table, Staging::Temporary];
        let without_exchange = [Action::FirstLoad, Action::Refresh];
        for staging in without_exchange.iter().filter_map(|action| row.staging(*action)) {
            assert_eq!(one.contains(&staging), !row.is_split(), "{strategy}: one transaction, or staging that several see");
        }
    }
}

#[test]
fn size_and_key_decide() {
    assert_eq!(choose(facts()).0, Strategy::CopyCsv);
    assert_eq!(choose(Facts { action: Action::Refresh, ..facts() }).0, Strategy::Parallel);
    assert_eq!(choose(Facts { chunks_wanted: 1, ..facts() }).0, Strategy::Standard);
    assert_eq!(choose(Facts { splitter: Splitter::None, ..facts() }).0, Strategy::Streaming);
    assert_eq!(choose(Facts { splitter: Splitter::None, chunks_wanted: 1, ..facts() }).0, Strategy::Standard);
}

/// Whatever is asked for, the strategy fits the action and the key, and the reason is told.
#[test]
fn the_configuration_wins_unless_it_is_impossible() {
    for action in ACTIONS {
        for splitter in [Splitter::Integer, Splitter::Walk, Splitter::None] {
            for chunks_wanted in [1, 2, 100] {
                for configured in std::iter::once(None).chain(ALL.map(Some)) {
                    let (strategy, reason) = choose(Facts { action, splitter, chunks_wanted, configured });
                    let row = traits(strategy);
                    assert!(row.staging(action).is_some() && !reason.is_empty(), "{strategy} {action:?}");
                    assert!(splitter != Splitter::None || !row.is_split(), "{strategy} without a key");
                    if let Some(configured) = configured.map(traits) {
                        let possible = splitter != Splitter::None || !configured.is_split();
                        let fits = configured.staging(action).is_some();
                        assert_eq!(strategy == configured.strategy, possible && fits, "{configured:?} {action:?} {strategy}");
                        // What was asked for of the source is kept in any case.
                        assert!(!possible || row.workers == configured.workers, "{configured:?} {strategy}");
                    }
                }
            }
        }
    }
}

#[test]
fn standard_ends_at_50_mb_and_at_a_million_rows() {
    let chunks = |rows: u64, bytes: u64, is_sized: bool| {
        goal(ChunkGoal::new(rows, bytes, 64 << 20, 1_000_000), bytes, 8, is_sized).chunks()
    };
    assert_eq!(chunks(999_999, STANDARD_BYTES_MAX, false), 1);
    assert_eq!(chunks(500_000, STANDARD_BYTES_MAX + 1, false), 8);
    assert_eq!(chunks(1_000_000, 20 << 20, false), 8);
    assert_eq!(chunks(3_000_000, 700 << 20, false), 16);
    // chunk_mb or chunk_rows of the table itself.
    assert_eq!(chunks(1_000_000, 20 << 20, true), 1);
    assert_eq!(chunks(1, 1 << 30, false), 1, "a row is not cut");
}
