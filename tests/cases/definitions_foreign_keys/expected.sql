SELECT * FROM child ORDER BY id; SELECT * FROM parent ORDER BY id;
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'raw'::regnamespace ORDER BY 1, 2;
