SELECT count(*), min(id), max(id) FROM t; SELECT * FROM t WHERE id IN (5, 332, 333, 334, 666) ORDER BY id;
SELECT table_name, key, column_name, reason, encode(raw, 'hex') AS raw FROM etl_quarantine.rejected_row ORDER BY table_name, key::text, reason;
