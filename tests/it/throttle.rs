//! A busy source goes first: jobs wait while more of its threads run than the configuration allows.

use crate::sandbox::Sandbox;
use mysql::prelude::Queryable;
use std::time::{Duration, Instant};

/// The application's busy time.
const BUSY: Duration = Duration::from_secs(6);

#[test]
fn a_busy_source_is_waited_for_and_a_quiet_one_is_not() {
    let sandbox = Sandbox::new("throttle");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"]);
    sandbox.config("pipeline.yml", "general: { threads_running_max: 12 }\n");
    let busy = Instant::now();
    let slept = std::thread::scope(|scope| {
        for _ in 0..20 {
            let mut source = sandbox.source();
            scope.spawn(move || source.query_drop(format!("SELECT SLEEP({})", BUSY.as_secs())).expect("it sleeps"));
        }
        // Other tests of this server may make it busier, never quieter.
        std::thread::sleep(Duration::from_millis(500));
        let outcome = sandbox.sync(&["-v"]);
        outcome.says("threads run at the source, more than threads_running_max 12: waiting");
        busy.elapsed()
    });
    assert!(slept >= BUSY, "the run began its jobs after {slept:?}");
    sandbox.assert_equal(&[]);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_meta.etl_request_log WHERE throttled AND endpoint = 't'"), 1);
    sandbox.config("pipeline.yml", "general: { threads_running_max: 9999 }\n");
    assert!(!sandbox.sync(&["-v"]).stderr.contains("waiting"));
}
