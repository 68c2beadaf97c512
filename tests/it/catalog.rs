//! The catalog of a real source: kinds of tables, keys, JSON columns, hidden columns, hundreds of tables; and its DDL.

#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use crate::servers::Servers;
use ::mysql::prelude::Queryable;
use etl_sync::catalog::ddl::{CreateOptions, add_primary_key, comments, create_table, matches};
use etl_sync::catalog::{KeyKind, SourceTable, TargetKind, mysql, postgres};
use etl_sync::error::Kind;
use etl_sync::name::TableName;
use etl_sync::value::ColumnType;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn names(table: &SourceTable) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn tables_of_every_kind_are_read() {
    let mut servers = Servers::start("catalog");
    let (_, mariadb) = servers.version();
    for sql in [
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY COMMENT 'it''s', `we``ird\"c` JSON, l LONGTEXT,
         g INT GENERATED ALWAYS AS (id1 + 1) STORED, id1 INT DEFAULT 1, u CHAR(3) CHARACTER SET latin1) COMMENT 'first'",
        "CREATE TABLE m (b INT NOT NULL, a VARCHAR(99) NOT NULL, n INT, UNIQUE zz (a(10)), UNIQUE nn (n), UNIQUE yy (b, a),
         UNIQUE zy (b)) ENGINE = MyISAM",
        "CREATE TABLE pt (id INT PRIMARY KEY, d INT) ENGINE = InnoDB PARTITION BY HASH (id) PARTITIONS 3",
        "CREATE TABLE case_a (x INT)",
        "CREATE TABLE CASE_A (y INT)",
        "CREATE TABLE `név \"x\"` (`ő` INT)",
        "CREATE VIEW v AS SELECT id, l FROM a",
        "CREATE TEMPORARY TABLE tmp (x INT)",
    ] {
        servers.source(sql);
    }
    if mariadb {
        servers.source("CREATE SEQUENCE sq");
        servers.source("CREATE TABLE sv (id INT PRIMARY KEY, h INT INVISIBLE) WITH SYSTEM VERSIONING");
        servers.source("CREATE TABLE lu (t TEXT NOT NULL, UNIQUE (t))");
    }
    let name = servers.name.clone();
    let catalog = mysql::read(&mut servers.source, &name).unwrap();
    assert!(catalog.refused.is_empty(), "{:?}", catalog.refused);
    assert_eq!(catalog.views, [TableName::new(name.as_str(), "v")]);
    let mut expected = vec!["CASE_A", "a", "case_a", "m", "név \"x\"", "pt"];
    if mariadb {
        expected.extend(["lu", "sv"]);
    }
    expected.sort_unstable();
    assert_eq!(catalog.tables.iter().map(|table| table.name.table.as_str()).collect::<Vec<_>>(), expected);
    let table = |name: &str| catalog.tables.iter().find(|table| table.name.table == name).unwrap();

    let a = table("a");
    assert_eq!(names(a), ["id", "we`ird\"c", "l", "g", "id1", "u"]);
    assert_eq!([a.columns[1].ty, a.columns[2].ty], [ColumnType::Jsonb, ColumnType::Text]);
    assert!(a.columns[0].auto_increment && !a.columns[0].nullable && a.columns[3].generated && a.transactional);
    assert_eq!((a.comment.as_str(), a.columns[0].comment.as_str()), ("first", "it's"));
    assert_eq!(a.columns[5].charset.as_deref(), Some("latin1"));
    assert_eq!((a.key_kind, &a.key[..], a.key_index.as_deref()), (KeyKind::Primary, &[0][..], Some("PRIMARY")));
    let m = table("m");
    assert_eq!((m.key_kind, &m.key[..], m.key_index.as_deref()), (KeyKind::Unique, &[0, 1][..], Some("yy")));
    assert!(!m.transactional && m.engine == "MyISAM");
    assert!(table("pt").transactional && table("case_a").key_kind == KeyKind::None);
    if mariadb {
        assert!(table("sv").columns[1].invisible && table("sv").key == [0]);
        assert_eq!(table("lu").key_kind, KeyKind::None);
    }
    let view = mysql::read_view(&mut servers.source, &TableName::new(name.as_str(), "v")).unwrap();
    assert_eq!((names(&view), view.key_kind, view.transactional), (vec!["id", "l"], KeyKind::None, false));
    for missing in ["nothing", "a"] {
        let error = mysql::read_view(&mut servers.source, &TableName::new(name.as_str(), missing)).unwrap_err();
        assert_eq!(error.kind(), Kind::Changed);
    }
    assert_eq!(mysql::read(&mut servers.source, "no_such_database").unwrap_err().kind(), Kind::Config);
    identity_follows_alterations(&mut servers, &a.identity, &m.identity);
    ddl_makes_what_the_catalog_describes(&mut servers, a, m);
}

fn identity_follows_alterations(servers: &mut Servers, a: &str, m: &str) {
    let name = servers.name.clone();
    let of = |servers: &mut Servers, table: &str| {
        let catalog = mysql::read(&mut servers.source, &name).unwrap();
        catalog.tables.into_iter().find(|found| found.name.table == table).unwrap().identity
    };
    servers.source("INSERT INTO m VALUES (1, 'x', 1)");
    assert_eq!(of(servers, "m"), m);
    servers.source("ALTER TABLE a ADD COLUMN later INT");
    assert_ne!(of(servers, "a"), a);
    std::thread::sleep(Duration::from_millis(1100));
    servers.source("CREATE TABLE m_new LIKE m");
    servers.source("RENAME TABLE m TO m_old, m_new TO m");
    assert_ne!(of(servers, "m"), m);
    assert_eq!(of(servers, "m_old"), m);
}

fn ddl_makes_what_the_catalog_describes(servers: &mut Servers, a: &SourceTable, m: &SourceTable) {
    let (name, none) = (servers.name.clone(), BTreeSet::new());
    for (table, logged, nullable) in [(a, true, &none), (m, false, &BTreeSet::from([1]))] {
        let target = TableName::new(name.as_str(), table.name.table.as_str());
        let sql = [
            create_table(&target, table, CreateOptions { logged, temporary: false, nullable, own: &[], in_work: false }),
            add_primary_key(&target, table, nullable).unwrap(),
            comments(&target, table),
        ];
        servers.warehouse.batch_execute(&sql.join(";\n")).unwrap();
    }
    servers.warehouse.batch_execute(&format!("CREATE VIEW {name}.v AS SELECT 1 AS one")).unwrap();
    let found = postgres::read(&mut servers.warehouse, &name).unwrap();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "m", "v"]);
    let (target_a, target_m) = (&found["a"], &found["m"]);
    assert_eq!((matches(a, target_a), matches(m, target_m)), (Vec::new(), Vec::new()));
    assert_eq!((&target_a.primary_key[..], target_a.comment.as_str()), (&["id".to_owned()][..], "first"));
    assert_eq!(target_a.columns[0].comment, "it's");
    assert!(target_a.logged && target_a.oid > 0 && target_a.relfilenode > 0 && target_a.columns[0].not_null);
    assert!(!target_m.logged && target_m.columns[0].not_null && !target_m.columns[1].not_null);
    assert_eq!((target_m.primary_key.len(), &target_m.unique[..]), (0, &[vec!["b".to_owned(), "a".to_owned()]][..]));
    assert_eq!((target_a.kind, found["v"].kind), (TargetKind::Table, TargetKind::View));
    assert!(postgres::read(&mut servers.warehouse, "no_such_schema").unwrap().is_empty());
}

#[test]
fn a_user_who_sees_half_a_table_does_not_copy_half_of_it() {
    let mut servers = Servers::start("hidden");
    let name = servers.name.clone();
    servers.source("CREATE TABLE t (a INT, b INT, c INT)");
    servers.source("CREATE TABLE whole (a INT)");
    // For the host we come from: an anonymous user of that host would win over any host.
    let host: Option<String> = servers.source.query_first("SELECT SUBSTRING_INDEX(USER(), '@', -1)").unwrap();
    let name_of_user = format!("u{}", std::process::id());
    let user = format!("{name_of_user}@'{}'", host.unwrap());
    servers.source(&format!("CREATE USER {user} IDENTIFIED BY 'word'"));
    servers.source(&format!("GRANT SELECT (a, c) ON `{name}`.t TO {user}"));
    servers.source(&format!("GRANT SELECT ON `{name}`.whole TO {user}"));
    let found = mysql::read(&mut servers.source_as(&name_of_user, "word"), &name);
    servers.source(&format!("DROP USER {user}"));
    let found = found.unwrap();
    assert_eq!(found.tables.iter().map(|table| table.name.table.as_str()).collect::<Vec<_>>(), ["whole"]);
    assert_eq!(found.refused.len(), 1);
    assert_eq!(found.refused[0].why.kind(), Kind::Refused);
}

#[test]
fn hundreds_of_tables_take_one_look() {
    let mut servers = Servers::start("many");
    for number in 0..446 {
        servers.source(&format!(
            "CREATE TABLE t{number} (id BIGINT PRIMARY KEY, a VARCHAR(255), b DATETIME, c TEXT, KEY (b)) ENGINE = MyISAM"
        ));
    }
    let name = servers.name.clone();
    let start = Instant::now();
    let catalog = mysql::read(&mut servers.source, &name).unwrap();
    let took = start.elapsed();
    println!("446 tables read in {took:?}");
    assert_eq!(catalog.tables.len(), 446);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
