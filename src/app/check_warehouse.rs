//! `check` on PostgreSQL: version, TLS, session, rights, limits.

use super::capacity;
use super::check::connections;
use crate::config::{Config, RunLog};
use crate::conn::postgres::{PINNED, PostgresConn};
use crate::conn::watchdog::Watchdog;
use crate::error::Result;
use crate::name::quote_postgres;
use crate::report::check::{Right, Side, Surplus};
use crate::track;
use postgres::Row;

/// Fills in what the server says; what was found before an error stays.
pub(super) fn fill(side: &mut Side, config: &Config, watchdog: &Watchdog, needed: u64) -> Result<()> {
    let mut conn = PostgresConn::connect(&config.warehouse, "etl-sync/check", watchdog)?;
    conn.batch("SET default_transaction_read_only = on", "making the session read-only")?;
    let server = conn.rows(include_str!("check_server.sql"), &[], "asking for version and TLS state")?;
    if let Some(row) = server.first() {
        side.version = format!("PostgreSQL {}", row.get::<_, String>(0));
        side.account = row.get(1);
        side.tls = row.get(2);
    }
    side.session = session(&mut conn)?;
    side.connections = Some(connections(capacity::warehouse_room(&mut conn)?, needed, config.settings.parallel));
    let account = quote_postgres(&side.account);
    let logs = (config.settings.run_log == RunLog::On).then_some(track::runs::SCHEMA);
    for schema in [config.warehouse_schema.as_str(), track::SCHEMA, track::quarantine::SCHEMA].into_iter().chain(logs) {
        let rows = conn.rows(include_str!("check_schema.sql"), &[&schema], "asking for rights on the schema")?;
        let database = quote_postgres(&config.warehouse.database);
        let rights = rows.first().map(|row| schema_rights(row, schema, (&config.warehouse_schema, &database, &account)));
        // Without the run log everything else goes on.
        let told = |right: Right| Right { needed: right.needed && Some(schema) != logs, ..right };
        side.rights.extend(rights.unwrap_or_default().into_iter().map(told));
    }
    let rows = conn.rows(include_str!("check_role.sql"), &[], "asking for the role's attributes")?;
    side.surplus = rows.iter().map(|row| surplus(&row.get::<_, String>(0), row.get(1), &account)).collect();
    Ok(())
}

fn session(conn: &mut PostgresConn) -> Result<Vec<(String, String)>> {
    let names: Vec<&str> = PINNED.iter().map(|(name, _)| *name).chain(["server_encoding", "client_encoding"]).collect();
    let sql = "SELECT name, current_setting(name) FROM unnest($1::text[]) AS name";
    let rows = conn.rows(sql, &[&names], "reading the session settings back")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What one schema needs: to be made, or to be written into.
fn schema_rights(row: &Row, schema: &str, (target, database, account): (&str, &str, &str)) -> Vec<Right> {
    let (exists, create_in_database, usage_and_create): (bool, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let (foreign, locked): (i64, i64) = (row.get(3), row.get(4));
    let quoted = quote_postgres(schema);
    if !exists {
        return vec![Right {
            name: format!("CREATE on database {database} for schema {schema}"),
            granted: create_in_database,
            needed: true,
            without: format!("schema {schema} does not exist and cannot be made"),
            grant: format!("CREATE SCHEMA {quoted} AUTHORIZATION {account};"),
        }];
    }
    let mut out = vec![Right {
        name: format!("USAGE, CREATE on schema {schema}"),
        granted: usage_and_create,
        needed: true,
        without: format!("no table of schema {schema} can be made"),
        grant: format!("GRANT USAGE, CREATE ON SCHEMA {quoted} TO {account};"),
    }];
    if foreign > 0 {
        out.push(Right {
            name: format!("SELECT, INSERT, UPDATE, DELETE on the {foreign} tables of schema {schema} that others own"),
            granted: locked == 0,
            // Tables of others in the target schema may never be synced; ours always are.
            needed: schema != target,
            without: format!("{locked} of them cannot be written"),
            grant: format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted} TO {account};"),
        });
    }
    out
}

/// An attribute of the role, or a membership, that a copy must not need.
fn surplus(name: &str, member: bool, account: &str) -> Surplus {
    let revoke = if member {
        format!("REVOKE {} FROM {account};", quote_postgres(name))
    } else {
        format!("ALTER ROLE {account} NO{name};")
    };
    Surplus { name: if member { format!("member of {name}") } else { name.to_owned() }, revoke }
}

#[cfg(test)]
mod tests {
    use super::surplus;

    #[test]
    fn surplus_comes_with_its_statement() {
        assert_eq!(surplus("SUPERUSER", false, "\"etl\"").revoke, "ALTER ROLE \"etl\" NOSUPERUSER;");
        assert_eq!(surplus("pg_write_server_files", true, "\"etl\"").revoke, "REVOKE \"pg_write_server_files\" FROM \"etl\";");
    }
}
