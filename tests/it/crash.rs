//! The campaign: a live application, and the program or one of the servers killed at random moments, again and again.
//! Tables are read whole, in chunks and by increments. Each time the next run comes to its end; at last the application
//! rests, one more run, and both sides are equal.
//!
//! The quick set has 10 kills and one of each server, `ETL_SYNC_TEST_ALL=1` has 150 and ten.

use crate::hosts::{self, Side};
use crate::notes;
use crate::program::Outcome;
use crate::random::Random;
use crate::sandbox::{RUN_MAX, Sandbox};
use crate::writer::{self, TOTAL, Writer};
use std::time::Duration;

/// What is killed, and how often.
#[derive(Debug, Clone, Copy)]
struct Campaign {
    program: u32,
    each_server: u32,
}

const QUICK: Campaign = Campaign { program: 10, each_server: 1 };
const FULL: Campaign = Campaign { program: 150, each_server: 10 };

#[test]
fn kills_under_a_live_application_lose_nothing() {
    let campaign = if std::env::var_os("ETL_SYNC_TEST_ALL").is_some() { FULL } else { QUICK };
    let mut random = Random::of_environment();
    let mut private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "crash");
    writer::tables(&sandbox);
    sandbox.config("pipeline.yml", "general: { server_down_wait_s: 60 }\n");
    let writer = Writer::start(&sandbox, random.next());
    // How long a run takes, so that kills fall anywhere in it.
    let longest = u64::try_from(run_to_its_end(&sandbox, "the first run").took.as_millis()).unwrap();

    for round in 1..=campaign.program {
        let running = sandbox.start(&[]);
        std::thread::sleep(Duration::from_millis(random.below(longest)));
        running.kill();
        run_to_its_end(&sandbox, &format!("after kill {round} of the program"));
    }
    for round in 1..=campaign.each_server {
        for side in [Side::Source, Side::Warehouse] {
            let running = sandbox.start(&[]);
            std::thread::sleep(Duration::from_millis(random.below(longest)));
            private.signal(side, "KILL");
            private.up();
            let outcome = running.wait(RUN_MAX);
            assert!(matches!(outcome.code, Some(0 | 1 | 69)), "after kill {round} of {side:?}:\n{outcome}");
            run_to_its_end(&sandbox, &format!("after kill {round} of {side:?}"));
        }
    }
    let before = writer.done();
    let written = writer.end();
    assert!(written > 100, "the application hardly worked: {written} transactions, {before} before its end");
    run_to_its_end(&sandbox, "the last run");
    sandbox.assert_equal(&[]);
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0), "a run of the resting source has nothing to write");
    let Campaign { program, each_server } = campaign;
    notes::add(&format!("crash: {program} kills of the program, {each_server} of each server, {written} transactions meanwhile"));
}

/// A run after a kill comes to its end, takes away what the dead one left, and shows a moment that existed.
fn run_to_its_end(sandbox: &Sandbox, when: &str) -> Outcome {
    let outcome = sandbox.run(&[]);
    assert_eq!(outcome.code, Some(0), "{when}:\n{outcome}");
    let left = sandbox.leftovers();
    assert!(left.is_empty(), "{when}, left behind: {left:#?}\n{outcome}");
    // Tables of one snapshot group belong together; one kept from the killed run is older.
    let sides = ["left_side", "right_side"].map(|table| outcome.table(table));
    if sides.iter().all(|side| side["status"] == "loaded" && side["snapshot"] == "shared" && side["rounds"] == sides[0]["rounds"])
    {
        let sql = "SELECT ((SELECT sum(amount) FROM left_side) + (SELECT sum(amount) FROM right_side))::bigint";
        assert_eq!(sandbox.count(sql), TOTAL, "{when}: money was lost between two tables of one snapshot\n{outcome}");
    }
    outcome
}
