SELECT table_name, index_name, non_unique = 0, index_type, column_name, sub_part IS NOT NULL, COALESCE(collation, 'A') = 'D'
FROM information_schema.statistics
WHERE table_schema = ? AND index_name <> 'PRIMARY'
ORDER BY table_name, index_name, seq_in_index
