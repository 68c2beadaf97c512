//! One connection out of URL, keys, variables and the databases' own client defaults.

use super::{Place, load};
use crate::config::{Address, Config, Endpoint, Overrides, TlsMode};
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn password(endpoint: &Endpoint) -> Option<&str> {
    endpoint.password.as_ref().map(ExposeSecret::expose_secret)
}

fn source(url: &str) -> Place {
    Place::new().var("ETL_SYNC_SOURCE_URL", url)
}

fn warehouse(url: &str) -> Place {
    Place::new().var("ETL_SYNC_WAREHOUSE_URL", url)
}

fn tls_warnings(config: &Config) -> usize {
    config.warnings.iter().filter(|line| line.contains("tls")).count()
}

#[test]
fn tls_by_host_and_word() {
    for (url, mode, warnings) in [
        ("mysql://u@localhost/d", TlsMode::Disable, 0),
        ("mysql://u@127.3.2.1/d", TlsMode::Disable, 0),
        ("mysql://u@[::1]/d", TlsMode::Disable, 0),
        ("mysql://u@x/d?socket=/s", TlsMode::Disable, 0),
        ("mysql://u@10.0.0.1/d", TlsMode::VerifyFull, 0),
        ("mysql://u@db.example/d", TlsMode::VerifyFull, 0),
        ("mysql://u@localhost/d?sslmode=verify-full", TlsMode::VerifyFull, 0),
        ("mysql://u@localhost/d?sslmode=require", TlsMode::Require, 1),
        ("mysql://u:p@db.example/d", TlsMode::VerifyFull, 0),
        ("mysql://u@db.example/d?sslmode=disable", TlsMode::Disable, 1),
        ("mysql://u:p@db.example/d?sslmode=disable-insecure", TlsMode::DisableInsecure, 1),
        ("mysql://u:p@127.0.0.1/d?sslmode=disable-insecure", TlsMode::DisableInsecure, 0),
        ("mysql://u:p@x/d?socket=/s&sslmode=disable-insecure", TlsMode::Disable, 0),
        ("mysql://u@x/d?socket=/s&sslmode=require", TlsMode::Disable, 1),
    ] {
        let config = source(url).good();
        assert_eq!((config.source.tls.mode, tls_warnings(&config)), (mode, warnings), "{url}: {:?}", config.warnings);
    }
}

#[test]
fn beyond_this_machine_everything_is_verified_unless_said_otherwise() {
    for host in ["db.example", "10.0.0.1", "[2001:db8::1]", "128.0.0.1", "localhost.example", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        let place = source(&format!("mysql://u:p@{host}/d")).var("ETL_SYNC_WAREHOUSE_URL", &format!("postgres://u:p@{host}/d"));
        let place = place.var("ETL_SYNC_REPLICA_URL", &format!("mysql://u:p@{host}/copy"));
        let config = place.good();
        let modes = [&config.source, config.replica.as_ref().unwrap(), &config.warehouse].map(|one| one.tls.mode);
        assert_eq!(modes, [TlsMode::VerifyFull; 3], "{host}");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

/// Whoever says it and in whose words: a password does not go over plain TCP unless that is said on purpose.
#[test]
fn a_password_never_crosses_a_network_in_the_open() {
    let refused = |place: &Place, host: &str| {
        let got = place.problems();
        let role = if got[0].starts_with("source") { "source" } else { "warehouse" };
        let want = format!("{role}: tls disable would send the password to {host} over plain TCP");
        assert!(got.len() == 1 && got[0].starts_with(&want) && got[0].contains("verify-full"), "{got:?}");
        assert!(got[0].contains("disable-insecure") && !got[0].contains("sEcret"), "{got:?}");
    };
    for word in ["sslmode=disable", "ssl-mode=DISABLED", "ssl_mode=disabled", "useSSL=false"] {
        refused(&source(&format!("mysql://u:sEcret@db.example/d?{word}")), "db.example");
        refused(&source(&format!("mysql://u:sEcret@[2001:db8::1]/d?{word}")), "2001:db8::1");
        refused(&warehouse(&format!("postgresql://u:sEcret@10.0.0.1/d?{word}")), "10.0.0.1");
        for local in ["localhost", "127.0.0.2", "[::1]"] {
            assert_eq!(source(&format!("mysql://u:sEcret@{local}/d?{word}")).good().source.tls.mode, TlsMode::Disable);
            assert_eq!(warehouse(&format!("postgres://u:p@{local}/d?{word}")).good().warehouse.tls.mode, TlsMode::Disable);
        }
    }
    let far = "postgresql://u@db.example/d";
    let libpq = warehouse(far).var("PGSSLMODE", "disable");
    assert_eq!(libpq.good().warehouse.tls.mode, TlsMode::Disable, "no password, nothing to lose");
    refused(&libpq.var("PGPASSWORD", "sEcret"), "db.example");
    let plain = "connections: {warehouse: {tls: disable}, source: {tls: disable}}\n";
    let file = warehouse(far).file("config/pipeline.yml", plain);
    refused(&file.file("home/.pgpass", "*:*:*:*:sEcret\n"), "db.example");
    let file = source("mysql://db.example/d").file("config/pipeline.yml", plain);
    refused(&file.file("home/.my.cnf", "[client]\nuser=u\npassword=sEcret\n"), "db.example");
    refused(&warehouse(far).var("ETL_SYNC_WAREHOUSE_TLS", "disable").var("ETL_SYNC_WAREHOUSE_PASSWORD", "sEcret"), "db.example");

    let said = warehouse(far).var("ETL_SYNC_WAREHOUSE_TLS", "disable-insecure").var("PGPASSWORD", "sEcret").good();
    assert_eq!(said.warehouse.tls.mode, TlsMode::DisableInsecure);
    assert_eq!(said.warnings, ["warehouse: tls disable-insecure: password and rows cross the network unencrypted"]);
}

#[test]
fn tls_of_keys_variables_and_url() {
    let file = "connections: {warehouse: {tls: require}}\n";
    let url = "postgres://u@db.example/d";
    let mode = |place: &Place| place.good().warehouse.tls.mode;
    let place = warehouse(url).var("PGSSLMODE", "disable");
    assert_eq!(mode(&place), TlsMode::Disable);
    let place = place.file("config/pipeline.yml", file);
    assert_eq!(mode(&place), TlsMode::Require, "the file's key before PGSSLMODE");
    let place = place.var("ETL_SYNC_WAREHOUSE_URL", &format!("{url}?sslmode=disable"));
    assert_eq!(mode(&place), TlsMode::Disable, "the URL before the file's key");
    let place = place.var("ETL_SYNC_WAREHOUSE_TLS", "verify-full");
    assert_eq!(mode(&place), TlsMode::VerifyFull, "the variable before the URL");
    let flags = Overrides { warehouse_url: Some(format!("{url}?sslmode=require")), ..Overrides::default() };
    assert_eq!(load(&flags, &place.env).unwrap().warehouse.tls.mode, TlsMode::Require, "the flag's URL before all");

    let place = warehouse(&format!("{url}?sslmode=require")).var("PGSSLMODE", "prefer");
    assert_eq!(mode(&place), TlsMode::Require, "libpq's word does not matter then");
    let place = warehouse(url).file("config/pipeline.yml", "connections:\n  warehouse:\n    tls: prefer\n");
    let place = place.var("ETL_SYNC_WAREHOUSE_TLS", "sEcret");
    let got = place.problems();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].starts_with("ETL_SYNC_WAREHOUSE_TLS: not a TLS mode") && !got[0].contains("sEcret"), "{}", got[0]);
    let got = &got[1..];
    assert!(got[0].starts_with("config/pipeline.yml:3: `connections.warehouse.tls`: `prefer` falls back"), "{}", got[0]);
    assert!(warehouse(url).var("PGSSLMODE", "prefer").problems()[0].starts_with("PGSSLMODE: `prefer` falls back"));
    let place = source("mysql://u@h/d").var("PGSSLMODE", "disable");
    assert_eq!(place.good().source.tls.mode, TlsMode::VerifyFull, "libpq's word is not for MySQL");
}

#[test]
fn ca_files() {
    let url = "postgres://u@db.example/d?sslrootcert=ca.pem";
    let place = warehouse(url);
    assert!(place.problems()[0].starts_with("warehouse: CA file ca.pem cannot be read"), "{:?}", place.problems());
    let place = place.file("ca.pem", "x").file("config/other.pem", "x");
    assert_eq!(place.good().warehouse.tls.ca_file, Some(place.path("ca.pem")));
    let place = place
        .var("ETL_SYNC_WAREHOUSE_URL", "postgres://u@db.example/d")
        .file("config/pipeline.yml", "connections: {warehouse: {ca_file: other.pem}}");
    assert_eq!(place.good().warehouse.tls.ca_file, Some(place.path("config/other.pem")));
    let place = warehouse("postgres://u@db.example/d").var("PGSSLROOTCERT", "system");
    assert_eq!(place.good().warehouse.tls.ca_file, None);
    let config = warehouse("postgres://u@localhost/d?sslrootcert=none.pem").good();
    assert_eq!(config.warnings, ["warehouse: the CA file is only used with tls verify-full"]);
}

#[test]
fn passwords_in_their_order() {
    let file = "connections:\n  source:\n    url: mysql://u:file-url@localhost/d\n    password_file: pw\n";
    let my = "[client]\npassword=my-cnf\n";
    let of = |place: &Place| password(&place.good().source).map(str::to_owned);
    let place = Place::new().file("home/.my.cnf", my);
    assert_eq!(of(&place).as_deref(), Some("my-cnf"));
    let mut place = place.file("config/pipeline.yml", &file.replace(":file-url", "")).file("config/pw", "file-file\n");
    place.env.vars.remove("ETL_SYNC_SOURCE_URL");
    assert_eq!(of(&place).as_deref(), Some("file-file"));
    let place = place.file("config/pipeline.yml", file);
    assert_eq!(of(&place).as_deref(), Some("file-url"));
    let place = place.file("envpw", "env-file").var("ETL_SYNC_SOURCE_PASSWORD_FILE", "envpw");
    assert_eq!(of(&place).as_deref(), Some("env-file"));
    let place = place.var("ETL_SYNC_SOURCE_URL", "mysql://u:env-url@localhost/d");
    assert_eq!(of(&place).as_deref(), Some("env-url"));
    let place = place.var("ETL_SYNC_SOURCE_PASSWORD", "env-var");
    assert_eq!(of(&place).as_deref(), Some("env-var"));
    let flags = Overrides { source_url: Some("mysql://u:flag@localhost/d".into()), ..Overrides::default() };
    assert_eq!(password(&load(&flags, &place.env).unwrap().source), Some("flag"));
    let flags = Overrides { source_url: Some("mysql://u@localhost/d".into()), ..Overrides::default() };
    assert_eq!(password(&load(&flags, &place.env).unwrap().source), Some("env-var"));
}

#[test]
fn an_open_password_file_is_a_problem_with_its_line() {
    let place =
        Place::new().file("config/pipeline.yml", "connections:\n  source:\n    password_file: pw\n").file("config/pw", "sEcret");
    assert_eq!(password(&place.good().source), Some("sEcret"));
    std::fs::set_permissions(place.path("config/pw"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let got = place.problems();
    let want = "config/pipeline.yml:3: `connections.source.password_file`: password file has mode 0644; only its owner may read it (0600 or 0400)";
    assert_eq!(got, [want]);
    let place = Place::new().var("ETL_SYNC_WAREHOUSE_PASSWORD_FILE", "none");
    assert!(place.problems()[0].starts_with("ETL_SYNC_WAREHOUSE_PASSWORD_FILE: password file cannot be read"));
}

#[test]
fn my_cnf_fills_what_the_url_leaves_out() {
    let my = "[client]\nuser=cnf\npassword=pw\nhost=cnf.example\nport=3310\nsocket=/cnf.sock\n";
    let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
    for (url, my, user, pw, address) in [
        ("mysql://u:p@h:3307/d", my, "u", Some("p"), tcp("h", 3307)),
        ("mysql://h/d", my, "cnf", Some("pw"), tcp("h", 3310)),
        ("mysql://u@h/d", my, "u", None, tcp("h", 3310)),
        ("mysql:///d", my, "cnf", Some("pw"), tcp("cnf.example", 3310)),
        ("mysql:///d", "[client]\nuser=a\nsocket=/s\n", "a", None, Address::Socket("/s".into())),
        ("mysql:///d", "[client]\nuser=a\nhost=localhost\nsocket=/s\n", "a", None, Address::Socket("/s".into())),
        ("mysql://:3311/d", "[client]\nuser=a\nsocket=/s\n", "a", None, tcp("localhost", 3311)),
        ("mysql://cnf@h/d", my, "cnf", Some("pw"), tcp("h", 3310)),
        ("mysql:///d", "", "os", None, tcp("localhost", 3306)),
    ] {
        let place = source(url).file("home/.my.cnf", my).var("USER", "os");
        let got = place.good().source;
        assert_eq!((got.user.as_str(), password(&got), &got.address), (user, pw, &address), "{url} {my}");
    }
    let place = source("mysql:///d").file("home/.my.cnf", my).var("USER", "os");
    std::fs::set_permissions(place.path("home/.my.cnf"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = place.good();
    assert_eq!((config.source.user.as_str(), password(&config.source)), ("os", None));
    assert!(config.warnings[0].contains(".my.cnf is ignored"), "{:?}", config.warnings);
    assert!(source("mysql:///d").problems().iter().any(|line| line.contains("names no user")));
}

#[test]
fn libpq_variables_fill_what_the_url_leaves_out() {
    let place = warehouse("postgresql://")
        .var("PGHOST", "pg.example")
        .var("PGPORT", "5433")
        .var("PGUSER", "pu")
        .var("PGPASSWORD", "pp")
        .var("PGDATABASE", "pd")
        .var("PGSSLMODE", "require")
        .var("PGCONNECT_TIMEOUT", "7");
    let config = place.good();
    let got = &config.warehouse;
    assert_eq!(got.to_string(), "warehouse postgresql://pu@pg.example:5433/pd");
    assert_eq!((password(got), got.tls.mode, got.deadlines.connect), (Some("pp"), TlsMode::Require, Duration::from_secs(7)));
    assert_eq!(config.source.deadlines.connect, Duration::from_secs(10), "libpq's variables are not for MySQL");
    assert_eq!(config.source.to_string(), "source mysql://u@localhost:3306/app");

    let place = place.var("ETL_SYNC_WAREHOUSE_URL", "postgresql://u:p@h:1/d?connect_timeout=3&sslmode=verify-full");
    let got = place.good().warehouse;
    assert_eq!(got.to_string(), "warehouse postgresql://u@h:1/d");
    assert_eq!((password(&got), got.tls.mode, got.deadlines.connect.as_secs()), (Some("p"), TlsMode::VerifyFull, 3));

    let got = warehouse("postgresql://u@/d").var("PGHOST", "/run/pg").var("PGPORT", "5434").good().warehouse;
    assert_eq!((&got.address, got.socket_port), (&Address::Socket("/run/pg".into()), 5434));
    for (name, value) in [("PGPORT", "x"), ("PGPORT", "0"), ("PGCONNECT_TIMEOUT", "-1")] {
        assert!(warehouse("postgresql://u@h/d").var(name, value).problems()[0].starts_with(name), "{name}={value}");
    }
}

#[test]
fn pgpass_is_the_last_resort() {
    let line = "localhost:5432:dw:u:from-pgpass\n";
    let of = |place: &Place| password(&place.good().warehouse).map(str::to_owned);
    let place = Place::new().file("home/.pgpass", line);
    assert_eq!(of(&place).as_deref(), Some("from-pgpass"));
    let place = place.file("other", "*:*:*:*:from-file\n").var("PGPASSFILE", "other");
    assert_eq!(of(&place).as_deref(), Some("from-file"));
    let place = place.var("PGPASSWORD", "from-var");
    assert_eq!(of(&place).as_deref(), Some("from-var"));
    let place = place.var("ETL_SYNC_WAREHOUSE_PASSWORD", "own");
    assert_eq!(of(&place).as_deref(), Some("own"));
    let place = warehouse("postgresql://u@/dw?host=/run/pg").file("home/.pgpass", line);
    assert_eq!(of(&place).as_deref(), Some("from-pgpass"), "localhost means sockets too");
    let place = Place::new().file("home/.pgpass", line);
    std::fs::set_permissions(place.path("home/.pgpass"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let config = place.good();
    assert!(config.warehouse.password.is_none() && config.warnings[0].contains(".pgpass is ignored"));
}

#[test]
fn the_replica() {
    let place = Place::new().var("ETL_SYNC_REPLICA_URL", "mariadb://r@localhost/copy").var("ETL_SYNC_REPLICA_PASSWORD", "rp");
    let replica = place.good().replica.unwrap();
    assert_eq!((replica.to_string().as_str(), password(&replica)), ("replica mysql://r@localhost:3306/copy", Some("rp")));
    let place = place.var("ETL_SYNC_REPLICA_URL", "mysql://other@localhost/app");
    assert_eq!(place.problems(), ["source and replica are the same database (source mysql://u@localhost:3306/app)"]);
    let place = Place::new().file("config/pipeline.yml", "connections:\n  replica:\n    tls: disable\n");
    assert_eq!(place.problems(), ["config/pipeline.yml:2: `connections.replica` has settings but no url"]);
}

#[test]
fn deadlines_of_the_file() {
    let file = "connections: {source: {connect_timeout_s: 4, stall_timeout_s: 5, statement_timeout_s: 6}}";
    let config = Place::new().file("config/pipeline.yml", file).good();
    let got = config.source.deadlines;
    assert_eq!((got.connect.as_secs(), got.stall.as_secs(), got.statement.as_secs()), (4, 5, 6));
    let other = config.warehouse.deadlines;
    assert_eq!((other.connect.as_secs(), other.stall.as_secs(), other.statement.as_secs()), (10, 300, 7200));
}
