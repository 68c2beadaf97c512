-- Which of our own tables are there, and whether this role may read them.
SELECT n.nspname || '.' || c.relname, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (('etl_quarantine', 'rejected_row'), ('etl_sync', 'job'), ('etl_sync', 'etl_table_state'),
    ('etl_sync', 'table_attempt'))
