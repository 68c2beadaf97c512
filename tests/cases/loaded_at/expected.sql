SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS default,
       a.attnum = max(a.attnum) OVER (PARTITION BY c.oid) AS last
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'etl\_%' ORDER BY c.relname COLLATE "C", a.attnum;
SELECT id, v, _loaded_at > min(_loaded_at) OVER () AS written_later FROM t ORDER BY id;
SELECT id, v FROM many WHERE _loaded_at > (SELECT max(_loaded_at) FROM many WHERE id NOT IN (1, 500, 1001)) ORDER BY id;
SELECT v, _loaded_at > min(_loaded_at) OVER () AS written_later FROM keyless ORDER BY 1, 2;
SELECT id, code, _loaded_at > min(_loaded_at) OVER () AS written_later FROM swapped ORDER BY id;
SELECT id, _loaded_at AS own FROM own; SELECT id, "_LOADED_AT" AS own FROM own_upper;
SELECT count(*) FROM t WHERE _loaded_at > now() OR _loaded_at < now() - interval '1 hour';
