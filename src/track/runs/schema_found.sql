-- Tables of the run log that are there.
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'etl_meta' AND c.relname IN ('etl_run_log', 'etl_request_log', 'source_counts', 'table_snapshot')
