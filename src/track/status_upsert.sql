-- A failure keeps last_loaded, rows and watermark of the last success; 'pending' never overwrites anything.
INSERT INTO {status} AS s (table_name, load_status, rows_loaded, last_loaded, _loaded_at)
SELECT name, state, coalesce(n, 0),
       CASE WHEN state = 'success' THEN now() AT TIME ZONE 'UTC' ELSE timestamp '1969-01-01' END,
       CASE WHEN state = 'success' THEN now() AT TIME ZONE 'UTC' END
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t(name, state, n)
ON CONFLICT (table_name) DO UPDATE SET
    load_status = excluded.load_status,
    rows_loaded = CASE WHEN excluded.load_status = 'success' THEN excluded.rows_loaded ELSE s.rows_loaded END,
    last_loaded = CASE WHEN excluded.load_status = 'success' THEN excluded.last_loaded ELSE s.last_loaded END,
    _loaded_at = coalesce(excluded._loaded_at, s._loaded_at),
    _updated_at = now() AT TIME ZONE 'UTC'
WHERE excluded.load_status <> 'pending'
