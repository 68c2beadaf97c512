-- All of a batch in one statement: requests, source counts, snapshots, and a sign of life twice a minute at most.
WITH beat AS (
    UPDATE etl_meta.etl_run_log SET heartbeat_at = clock_timestamp()
    WHERE id = $1 AND heartbeat_at < clock_timestamp() - interval '30 seconds'
), counted AS (
    INSERT INTO etl_meta.source_counts (run_id, entity, items_retrieved)
    SELECT $1, c.entity, c.items FROM jsonb_to_recordset($3::text::jsonb) AS c (entity text, items bigint)
    ON CONFLICT (run_id, entity) DO UPDATE SET items_retrieved = excluded.items_retrieved
), taken AS (
    INSERT INTO etl_meta.table_snapshot (run_id, schema_name, table_name, row_count, id_min, id_max, checksum_md5)
    SELECT $1, s.schema_name, s.table_name, s.row_count, s.id_min, s.id_max, s.checksum
    FROM jsonb_to_recordset($4::text::jsonb)
        AS s (schema_name text, table_name text, row_count bigint, id_min numeric, id_max numeric, checksum text)
    ON CONFLICT (run_id, schema_name, table_name) DO UPDATE SET
        row_count = excluded.row_count, id_min = excluded.id_min, id_max = excluded.id_max,
        checksum_md5 = excluded.checksum_md5, taken_at = excluded.taken_at
)
INSERT INTO etl_meta.etl_request_log
    (run_id, endpoint, page_offset, page_limit, http_status, item_count, duration_ms, throttled, error, entity, created_at)
SELECT $1, q.endpoint, q.page_offset, q.page_limit, q.http_status, q.item_count, q.duration_ms, q.throttled, q.error, q.entity,
       clock_timestamp() - make_interval(secs => q.age)
FROM jsonb_to_recordset($2::text::jsonb) AS q
    (endpoint text, page_offset bigint, page_limit bigint, http_status integer, item_count bigint, duration_ms bigint,
     throttled boolean, error text, entity text, age float8)
