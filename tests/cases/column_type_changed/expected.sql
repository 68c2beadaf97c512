SELECT id, v, w, n FROM t ORDER BY id;
SELECT count(*), sum(v), count(DISTINCT v) FROM big;
SELECT v FROM keyless ORDER BY v;
SELECT id, v FROM key_changed ORDER BY id;
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid IN ('t'::regclass, 'big'::regclass, 'keyless'::regclass, 'key_changed'::regclass)
  AND attnum > 0 AND attname <> '_loaded_at' ORDER BY attrelid::regclass::text, attnum;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('t'::regclass, 'big'::regclass, 'key_changed'::regclass) ORDER BY indexrelid::regclass::text;
SELECT grantee::regrole, privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'raw.t'::regclass AND grantee = 0;
SELECT obj_description('raw.t'::regclass);
