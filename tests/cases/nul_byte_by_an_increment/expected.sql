SELECT id, v FROM t ORDER BY id; SELECT id, v FROM clean ORDER BY id; SELECT table_name, key, column_name, reason FROM etl_quarantine.rejected_row ORDER BY table_name;
