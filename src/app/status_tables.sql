-- What the target held was true at the source when it was read, not when the load was done. Read not before: the begin of the run,
-- which its id holds (UUID v7: milliseconds in the first 48 bits), and T0 of the watermark (microseconds of the source's clock;
-- `ahead` is that minus ours). A table that was not read since, because nothing moved, was looked at by a later run.
SELECT t.table_name, t.status, to_char(t.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       extract(epoch FROM clock_timestamp() - t.finished_at)::float8,
       t.rows, t.rejected, t.strategy,
       to_char(t.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       extract(epoch FROM clock_timestamp() - t.as_of)::float8
FROM (
    SELECT coalesce(s.table_name, l.table_name) AS table_name, coalesce(l.load_status, 'success') AS status,
           s.finished_at, s.rows, s.rejected, s.strategy,
           greatest(
               least(s.finished_at, greatest(
                   to_timestamp(((s.watermark ->> 'now')::bigint - coalesce((s.watermark ->> 'ahead')::bigint, 0)) / 1000000.0),
                   CASE WHEN s.run_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7'
                        THEN to_timestamp(('x' || left(replace(s.run_id, '-', ''), 12))::bit(48)::bigint / 1000.0) END)),
               CASE WHEN s.table_name IS NOT NULL AND l.last_loaded > l._loaded_at
                    THEN least(l.last_loaded AT TIME ZONE 'UTC',
                               CASE WHEN l.last_loaded AT TIME ZONE 'UTC' >= j.started_at THEN j.started_at END) END
           ) AS as_of
    FROM (SELECT table_name, run_id, finished_at, rows, rejected, strategy, watermark FROM etl_sync.etl_table_state WHERE job = $1) s
    FULL JOIN {status} l ON l.table_name = s.table_name
    LEFT JOIN etl_sync.job j ON j.job = $1
) t
ORDER BY 1
