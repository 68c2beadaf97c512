-- Attributes (member: false) and memberships (member: true) that reach beyond copying tables.
SELECT a.name, false AS member
FROM pg_roles r
CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('CREATEDB', r.rolcreatedb), ('CREATEROLE', r.rolcreaterole),
                           ('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls)) AS a(name, given)
WHERE r.rolname = current_user AND a.given
UNION ALL
SELECT g.rolname, true
FROM pg_roles g
JOIN pg_roles me ON me.rolname = current_user
WHERE g.rolname IN ('pg_write_server_files', 'pg_read_server_files', 'pg_execute_server_program', 'pg_write_all_data')
  AND NOT me.rolsuper AND pg_has_role(g.oid, 'MEMBER')
