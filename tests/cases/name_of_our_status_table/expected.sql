SELECT * FROM good;
SELECT table_name, rows_loaded, load_status FROM etl_load_status WHERE table_name = 'good';
