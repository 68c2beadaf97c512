-- The last run of a job, and whether some session holds its lock (the key of track::lock, split as pg_locks shows it).
SELECT j.run_id,
       to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       to_char(j.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       CASE WHEN j.ended_at IS NOT NULL THEN j.outcome END,
       EXISTS (
           SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
           WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND d.datname = current_database()
             AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('etl-sync/' || current_database() || '/' || j.job, 0)
       ),
       j.host, j.pid,
       extract(epoch FROM clock_timestamp() - j.heartbeat_at)::float8,
       j.source_identity
FROM etl_sync.job j
WHERE j.job = $1
