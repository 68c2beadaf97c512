-- A run that was taken for dead and comes back all the same ends as it says.
UPDATE etl_meta.etl_run_log
SET status = $2, finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
    notes = nullif(concat_ws(E'\n', nullif(notes, ''), nullif($3, '')), ''),
    tables = coalesce($4, tables), rows = coalesce($5, rows)
WHERE id = $1 AND status IN ('running', 'abandoned')
