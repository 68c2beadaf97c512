INSERT INTO etl_sync.job AS j
    (job, epoch, run_id, sync_id, host, pid, source_identity, sync_started_at, started_at, heartbeat_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp(), clock_timestamp())
ON CONFLICT (job) DO UPDATE SET
    epoch = excluded.epoch, run_id = excluded.run_id, sync_id = excluded.sync_id,
    host = excluded.host, pid = excluded.pid, source_identity = excluded.source_identity,
    sync_started_at = CASE WHEN $8 THEN j.sync_started_at ELSE excluded.sync_started_at END,
    started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at, ended_at = NULL, outcome = NULL
