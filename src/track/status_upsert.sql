-- A failure keeps last_loaded, rows and watermark of the last success. A success without a watermark has none any more. A table
-- that was not read because nothing moved is as good as loaded now; rows, watermark and _loaded_at stay those of its last load.
INSERT INTO {status} AS s
    (table_name, load_status, rows_loaded, last_loaded, _loaded_at, primary_column_name, last_primary_value)
SELECT name, CASE WHEN state = 'unmoved' THEN 'success' ELSE state END, coalesce(n, 0),
       CASE WHEN state IN ('success', 'unmoved') THEN now() AT TIME ZONE 'UTC' ELSE timestamp '1969-01-01' END,
       CASE WHEN state = 'success' THEN now() AT TIME ZONE 'UTC' END, mark_column, left(mark, 255)
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS t(name, state, n, mark_column, mark)
ON CONFLICT (table_name) DO UPDATE SET
    load_status = excluded.load_status,
    rows_loaded = CASE WHEN excluded._loaded_at IS NOT NULL THEN excluded.rows_loaded ELSE s.rows_loaded END,
    last_loaded = CASE WHEN excluded.load_status = 'success' THEN excluded.last_loaded ELSE s.last_loaded END,
    primary_column_name =
        CASE WHEN excluded._loaded_at IS NOT NULL THEN excluded.primary_column_name ELSE s.primary_column_name END,
    last_primary_value =
        CASE WHEN excluded._loaded_at IS NOT NULL THEN excluded.last_primary_value ELSE s.last_primary_value END,
    _loaded_at = coalesce(excluded._loaded_at, s._loaded_at),
    _updated_at = now() AT TIME ZONE 'UTC'
