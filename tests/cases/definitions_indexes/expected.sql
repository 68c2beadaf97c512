SELECT id, code FROM t ORDER BY id;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'raw' AND tablename NOT LIKE 'etl\_%' ORDER BY indexname COLLATE "C";
