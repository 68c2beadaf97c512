-- Schema there? May we make it, may we make tables in it, and how many of its tables are not ours and closed to us?
SELECT n.oid IS NOT NULL,
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE'), false),
       count(c.oid) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE')),
       count(c.oid) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE') AND NOT (
           has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
           AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
FROM (SELECT $1::text AS name) asked
LEFT JOIN pg_namespace n ON n.nspname = asked.name
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
GROUP BY n.oid
