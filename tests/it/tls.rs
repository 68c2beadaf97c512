//! Certificates that hold and certificates that do not, servers without any, and every kind of password: what the
//! program lets pass, what it refuses, and that a password is neither sent to a stranger nor shown.

use crate::hosts::{Hosts, Own};
use crate::notes;
use crate::program::{Outcome, Running};
use crate::sandbox::{PASSWORD, RUN_MAX, Sandbox};
use crate::stranger::{Greeting, Stranger};
use etl_sync::config::{self, Environment, Overrides};
use etl_sync::conn::mysql::MysqlConn;
use mysql::prelude::Queryable;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Without one nonce that ends with 0 among them: once in 50 times.
const LOGINS: u32 = 1_000;

const SOURCE: &str = "ETL_SYNC_SOURCE_URL";
const WAREHOUSE: &str = "ETL_SYNC_WAREHOUSE_URL";

/// Certificates in files that the servers' users can read.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("etl-sync-pki-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o644)).unwrap();
    }

    /// A new authority; its certificate is in the file `name`.pem.
    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self.write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        Issuer::new(params, key)
    }

    /// A certificate for `host` alone, in `name`.pem and `name`.key, for a server that runs as `user`.
    fn server(&self, name: &str, host: &str, user: &str, issuer: &Issuer<'_, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        self.write(&format!("{name}.pem"), &params.signed_by(&key, issuer).unwrap().pem());
        let file = self.path(&format!("{name}.key"));
        std::fs::write(&file, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        // Root gives the servers to the users of their packages, as scripts/servers.sh does.
        if std::fs::metadata(&file).unwrap().uid() == 0 {
            assert!(Command::new("chown").arg(user).arg(&file).status().unwrap().success(), "the key goes to {user}");
        }
    }
}

/// MariaDB with a certificate for 127.0.0.1 and PostgreSQL with one for localhost: the other name of each is wrong.
/// PostgreSQL lets nobody in by TCP without TLS but its administrator.
fn with_certificates(pki: &Pki) -> Own {
    let authority = pki.authority("right");
    pki.authority("wrong");
    pki.server("source", "127.0.0.1", "mysql", &authority);
    pki.server("warehouse", "localhost", "postgres", &authority);
    pki.write(
        "hba",
        "local all all trust\nhostnossl all postgres 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 md5\n",
    );
    let at = |name: &str| pki.path(name).display().to_string();
    let mariadb = format!(
        "--ssl-ca={} --ssl-cert={} --ssl-key={} --plugin-load-add=auth_ed25519 --innodb-flush-log-at-trx-commit=2",
        at("right.pem"),
        at("source.pem"),
        at("source.key")
    );
    let postgres = format!(
        "-c fsync=off -c ssl=on -c ssl_cert_file={} -c ssl_key_file={} -c hba_file={}",
        at("warehouse.pem"),
        at("warehouse.key"),
        at("hba")
    );
    let servers = [("ETL_SYNC_SOURCE_SERVER", "mariadb"), ("ETL_SYNC_WAREHOUSE_SERVER", "15")];
    Own::start("tls", &[&servers[..], &[("ETL_SYNC_MARIADB_OPTS", &mariadb), ("ETL_SYNC_PG_OPTS", &postgres)]].concat())
}

/// A sandbox with a table, and accounts whose password is known here; both need TLS on the servers of this file.
struct Accounts {
    sandbox: Sandbox,
    source: String,
    warehouse: String,
}

impl Accounts {
    fn new(hosts: Hosts, word: &str) -> Self {
        let sandbox = Sandbox::on(hosts, word);
        sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"]);
        let source = sandbox.source_account(&["SELECT ON {db}.*"]);
        sandbox.source_sql(&[&format!("ALTER USER '{}'@'%' REQUIRE SSL", sandbox.name)]);
        let warehouse = sandbox.warehouse_account("NOSUPERUSER");
        sandbox.warehouse().batch_execute(&format!("GRANT CREATE ON DATABASE {0} TO {0}", sandbox.name)).unwrap();
        Self { sandbox, source, warehouse }
    }

    fn source(&self, host: &str, query: &str) -> String {
        changed(&self.source, host, query)
    }

    fn warehouse(&self, host: &str, query: &str) -> String {
        changed(&self.warehouse, host, query)
    }

    /// A whole run on these two, which never shows the password.
    fn run(&self, source: &str, warehouse: &str) -> Outcome {
        run(&self.sandbox, source, warehouse)
    }

    /// The account's password on the warehouse in another way of keeping it.
    fn kept_as(&self, way: &str) {
        let sql = format!("SET password_encryption = '{way}'; ALTER ROLE {} PASSWORD '{PASSWORD}'", self.sandbox.name);
        self.sandbox.warehouse().batch_execute(&sql).unwrap();
    }
}

fn changed(url: &str, host: &str, query: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_host(Some(host)).unwrap();
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    url.into()
}

fn run(sandbox: &Sandbox, source: &str, warehouse: &str) -> Outcome {
    let mut command = sandbox.command();
    command.args(["run", "--json", "-vv", "--parallel", "2"]).env(SOURCE, source).env(WAREHOUSE, warehouse);
    let outcome = Running::start(command).wait(RUN_MAX);
    assert!(!outcome.to_string().contains(PASSWORD), "the password is shown\n{outcome}");
    outcome
}

/// On the shared servers, with a table.
fn small(word: &str) -> Sandbox {
    let sandbox = Sandbox::new(word);
    sandbox.source_sql(&["CREATE TABLE t (id INT PRIMARY KEY)"]);
    sandbox
}

/// Query of a URL that wants everything verified, in MySQL's words and in libpq's.
fn verified(ca: &Path) -> [String; 2] {
    let ca = ca.display();
    [format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"), format!("sslmode=verify-full&sslrootcert={ca}")]
}

/// One test, because its servers are for it alone and end with it.
#[test]
fn servers_with_certificates_of_a_private_authority() {
    let pki = Pki::new();
    let own = with_certificates(&pki);
    let all = Accounts::new(own.hosts.clone(), "tls");
    let [source, warehouse] = verified(&pki.path("right.pem"));
    let (source, warehouse) = (all.source("127.0.0.1", &source), all.warehouse("localhost", &warehouse));

    all.run(&source, &warehouse).expect(0);
    all.sandbox.assert_equal(&[]);
    sessions_are_encrypted(&all, &pki, &source, &warehouse);
    strangers_are_refused(&all, &pki, &source, &warehouse);
    require_works_and_warns(&all, &source, &warehouse);
    passwords_of_mariadb(&all, &source, &warehouse);
    passwords_of_postgresql(&all, &source, &warehouse);
    all.sandbox.assert_clean();
}

/// Neither account gets in without TLS, so those that got in had it.
fn sessions_are_encrypted(all: &Accounts, pki: &Pki, source: &str, warehouse: &str) {
    all.run(&all.source("127.0.0.1", "ssl-mode=DISABLED"), warehouse).expect(77).says("Access denied");
    all.run(source, &all.warehouse("localhost", "sslmode=disable")).expect(77).says("no encryption");
    // And by the driver's own session with the program's options: what it says of itself.
    let options = mysql::OptsBuilder::from_opts(mysql::Opts::from_url(&all.source("127.0.0.1", "")).unwrap())
        .prefer_socket(false)
        .ssl_opts(mysql::SslOpts::default().with_root_cert_path(Some(pki.path("right.pem"))));
    let mut conn = mysql::Conn::new(options).unwrap();
    let cipher: Option<(String, String)> = conn.query_first("SHOW STATUS LIKE 'Ssl_cipher'").unwrap();
    assert!(cipher.as_ref().is_some_and(|(_, cipher)| !cipher.is_empty()), "{cipher:?}");
}

/// A wrong authority, a wrong name and a word too many: 77, and the text says which.
fn strangers_are_refused(all: &Accounts, pki: &Pki, source: &str, warehouse: &str) {
    let [my, pg] = verified(&pki.path("wrong.pem"));
    for (source, warehouse) in [(&*all.source("127.0.0.1", &my), warehouse), (source, &*all.warehouse("localhost", &pg))] {
        all.run(source, warehouse).expect(77).says("UnknownIssuer").says("ca_file");
    }
    let [my, pg] = verified(&pki.path("right.pem"));
    for (source, warehouse) in [(&*all.source("localhost", &my), warehouse), (source, &*all.warehouse("127.0.0.1", &pg))] {
        all.run(source, warehouse).expect(77).says("not valid for name").says("connect by a name");
    }
    // Without a CA file the system's authorities count, and ours is none of them.
    for (source, warehouse) in [
        (&*all.source("127.0.0.1", "ssl-mode=VERIFY_IDENTITY"), warehouse),
        (source, &*all.warehouse("localhost", "sslmode=verify-full")),
    ] {
        all.run(source, warehouse).expect(77).says("ca_file");
    }
}

fn require_works_and_warns(all: &Accounts, source: &str, warehouse: &str) {
    let warning = |role: &str| format!("{role}: tls require encrypts but does not verify the server");
    all.run(&all.source("localhost", "ssl-mode=REQUIRED"), warehouse).expect(0).says(&warning("source"));
    all.run(source, &all.warehouse("127.0.0.1", "sslmode=require")).expect(0).says(&warning("warehouse"));
}

fn passwords_of_mariadb(all: &Accounts, source: &str, warehouse: &str) {
    let user = format!("'{}'@'%'", all.sandbox.name);
    for plugin in ["mysql_native_password", "ed25519"] {
        if plugin == "ed25519" {
            all.sandbox.source_sql(&[&format!("ALTER USER {user} IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')")]);
        }
        let sql = format!("SELECT plugin FROM mysql.user WHERE user = '{}'", all.sandbox.name);
        let kept: Option<String> = all.sandbox.source().query_first(sql).unwrap();
        assert_eq!(kept.as_deref(), Some(plugin));
        all.run(source, warehouse).expect(0);
        let wrong = source.replace(PASSWORD, "an0ther-one");
        let outcome = all.run(&wrong, warehouse);
        assert!(!outcome.expect(77).says("Access denied").to_string().contains("an0ther-one"), "{outcome}");
    }
    every_nonce_is_answered(source, warehouse);
}

/// The nonce of ed25519 is any 32 bytes, also one with a 0 at its end: one log-in in 256.
fn every_nonce_is_answered(source: &str, warehouse: &str) {
    let urls = Overrides { source_url: Some(source.into()), warehouse_url: Some(warehouse.into()), ..Overrides::default() };
    let cwd = tempfile::tempdir().unwrap();
    let config = config::load(&urls, &Environment { cwd: cwd.path().into(), cores: 2, ..Environment::default() }).unwrap();
    for at in 0..LOGINS {
        MysqlConn::connect(&config.source).unwrap_or_else(|error| panic!("log-in {at}: {error}"));
    }
}

fn passwords_of_postgresql(all: &Accounts, source: &str, warehouse: &str) {
    for (way, begin) in [("scram-sha-256", "SCRAM-SHA-256$"), ("md5", "md5")] {
        all.kept_as(way);
        let sql = format!("SELECT starts_with(rolpassword, '{begin}') FROM pg_authid WHERE rolname = '{}'", all.sandbox.name);
        assert!(all.sandbox.holds(&sql), "{way}");
        all.run(source, warehouse).expect(0);
        all.run(source, &warehouse.replace(PASSWORD, "an0ther-one")).expect(77).says("password authentication failed");
    }
}

/// The word is refused before anybody is asked for anything; said on purpose, it works and warns.
#[test]
fn a_password_over_plain_tcp_is_refused_at_once() {
    let sandbox = small("open");
    let [source, warehouse] = [SOURCE, WAREHOUSE].map(|name| sandbox.hosts.url(name, &sandbox.name));
    // An address that is kept for examples: nobody answers there.
    let far = |url: &str, query: &str| changed(&url.replace("etl_sync:", &format!("etl_sync:{PASSWORD}")), "192.0.2.1", query);
    for (role, plain, said) in
        [("source", "useSSL=false", "ssl-mode=disable-insecure"), ("warehouse", "sslmode=disable", "sslmode=disable-insecure")]
    {
        let both = |query: &str| {
            let query = format!("{query}&connect_timeout=1");
            if role == "source" { (far(&source, &query), warehouse.clone()) } else { (source.clone(), far(&warehouse, &query)) }
        };
        let (from, to) = both(plain);
        let text = format!("{role}: tls disable would send the password to 192.0.2.1");
        run(&sandbox, &from, &to).expect(2).says(&text).says("tls disable-insecure");
        let (from, to) = both(said);
        run(&sandbox, &from, &to).expect(69).says(&format!("{role}: tls disable-insecure: password and rows cross"));
    }
    sandbox.assert_clean();
}

/// The server is there and its answer will not change, so it is a refusal (77) and not a failed connection (69).
#[test]
fn a_server_without_tls_is_refused_and_gets_no_password() {
    let sandbox = small("plain");
    let [source, warehouse] = [SOURCE, WAREHOUSE].map(|name| sandbox.hosts.url(name, &sandbox.name));
    let at = |url: &str, stranger: &Stranger, mode: &str| {
        let mut url = url::Url::parse(&changed(url, "127.0.0.1", &format!("sslmode={mode}"))).unwrap();
        url.set_port(Some(stranger.port)).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        String::from(url)
    };
    for mode in ["verify-full", "require"] {
        let stranger = Stranger::start(Greeting::Mysql);
        let outcome = run(&sandbox, &at(&source, &stranger, mode), &warehouse);
        outcome.expect(77).says("source").says("does not support TLS").says("the password was not sent");
        // Nothing but the farewell of each connection.
        assert!(stranger.met() > 0 && stranger.heard() == [1, 0, 0, 0, 1].repeat(stranger.met()), "{:?}", stranger.heard());

        let stranger = Stranger::start(Greeting::Postgres);
        let outcome = run(&sandbox, &source, &at(&warehouse, &stranger, mode));
        outcome.expect(77).says("warehouse").says("does not support TLS").says("the password was not sent");
        // Only the question for TLS, once for each connection.
        let question = [0, 0, 0, 8, 4, 210, 22, 47];
        assert!(stranger.met() > 0 && stranger.heard() == question.repeat(stranger.met()), "{:?}", stranger.heard());
    }
    // The real ones of the shared set have no certificate either.
    let pair = sandbox.hosts.pair();
    if pair.server == "mariadb" {
        let real = changed(&source, "127.0.0.1", "sslmode=verify-full");
        run(&sandbox, &real, &warehouse).expect(77).says("does not support TLS");
    }
    let real = changed(&warehouse, "127.0.0.1", "sslmode=verify-full");
    run(&sandbox, &source, &real).expect(77).says("does not support TLS");
    sandbox.assert_clean();
}

/// The driver takes the answer apart without looking at its length and panics; the program must end in order.
#[test]
fn nonsense_during_the_log_in_is_a_refusal() {
    let sandbox = small("nonsense");
    let stranger = Stranger::start(Greeting::MysqlThenNothing);
    let mut url = url::Url::parse(&sandbox.hosts.url(SOURCE, &sandbox.name)).unwrap();
    url.set_port(Some(stranger.port)).unwrap();
    let outcome = run(&sandbox, url.as_str(), &sandbox.hosts.url(WAREHOUSE, &sandbox.name));
    outcome.expect(77).says("the driver gave up during the log-in");
    sandbox.assert_clean();
}

/// By verified TLS, by the socket and by a key that the server gives on loopback. After FLUSH PRIVILEGES the server
/// knows nobody, so each log-in is a full one with the password itself. Runs with the pairs of `scripts/test.sh`.
#[test]
fn caching_sha2_password_on_mysql() {
    let all = {
        let shared = crate::hosts::shared();
        if shared.pair().server != "mysql" {
            return;
        }
        Accounts::new(shared, "sha2")
    };
    let mut admin = all.sandbox.source();
    let kept: Option<String> =
        admin.query_first(format!("SELECT plugin FROM mysql.user WHERE user = '{}'", all.sandbox.name)).unwrap();
    assert_eq!(kept.as_deref(), Some("caching_sha2_password"));
    let native: Option<u32> =
        admin.query_first("SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = 'mysql_native_password'").unwrap();
    if native == Some(0) {
        notes::add("mysql_native_password: MySQL 9.7 has it no more, MariaDB shows it");
    }
    let pki = Pki::new();
    let authority = pki.authority("right");
    pki.server("source", "127.0.0.1", "mysql", &authority);
    // The certificate can be changed while the server runs; the other tests do not look at it.
    let files = ["ssl_ca", "ssl_cert", "ssl_key"];
    let before: Vec<String> =
        files.iter().map(|name| admin.query_first(format!("SELECT @@global.{name}")).unwrap().unwrap()).collect();
    let ours = ["right.pem", "source.pem", "source.key"].map(|name| pki.path(name).display().to_string());
    let mut reload = |values: &[String]| {
        for (name, value) in files.iter().zip(values) {
            admin.query_drop(format!("SET GLOBAL {name} = '{value}'")).unwrap();
        }
        admin.query_drop("ALTER INSTANCE RELOAD TLS").unwrap();
    };
    reload(&ours);
    let socket: Option<String> = all.sandbox.source().query_first("SELECT @@socket").unwrap();
    let socket = all.source("localhost", &format!("socket={}", socket.unwrap()));
    let [query, _] = verified(&pki.path("right.pem"));
    let warehouse = &all.warehouse;
    let full = |source: &str, code: i32| {
        all.sandbox.source_sql(&["FLUSH PRIVILEGES"]);
        all.run(source, warehouse).expect(code);
    };
    full(&all.source("127.0.0.1", &query), 0);
    full(&all.source("localhost", &query), 77);
    full(&all.source("127.0.0.1", &query).replace(PASSWORD, "an0ther-one"), 77);
    full(&all.source("127.0.0.1", "ssl-mode=DISABLED"), 77);
    all.sandbox.source_sql(&[&format!("ALTER USER '{}'@'%' REQUIRE NONE", all.sandbox.name)]);
    full(&socket, 0);
    full(&socket.replace(PASSWORD, "an0ther-one"), 77);
    full(&all.source("127.0.0.1", "ssl-mode=DISABLED"), 0);
    all.sandbox.assert_equal(&[]);
    reload(&before);
}
