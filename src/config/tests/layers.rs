//! Precedence: files < environment < flags, `.env` files, and where the files are looked for.

use super::{Place, load};
use crate::config::Overrides;
use crate::usage::Level;
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn two_urls_are_enough() {
    let place = Place::new();
    let config = place.good();
    assert_eq!(config.source.to_string(), "source mysql://u@localhost:3306/app");
    assert_eq!(config.warehouse.to_string(), "warehouse postgresql://u@localhost:5432/dw");
    assert_eq!((config.warehouse_schema.as_str(), config.settings.parallel), ("raw", 4));
    assert!(config.replica.is_none() && config.warnings.is_empty() && config.tables.selects("anything"));
    assert_eq!(config.state_dir, place.path("home/.local/state/etl-sync"));
    let flags = Overrides {
        source_url: Some("mysql://f@localhost/app".into()),
        warehouse_url: Some("postgresql://f@localhost/dw".into()),
        ..Overrides::default()
    };
    assert_eq!(load(&flags, &Place::bare().env).unwrap().source.user, "f");
}

#[test]
fn without_urls_both_are_named() {
    let got = Place::bare().problems();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].starts_with("no source: give --source-url, ETL_SYNC_SOURCE_URL or"), "{}", got[0]);
    assert!(got[1].starts_with("no warehouse: give --warehouse-url, ETL_SYNC_WAREHOUSE_URL or"), "{}", got[1]);
}

#[test]
fn files_below_environment_below_flags() {
    let file = "connections:\n  source: {url: 'mysql://file@localhost/app'}\nwarehouse_schema: file\ngeneral: {parallel: 1, retries: 1, chunk_mb: 3}\n";
    let place = Place::bare().file("config/pipeline.yml", file).var("ETL_SYNC_WAREHOUSE_URL", "postgresql://u@localhost/dw");
    let config = place.good();
    let got = (config.source.user.as_str(), config.warehouse_schema.as_str(), config.settings.parallel, config.settings.retries);
    assert_eq!(got, ("file", "file", 1, 1));

    let place = place
        .var("ETL_SYNC_SOURCE_URL", "mysql://env@localhost/app")
        .var("ETL_SYNC_WAREHOUSE_SCHEMA", "env")
        .var("ETL_SYNC_PARALLEL", "2");
    let config = place.good();
    let got = (config.source.user.as_str(), config.warehouse_schema.as_str(), config.settings.parallel, config.settings.retries);
    assert_eq!(got, ("env", "env", 2, 1));

    let flags = Overrides {
        source_url: Some("mysql://flag@localhost/app".into()),
        warehouse_schema: Some("flag".into()),
        parallel: Some(3),
        ..Overrides::default()
    };
    let config = load(&flags, &place.env).unwrap();
    let got = (config.source.user.as_str(), config.warehouse_schema.as_str(), config.settings.parallel, config.settings.retries);
    assert_eq!(got, ("flag", "flag", 3, 1));
    assert_eq!(config.settings.chunk_bytes, 3 * 1024 * 1024);
}

#[test]
fn every_setting_has_a_variable() {
    let config = Place::new()
        .var("ETL_SYNC_CHUNK_MB", "1")
        .var("ETL_SYNC_CHUNK_ROWS_MAX", "2")
        .var("ETL_SYNC_CHUNK_MB_WITHOUT_TRANSACTIONS", "3")
        .var("ETL_SYNC_RETRIES", "4")
        .var("ETL_SYNC_RETRY_WAIT_MS", "5")
        .var("ETL_SYNC_RESUME_WITHIN_H", "6")
        .var("ETL_SYNC_SNAPSHOT_LOCK_WAIT_S", "1")
        .var("ETL_SYNC_SERVER_DOWN_WAIT_S", "8")
        .var("ETL_SYNC_STATE_DIR", "st")
        .var("ETL_SYNC_ACCEPT_NEW_SOURCE", "true")
        .var("ETL_SYNC_SOURCE_STALL_TIMEOUT_S", "9")
        .good();
    let s = &config.settings;
    assert_eq!((s.chunk_bytes, s.chunk_rows_max, s.chunk_bytes_without_transactions), (1 << 20, 2, 3 << 20));
    assert_eq!((s.retries, s.retry_wait, s.resume_within), (4, Duration::from_millis(5), Duration::from_secs(6 * 3600)));
    assert_eq!((s.snapshot_wait, s.server_down_wait), (Duration::from_secs(1), Duration::from_secs(8)));
    assert!(s.accept_new_source && config.state_dir.ends_with("st"));
    assert_eq!(config.source.deadlines.stall, Duration::from_secs(9));
    assert_eq!(config.warehouse.deadlines.stall, Duration::from_secs(300));
}

#[test]
fn numbers_out_of_range_are_refused_in_every_layer() {
    let place = Place::new()
        .file("config/pipeline.yml", "general:\n  retries: 101\n  snapshot_lock_wait_s: 3\n")
        .var("ETL_SYNC_PARALLEL", "0")
        .var("ETL_SYNC_CHUNK_MB", "many sEcret")
        .var("ETL_SYNC_ACCEPT_NEW_SOURCE", "perhaps");
    let flags = Overrides { parallel: Some(65), ..Overrides::default() };
    let text = load(&flags, &place.env).unwrap_err().to_string();
    let mut got: Vec<&str> = text.lines().collect();
    got.sort_unstable();
    assert_eq!(
        got,
        [
            "--parallel: 65 is not in 1 to 64",
            "ETL_SYNC_ACCEPT_NEW_SOURCE: expected true or false, found text",
            "ETL_SYNC_CHUNK_MB: expected a whole number, found text",
            "ETL_SYNC_PARALLEL: 0 is not in 1 to 64",
            "config/pipeline.yml:2: `general.retries`: 101 is not in 0 to 100",
            "config/pipeline.yml:3: `general.snapshot_lock_wait_s`: 3 is not in 1 to 2",
        ]
    );
}

#[test]
fn the_default_of_parallel_follows_the_cores() {
    for (cores, want) in [(0, 1), (1, 2), (2, 4), (4, 8), (64, 8)] {
        let mut place = Place::new();
        place.env.cores = cores;
        assert_eq!(place.good().settings.parallel, want, "{cores} cores");
    }
}

#[test]
fn dotenv_files_stand_below_the_environment_and_blanks_count_for_nothing() {
    let place = Place::new()
        .file("config/tables.yml", "")
        .file(".env", "ETL_SYNC_PARALLEL=5\nETL_SYNC_RETRIES=6\nETL_SYNC_CHUNK_MB=7\nETL_SYNC_RETRY_WAIT_MS=\n")
        .file("config/.env", "ETL_SYNC_RETRIES=16\nETL_SYNC_CHUNK_MB=17\nETL_SYNC_PARALLEL=\n")
        .var("ETL_SYNC_CHUNK_MB", "27")
        .var("ETL_SYNC_SERVER_DOWN_WAIT_S", "  ");
    let s = place.good().settings;
    assert_eq!((s.parallel, s.retries, s.chunk_bytes >> 20), (5, 16, 27));
    assert_eq!((s.retry_wait, s.server_down_wait), (Duration::from_millis(200), Duration::from_secs(60)));
}

#[test]
fn the_directory_of_the_files() {
    let two = |n: u32| format!("general: {{parallel: {n}}}\n");
    let place = Place::new()
        .file("config/pipeline.yml", &two(1))
        .file("env/pipeline.yml", &two(2))
        .file("flag/pipeline.yml", &two(3))
        .file("dotenv/pipeline.yml", &two(4));
    assert_eq!(place.good().settings.parallel, 1);
    let place = place.file(".env", "ETL_SYNC_CONFIG_DIR=dotenv\n");
    assert_eq!(place.good().settings.parallel, 4);
    let place = place.var("ETL_SYNC_CONFIG_DIR", "env");
    assert_eq!(place.good().settings.parallel, 2);
    let flags = |dir: PathBuf| Overrides { config_dir: Some(dir), ..Overrides::default() };
    assert_eq!(load(&flags("flag".into()), &place.env).unwrap().settings.parallel, 3);
    assert_eq!(load(&flags(place.path("flag")), &place.env).unwrap().settings.parallel, 3);
    let text = load(&flags("none".into()), &place.env).unwrap_err().to_string();
    assert_eq!(text, "--config-dir: none is not a directory");
    std::fs::create_dir(place.path("empty")).unwrap();
    let config = load(&flags("empty".into()), &place.env).unwrap();
    assert_eq!(config.warnings, ["--config-dir: empty holds neither pipeline.yml nor tables.yml"]);
}

#[test]
fn the_state_directory() {
    let file = "general: {state_dir: state}\n";
    let place = Place::new();
    let check = |place: &Place, want: &str| assert_eq!(place.good().state_dir, place.path(want));
    check(&place, "home/.local/state/etl-sync");
    let place = place.var("XDG_STATE_HOME", "/xdg");
    check(&place, "/xdg/etl-sync");
    let place = place.var("STATE_DIRECTORY", "/var/lib/one:/var/lib/two");
    check(&place, "/var/lib/one");
    let place = place.file("config/pipeline.yml", file);
    check(&place, "config/state");
    let place = place.var("ETL_SYNC_STATE_DIR", "~/st");
    check(&place, "home/st");
    let flags = Overrides { state_dir: Some("flag".into()), ..Overrides::default() };
    assert_eq!(load(&flags, &place.env).unwrap().state_dir, place.path("flag"));
    let mut place = Place::new();
    place.env.home = None;
    check(&place, ".etl-sync");
}

#[test]
fn the_file_of_method_usage() {
    let check = |place: &Place, want: Option<&str>, level: Level| {
        let usage = place.good().method_usage;
        assert_eq!((usage.file.clone(), usage.level()), (want.map(|want| place.path(want)), level));
    };
    let place = Place::new();
    check(&place, Some("home/.local/state/etl-sync/method_usage.json"), Level::Times);
    let place = place.file("config/pipeline.yml", "general: {method_usage: calls.json, method_usage_times: false}\n");
    check(&place, Some("config/calls.json"), Level::Calls);
    let place = place.var("ETL_SYNC_METHOD_USAGE", "~/u.json").var("ETL_SYNC_METHOD_USAGE_TIMES", "true");
    check(&place, Some("home/u.json"), Level::Times);
    check(&place.var("ETL_SYNC_METHOD_USAGE", "off"), None, Level::Off);
    check(&Place::new().file("config/pipeline.yml", "general: {method_usage: off}\n"), None, Level::Off);
}

#[test]
fn missing_variables_are_all_reported_with_their_lines() {
    let file = "connections:\n  source:\n    url: mysql://${U}:${PW}@localhost/app\n    ca_file: ${CA:-}\ngeneral:\n  parallel: ${N:-3}\n  chunk_mb: ${M}\n";
    let place = Place::bare()
        .file("config/pipeline.yml", file)
        .file("config/tables.yml", "include:\n- a\n- ${T}\n")
        .var("ETL_SYNC_WAREHOUSE_URL", "postgresql://u@localhost/dw")
        .var("PW", "");
    let got = place.problems();
    let heads: Vec<String> = got.iter().map(|line| line.split(" is not set").next().unwrap().to_owned()).collect();
    assert_eq!(
        heads,
        [
            "config/pipeline.yml:3: variable U",
            "config/pipeline.yml:3: variable PW",
            "config/pipeline.yml:7: variable M",
            "config/tables.yml:3: variable T",
        ]
    );
    let place = place.var("U", "me").var("PW", "p%40w").var("M", "9").var("T", "t");
    let config = place.good();
    assert_eq!((config.settings.parallel, config.settings.chunk_bytes >> 20), (3, 9));
    assert_eq!(config.source.password.as_ref().unwrap().expose_secret(), "p@w");
    assert!(config.tables.selects("t") && !config.tables.selects("b"));
}

#[test]
fn the_warehouse_schema_is_checked() {
    for (name, good) in [("raw", true), ("Roh é", true), ("pg_x", false), ("information_schema", false)] {
        assert_eq!(Place::new().var("ETL_SYNC_WAREHOUSE_SCHEMA", name).load().is_ok(), good, "{name}");
    }
    let long = "x".repeat(64);
    let place = Place::new().file("config/pipeline.yml", &format!("\nwarehouse_schema: {long}\n"));
    assert_eq!(place.problems(), ["config/pipeline.yml:2: `warehouse_schema`: expected a name of 1 to 63 bytes"]);
}

#[test]
fn variables_that_cannot_be_read_or_are_misspelt() {
    let mut place = Place::new();
    place.env.unreadable = vec!["ETL_SYNC_RETRIES".into(), "OTHER".into()];
    assert_eq!(place.problems(), ["ETL_SYNC_RETRIES: the value is not UTF-8"]);
    let place = Place::new().var("ETL_SYNC_PARALEL", "4");
    assert_eq!(place.good().warnings.len(), 1);
}

#[test]
fn a_word_of_the_audit_that_is_none_is_refused() {
    for (file, said) in [("1/100", "general.audit"), ("OFF", "general.audit"), ("none", "general.audit")] {
        let place = Place::new().file("config/pipeline.yml", &format!("general: {{ audit: '{file}' }}\n"));
        let problems = place.problems();
        assert!(problems.len() == 1 && problems[0].contains(said) && problems[0].contains("1/N"), "{file}: {problems:?}");
    }
    let problems = Place::new().var("ETL_SYNC_AUDIT", "sometimes").problems();
    assert!(problems.len() == 1 && problems[0].starts_with("ETL_SYNC_AUDIT: expected one of all"), "{problems:?}");
}
