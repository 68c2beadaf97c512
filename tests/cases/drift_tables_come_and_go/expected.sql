SELECT relname FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' ORDER BY 1;
SELECT count(*) FROM sales_2023;
SELECT id, v FROM sales_2025 ORDER BY id;
SELECT table_name, load_status, rows_loaded FROM etl_load_status ORDER BY 1;
