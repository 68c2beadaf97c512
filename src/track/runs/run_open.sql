-- A row that is there is ours: between two locks somebody may have taken the run for dead.
INSERT INTO etl_meta.etl_run_log AS r (run_uuid, job, host, pid, session, notes)
VALUES ($1::text::uuid, $2, $3, $4, $5, $6)
ON CONFLICT (run_uuid) DO UPDATE SET
    session = excluded.session, heartbeat_at = clock_timestamp(), status = 'running', finished_at = NULL
RETURNING id
