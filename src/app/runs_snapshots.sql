-- Target tables as the run left them, and how many rows each had when a run left it before.
SELECT s.schema_name || '.' || s.table_name, s.row_count, s.id_min::text, s.id_max::text, s.checksum_md5,
       (SELECT b.row_count FROM etl_meta.table_snapshot b
        WHERE b.schema_name = s.schema_name AND b.table_name = s.table_name AND b.id < s.id ORDER BY b.id DESC LIMIT 1)
FROM etl_meta.table_snapshot s
WHERE s.run_id = $1
ORDER BY s.row_count DESC NULLS LAST, 1
