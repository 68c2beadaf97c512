-- The statistics of a transaction are taken once; backend_xmin is shown to everybody. Autovacuum has no user.
SELECT pg_stat_clear_snapshot();
SELECT a.pid
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.backend_xmin IS NOT NULL
  AND a.pid <> pg_backend_pid() AND a.application_name <> {ours}
  AND NOT EXISTS (
      SELECT FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted AND l.relation = {target}::regclass)
