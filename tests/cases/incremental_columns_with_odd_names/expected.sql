SELECT "select", v FROM "Order" WHERE v > 1 ORDER BY 1; SELECT id, v FROM quoted WHERE v > 1 ORDER BY 1; SELECT "primary", v FROM "key" WHERE v > 1 ORDER BY 1;
SELECT table_name, primary_column_name FROM etl_load_status ORDER BY table_name COLLATE "C";
