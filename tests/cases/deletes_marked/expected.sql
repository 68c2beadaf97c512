SELECT id, v, _deleted_at IS NULL AS there, _deleted_at > now() - interval '1 hour' AS by_this_run, _deleted_at = _loaded_at AS stamped
FROM whole ORDER BY id;
SELECT count(*) FILTER (WHERE _deleted_at IS NULL) AS there, string_agg(id::text, ' ' ORDER BY id) FILTER (WHERE _deleted_at = _loaded_at) AS gone,
       string_agg(id::text, ' ' ORDER BY id) FILTER (WHERE _deleted_at < '2021-01-01') AS gone_long_ago FROM inc;
SELECT count(*) FILTER (WHERE _deleted_at IS NULL) AS there, string_agg(id::text, ' ' ORDER BY id) FILTER (WHERE _deleted_at = _loaded_at) AS gone,
       min(v) AS changed FROM chunked;
SELECT id, code, _deleted_at IS NULL AS there FROM swapped ORDER BY id;
SELECT relname, attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r' AND attname = '_deleted_at' ORDER BY 1;
SELECT table_name, rows_loaded FROM etl_load_status ORDER BY 1;
SELECT count(*) AS unique_indexes FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'raw'::regnamespace AND c.relname = 'swapped' AND i.indisunique AND NOT i.indisprimary;
-- Its key would refuse the row that is marked, or take it along.
SELECT id, _deleted_at IS NULL AS there FROM child ORDER BY id;
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE conrelid = 'child'::regclass AND contype = 'f';
