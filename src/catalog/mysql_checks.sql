-- MariaDB only: a JSON column is LONGTEXT under this check.
SELECT table_name, check_clause
FROM information_schema.check_constraints
WHERE constraint_schema = ? AND check_clause LIKE 'json_valid(%'
