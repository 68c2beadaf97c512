SELECT count(*), sum(id) FROM single; SELECT count(*), sum(a) FROM chunked; SELECT * FROM plain; SELECT id FROM escapes ORDER BY id;
SELECT table_name, key, column_name, reason, encode(raw, 'hex') AS raw FROM etl_quarantine.rejected_row ORDER BY table_name, key::text, reason;
