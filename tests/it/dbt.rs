//! dbt itself over the small project of `tests/dbt`: the relationship of allergies to medications before and after a heal,
//! and the files that etl-sync writes for a project. `scripts/test.sh` makes the virtual environment.

use crate::hosts::{project, wait_for};
use crate::notes;
use crate::program::{Outcome, Running};
use crate::sandbox::{RUN_MAX, Sandbox};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Medications that allergies refer to, by the allergy's number.
const REFERRED: [(u32, u32); 5] = [(3, 1515), (4, 137), (8, 100), (67, 630), (69, 360)];

/// The program, or a note that this machine has none.
fn dbt(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ETL_SYNC_TEST_DBT").map(PathBuf::from);
    let dbt = named.unwrap_or_else(|| project().join("target/tmp/dbt/bin/dbt"));
    if dbt.is_file() {
        return Some(dbt);
    }
    notes::skip(test, &format!("no dbt in {}: scripts/test.sh makes it where packages can be had", dbt.display()));
    None
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, &to).map(|_| ()).unwrap() }
    }
}

/// The clinic's two tables: 32 allergies, of which five refer to medications, and 1,090 medications.
fn sandbox(word: &str, dbt: &Path) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&[
        "CREATE TABLE allergydef (AllergyDefNum BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, Description VARCHAR(255) NOT NULL, \
         IsHidden TINYINT NOT NULL, DateTStamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
         SnomedType TINYINT, MedicationNum BIGINT NOT NULL, UniiCode VARCHAR(255) NOT NULL)",
        "CREATE TABLE medication (MedicationNum BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, MedName VARCHAR(255), \
         GenericNum BIGINT NOT NULL, Notes TEXT, DateTStamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
         RxCui BIGINT NOT NULL)",
        "INSERT INTO medication SELECT seq, CONCAT('remedy ', seq), IF(seq % 3 = 0, seq - 1, 0), NULL, '2024-05-06 07:08:09', seq % 2 * 1000 \
         FROM (SELECT seq FROM seq_1_to_1085 UNION ALL SELECT 1515 UNION ALL SELECT seq FROM seq_1542_to_1545) AS numbers",
        "INSERT INTO allergydef SELECT seq, CONCAT('made up ', seq), seq % 5 = 0, '2023-02-03 04:05:06', IF(seq % 4 = 0, NULL, seq % 9), 0, '' \
         FROM (SELECT seq FROM seq_1_to_30 UNION ALL SELECT 67 UNION ALL SELECT 69) AS numbers",
    ]);
    for (allergy, medication) in REFERRED {
        sandbox.source_sql(&[&format!("UPDATE allergydef SET MedicationNum = {medication} WHERE AllergyDefNum = {allergy}")]);
    }
    sandbox.config("tables.yml", "tables:\n  medication: { primary_incremental_column: DateTStamp }\n");
    copy(&project().join("tests/dbt"), &sandbox.folder().join("dbt"));
    let config = format!(
        "transform:\n  command: {}\n  project_dir: ../dbt\n  profiles_dir: ../dbt\n  source_name: opendental\n",
        dbt.display()
    );
    sandbox.config("pipeline.yml", &config);
    sandbox
}

/// `etl-sync dbt …` with the test's project as the working directory.
fn files(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let mut command = sandbox.command();
    command.arg("dbt").args(args).current_dir(sandbox.folder().join("dbt"));
    Running::start(command).wait(RUN_MAX)
}

/// dbt by hand, as its user calls it.
fn by_hand(sandbox: &Sandbox, dbt: &Path, args: &[&str]) -> (bool, String) {
    let url = url::Url::parse(&sandbox.hosts.url("ETL_SYNC_WAREHOUSE_URL", &sandbox.name)).unwrap();
    let password = percent_encoding::percent_decode_str(url.password().unwrap_or_default()).decode_utf8_lossy().into_owned();
    let output = Command::new(dbt)
        .args(args)
        .args(["--profiles-dir", ".", "--no-use-colors"])
        .current_dir(sandbox.folder().join("dbt"))
        .env("PGHOST", url.host_str().unwrap())
        .env("PGPORT", url.port().unwrap().to_string())
        .env("PGUSER", url.username())
        .env("PGDATABASE", &sandbox.name)
        .env("DBT_ENV_SECRET_PGPASSWORD", password)
        .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn counts(outcome: &Outcome) -> [u64; 4] {
    let report = outcome.report()["transform"].clone();
    ["passed", "warned", "failed", "skipped"].map(|word| report[word].as_u64().unwrap())
}

fn node(outcome: &Outcome, name: &str) -> Value {
    let all = outcome.report()["transform"]["models"].as_array().unwrap().clone();
    all.into_iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no {name}\n{outcome}"))
}

/// The relationship test of the reference: 12 pass and 1 warns with 5 results while rows are missing, 13 pass after the heal.
#[test]
fn the_relationship_of_allergies_to_medications_is_whole_again_after_a_heal() {
    let Some(dbt) = dbt("dbt::the_relationship_of_allergies_to_medications") else { return };
    let sandbox = sandbox("dbtheal", &dbt);
    sandbox.sync(&[]);
    files(&sandbox, &["sources", "--out", "models/sources.yml"]).expect(0).says("models/sources.yml written");
    // As it was found: five rows left of 1,090, and a status that says all is well.
    sandbox
        .warehouse()
        .batch_execute(
            "DELETE FROM raw.medication WHERE \"MedicationNum\" NOT IN (171, 1542, 1543, 1544, 1545);
             UPDATE raw.etl_load_status SET last_primary_value = '1545', _loaded_at = '2025-10-11 23:10:58.906547'
             WHERE table_name = 'medication'",
        )
        .unwrap();
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.medication"), 5);
    let before = sandbox.command_json("transform", &[]);
    before.expect(0);
    assert_eq!(counts(&before), [12, 1, 0, 0], "{before}");
    let test = node(&before, "allergydef_medication_is_there");
    assert_eq!((test["status"].as_str(), test["rows"].as_u64()), (Some("warn"), Some(5)));
    before.says("allergydef_medication_is_there warns: Got 5 results");

    // The heal is a run like any other; models and tests downstream of medication see it in the same run.
    let healing = sandbox.sync(&["--transform"]);
    assert_eq!(healing.written(), (1085, 0, 0));
    assert_eq!(healing.report()["transform"]["tables"], json!(["medication"]));
    assert_eq!(counts(&healing), [5, 0, 0, 0], "{healing}");
    assert_eq!(node(&healing, "allergydef_medication_is_there")["status"], "pass");
    let referred = "SELECT count(*) FROM raw.medication WHERE \"MedicationNum\" IN (100, 137, 360, 630, 1515)";
    assert_eq!([sandbox.count("SELECT count(*) FROM raw.medication"), sandbox.count(referred)], [1090, 5]);
    let after = sandbox.command_json("transform", &[]);
    after.expect(0);
    assert_eq!(counts(&after), [13, 0, 0, 0], "{after}");

    let status = "SELECT string_agg(concat_ws(' ', table_name, transformation_status, primary_column_name, last_primary_value IS NOT NULL), \
                  ', ' ORDER BY table_name COLLATE \"C\") FROM raw.etl_transform_status";
    let rows: String = sandbox.warehouse().query_one(status, &[]).unwrap().get(0);
    let wanted = "allergydef success f, dbt_transformation_run success f, medication success DateTStamp t, \
                  stg_opendental__allergydef success f, stg_opendental__medication success DateTStamp t";
    assert_eq!(rows, wanted);
    sandbox.assert_equal(&[]);
}

#[test]
fn dbt_takes_the_sources_and_models_that_are_written_for_it() {
    let Some(dbt) = dbt("dbt::dbt_takes_the_sources_and_models") else { return };
    let sandbox = sandbox("dbtfiles", &dbt);
    files(&sandbox, &["sources"]).expect(2).says("no table has been loaded into schema raw");
    sandbox.source_sql(&[
        "CREATE TABLE `Odd \"name\", it's +1` (id INT PRIMARY KEY)",
        "CREATE TABLE theirs (id INT PRIMARY KEY, _loaded_at VARCHAR(20))",
        "INSERT INTO theirs VALUES (1, 'never')",
        "INSERT INTO `Odd \"name\", it's +1` VALUES (1)",
    ]);
    sandbox.sync(&[]);
    let shown = files(&sandbox, &["sources"]);
    shown.expect(0).says("# It has no column _loaded_at of etl-sync's.\n        freshness: null");
    files(&sandbox, &["sources", "--out", "models/sources.yml"]).expect(0);
    files(&sandbox, &["sources", "--out", "models/sources.yml"]).expect(0);
    assert_eq!(std::fs::read_to_string(sandbox.folder().join("dbt/models/sources.yml")).unwrap(), shown.stdout);
    files(&sandbox, &["sources", "--out", "dbt_project.yml"]).expect(2).says("was not written by etl-sync");
    files(&sandbox, &["models", "--out", "models/etl"]).expect(0).says("models/etl/stg_etl_tracking_summary.sql written");
    let odd = "{{ config(materialized='table') }} select id from {{ source('opendental', 'NAME') }}";
    let name = shown.stdout.lines().find_map(|line| line.split_once("- name: \"Odd")?.1.strip_suffix('"')).unwrap();
    std::fs::write(sandbox.folder().join("dbt/models/odd.sql"), odd.replace("NAME", &format!("Odd{name}"))).unwrap();

    let built = sandbox.command_json("transform", &[]);
    built.expect(0);
    assert_eq!(counts(&built), [13 + 1 + 6, 0, 0, 0], "{built}");
    assert!(!built.stderr.contains("Deprecat"), "{built}");
    assert_eq!(node(&built, "odd")["rows"], 1);
    assert_eq!(sandbox.count("SELECT count(*) FROM staging.stg_etl_tracking_summary WHERE load_status = 'success'"), 4);
    let (is_well, said) = by_hand(&sandbox, &dbt, &["source", "freshness"]);
    assert!(is_well && said.matches("PASS freshness of opendental.").count() == 3, "{said}");

    // A table whose change dbt hears of by its odd name; one that fails to load, and one that is late, are found by the tests.
    sandbox.source_sql(&["INSERT INTO `Odd \"name\", it's +1` VALUES (2)"]);
    let changed = sandbox.sync(&["--transform"]);
    assert_eq!(counts(&changed), [1, 0, 0, 0], "{changed}");
    assert_eq!(sandbox.count("SELECT count(*) FROM staging.odd"), 2);
    sandbox
        .warehouse()
        .batch_execute(
            "UPDATE raw.etl_load_status SET load_status = 'failed' WHERE table_name = 'theirs';
             UPDATE raw.etl_load_status SET last_loaded = now() - interval '3 days' WHERE table_name = 'medication'",
        )
        .unwrap();
    let found = sandbox.command_json("transform", &[]);
    found.expect(1);
    assert_eq!(counts(&found), [18, 1, 1, 0], "{found}");
    assert_eq!(node(&found, "etl_no_failed_table")["status"], "fail");
    assert_eq!(node(&found, "etl_no_late_table")["status"], "warn");
}

/// dbt is asked to end in the way that it understands: what it had the warehouse do ends, too.
#[test]
fn a_stop_ends_dbt_and_its_queries() {
    let Some(dbt) = dbt("dbt::a_stop_ends_dbt_and_its_queries") else { return };
    let sandbox = sandbox("dbtstop", &dbt);
    sandbox.sync(&[]);
    let model = "{{ config(materialized='table') }} select pg_sleep(600)::text as slept";
    let models = sandbox.folder().join("dbt/models");
    std::fs::remove_dir_all(&models).unwrap();
    std::fs::create_dir(&models).unwrap();
    std::fs::write(models.join("slow.sql"), model).unwrap();
    let mut command = sandbox.command();
    command.args(["transform", "--json"]);
    let running = Running::start(command);
    let sleeping = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)::text%' \
                    AND pid <> pg_backend_pid()";
    wait_for("the model is built", || sandbox.holds(sleeping).then_some(()));
    running.signal("TERM");
    let outcome = running.wait(RUN_MAX);
    outcome.expect(143).says("the run was asked to stop while dbt worked");
    wait_for("its query has ended", || (!sandbox.holds(sleeping)).then_some(()));
    assert_eq!(sandbox.count("SELECT count(*) FROM raw.etl_transform_status WHERE transformation_status = 'failed'"), 1);
}

/// A model that fails because of a value: the value is nowhere, and what stands behind the model is skipped.
#[test]
fn a_model_that_fails_is_told_without_its_values() {
    let Some(dbt) = dbt("dbt::a_model_that_fails") else { return };
    let sandbox = sandbox("dbtfails", &dbt);
    sandbox.source_sql(&["UPDATE medication SET MedName = 'Secretin' WHERE MedicationNum = 7"]);
    sandbox.sync(&[]);
    files(&sandbox, &["sources", "--out", "models/sources.yml"]).expect(0);
    let model = "{{ config(materialized='table') }} select \"MedName\"::int as number from {{ source('opendental', 'medication') }} where \"MedicationNum\" = 7";
    std::fs::write(sandbox.folder().join("dbt/models/numbers.sql"), model).unwrap();
    std::fs::write(sandbox.folder().join("dbt/models/behind.sql"), "select number from {{ ref('numbers') }}").unwrap();
    let outcome = sandbox.command_json("transform", &[]);
    outcome.expect(1).says("invalid input syntax for type integer");
    assert_eq!(counts(&outcome), [13, 0, 1, 1], "{outcome}");
    assert!(!outcome.stdout.contains("Secretin") && !outcome.stderr.contains("Secretin"), "{outcome}");
    let status = |name: &str| {
        let sql = "SELECT transformation_status FROM raw.etl_transform_status WHERE table_name = $1";
        sandbox.warehouse().query_one(sql, &[&name]).unwrap().get::<_, String>(0)
    };
    let names = ["numbers", "behind", "medication", "allergydef", "dbt_transformation_run"];
    assert_eq!(names.map(status), ["failed", "skipped", "failed", "success", "failed"]);
}
