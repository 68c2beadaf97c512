-- Name, constraint, unique, definition from USING on, columns. A definition always begins with the names that are cut off.
SELECT i.relname::text,
       coalesce(pg_get_constraintdef(k.oid), ''),
       x.indisunique,
       substr(pg_get_indexdef(x.indexrelid), length(b.words) + 1),
       (SELECT coalesce(string_agg(a.attname::text, chr(1)), '')
        FROM pg_attribute a WHERE a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey[0:x.indnkeyatts - 1]))
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u')
CROSS JOIN LATERAL (
    SELECT format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, c.relname)
) AS b(words)
WHERE x.indrelid = {old}::regclass AND NOT x.indisprimary AND x.indisvalid AND starts_with(pg_get_indexdef(x.indexrelid), b.words)
ORDER BY i.relname
