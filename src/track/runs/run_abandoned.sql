-- Runs that will not end any more: no session of theirs is left, and either they are of the job whose lock we hold ($1) or they
-- gave no sign of life for an hour. $2 is our own session. They ended at their last sign of life, as far as anybody knows.
UPDATE etl_meta.etl_run_log r
SET status = 'abandoned',
    finished_at = greatest(r.heartbeat_at, (SELECT max(q.created_at) FROM etl_meta.etl_request_log q WHERE q.run_id = r.id)),
    notes = concat_ws(E'\n', nullif(r.notes, ''), 'its process ended without a word; closed by a later run')
WHERE r.status = 'running' AND r.session IS DISTINCT FROM $2
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.application_name = r.session)
  AND (r.job = $1 OR r.heartbeat_at < clock_timestamp() - interval '1 hour')
