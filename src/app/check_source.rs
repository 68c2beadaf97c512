//! `check` on MySQL and MariaDB: version, TLS, session, rights, limits.

use super::capacity;
use super::check::connections;
use super::grants::{self, Grant};
use crate::config::{Endpoint, Role};
use crate::conn::mysql::MysqlConn;
use crate::error::{Kind, Result};
use crate::report::check::{Right, Side};

/// Fills in what the server says; what was found before an error stays.
pub(super) fn fill(side: &mut Side, endpoint: &Endpoint, workers: usize, needed: u64) -> Result<()> {
    let is_written = endpoint.role == Role::Replica;
    let mut conn = connect(endpoint)?;
    side.version = if conn.server.mariadb { conn.server.version.clone() } else { format!("MySQL {}", conn.server.version) };
    let current = conn.text("SELECT CURRENT_USER()", "asking for the account")?.unwrap_or_default();
    side.account.clone_from(&current);
    side.tls = tls(&mut conn)?;
    side.session = session(&mut conn)?;
    side.connections = Some(connections(capacity::source_room(&mut conn)?, needed, workers));
    let grants = read_grants(&mut conn)?;
    let views = conn.text(
        "SELECT CONCAT(COUNT(*)) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'VIEW' \
         AND table_schema <> 'information_schema'",
        "looking for views",
    )?;
    side.rights = rights(&grants, &endpoint.database, &grants::account(&current), views.is_some_and(|n| n != "0"));
    if is_written {
        side.rights.extend(rights_to_write(&grants, &endpoint.database, &grants::account(&current)));
    } else {
        side.surplus = grants::surplus(&grants);
    }
    Ok(())
}

/// An account without any right on the database is refused there, but may enter information_schema and ask for its
/// rights: so the statements that are missing can be told.
fn connect(endpoint: &Endpoint) -> Result<MysqlConn> {
    match MysqlConn::connect(endpoint) {
        Err(error) if error.kind() == Kind::Refused => {
            let elsewhere = Endpoint { database: "information_schema".into(), ..endpoint.clone() };
            // Wrong passwords are refused there too: the first error tells more.
            MysqlConn::connect(&elsewhere).map_err(|_| error)
        }
        other => other,
    }
}

fn pairs(conn: &mut MysqlConn, sql: &str, doing: &str) -> Result<Vec<(String, String)>> {
    let rows = conn.rows(sql, doing)?;
    Ok(rows.iter().filter_map(|row| Some((row.get::<String, _>(0)?, row.get::<String, _>(1)?))).collect())
}

fn tls(conn: &mut MysqlConn) -> Result<Option<String>> {
    let status =
        pairs(conn, "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_cipher', 'Ssl_version')", "asking for the TLS state")?;
    let value = |name: &str| status.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    let cipher = value("Ssl_cipher");
    Ok((!cipher.is_empty()).then(|| format!("{} {cipher}", value("Ssl_version"))))
}

fn session(conn: &mut MysqlConn) -> Result<Vec<(String, String)>> {
    // The isolation level has one of two names, by server and version.
    let sql = "SHOW SESSION VARIABLES WHERE Variable_name IN ('time_zone', 'sql_mode', 'character_set_results', \
               'character_set_client', 'sql_select_limit', 'autocommit', 'tx_isolation', 'transaction_isolation', \
               'max_statement_time', 'max_execution_time', 'lock_wait_timeout')";
    pairs(conn, sql, "reading the session settings back")
}

/// SHOW GRANTS; MySQL 8 lists the rights of active roles only when asked with USING, MariaDB always does.
fn read_grants(conn: &mut MysqlConn) -> Result<Vec<Grant>> {
    let doing = "asking for the account's rights";
    let mut sql = "SHOW GRANTS".to_owned();
    let old = conn.server.version.starts_with("5.");
    if !conn.server.mariadb && !old {
        let roles = conn.text("SELECT CURRENT_ROLE()", doing)?.unwrap_or_default();
        if !roles.is_empty() && roles != "NONE" {
            sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
        }
    }
    let rows = conn.rows(&sql, doing)?;
    let lines = rows.iter().filter_map(|row| row.get::<String, _>(0));
    Ok(lines.filter_map(|line| grants::parse(&line)).collect())
}

/// What a replica needs beside what is needed to read it; ALTER and DROP are for the rename of a filled table into place.
const TO_WRITE: [&str; 7] = ["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "CREATE TEMPORARY TABLES"];

fn rights_to_write(grants: &[Grant], database: &str, account: &str) -> Vec<Right> {
    let on = format!("{}.*", grants::database(database));
    let right = |name: &&str| Right {
        name: format!("{name} on {on}"),
        granted: grants::has(grants, name, database),
        needed: true,
        without: "nothing can be replicated".to_owned(),
        grant: format!("GRANT {name} ON {on} TO {account};"),
    };
    TO_WRITE.iter().map(right).collect()
}

fn rights(grants: &[Grant], database: &str, account: &str, views: bool) -> Vec<Right> {
    let on_database = format!("{}.*", grants::database(database));
    let right = |name: &str, on: &str, needed: bool, without: &str| Right {
        name: format!("{name} on {on}"),
        granted: grants::has(grants, name, database),
        needed,
        without: without.to_owned(),
        grant: format!("GRANT {name} ON {on} TO {account};"),
    };
    // SELECT on single tables is a choice: the others are not seen and not copied.
    let some = grants::has_somewhere(grants, "SELECT", database);
    let select = if some { "only the tables that SELECT was granted on are seen and copied" } else { "nothing can be read" };
    vec![
        right("SELECT", &on_database, !some, select),
        right("SHOW VIEW", &on_database, views, "large views cannot be read in chunks"),
        right(
            "PROCESS",
            "*.*",
            false,
            "long transactions of others are not seen, so a fixed lookback stands in for the exact safe point",
        ),
        right("RELOAD", "*.*", false, "no common snapshot of all workers, so each large table is read by one worker"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rights_come_with_their_statement() {
        let grants: Vec<Grant> = ["GRANT USAGE ON *.* TO `u`@`h`"].iter().filter_map(|line| grants::parse(line)).collect();
        let found = rights(&grants, "a_b", "'u'@'h'", false);
        let needed: Vec<&str> = found.iter().filter(|r| !r.granted && r.needed).map(|r| r.grant.as_str()).collect();
        assert_eq!(needed, ["GRANT SELECT ON `a\\_b`.* TO 'u'@'h';"]);
        let tables: Vec<Grant> = ["GRANT SELECT ON `a_b`.`t` TO `u`@`h`"].iter().filter_map(|line| grants::parse(line)).collect();
        assert!(rights(&tables, "a_b", "'u'@'h'", false).iter().all(|r| !r.needed));
    }
}
