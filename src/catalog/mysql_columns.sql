SELECT table_name, column_name, ordinal_position, data_type, column_type, is_nullable, extra, column_comment,
       character_set_name
FROM information_schema.columns
WHERE table_schema = ?
