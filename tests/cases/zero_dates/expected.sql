SELECT * FROM t ORDER BY id;
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'raw.t'::regclass AND attnum > 0 ORDER BY attnum;
