SELECT id, run_uuid::text, job, status,
       to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8,
       tables, rows, notes, host, pid
FROM etl_meta.etl_run_log
WHERE $1::text IS NULL OR id::text = $1 OR run_uuid::text = lower($1)
ORDER BY started_at DESC, id DESC
LIMIT $2
