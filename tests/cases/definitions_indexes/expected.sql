SELECT id, code FROM t ORDER BY id;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'raw' AND tablename <> 'etl_load_status' ORDER BY indexname COLLATE "C";
