SELECT count(*), sum(v), min(day), max(day) FROM t;
SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, o), pg_attribute a
WHERE i.indrelid = 'raw.t'::regclass AND indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY o;
