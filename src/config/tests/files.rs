//! Wrong files: every problem at once, with file, line and nearest name, and never with a secret.

use super::Place;

#[test]
fn all_problems_of_both_files_at_once() {
    let pipeline = "\
connections:
  source:
    url: mysql://u@localhost/app
    conect_timeout_s: 5
    stall_timeout_s: soon
  sauce: {}
generale: {}
general:
  parallel: 0
  chunk_mb: 1.5
  accept_new_source: 1
  parallel: 4
parallel: 4
warehouse_schema: [raw]
";
    let tables = "\
include: [\"a[\"]
exclude: tmp_*
tables:
  patient:
    chunk_sise: 5
    chunk_mb: 0
    strategy: paralel
    extraction_strategy: full
    columns: {only: [a], except: [b]}
    key: []
  patient:
    key: [x]
  visit:
    table_name: visits
    key: [a, 5, a]
    lookback_resync:
      window_days: -1
      days: 3
    filter: ' '
  \"x{\": {}
";
    let place = Place::new().file("config/pipeline.yml", pipeline).file("config/tables.yml", tables);
    let want = [
        "config/pipeline.yml:4: unknown key `conect_timeout_s`; nearest: `connect_timeout_s`",
        "config/pipeline.yml:5: `connections.source.stall_timeout_s`: expected a whole number, found text",
        "config/pipeline.yml:6: unknown key `sauce`; nearest: `source`",
        "config/pipeline.yml:7: unknown key `generale`; nearest: `general`",
        "config/pipeline.yml:9: `general.parallel`: 0 is not in 1 to 64",
        "config/pipeline.yml:10: `general.chunk_mb`: expected a whole number, found a number with a fraction",
        "config/pipeline.yml:11: `general.accept_new_source`: expected true or false, found a whole number",
        "config/pipeline.yml:12: `parallel` is given twice, first in line 9",
        "config/pipeline.yml:13: unknown key `parallel`; it belongs under `general`",
        "config/pipeline.yml:14: `warehouse_schema`: expected text, found a list",
        "config/tables.yml:1: `include`: bad glob: unclosed character class; missing ']'",
        "config/tables.yml:2: `exclude`: expected a list, found text",
        "config/tables.yml:5: unknown key `chunk_sise`; nearest: `chunk_rows`",
        "config/tables.yml:6: `tables.patient.chunk_mb`: 0 is not in 1 to 4096",
        "config/tables.yml:7: `tables.patient.strategy`: `paralel` is not one of standard, streaming, chunked, copy_csv, parallel; nearest: `parallel`",
        "config/tables.yml:8: `tables.patient.extraction_strategy`: `full` is not one of full_table, ledger, incremental, incremental_chunked; nearest: `full_table`",
        "config/tables.yml:9: table `patient`: columns needs either `only` or `except`",
        "config/tables.yml:10: table `patient`: `key` is empty",
        "config/tables.yml:11: `patient` is given twice, first in line 4",
        "config/tables.yml:14: table `visit`: table_name differs from the name of the entry",
        "config/tables.yml:15: `tables.visit.key[1]`: expected text, found a number (put it in quotes)",
        "config/tables.yml:15: table `visit`: column `a` is named twice",
        "config/tables.yml:17: `tables.visit.lookback_resync.window_days`: -1 is not in 1 to 3650",
        "config/tables.yml:18: unknown key `days`; nearest: `window_days`",
        "config/tables.yml:19: table `visit`: an empty filter",
        "config/tables.yml:20: `x{`: bad glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
    ];
    let got = place.problems();
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got, want);
    }
    assert_eq!(got.len(), want.len(), "{got:#?}");
}

#[test]
fn a_file_that_is_no_yaml_gives_its_line_and_nothing_else() {
    let place = Place::bare()
        .file("config/pipeline.yml", "connections:\n  source: [sEcret\n  url: x\n")
        .file("config/tables.yml", "tables:\n\tx: 1\n");
    let got = place.problems();
    assert_eq!(got.len(), 2, "no `no source` on top: {got:#?}");
    assert!(got[0].starts_with("config/pipeline.yml:3: this is not valid YAML"), "{}", got[0]);
    assert!(got[1].starts_with("config/tables.yml:2: this is not valid YAML"), "{}", got[1]);
    let got = Place::new().file("config/tables.yml", "- a\n").problems();
    assert_eq!(got, ["config/tables.yml:1: the file: expected a map (key: value), found a list"]);
    let place = Place::new().file("config/tables.yml", "");
    std::fs::write(place.path("config/tables.yml"), b"a: \xff").unwrap();
    assert!(place.problems()[0].starts_with("config/tables.yml: cannot be read"));
}

#[test]
fn a_wrong_url_in_the_file_has_its_line() {
    let file = "connections:\n  source:\n    url: mysql://u:sEc/ret@h/d\n  warehouse:\n    url: postgres://u@localhost\n";
    let got = Place::bare().file("config/pipeline.yml", file).problems();
    assert_eq!(got.len(), 2, "{got:#?}");
    assert!(got[0].starts_with("config/pipeline.yml:3: `connections.source.url`: the URL cannot be read"), "{}", got[0]);
    assert_eq!(
        got[1],
        "config/pipeline.yml:5: `connections.warehouse.url`: the URL names no database (`.../database` at its end)"
    );
}

#[test]
fn passwords_appear_nowhere() {
    let files = [
        "connections: {source: {password: sEcret, url: 'mysql://u:sEcret@localhost/d?nope=sEcret'}}",
        "connections:\n  source: mysql://u:sEcret@localhost/d\n",
        "connections:\n  source:\n    mysql://u:sEcret@localhost/d: x\n",
        "connections:\n  source:\n    url: [mysql://u:sEcret@localhost/d]\n",
        "connections:\n  source:\n    tls: sEcret\n    url: mysql://u@localhost/d\n",
        "connections:\n  source:\n    stall_timeout_s: sEcret\n",
        "connections:\n  source:\n    url: mysql://u:${PW}@localhost/d\ngeneral: {parallel: '${PW}'}\n",
        "mysql://u:sEcret@localhost/d\n",
        "- mysql://u:sEcret@localhost/d\n",
        "general: {parallel: 'mysql://u:sEcret@h/d'}\n",
        "connections: {source: {url: \"mysql://u:sEcret@localhost/d}\n",
    ];
    for file in files {
        let place = Place::bare().file("config/pipeline.yml", file).var("PW", "sEcret/x@");
        let got = place.load().unwrap_err();
        let error = crate::error::Error::from(got.clone());
        let said = format!("{got} {got:?} {error} {error:?} {:?} {:?}", error.chain(), place.env);
        assert!(!said.contains("sEcret"), "{file}\n{said}");
    }
    let tables = "tables: {t: {strategy: '${PW}', chunk_mb: '${PW}'}}";
    let place = Place::new().file("config/tables.yml", tables).var("PW", "sEcret");
    assert!(!place.problems().concat().contains("sEcret"));

    let place = Place::bare()
        .var("ETL_SYNC_SOURCE_URL", "mysql://u:sEcret@10.0.0.1/d?sslmode=disable-insecure")
        .var("ETL_SYNC_WAREHOUSE_URL", "postgresql://u@localhost/d?password=sEcret");
    let config = place.good();
    assert_eq!(config.warnings, ["source: tls disable-insecure: password and rows cross the network unencrypted"]);
    let said = format!("{config:?} {} {} {:?}", config.source, config.warehouse, config.warnings);
    assert!(!said.contains("sEcret"), "{said}");
    let flags = crate::config::Overrides { source_url: Some("mysql://u:sEcret@h/d".into()), ..Default::default() };
    assert!(!format!("{flags:?}").contains("sEcret"));
}

#[test]
fn a_readable_file_with_a_password_is_named() {
    use std::os::unix::fs::PermissionsExt;
    for (url, mode, warned) in [
        ("mysql://u:p@localhost/d", 0o644, true),
        ("mysql://u:p@localhost/d", 0o600, false),
        ("mysql://u@localhost/d", 0o644, false),
        ("mysql://u:${PW}@localhost/d", 0o644, false),
    ] {
        let place =
            Place::new().var("PW", "p").file("config/pipeline.yml", &format!("connections: {{source: {{url: '{url}'}}}}"));
        std::fs::set_permissions(place.path("config/pipeline.yml"), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(!place.good().warnings.is_empty(), warned, "{url} {mode:o}");
    }
    let place = Place::new().file("config/pipeline.yaml", "").file("config/tables.yml", "");
    assert_eq!(place.good().warnings, ["config/pipeline.yaml is not read, the file must be named config/pipeline.yml"]);
}
