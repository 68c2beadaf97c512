-- The comment of a table of ours is its mark, its incarnation, a semicolon and the source's own comment.
SELECT s.table_name, s.sync_id, s.incarnation, s.number, s.rows_held, s.fingerprint, s.source_identity, s.watermark
FROM etl_table_state s
JOIN information_schema.tables t ON t.table_schema = DATABASE() AND BINARY t.table_name = BINARY s.table_name
WHERE t.table_type = 'BASE TABLE' AND t.table_comment LIKE CONCAT('etl-sync ', REPLACE(s.incarnation, '_', '\\_'), ';%')
