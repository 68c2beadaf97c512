//! The run tracker as a library: every method against a real warehouse, and that nothing of it ever fails its caller.

use crate::hosts::{self, Side, wait_for};
use crate::sandbox::Sandbox;
use crate::tracking::configuration;
use etl_sync::config::{self, Config, Environment, Overrides};
use etl_sync::error::{Error, Kind};
use etl_sync::track::runs::{Metrics, Request, RunScope, RunTracker, get_etl_tracker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

fn request(items: u64, duration_ms: u64) -> Request {
    Request {
        endpoint: "/v1/contacts".into(),
        offset: Some(0),
        limit: Some(100),
        status: Some(200),
        item_count: Some(items),
        duration_ms,
        ..Request::default()
    }
}

/// Status, notes and whether it has ended.
fn row(sandbox: &Sandbox, run: i64) -> (String, String, bool) {
    let sql = "SELECT status, coalesce(notes, ''), finished_at >= started_at FROM etl_meta.etl_run_log WHERE id = $1";
    let row = sandbox.warehouse().query_one(sql, &[&run]).unwrap();
    (row.get(0), row.get(1), row.get::<_, Option<bool>>(2).unwrap_or(false))
}

/// A configuration for a warehouse at another address, or in another environment.
fn elsewhere(sandbox: &Sandbox, warehouse_url: String, etl_meta: Option<&str>) -> Config {
    let overrides = Overrides {
        source_url: Some(sandbox.hosts.url("ETL_SYNC_SOURCE_URL", &sandbox.name)),
        warehouse_url: Some(warehouse_url),
        config_dir: Some(sandbox.config_dir()),
        ..Overrides::default()
    };
    let vars = etl_meta.map(|value| ("ETL_META".to_owned(), value.to_owned())).into_iter().collect();
    let env = Environment { cwd: sandbox.folder().to_owned(), cores: 2, vars, ..Environment::default() };
    config::load(&overrides, &env).unwrap_or_else(|problems| panic!("{problems}"))
}

fn warehouse_url(sandbox: &Sandbox) -> String {
    sandbox.hosts.url("ETL_SYNC_WAREHOUSE_URL", &sandbox.name)
}

/// The migration test of the old tracker, with its numbers.
#[test]
fn a_direct_run_and_a_scope_have_the_metrics_of_the_migration_test() {
    let sandbox = Sandbox::new("trackmig");
    let tracker = RunTracker::new(&configuration(&sandbox));
    assert!(tracker.is_enabled());
    let direct = tracker.start_run("migration test").expect("a number");
    assert!(tracker.log_request(direct, &request(50, 1000)));
    assert!(tracker.log_source_count(direct, "contacts", 49));
    assert!(tracker.log_source_count(direct, "contacts", 50), "a second count takes the place of the first");
    assert!(tracker.end_run(direct, true, "done\0"));
    assert!(!tracker.end_run(direct, true, "again"), "it has ended");
    let scoped = RunScope::run(&tracker, "in a scope", |scope| {
        assert!(scope.log_request(&request(25, 500)));
        assert!(scope.log_source_count("orders", 25));
        Ok::<_, Error>(scope.run_id().expect("a number"))
    });
    let scoped = scoped.unwrap();
    let metrics = |items, duration_ms| Some(Metrics { requests: 1, items, duration_ms, errors: 0, throttled: 0 });
    assert_eq!(tracker.get_run_metrics(direct), metrics(50, 1000));
    assert_eq!(tracker.get_run_metrics(scoped), metrics(25, 500));
    assert_eq!(tracker.get_run_metrics(scoped + 1), None);
    assert_eq!(row(&sandbox, direct), ("success".into(), "migration test\ndone".into(), true));
    assert_eq!(row(&sandbox, scoped), ("success".into(), "in a scope".into(), true));
    let recent = tracker.get_recent_runs(10);
    assert_eq!(recent.iter().map(|run| run.id).collect::<Vec<_>>(), [scoped, direct], "newest first");
    assert_eq!(tracker.get_recent_runs(1).len(), 1);
    let counts = "SELECT sum(items_retrieved)::bigint FROM etl_meta.source_counts";
    assert_eq!(sandbox.count(counts), 75);

    let throttled = Request { throttled: true, error: Some("429".into()), status: Some(429), ..request(0, 7) };
    let failed = tracker.start_run("").expect("a number");
    assert!(tracker.log_request(failed, &throttled));
    assert!(tracker.log_request(failed, &Request { endpoint: "x".into(), ..Request::default() }));
    assert_eq!(tracker.get_run_metrics(failed), Some(Metrics { requests: 2, items: 0, duration_ms: 7, errors: 1, throttled: 1 }));
    assert!(tracker.end_run(failed, false, "no answer"));
    assert_eq!(row(&sandbox, failed), ("error".into(), "no answer".into(), true));

    sandbox.warehouse().batch_execute("UPDATE etl_meta.etl_run_log SET started_at = started_at - interval '31 days'").unwrap();
    let open = tracker.start_run("stays").expect("a number");
    assert_eq!((tracker.cleanup_old_runs(32), tracker.cleanup_old_runs(30)), (0, 3));
    assert_eq!(tracker.get_recent_runs(10).iter().map(|run| run.id).collect::<Vec<_>>(), [open]);
    assert_eq!(sandbox.count("SELECT count(*) FROM etl_meta.etl_request_log"), 0, "requests go with their run");
    assert_eq!(tracker.lost(), 1, "the second end of a run, and nothing else");
}

#[test]
fn a_scope_that_is_left_is_a_failed_run() {
    let sandbox = Sandbox::new("trackscope");
    let tracker = RunTracker::new(&configuration(&sandbox));
    let error = RunScope::run(&tracker, "a", |_| Err::<(), _>(Error::new(Kind::Data, "page 7 is no JSON"))).unwrap_err();
    assert_eq!(error.kind(), Kind::Data, "it goes on to the caller");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let scope = RunScope::start(&tracker, "b");
        assert!(scope.log_request(&request(1, 1)));
        panic!("Miller, John");
    }));
    assert!(panicked.is_err());
    let left = |early: bool| -> Option<()> {
        let scope = RunScope::start(&tracker, "c");
        if early {
            return None;
        }
        scope.finish().then_some(())
    };
    assert_eq!((left(true), left(false)), (None, Some(())));
    let told: Vec<(String, String)> =
        tracker.get_recent_runs(10).into_iter().rev().map(|run| (run.status, run.notes.unwrap_or_default())).collect();
    let wanted = [
        ("error", "a\npage 7 is no JSON"),
        ("error", "b\nthe run panicked"),
        ("error", "c\nthe run was left before its end"),
        ("success", "c"),
    ];
    assert_eq!(told, wanted.map(|(status, notes)| (status.to_owned(), notes.to_owned())));
    assert_eq!(tracker.lost(), 0);
}

#[test]
fn threads_share_one_tracker_and_one_connection() {
    let sandbox = Sandbox::new("trackthreads");
    let tracker = RunTracker::new(&configuration(&sandbox));
    let run = tracker.start_run("").expect("a number");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| assert!(tracker.log_request(run, &request(2, 3)))));
        }
    });
    assert_eq!(
        tracker.get_run_metrics(run),
        Some(Metrics { requests: 200, items: 400, duration_ms: 600, errors: 0, throttled: 0 })
    );
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%'";
    assert_eq!(sandbox.count(sessions), 1);
    let clone = tracker.clone();
    drop(tracker);
    assert!(clone.end_run(run, true, ""));
    drop(clone);
    wait_for("the connection is closed", || (sandbox.count(sessions) == 0).then_some(()));
}

#[test]
fn the_environment_goes_before_everything() {
    let sandbox = Sandbox::new("trackenv");
    let silent = |tracker: &RunTracker| {
        assert!(!tracker.is_enabled());
        assert_eq!((tracker.start_run("x"), tracker.lost()), (None, 0), "what is off loses nothing");
        assert!(!tracker.log_request(1, &request(1, 1)) && !tracker.log_source_count(1, "x", 1) && !tracker.end_run(1, true, ""));
        assert_eq!((tracker.get_run_metrics(1), tracker.cleanup_old_runs(0)), (None, 0));
        assert!(tracker.get_recent_runs(10).is_empty());
    };
    for word in ["0", "false", "off", "OFF"] {
        let tracker = RunTracker::new(&elsewhere(&sandbox, warehouse_url(&sandbox), Some(word)));
        silent(&tracker);
        tracker.enable();
        silent(&tracker);
    }
    assert!(!sandbox.holds("SELECT to_regnamespace('etl_meta') IS NOT NULL"), "something was made");
    let config = elsewhere(&sandbox, warehouse_url(&sandbox), Some("1"));
    let mut environment = Environment::default();
    assert!(RunTracker::at(&config.warehouse, &environment).is_enabled());
    environment.vars.insert("ETL_META".into(), "off".into());
    silent(&RunTracker::at(&config.warehouse, &environment));
    // A configuration, other than the environment, is only where it begins.
    sandbox.config("pipeline.yml", "general: { run_log: false }\n");
    let tracker = RunTracker::new(&elsewhere(&sandbox, warehouse_url(&sandbox), None));
    silent(&tracker);
    tracker.enable();
    assert!(tracker.is_enabled() && tracker.start_run("x").is_some());
    tracker.disable();
    silent(&tracker);
}

#[test]
fn the_old_form_remembers_its_run_and_never_fails_without_one() {
    let sandbox = Sandbox::new("trackold");
    let tracker = get_etl_tracker(&configuration(&sandbox));
    assert!(!tracker.log_request(&request(1, 1)) && !tracker.log_source_count("x", 1) && !tracker.end_run(true, ""));
    assert_eq!((tracker.run_id(), tracker.get_run_metrics(), tracker.lost()), (None, None, 3));
    let run = tracker.start_run("old").expect("a number");
    assert!(tracker.log_request(&request(50, 1000)) && tracker.log_source_count("contacts", 50));
    assert_eq!(tracker.get_run_metrics().map(|metrics| metrics.items), Some(50));
    assert!(tracker.end_run(true, "done"));
    assert_eq!((tracker.run_id(), row(&sandbox, run)), (None, ("success".into(), "old\ndone".into(), true)));
    assert!(!tracker.log_request(&request(1, 1)));
    assert_eq!((tracker.lost(), tracker.get_recent_runs(5).len()), (4, 1));
    tracker.tracker().disable();
    assert!(!tracker.log_request(&request(1, 1)));
    assert_eq!(tracker.lost(), 4, "what is off loses nothing");
}

/// Nothing listens there.
#[test]
fn without_a_server_the_work_goes_on() {
    let sandbox = Sandbox::new("trackgone");
    let tracker = RunTracker::new(&elsewhere(&sandbox, "postgresql://etl_sync@127.0.0.1:1/x".into(), None));
    let result = RunScope::run(&tracker, "x", |scope| {
        assert_eq!(scope.run_id(), None);
        assert!(!scope.log_request(&request(1, 1)) && !scope.log_source_count("x", 1));
        Ok::<_, Error>(7)
    });
    assert_eq!((result.unwrap(), tracker.lost()), (7, 1), "without a number there is nothing more to lose");
    assert!(!tracker.log_request(1, &request(1, 1)) && !tracker.end_run(1, true, ""));
    assert_eq!((tracker.get_recent_runs(10).len(), tracker.get_run_metrics(1), tracker.cleanup_old_runs(1)), (0, None, 0));
    assert_eq!(tracker.lost(), 6);
}

#[test]
fn a_role_without_rights_only_loses_telemetry() {
    let sandbox = Sandbox::new("trackrights");
    let url = sandbox.warehouse_account("NOSUPERUSER");
    let other = RunTracker::new(&elsewhere(&sandbox, url.clone(), None));
    assert_eq!((other.start_run("x"), other.lost()), (None, 1));
    // Somebody else's run log, which it may not look into either.
    let tracker = RunTracker::new(&configuration(&sandbox));
    let run = tracker.start_run("x").expect("a number");
    let other = RunTracker::new(&elsewhere(&sandbox, url.clone(), None));
    assert!(!other.log_request(run, &request(1, 1)) && other.get_run_metrics(run).is_none());
    assert_eq!(other.lost(), 2);
    let may_read =
        format!("GRANT USAGE ON SCHEMA etl_meta TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA etl_meta TO {0}", sandbox.name);
    sandbox.warehouse().batch_execute(&may_read).unwrap();
    let other = RunTracker::new(&elsewhere(&sandbox, url, None));
    assert_eq!(other.get_recent_runs(1).len(), 1);
    assert_eq!((other.start_run("x"), other.lost()), (None, 1));
}

#[test]
fn a_table_that_is_dropped_is_made_again() {
    let sandbox = Sandbox::new("trackdrop");
    let tracker = RunTracker::new(&configuration(&sandbox));
    let run = tracker.start_run("").expect("a number");
    sandbox.warehouse().batch_execute("DROP TABLE etl_meta.etl_request_log").unwrap();
    assert!(!tracker.log_request(run, &request(1, 1)), "the connection did not know");
    assert!(tracker.log_request(run, &request(2, 1)));
    assert_eq!((tracker.get_run_metrics(run).map(|metrics| metrics.items), tracker.lost()), (Some(2), 1));
    sandbox.warehouse().batch_execute("DROP SCHEMA etl_meta CASCADE").unwrap();
    assert!(!tracker.log_request(run, &request(3, 1)) && !tracker.log_request(run, &request(3, 1)), "its run is gone");
    assert!(tracker.start_run("new").is_some_and(|run| tracker.end_run(run, true, "")));
    assert_eq!(tracker.lost(), 3);
}

/// Killed and back: one request is lost, because nobody knows whether it is in; a run's begin and end are not.
#[test]
fn a_server_that_dies_costs_what_it_did_not_take() {
    let mut private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "trackkill");
    let tracker = RunTracker::new(&configuration(&sandbox));
    let run = tracker.start_run("before").expect("a number");
    private.signal(Side::Warehouse, "KILL");
    assert!(!tracker.log_request(run, &request(1, 1)));
    assert!(!tracker.end_run(run, true, "nobody hears it"));
    assert_eq!(tracker.lost(), 2);
    private.up();
    wait_for("the tracker is back", || tracker.log_request(run, &request(5, 1)).then_some(()));
    assert!(tracker.end_run(run, true, "after"));
    assert_eq!(row(&sandbox, run), ("success".into(), "before\nafter".into(), true));
    private.signal(Side::Warehouse, "KILL");
    private.up();
    assert!(tracker.start_run("at once").is_some(), "it may be said twice, so it is");
}

/// A server that is stopped takes connections and says nothing: the caller waits for its deadline once, and then not at all.
#[test]
fn a_silent_server_keeps_nobody_waiting() {
    let private = hosts::private();
    let sandbox = Sandbox::on(private.hosts.clone(), "trackstop");
    sandbox.config("pipeline.yml", "connections: { warehouse: { stall_timeout_s: 1, connect_timeout_s: 1 } }\n");
    let tracker = RunTracker::new(&elsewhere(&sandbox, warehouse_url(&sandbox), None));
    let run = tracker.start_run("").expect("a number");
    private.signal(Side::Warehouse, "STOP");
    let asked = catch_unwind(AssertUnwindSafe(|| {
        let first = Instant::now();
        assert!(!tracker.log_request(run, &request(1, 1)));
        let (first, rest) = (first.elapsed(), Instant::now());
        (0..1_000).for_each(|_| assert!(!tracker.log_request(run, &request(1, 1))));
        (first, rest.elapsed())
    }));
    private.signal(Side::Warehouse, "CONT");
    let (first, rest) = asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(first >= Duration::from_secs(2) && first < Duration::from_secs(30), "{first:?}");
    assert!(rest < Duration::from_secs(30), "each of a thousand waited: {rest:?}");
    assert_eq!(tracker.lost(), 1_001);
    wait_for("the tracker is back", || tracker.log_request(run, &request(1, 1)).then_some(()));
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync%'";
    assert_eq!(sandbox.count(sessions), 1, "one connection, whatever was asked");
}

/// Who is dead: no session, and no sign of life for an hour.
#[test]
fn runs_whose_process_is_gone_are_closed_as_abandoned() {
    let sandbox = Sandbox::new("trackdead");
    let config = configuration(&sandbox);
    let (first, second, third) = (RunTracker::new(&config), RunTracker::new(&config), RunTracker::new(&config));
    let alive = first.start_run("alive").expect("a number");
    let late = second.start_run("late").expect("a number");
    let dead = second.start_run("dead").expect("a number");
    drop(second);
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'etl-sync/runs/%'";
    wait_for("the session is gone", || (sandbox.count(sessions) == 1).then_some(()));
    let aged = format!("UPDATE etl_meta.etl_run_log SET heartbeat_at = now() - interval '2 hours' WHERE id IN ({alive}, {dead})");
    sandbox.warehouse().batch_execute(&aged).unwrap();
    assert!(third.start_run("next").is_some());
    let status = |run| row(&sandbox, run).0;
    assert_eq!([alive, late, dead].map(status), ["running", "running", "abandoned"]);
    assert!(row(&sandbox, dead).1.starts_with("dead\nits process ended without a word"));
    // It was not dead after all.
    assert!(third.end_run(dead, true, "here I am"));
    assert_eq!(status(dead), "success");
}
