-- Tables of ours that are there, and the column that came last.
SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'etl_sync' AND c.relname IN ('job', 'etl_table_state', 'chunk_ledger', 'name_map', 'configured_table',
                                                       'table_attempt')
           OR n.nspname = 'etl_quarantine' AND c.relname = 'rejected_row')
     + (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('etl_sync.table_attempt') AND attname = 'drift')
