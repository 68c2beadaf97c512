SELECT DISTINCT table_name
FROM information_schema.column_privileges
WHERE table_schema = ?
  AND privilege_type = 'SELECT'
