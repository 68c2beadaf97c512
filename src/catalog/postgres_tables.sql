-- Everything in one schema that takes a table's name.
SELECT c.oid, c.relname, c.relkind::text, c.relfilenode, c.relpersistence = 'p',
       coalesce(obj_description(c.oid, 'pg_class'), '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind NOT IN ('i', 'I', 't')
