-- What people gave the old table, as statements for the new one: when, statement. In the order in which they run: the owner
-- comes last, because only a member of that role may still do anything then.
SELECT x.moment, x.statement
FROM pg_class o, pg_class w, LATERAL (
    SELECT 1, 'before', format('ALTER SEQUENCE %s OWNED BY NONE', d.objid::regclass)
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND d.deptype = 'a'
    UNION ALL
    -- The privileges that every new table is born with.
    SELECT 2, 'after', format('REVOKE ALL ON TABLE %s FROM %s', {target},
                              CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
    FROM aclexplode(w.relacl) g WHERE g.grantee <> w.relowner
    UNION ALL
    SELECT 3, 'after', format('GRANT %s ON TABLE %s TO %s%s', g.privilege_type, {target},
                              CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                              CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM aclexplode(o.relacl) g WHERE g.grantee <> o.relowner
    UNION ALL
    SELECT 4, 'after', format('GRANT %s (%I) ON TABLE %s TO %s%s', g.privilege_type, a.attname, {target},
                              CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                              CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_attribute a, aclexplode(a.attacl) g
    WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped AND g.grantee <> o.relowner
    UNION ALL
    -- The new table has its own default of _loaded_at, or no such column.
    SELECT 5, 'after', format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', {target}, a.attname, pg_get_expr(f.adbin, f.adrelid))
    FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE f.adrelid = o.oid AND a.attgenerated = '' AND a.attname <> '_loaded_at'
    UNION ALL
    SELECT 6, 'after', format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, {target}, a.attname)
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND d.deptype = 'a'
    UNION ALL
    SELECT 7, 'after', format('ALTER TABLE %s SET (%I = %L)', {target}, split_part(r.option, '=', 1),
                              substr(r.option, strpos(r.option, '=') + 1))
    FROM unnest(o.reloptions) AS r(option)
    UNION ALL
    SELECT 8, 'after', format('ALTER TABLE %s OWNER TO %I', {target}, pg_get_userbyid(o.relowner))
    WHERE o.relowner <> w.relowner
) AS x(step, moment, statement)
WHERE o.oid = {old}::regclass AND w.oid = {new}::regclass
ORDER BY x.step
