SELECT table_name, column_name, column_default, extra
FROM information_schema.columns
WHERE table_schema = ? AND (column_default IS NOT NULL OR extra LIKE '%on update%')
ORDER BY table_name, ordinal_position
