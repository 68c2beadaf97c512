-- A failure and a skip keep last_transformed, rows and watermark of the last success; what is running has no end yet. Where the
-- tool does not say how many rows it wrote, the number of the last time stays.
WITH t AS (
    SELECT left(name, 255) AS name, state, n, state = 'success' AS is_done, left(mark_column, 255) AS mark_column, left(mark, 255) AS mark
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS t(name, state, n, mark_column, mark)
), changed AS (
    UPDATE {status} s SET
        transformation_status = t.state,
        rows_transformed = CASE WHEN t.is_done THEN coalesce(t.n, s.rows_transformed) ELSE s.rows_transformed END,
        last_transformed = CASE WHEN t.is_done THEN now() AT TIME ZONE 'UTC' ELSE s.last_transformed END,
        primary_column_name = CASE WHEN t.is_done THEN t.mark_column ELSE s.primary_column_name END,
        last_primary_value = CASE WHEN t.is_done THEN t.mark ELSE s.last_primary_value END,
        _loaded_at = CASE WHEN t.is_done THEN now() AT TIME ZONE 'UTC' ELSE s._loaded_at END,
        _updated_at = now() AT TIME ZONE 'UTC'
    FROM t WHERE s.table_name = t.name
)
INSERT INTO {status}
    (table_name, transformation_status, rows_transformed, last_transformed, _loaded_at, primary_column_name, last_primary_value)
SELECT t.name, t.state, CASE WHEN t.is_done THEN coalesce(t.n, 0) ELSE 0 END,
       CASE WHEN t.is_done THEN now() AT TIME ZONE 'UTC' ELSE timestamp '1969-01-01' END,
       CASE WHEN t.is_done THEN now() AT TIME ZONE 'UTC' END,
       CASE WHEN t.is_done THEN t.mark_column END, CASE WHEN t.is_done THEN t.mark END
FROM t WHERE NOT EXISTS (SELECT 1 FROM {status} s WHERE s.table_name = t.name)
ON CONFLICT (table_name) DO NOTHING
