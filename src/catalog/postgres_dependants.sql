-- What rests on some tables: with a column, what reads that column, so that PostgreSQL does not change its type;
-- without, what stands in the way of another table that takes the place of this one. Internal triggers belong to foreign keys.
WITH target AS (
    SELECT c.* FROM pg_class c WHERE c.oid = ANY ($1) AND c.relkind = 'r'
)
SELECT DISTINCT t.oid,
       CASE WHEN d.refobjsubid > 0 AND d.classid <> 'pg_statistic_ext'::regclass THEN a.attname::text END,
       CASE WHEN r.ev_class <> t.oid THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
            ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
FROM target t
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.deptype IN ('n', 'a')
     AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_proc'::regclass,
                       'pg_publication_rel'::regclass, 'pg_statistic_ext'::regclass)
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE d.classid = 'pg_trigger'::regclass AND g.oid = d.objid AND g.tgisinternal)
UNION ALL
-- Functions and columns of its row type.
SELECT t.oid, NULL, pg_describe_object(d.classid, d.objid, d.objsubid)
FROM target t
JOIN pg_type y ON y.typrelid = t.oid
JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray) AND d.deptype = 'n'
UNION ALL
-- Keys of one column list are made again; foreign keys of ours stand aside while data moves.
SELECT t.oid, NULL, pg_describe_object('pg_constraint'::regclass, k.oid, 0)
FROM target t
JOIN pg_constraint k ON (k.conrelid = t.oid AND k.contype NOT IN ('p', 'u', 'n')) OR (k.confrelid = t.oid AND k.contype = 'f')
WHERE NOT (k.contype = 'f' AND coalesce(obj_description(k.oid, 'pg_constraint'), '') = $2)
UNION ALL
SELECT t.oid, NULL, 'inheritance' FROM target t
WHERE EXISTS (SELECT FROM pg_inherits i WHERE t.oid IN (i.inhrelid, i.inhparent))
UNION ALL
SELECT t.oid, NULL, 'row level security' FROM target t WHERE t.relrowsecurity
UNION ALL
SELECT t.oid, NULL, 'replica identity' FROM target t WHERE t.relreplident <> 'd'
UNION ALL
SELECT t.oid, NULL, 'tablespace' FROM target t WHERE t.reltablespace <> 0
UNION ALL
SELECT t.oid, NULL, 'owner ' || pg_get_userbyid(t.relowner) FROM target t WHERE NOT pg_has_role(t.relowner, 'USAGE')
UNION ALL
SELECT t.oid, NULL, 'identity of column ' || a.attname FROM target t JOIN pg_attribute a ON a.attrelid = t.oid
WHERE a.attidentity <> '' AND NOT a.attisdropped
