SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid IN ('t'::regclass, 'big'::regclass) AND attnum > 0 AND attname <> '_loaded_at' ORDER BY attrelid::regclass::text, attnum;
SELECT * FROM (SELECT id, i, b, u, d, p, s, x, at, ts, f, day, other FROM t ORDER BY id) AS t;
SELECT * FROM others;
SELECT count(*), sum(v) FROM big;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'raw.t'::regclass ORDER BY indexrelid::regclass::text;
SELECT grantee::regrole, privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'raw.t'::regclass AND grantee = 0;
