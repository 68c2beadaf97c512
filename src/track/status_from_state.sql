-- After a killed run: status rows that are older than the state row tell what the state row says. The watermark is JSON: a
-- value alone, or an object with a `value`.
INSERT INTO {status} AS s
    (table_name, load_status, rows_loaded, last_loaded, _loaded_at, primary_column_name, last_primary_value)
SELECT table_name, 'success', rows, finished_at AT TIME ZONE 'UTC', finished_at AT TIME ZONE 'UTC', watermark_column,
       CASE WHEN watermark_column IS NOT NULL THEN left(coalesce(watermark ->> 'value', watermark #>> '{}'), 255) END
FROM etl_sync.etl_table_state WHERE job = $1
ON CONFLICT (table_name) DO UPDATE SET
    load_status = 'success', rows_loaded = excluded.rows_loaded, last_loaded = excluded.last_loaded,
    _loaded_at = excluded._loaded_at, primary_column_name = excluded.primary_column_name,
    last_primary_value = excluded.last_primary_value, _updated_at = now() AT TIME ZONE 'UTC'
WHERE s.last_loaded < excluded.last_loaded OR s.load_status = 'running'
