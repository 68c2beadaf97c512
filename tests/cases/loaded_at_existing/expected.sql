SELECT id, v, _loaded_at IS NOT NULL AS stamped, _loaded_at = max(_loaded_at) OVER () AS last FROM old ORDER BY id;
SELECT * FROM seen ORDER BY id;
SELECT c.relname, a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = '_loaded_at' LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'etl\_%' ORDER BY 1;
SELECT row_to_json(t) AS whole FROM not_owned t ORDER BY id;
SELECT id, v, _loaded_at AS theirs FROM of_others ORDER BY id;
SELECT id, _loaded_at AS stamp FROM same;
