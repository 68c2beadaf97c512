-- After a killed run: status rows that are older than the state row tell what the state row says.
INSERT INTO {status} AS s (table_name, load_status, rows_loaded, last_loaded, _loaded_at)
SELECT table_name, 'success', rows, finished_at AT TIME ZONE 'UTC', finished_at AT TIME ZONE 'UTC'
FROM etl_sync.etl_table_state WHERE job = $1
ON CONFLICT (table_name) DO UPDATE SET
    load_status = 'success', rows_loaded = excluded.rows_loaded, last_loaded = excluded.last_loaded,
    _loaded_at = excluded._loaded_at, _updated_at = now() AT TIME ZONE 'UTC'
WHERE s.last_loaded < excluded.last_loaded OR s.load_status = 'running'
