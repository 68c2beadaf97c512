SELECT * FROM notes ORDER BY id; SELECT * FROM keyless; SELECT * FROM good;
SELECT table_name, key, column_name, reason, encode(raw, 'hex') AS raw FROM etl_quarantine.rejected_row ORDER BY table_name, key::text, reason;
