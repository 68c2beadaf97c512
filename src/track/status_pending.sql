-- NOT EXISTS, because ON CONFLICT alone uses up an id for each row that is there.
INSERT INTO {status} (table_name)
SELECT name FROM unnest($1::text[]) AS t(name)
WHERE NOT EXISTS (SELECT 1 FROM {status} s WHERE s.table_name = t.name)
ON CONFLICT (table_name) DO NOTHING
