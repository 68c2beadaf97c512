SELECT count(*), count(d), count(e), sum(v) FROM t;
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'raw.t'::regclass AND attnum > 0 ORDER BY attnum;
