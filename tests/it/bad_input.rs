//! What a person or a server may do wrong, and the exit code and words that must follow. Nothing is ever left behind.

use crate::hosts::wait_for;
use crate::notes;
use crate::program::Running;
use crate::sandbox::{RUN_MAX, Sandbox};
use std::process::Command;

/// A sandbox with one small table.
fn small(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"]);
    sandbox
}

/// A URL of the sandbox with one part changed.
fn url(sandbox: &Sandbox, name: &str, change: impl Fn(&mut url::Url)) -> String {
    let mut url = url::Url::parse(&sandbox.hosts.url(name, &sandbox.name)).unwrap();
    change(&mut url);
    url.into()
}

const BOTH: [&str; 2] = ["ETL_SYNC_SOURCE_URL", "ETL_SYNC_WAREHOUSE_URL"];

#[test]
fn a_wrong_password_is_77_and_is_not_shown() {
    let sandbox = small("pw");
    for name in BOTH {
        let wrong = url(&sandbox, name, |url| url.set_password(Some("wr0ng-secret")).unwrap());
        let outcome = sandbox.run_with(name, &wrong, &["-vv"]);
        outcome.expect(77).says("password");
        assert!(!outcome.to_string().contains("wr0ng-secret"), "the password is shown\n{outcome}");
    }
    sandbox.assert_clean();
}

#[test]
fn no_password_is_shown_by_a_run_that_tells_everything() {
    let sandbox = small("secret");
    let outcome = sandbox.sync(&["-vv"]);
    for name in BOTH {
        let url = url::Url::parse(&sandbox.hosts.url(name, "x")).unwrap();
        let password = url.password().unwrap().to_owned();
        assert!(password.len() > 8 && !outcome.to_string().contains(&password), "the password of {name} is shown");
    }
}

#[test]
fn an_unknown_host_and_a_closed_port_are_69() {
    let sandbox = small("host");
    for name in BOTH {
        let unknown = url(&sandbox, name, |url| url.set_host(Some("no-such-host.invalid")).unwrap());
        let outcome = sandbox.run_with(name, &unknown, &[]);
        outcome.expect(69).says("no-such-host.invalid");
        let closed = url(&sandbox, name, |url| url.set_port(Some(1)).unwrap());
        sandbox.run_with(name, &closed, &[]).expect(69).says("refused");
    }
    sandbox.assert_clean();
}

#[test]
fn a_missing_database_is_2_and_named() {
    let sandbox = small("nodb");
    for name in BOTH {
        let missing = url(&sandbox, name, |url| url.set_path("no_such_database"));
        sandbox.run_with(name, &missing, &[]).expect(2).says("no_such_database");
    }
    sandbox.assert_clean();
}

#[test]
fn missing_privileges_on_the_source_are_named() {
    let sandbox = small("srcpriv");
    sandbox.source_sql(&["CREATE TABLE hidden (id INT PRIMARY KEY, secret INT, v INT)", "INSERT INTO hidden VALUES (1, 2, 3)"]);
    let account = sandbox.source_account(&["USAGE ON *.*"]);
    sandbox.run_with(BOTH[0], &account, &[]).expect(77).says("denied");

    // Some columns only: the server leaves the others out without a word, so the table is refused.
    sandbox.source_sql(&[
        &format!("GRANT SELECT ON `{0}`.t TO '{0}'@'%'", sandbox.name),
        &format!("GRANT SELECT (id, v) ON `{0}`.hidden TO '{0}'@'%'", sandbox.name),
    ]);
    let outcome = sandbox.run_with(BOTH[0], &account, &[]);
    outcome.expect(1).says("not all columns are visible");
    assert_eq!([outcome.status("t"), outcome.status("hidden")], ["loaded", "refused"]);
    sandbox.assert_equal(&["--tables", "t"]);

    // Without RELOAD there is no snapshot that several connections share, and the report says so.
    sandbox.source_sql(&[&format!("GRANT SELECT ON `{0}`.* TO '{0}'@'%'", sandbox.name)]);
    let outcome = sandbox.run_with(BOTH[0], &account, &[]);
    outcome.expect(0).says("RELOAD");
    assert_eq!(outcome.table("t")["snapshot"], "per_table");
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
}

/// Unlike a gap between two columns, missing last columns cannot be seen from the positions of the others.
#[test]
fn last_columns_that_may_not_be_read_refuse_the_table() {
    let sandbox = small("lastcol");
    sandbox.source_sql(&["CREATE TABLE hidden (id INT PRIMARY KEY, secret INT)", "INSERT INTO hidden VALUES (1, 2)"]);
    let account = sandbox.source_account(&["SELECT ON {db}.t", "SELECT (id) ON {db}.t", "SELECT (id) ON {db}.hidden"]);
    let outcome = sandbox.run_with(BOTH[0], &account, &[]);
    outcome.expect(1).says("not all columns are visible");
    assert_eq!([outcome.status("t"), outcome.status("hidden")], ["loaded", "refused"]);
}

#[test]
fn missing_privileges_on_the_warehouse_are_named() {
    let sandbox = small("whpriv");
    let account = sandbox.warehouse_account("");
    sandbox.run_with(BOTH[1], &account, &[]).expect(77).says("permission denied");
    assert!(!sandbox.holds("SELECT true FROM pg_namespace WHERE nspname IN ('raw', 'etl_sync')"), "something was made");

    // A target that belongs to somebody else: that table fails, the others arrive.
    sandbox.source_sql(&["CREATE TABLE good (id INT PRIMARY KEY)", "INSERT INTO good VALUES (1)"]);
    let sql = format!(
        "GRANT CREATE ON DATABASE {0} TO {0}; CREATE SCHEMA raw AUTHORIZATION {0}; \
                       CREATE TABLE raw.t (id integer PRIMARY KEY, v varchar(20)); INSERT INTO raw.t VALUES (7, 'old')",
        sandbox.name
    );
    sandbox.warehouse().batch_execute(&sql).unwrap();
    let outcome = sandbox.run_with(BOTH[1], &account, &[]);
    outcome.expect(1).says("permission denied");
    assert_eq!([outcome.status("t"), outcome.status("good")], ["failed", "loaded"]);
    assert_eq!(sandbox.count("SELECT count(*) FROM t WHERE id = 7"), 1, "the old rows stand");
    sandbox.assert_clean();
}

#[test]
fn numbers_of_workers_out_of_range_are_2() {
    let sandbox = small("workers");
    let mut command = sandbox.command();
    command.args(["--parallel", "0"]);
    Running::start(command).wait(RUN_MAX).expect(2).says("at least 1 worker");
    for number in ["65", "-1", "many"] {
        let mut command = sandbox.command();
        command.args(["--json", &format!("--parallel={number}")]);
        Running::start(command).wait(RUN_MAX).expect(2).says("workers");
    }
    assert!(!sandbox.holds("SELECT true FROM pg_namespace WHERE nspname IN ('raw', 'etl_sync')"), "something was made");
}

#[test]
fn more_connections_than_a_server_allows_are_2() {
    let sandbox = small("conns");
    let account = sandbox.source_account(&["SELECT ON {db}.*"]);
    sandbox.source_sql(&[&format!("ALTER USER '{}'@'%' WITH MAX_USER_CONNECTIONS 4", sandbox.name)]);
    let outcome = sandbox.run_with(BOTH[0], &account, &["--parallel", "8"]);
    outcome.expect(2).says("connections").says("--parallel");
    let account = sandbox.warehouse_account("CONNECTION LIMIT 4");
    sandbox.warehouse().batch_execute(&format!("GRANT CREATE ON DATABASE {0} TO {0}", sandbox.name)).unwrap();
    sandbox.run_with(BOTH[1], &account, &["--parallel", "8"]).expect(2).says("connections").says("--parallel");
    sandbox.assert_clean();
}

#[test]
fn of_two_runs_at_once_one_is_refused_with_75() {
    let sandbox = small("two");
    sandbox.source_sql(&["INSERT INTO t SELECT seq, seq FROM seq_3_to_700"]);
    // Each row takes a while, so the first run lasts longer than the second waits for its lock.
    sandbox.config("tables.yml", "tables:\n  t: { filter: \"SLEEP(0.005) = 0\" }\n");
    let first = sandbox.start(&[]);
    wait_for("the first run holds the lock", || {
        sandbox.holds("SELECT true FROM etl_sync.job WHERE ended_at IS NULL").then_some(())
    });
    let second = sandbox.run(&[]);
    second.expect(75).says("another run");
    first.wait(RUN_MAX).expect(0);
    sandbox.assert_equal(&[]);
    sandbox.assert_clean();
    assert_eq!(sandbox.sync(&[]).written(), (0, 0, 0));
}

#[test]
fn another_source_needs_a_word_of_consent() {
    let first = small("first");
    first.sync(&[]);
    let other = small("other");
    other.source_sql(&["DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (3, 'three')"]);
    let source = other.hosts.url(BOTH[0], &other.name);
    let refused = first.run_with(BOTH[0], &source, &[]);
    refused.expect(2).says("--accept-new-source").says(&first.name);
    first.assert_equal(&[]);
    let accepted = first.run_with(BOTH[0], &source, &["--accept-new-source"]);
    assert_eq!(accepted.expect(0).written(), (1, 0, 1));
    // From now on this is the source, and the first one is the stranger.
    first.run_with(BOTH[0], &source, &[]).expect(0);
    first.run(&[]).expect(2);
    first.assert_clean();
}

#[test]
fn a_full_disk_on_the_warehouse_fails_the_table_and_is_mended_by_room() {
    let sandbox = small("disk");
    let place = tempfile::tempdir().unwrap();
    let mount =
        |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(place.path()).output().is_ok_and(|o| o.status.success());
    let owner = sandbox.warehouse().query_one("SELECT pg_read_file('postmaster.pid', 0, 1) <> ''", &[]).is_ok();
    if !owner || !mount(&["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs"]) {
        return notes::skip("a_full_disk_on_the_warehouse", "needs the right to mount a small file system");
    }
    let made = Command::new("install").args(["-d", "-m", "700", "-o", "postgres"]).arg(place.path().join("space")).status();
    assert!(made.is_ok_and(|s| s.success()), "a folder for the tablespace");
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let space = format!("{}_space", sandbox.name);
    let mut admin = sandbox.warehouse();
    admin.batch_execute(&format!("CREATE TABLESPACE {space} LOCATION '{}'", place.path().join("space").display())).unwrap();
    admin.batch_execute(&format!("GRANT CREATE ON TABLESPACE {space} TO PUBLIC")).unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {} SET default_tablespace = '{space}'", sandbox.name)).unwrap();
    sandbox.source_sql(&[
        "CREATE TABLE big (id INT PRIMARY KEY, v TEXT)",
        "INSERT INTO big SELECT seq, REPEAT(MD5(seq), 30) FROM seq_1_to_30000",
        "ANALYZE TABLE big",
    ]);
    let full = sandbox.run(&[]);
    admin.batch_execute(&format!("ALTER DATABASE {} RESET default_tablespace", sandbox.name)).unwrap();
    assert_eq!(full.status("big"), "failed", "{full}");
    full.expect(1).says("disk_full");
    assert_eq!(full.status("t"), "loaded", "{full}");
    sandbox.assert_clean();
    sandbox.sync(&[]);
    sandbox.assert_equal(&[]);
    // Tables that went into the small space leave it, or it cannot be dropped.
    drop(admin);
    let hosts = sandbox.hosts.clone();
    drop(sandbox);
    hosts.warehouse("postgres").batch_execute(&format!("DROP TABLESPACE {space}")).unwrap();
    assert!(mount(&["umount"]), "the small file system is unmounted");
}
