SELECT coalesce(s.table_name, l.table_name),
       coalesce(l.load_status, 'success'),
       to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       extract(epoch FROM clock_timestamp() - s.finished_at)::float8,
       s.rows, s.rejected, s.strategy
FROM (SELECT table_name, finished_at, rows, rejected, strategy FROM etl_sync.etl_table_state WHERE job = $1) s
FULL JOIN {status} l ON l.table_name = s.table_name
ORDER BY 1
