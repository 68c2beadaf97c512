-- Columns of both status tables that are there.
SELECT count(*) FROM pg_attribute
WHERE attrelid IN (to_regclass($1), to_regclass($2)) AND attnum > 0 AND NOT attisdropped
  AND attname IN ('id', 'table_name', 'last_loaded', 'last_transformed', 'last_primary_value', 'primary_column_name',
                  'rows_loaded', 'rows_transformed', 'load_status', 'transformation_status',
                  '_loaded_at', '_created_at', '_updated_at')
