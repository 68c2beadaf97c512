SELECT table_name, load_status, rows_loaded, last_loaded > '1970-01-01' AS loaded FROM etl_load_status ORDER BY table_name COLLATE "C";
SELECT table_name, transformation_status, rows_transformed, last_transformed FROM etl_transform_status ORDER BY table_name COLLATE "C";
SELECT table_name FROM etl_sync.configured_table WHERE job = 'raw' ORDER BY table_name COLLATE "C";
