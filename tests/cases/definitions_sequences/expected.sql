SELECT table_name, column_name, column_default FROM information_schema.columns WHERE table_schema = 'raw' AND table_name IN ('t', 'empty_one') AND column_default IS NOT NULL ORDER BY 1, ordinal_position;
SELECT sequencename, last_value FROM pg_sequences WHERE sequencename IN ('t_id_seq', 'empty_one_id_seq') ORDER BY 1;
BEGIN; INSERT INTO t (made) VALUES ('2024-01-01') RETURNING id, name, n, d, day, flag; INSERT INTO empty_one DEFAULT VALUES RETURNING id; ROLLBACK;
