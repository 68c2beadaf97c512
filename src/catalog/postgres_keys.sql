-- Unique indexes that hold for every row at every moment: valid, immediate, whole, over plain columns.
SELECT x.indrelid, x.indisprimary,
       ARRAY(SELECT a.attname::text
             FROM unnest(x.indkey[0:x.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, position)
             JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
             ORDER BY k.position)
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND x.indisunique AND x.indisvalid AND x.indimmediate
  AND x.indpred IS NULL AND x.indexprs IS NULL
ORDER BY x.indrelid, i.relname
