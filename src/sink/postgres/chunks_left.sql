-- Staging is the one that the chunks went into when it still has that oid and that storage; another job's is none of ours.
SELECT l.table_name, c.oid, c.relname::text, l.form, l.low::text, l.high::text, l.rows, l.digest
FROM etl_sync.chunk_ledger l
JOIN pg_class c ON c.oid = l.staging AND pg_relation_filenode(c.oid) = l.storage
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'etl_sync'
WHERE l.job = $1 AND l.run_id <> $2
ORDER BY l.run_id DESC, l.round DESC, c.oid, l.chunk
