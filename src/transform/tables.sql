-- Loaded tables that are still there, by their names on both sides, and how far people are told that they are loaded.
SELECT s.table_name, c.relname::text,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = c.oid AND a.attname = '_loaded_at' AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped),
       l.primary_column_name, l.last_primary_value
FROM etl_sync.etl_table_state s
JOIN pg_catalog.pg_class c ON c.oid = s.target_oid::oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
LEFT JOIN {status} l ON l.table_name = s.table_name
WHERE s.job = $1
ORDER BY c.relname COLLATE "C"
