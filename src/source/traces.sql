SELECT table_name, CAST(UNIX_TIMESTAMP() AS CHAR), CAST(UNIX_TIMESTAMP(update_time) AS CHAR),
       CAST(table_rows AS CHAR), CAST(data_length AS CHAR), CAST(auto_increment AS CHAR)
FROM information_schema.tables
WHERE table_schema = ? AND table_type <> 'VIEW'
