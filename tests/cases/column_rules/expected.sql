SELECT * FROM t ORDER BY id; SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum;
SELECT table_name, key, column_name, reason, encode(raw, 'hex') AS raw FROM etl_quarantine.rejected_row ORDER BY table_name, key::text, reason;
