SELECT id, length(a) AS a, md5(a) AS a_md5, length(b) AS b, md5(b) AS b_md5, c FROM texts ORDER BY id;
SELECT id, length(a), md5(a) FROM plain ORDER BY id; SELECT id, length(a) FROM chunked ORDER BY id;
SELECT table_name, key, column_name, reason FROM etl_quarantine.rejected_row ORDER BY table_name, key::text;
