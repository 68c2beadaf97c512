-- Parts of unique indexes. {usable} is 1 where the optimizer may use the index; MySQL 8 and MariaDB spell it differently.
SELECT table_name, index_name, seq_in_index, column_name, sub_part, {usable}
FROM information_schema.statistics
WHERE table_schema = ? AND non_unique = 0
