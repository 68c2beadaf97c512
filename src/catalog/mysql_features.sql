-- Which optional parts of information_schema this server has: JSON checks by table (MariaDB), index visibility.
SELECT COALESCE(SUM(UPPER(table_name) = 'CHECK_CONSTRAINTS' AND UPPER(column_name) = 'TABLE_NAME'), 0),
       COALESCE(SUM(UPPER(table_name) = 'STATISTICS' AND UPPER(column_name) = 'IS_VISIBLE'), 0),
       COALESCE(SUM(UPPER(table_name) = 'STATISTICS' AND UPPER(column_name) = 'IGNORED'), 0)
FROM information_schema.columns
WHERE table_schema = 'information_schema'
