//! Connection URLs: what is accepted, what is refused, and that no refusal repeats a secret.

use crate::config::Role;
use crate::config::endpoint::TlsMode;
use crate::config::url::{Parts, parse};
use secrecy::ExposeSecret;
use std::path::Path;

fn good(text: &str, role: Role) -> Parts {
    parse(text, role, "URL").unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn bad(text: &str, role: Role) -> String {
    match parse(text, role, "URL") {
        Ok(parts) => panic!("{text} gave {parts:?}"),
        Err(problems) => problems.iter().map(|p| format!("{p}\n")).collect(),
    }
}

/// user, password, host, port, database
type Login<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<u16>, Option<&'a str>);

#[test]
fn the_parts_of_a_url() {
    let cases: [(&str, Role, Login<'_>); 16] = [
        ("mysql://u:p@h:3307/d", Role::Source, (Some("u"), Some("p"), Some("h"), Some(3307), Some("d"))),
        ("mariadb://u@h/d", Role::Replica, (Some("u"), None, Some("h"), None, Some("d"))),
        ("mysql+pymysql://u:p@h/d", Role::Source, (Some("u"), Some("p"), Some("h"), None, Some("d"))),
        ("MySQL://h/d", Role::Source, (None, None, Some("h"), None, Some("d"))),
        ("postgres://u:p@h/d", Role::Warehouse, (Some("u"), Some("p"), Some("h"), None, Some("d"))),
        ("postgresql://u@h:5433/d", Role::Warehouse, (Some("u"), None, Some("h"), Some(5433), Some("d"))),
        (" mysql://u@h/d\n", Role::Source, (Some("u"), None, Some("h"), None, Some("d"))),
        ("mysql://u:%40%2F%3A%23%3F%25%20@h/d", Role::Source, (Some("u"), Some("@/:#?% "), Some("h"), None, Some("d"))),
        ("mysql://u%40x:a:b@h/d%2Fe", Role::Source, (Some("u@x"), Some("a:b"), Some("h"), None, Some("d/e"))),
        ("mysql://u:p@ss@h/d", Role::Source, (Some("u"), Some("p@ss"), Some("h"), None, Some("d"))),
        ("mysql://u:%C3%A9+é@h/d", Role::Source, (Some("u"), Some("é+é"), Some("h"), None, Some("d"))),
        ("mysql://u:@h/d", Role::Source, (Some("u"), None, Some("h"), None, Some("d"))),
        ("mysql://u@[::1]:3307/d", Role::Source, (Some("u"), None, Some("::1"), Some(3307), Some("d"))),
        ("postgresql://", Role::Warehouse, (None, None, None, None, None)),
        ("postgresql://u:p@:5433/d", Role::Warehouse, (Some("u"), Some("p"), None, Some(5433), Some("d"))),
        (
            "postgresql:///?user=u&password=%26&dbname=d&host=h&port=5433",
            Role::Warehouse,
            (Some("u"), Some("&"), Some("h"), Some(5433), Some("d")),
        ),
    ];
    for (text, role, want) in cases {
        let got = good(text, role);
        let password = got.password.as_ref().map(|p| p.expose_secret());
        assert_eq!((got.user.as_deref(), password, got.host.as_deref(), got.port, got.database.as_deref()), want, "{text}");
    }
}

#[test]
fn sockets() {
    for (text, role, path, port) in [
        ("mysql://u@localhost/d?socket=/run/my+sql.sock", Role::Source, "/run/my+sql.sock", None),
        ("mysql://u@localhost/d?unix_socket=%2Frun%2Fm.sock", Role::Source, "/run/m.sock", None),
        ("mysql://u@%2Frun%2Fm.sock/d", Role::Source, "/run/m.sock", None),
        ("postgresql:///d?host=/run/postgresql", Role::Warehouse, "/run/postgresql", None),
        ("postgresql://u@/d?host=/run/pg&port=5433", Role::Warehouse, "/run/pg", Some(5433)),
        ("postgresql://u@%2Frun%2Fpg:5433/d", Role::Warehouse, "/run/pg", Some(5433)),
        ("postgresql://u@:5433/d?host=/run/pg", Role::Warehouse, "/run/pg", Some(5433)),
    ] {
        let got = good(text, role);
        assert_eq!((got.socket.as_deref(), got.port), (Some(Path::new(path)), port), "{text}");
        assert_eq!(got.database.as_deref(), Some("d"), "{text}");
    }
    assert!(bad("mysql://u@localhost/d?socket=run/m.sock", Role::Source).contains("must begin with /"));
}

#[test]
fn foreign_parameters() {
    for (query, mode) in [
        ("sslmode=verify-full", TlsMode::VerifyFull),
        ("ssl-mode=VERIFY_IDENTITY", TlsMode::VerifyFull),
        ("ssl_mode=REQUIRED", TlsMode::Require),
        ("useSSL=false", TlsMode::Disable),
        ("usessl=true", TlsMode::VerifyFull),
        ("sslmode=disable&useSSL=false", TlsMode::Disable),
    ] {
        assert_eq!(good(&format!("mysql://u@h/d?{query}"), Role::Source).tls, Some(mode), "{query}");
        assert_eq!(good(&format!("postgres://u@h/d?{query}"), Role::Warehouse).tls, Some(mode), "{query}");
    }
    let got = good("mysql://u@h/d?ssl-ca=/ca.pem&charset=utf8mb4&connect_timeout=7&application_name=x", Role::Source);
    assert_eq!((got.ca_file.as_deref(), got.connect_timeout), (Some("/ca.pem"), Some(7)));
    assert_eq!(got.warnings, ["URL: parameter charset is ignored: text is always read as UTF-8"]);
}

#[test]
fn refusals_say_why() {
    for (text, role, want) in [
        ("postgres://u@h/d", Role::Source, "this is a PostgreSQL URL, but the source is MySQL or MariaDB"),
        ("mysql://u@h/d", Role::Warehouse, "this is a MySQL URL, but the warehouse is PostgreSQL"),
        ("http://u@h/d", Role::Source, "must begin with mysql://"),
        ("u:p@h/d", Role::Warehouse, "must begin with postgresql://"),
        ("mysql://u@h/d?sslmod=require", Role::Source, "unknown parameter `sslmod`; nearest: `sslmode`"),
        ("mysql://u@h/d?host=x", Role::Source, "unknown parameter `host`"),
        ("postgres://u@h/d?socket=/x", Role::Warehouse, "unknown parameter `socket`"),
        ("mysql://u@h/d?sslmode=prefer", Role::Source, "falls back"),
        ("mysql://u@h/d?ssl-mode=VERIFY_CA", Role::Source, "public authorities"),
        ("mysql://u@h/d?sslmode=require&ssl-mode=disabled", Role::Source, "contradicts"),
        ("mysql://u@h/d?charset=a&charset=b", Role::Source, "given twice"),
        ("mysql://u@h/d?connect_timeout=0", Role::Source, "0 is not in 1 to 600 seconds"),
        ("mysql://u@h/d?connect_timeout=soon", Role::Source, "expected a whole number"),
        ("mysql://u@h/d?socket=", Role::Source, "socket is empty"),
        ("postgres://u@h1,h2/d", Role::Warehouse, "several hosts"),
        ("postgres://u@h/d?port=70000", Role::Warehouse, "1 to 65535"),
        ("mysql://u@h:0/d", Role::Source, "percent-encoded"),
    ] {
        let got = bad(text, role);
        assert!(got.contains(want), "{text}: {got}");
    }
    let both = bad("mysql://u@h/d?sslmod=x&ssl-mode=prefer&connect_timeout=0", Role::Source);
    assert_eq!(both.lines().count(), 3, "all at once: {both}");
}

#[test]
fn a_password_that_was_not_encoded_is_never_repeated() {
    for text in [
        "mysql://u:sEc/ret@h/d",
        "mysql://u:12/sEcret@h/d",
        "mysql://u:sEc#ret@h/d",
        "mysql://u:12#sEcret@h/d",
        "mysql://u:sEc?ret@h/d",
        "mysql://u:12?sEcret=1@h/d",
        "mysql://u:sEc%ret@h/d",
        "mysql://u:sEcret%@h/d",
        "mysql://u:sEcret%zz@h/d",
        "mysql://u:sEc ret@h/d",
        "mysql://u:sEc\tret@h/d",
        "mysql://u:sEcret",
        "mysql://u:sEcret@",
        "mysql://u:sEcret@h:port/d",
        "mysql://u:%FFsEcret@h/d",
        "mysql://u:%00sEcret@h/d",
        "mysql://u:p@ssEcret/word@h/d",
        "mysql://u:p@h/d/sEcret",
        "mysql://u:p[sEcret@h]/d",
        "u:sEcret@h/d",
        "sEcret://u:sEcret@h/d",
        "mysql://u:p@h/d?sEcret:/x=1",
        "mysql://u:p@h/d?sslmode=sEcret",
        "mysql://u:p@h/d?useSSL=sEcret",
        "mysql://u:p@h/d?connect_timeout=sEcret",
        "mysql://u:sEcret@h/d?nonsense=sEcret",
    ] {
        // Whatever is accepted shows nothing either.
        let said = match parse(text, Role::Source, "URL") {
            Ok(parts) => format!("{:?} {:?}", parts.host, parts.database),
            Err(problems) => format!("{problems:?}"),
        };
        assert!(!said.contains("sEc") && !said.contains("ret@"), "{text}: {said}");
    }
    assert!(bad("mysql://u:a/b@h/d", Role::Source).contains("must be percent-encoded"));
}
