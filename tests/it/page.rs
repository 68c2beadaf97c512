//! The HTML report of the sample clinic's nights, looked at in a headless Chromium: what is shown, what clicks do, how it looks.
//! Pictures are in `target/tmp/report/`.

use crate::browser::{self, Browser};
use crate::hosts::{self, wait_for};
use crate::notes;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A clinic of about 20,000 rows, with a table whose rows are refused, one that fails, and one that has several chunks.
fn clinic() -> Sandbox {
    let sandbox = Sandbox::new("clinic");
    let made = Command::new("/usr/bin/python3")
        .arg(hosts::project().join("scripts/clinic.py"))
        .args(["--scale", "0.001", "--replace", "--database", &sandbox.name])
        .env("ETL_SYNC_ADMIN_SOURCE_URL", sandbox.hosts.url("ETL_SYNC_ADMIN_SOURCE_URL", ""))
        .output()
        .expect("python3 starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let table = |name: &str| format!("CREATE TABLE {name} (id INT PRIMARY KEY, born DATE NOT NULL)");
    sandbox.source_sql(&[
        &table("birthday"),
        &table("anniversary"),
        "SET sql_mode = ''",
        "INSERT INTO birthday VALUES (1, '1999-01-02'), (2, '0000-00-00'), (3, '2001-02-03')",
        "INSERT INTO anniversary VALUES (1, '0000-00-00')",
    ]);
    sandbox.config(
        "tables.yml",
        "tables:\n  securitylog: { chunk_rows: 1200 }\n  birthday: { column_rules: [ { zero_dates: reject } ] }\n  \
         anniversary: { column_rules: [ { zero_dates: fail } ] }\n",
    );
    sandbox
}

/// Two nights; before the second one the clinic works, and somebody deletes rows in the warehouse.
fn nights(sandbox: &Sandbox) -> Outcome {
    sandbox.run(&[]).expect(1);
    sandbox.source_sql(&["UPDATE patient SET Email = 'new@example.com' WHERE PatNum <= 5", "DELETE FROM commlog LIMIT 3"]);
    sandbox.warehouse().batch_execute("DELETE FROM procedurelog WHERE \"ProcNum\" IN (7, 8)").expect("rows can be deleted");
    let second = sandbox.run(&["--audit", "all"]);
    second.expect(1);
    let totals = second.report()["totals"].clone();
    let [failed, rejected, healed] = ["failed", "rejected", "healed"].map(|name| totals[name].as_u64().unwrap_or(0));
    assert!(failed == 1 && rejected == 1 && healed >= 1, "the night is as the test wants it: {totals}");
    second
}

/// The page's file.
fn write(sandbox: &Sandbox, more: &[&str]) -> PathBuf {
    let mut command = sandbox.command();
    // It needs neither servers nor their addresses.
    command.env_remove("ETL_SYNC_SOURCE_URL").env_remove("ETL_SYNC_WAREHOUSE_URL").arg("report").args(more);
    let outcome = Running::start(command).wait(RUN_MAX);
    PathBuf::from(outcome.expect(0).stdout.trim())
}

#[test]
fn the_page_of_the_clinics_night() {
    let sandbox = clinic();
    let night = nights(&sandbox);
    let page = write(&sandbox, &[]);
    assert_eq!(page, sandbox.state_dir().join("report.html"));
    let bytes = std::fs::metadata(&page).expect("a page").len();
    assert!(bytes < 2_000_000, "{bytes} bytes for 448 tables");
    spans_tell_the_night(&night);
    if !browser::is_installed() {
        // Continuous integration installs it (scripts/test.sh); where that cannot be, the summary says so.
        return notes::skip("page: the HTML report in a browser", "chromium and chromedriver are not installed");
    }
    let browser = Browser::start();
    browser.looks(1280, false, "light");
    browser.open(&page);
    shows(&browser, &night);
    clicks(&browser);
    pictures(&browser, &page);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Every table that was read has its steps, on workers that exist, within the run, and the rows add up.
fn spans_tell_the_night(night: &Outcome) {
    let report = night.report();
    let spans = report["timeline"]["spans"].as_array().expect("spans");
    let seconds = report["seconds"].as_f64().expect("seconds");
    let number = |span: &Value, name: &str| span[name].as_f64().unwrap_or_else(|| panic!("{name} of {span}"));
    for span in spans {
        assert!(number(span, "worker") < 2.0, "{span}");
        assert!((number(span, "at_ms") + number(span, "ms")) / 1_000.0 <= seconds + 0.1, "{span}");
    }
    let of = |table: &str| spans.iter().filter(|span| span["table"] == table).collect::<Vec<_>>();
    for table in report["tables"].as_array().expect("tables").iter().filter(|table| table["seconds"].as_f64() > Some(0.0)) {
        assert!(!of(table["table"].as_str().unwrap_or_default()).is_empty(), "{table}");
    }
    assert!(of("anniversary").iter().any(|span| span["error"] == "data"), "{:?}", of("anniversary"));
    assert!(of("patient").iter().any(|span| span["rows"].as_u64() > Some(0)), "{:?}", of("patient"));
    let samples = report["samples"].as_array().expect("samples");
    assert!(samples.len() >= 2 && samples.iter().all(|sample| sample["memory_mb"].as_u64() > Some(1)), "{samples:?}");
}

fn shows(browser: &Browser, night: &Outcome) {
    let report = night.report();
    assert!(browser.text("h1").contains(report["started_at"].as_str().unwrap_or("?").split('T').next().unwrap_or("?")));
    assert_eq!(browser.text(".title .badge"), "failed");
    let text = browser.script("return document.body.innerText").as_str().expect("a text").to_owned();
    for words in [
        "1: a table failed",
        "447 of 448",
        "anniversary",
        "How the time went",
        "worker 1",
        "worker 2",
        "Slowest tables",
        "Tables that differed and were mended",
        "Rows in etl_quarantine.rejected_row",
        "birthday",
        "Certificates",
        "Memory",
        "Strategies",
        "448 of 448 tables",
        "Runs, the latest first",
        "(this one)",
        "Slowest tables over the runs",
    ] {
        assert!(text.contains(words), "the page does not show {words:?}:\n{text}");
    }
    let drawn =
        browser.script("return [...document.querySelectorAll('#by-worker .span')].filter(r => r.getBBox().width > 0).length");
    let spans = report["timeline"]["spans"].as_array().map_or(0, Vec::len);
    assert_eq!(drawn.as_u64(), u64::try_from(spans).ok(), "each step is a bar that can be seen");
    assert!(browser.script("return document.querySelectorAll('path.line').length").as_u64() >= Some(4), "lines over time");
    assert_eq!(browser.script("return document.querySelectorAll('#history .bar').length"), json!(8), "two runs in four charts");
}

fn clicks(browser: &Browser) {
    let behind = || browser.script("return getComputedStyle(document.body).backgroundColor");
    let light = behind();
    browser.click("[data-set-theme=dark]");
    let dark = behind();
    assert_ne!(light, dark, "the switch changes the colours");
    browser.looks(1280, false, "dark");
    browser.click("[data-set-theme=light]");
    assert_eq!(behind(), light, "light although the system is dark");
    browser.click("[data-set-theme='']");
    assert_eq!(behind(), dark, "as the system is");
    browser.looks(1280, false, "light");
    assert_eq!(behind(), light, "as the system is");

    assert!(browser.text("#by-worker").contains("worker 1") && browser.text("#by-table").is_empty());
    browser.click("#tab-by-table");
    assert!(browser.text("#by-table").contains("securitylog") && browser.text("#by-worker").is_empty());
    browser.click("#by-table .span");
    assert!(browser.text("#picked").contains(" · "), "{}", browser.text("#picked"));
    browser.click("#tab-by-worker");

    let first = || browser.text("#tables-of-run tbody tr:not([hidden]) summary");
    assert_eq!(first(), "anniversary", "what failed comes first");
    browser.click("#tables-of-run th:nth-child(3) button");
    assert_eq!(first(), "securitylog", "the most rows first");
    browser.click("#tables-of-run th:nth-child(1) button");
    assert_eq!(first(), "account", "by name");
    browser.click("#tables-of-run th:nth-child(1) button");
    assert!(first().as_str() > "u", "by name, backwards: {}", first());
    browser.type_into("#filter-name", "patientr");
    let count = browser.text("#filter-count");
    assert!(count.ends_with(" of 448 tables") && !count.starts_with("448"), "{count}");
    assert!(first().contains("patientr"), "{}", first());
    browser.script("document.getElementById('filter-name').value = ''; document.getElementById('filter-name').dispatchEvent(new Event('input'))");
    browser.click("#filter-status option[value=failed]");
    assert_eq!((browser.text("#filter-count"), first()), ("1 of 448 tables".into(), "anniversary".into()));
    browser.click("#tables-of-run tbody tr:not([hidden]) summary");
    assert!(browser.text("#tables-of-run tbody tr:not([hidden]) dl").contains("What to do"), "an opened table tells more");
    browser.click("#time details.as-table summary");
    assert!(browser.text("#time details.as-table table").contains("worker"), "the figure's numbers");
}

/// At both widths and in both colours: nothing is wider than the page, and a picture for people.
fn pictures(browser: &Browser, page: &Path) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).expect("a folder for the pictures");
    std::fs::copy(page, folder.join("clinic.html")).expect("the page can be copied");
    for (name, width, is_phone) in [("desktop", 1280, false), ("phone", 360, true)] {
        browser.looks(width, is_phone, "light");
        browser.open(page);
        let wide = browser.script("return document.documentElement.scrollWidth").as_u64();
        assert!(wide <= Some(width.into()), "{name}: the page scrolls sideways, {wide:?} of {width}");
        let clipped = browser.script(
            "return [...document.querySelectorAll('h1, h2, h3, .tile dd, .badge, .facts dd, caption span')]\
             .filter(e => e.checkVisibility() && !e.closest('td, details') && e.getBoundingClientRect().right > innerWidth + 1)\
             .map(e => e.textContent)",
        );
        assert_eq!(clipped, json!([]), "{name}: words beyond the edge");
        // 448 rows would make a picture of 20,000 pixels.
        browser.script("[...document.querySelectorAll('#tables-of-run tbody tr')].slice(12).forEach(row => row.remove())");
        for scheme in ["light", "dark"] {
            browser.looks(width, is_phone, scheme);
            let is_dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches");
            assert_eq!(is_dark, json!(scheme == "dark"));
            browser.picture(&folder.join(format!("{name}-{scheme}.png")));
        }
    }
}

#[test]
fn without_a_run_there_is_no_page_and_a_broken_document_is_named() {
    let sandbox = Sandbox::new("nopage");
    sandbox.command_json("report", &[]).expect(2).says("no run has left a result document").says("--state-dir");
    sandbox.source_sql(&["CREATE TABLE `<script>alert(1)</script>` (id INT PRIMARY KEY)"]);
    sandbox.sync(&[]);
    std::fs::write(sandbox.state_dir().join("runs/00-broken.json"), "{\"tables\": [").expect("a file");
    let out = sandbox.folder().join("night.html");
    let outcome = sandbox.command_json("report", &["--out", out.to_str().expect("a path")]);
    let told = outcome.expect(0).report();
    assert_eq!((told["runs"].as_u64(), told["path"].as_str()), (Some(1), out.to_str()), "{told}");
    assert!(told["skipped"][0].as_str().unwrap_or_default().starts_with("00-broken.json"), "{told}");
    let page = std::fs::read_to_string(&out).expect("a page");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.matches("<script").count() == 1);
    let id = told["run_id"].as_str().expect("an id").to_owned();
    sandbox.command_json("report", &["--run", &id[..20]]).expect(0);
    sandbox.command_json("report", &["--run", "ffff"]).expect(2).says("no run ffff");
}

#[test]
fn status_tells_how_old_the_data_is_not_how_long_ago_the_load_ended() {
    let sandbox = Sandbox::new("lag");
    sandbox.source_sql(&[
        "CREATE TABLE plain (id INT PRIMARY KEY)",
        "INSERT INTO plain SELECT seq FROM seq_1_to_50",
        "CREATE TABLE marked (id INT PRIMARY KEY, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO marked (id) VALUES (1), (2)",
    ]);
    // Each row of `plain` takes its time, so its load ends seconds after its snapshot.
    sandbox.config(
        "tables.yml",
        "tables:\n  plain: { filter: \"SLEEP(0.04) = 0\" }\n  marked: { primary_incremental_column: ts }\n",
    );
    sandbox.sync(&[]);
    let status = sandbox.command_json("status", &[]).report();
    let of = |status: &Value, name: &str| {
        let all = status["tables"].as_array().expect("tables");
        all.iter().find(|table| table["table"] == name).cloned().expect("the table")
    };
    let number = |table: &Value, name: &str| table[name].as_f64().unwrap_or_else(|| panic!("{name} of {table}"));
    for name in ["plain", "marked"] {
        let table = of(&status, name);
        assert!(number(&table, "lag_seconds") >= number(&table, "age_seconds"), "{table}");
        assert!(table["as_of"].as_str() <= table["last_success"].as_str(), "{table}");
    }
    let plain = of(&status, "plain");
    assert!(number(&plain, "lag_seconds") - number(&plain, "age_seconds") > 1.5, "read long before it was done: {plain}");
    let mut text = sandbox.command();
    text.arg("status");
    Running::start(text).wait(RUN_MAX).expect(0).says("data as of").says("2 tables, 0 failed; data as of");
}

/// A process that does not end by itself: it must not outlive a test that failed.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).map_or_else(|e| eprintln!("{e}"), drop);
    }
}

#[test]
fn a_watch_looks_again_until_it_is_interrupted_and_ends_well() {
    let sandbox = Sandbox::new("watch");
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    sandbox.sync(&[]);
    let log = sandbox.folder().join("looks");
    let mut command = sandbox.command();
    command.args(["status", "--watch", "1", "--json"]).stdout(std::fs::File::create(&log).expect("a file"));
    let mut watch = Watch(command.stderr(Stdio::null()).spawn().expect("the program starts"));
    let looks = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).expect("a file");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    wait_for("two looks", || (looks().len() >= 2).then_some(()));
    sandbox.source_sql(&["CREATE TABLE u (id INT PRIMARY KEY)"]);
    sandbox.sync(&[]);
    let has_both = |look: &Value| look["tables"].as_array().is_some_and(|tables| tables.len() == 2);
    wait_for("a look at what came meanwhile", || looks().last().is_some_and(has_both).then_some(()));
    hosts::kill(watch.0.id(), "INT");
    let status = wait_for("the end", || watch.0.try_wait().expect("it can be asked"));
    assert_eq!(status.code(), Some(0));
    assert!(!has_both(&looks()[0]) && looks().iter().all(|look| look["tables"][0]["lag_seconds"].is_number()));
    let nowhere = sandbox.run_with("ETL_SYNC_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/none", &[]);
    assert_eq!(nowhere.code, Some(69));
    let mut command = sandbox.command();
    command.env("ETL_SYNC_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/none").args(["status", "--watch"]);
    Running::start(command).wait(Duration::from_secs(60)).expect(69);
}
