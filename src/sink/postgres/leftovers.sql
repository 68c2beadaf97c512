-- Another job of the same warehouse may be running: what carries the id of a job's present run stays, and what is taken over.
SELECT c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ ('^' || $2 || '[0-9a-f]{32}_[0-9]+_[0-9]+$')
  AND NOT EXISTS (
      SELECT FROM etl_sync.job j
      WHERE starts_with(c.relname, $2 || replace(j.run_id, '-', '') || '_'))
  AND c.oid <> ALL ($3)
