SELECT table_name, table_type, engine, table_comment, table_rows, data_length, CAST(create_time AS CHAR), auto_increment
FROM information_schema.tables
WHERE table_schema = ?
