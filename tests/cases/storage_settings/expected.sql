SELECT c.relname, c.reloptions, t.reloptions AS of_toast FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r' AND c.relname IN ('chunked', 'small') ORDER BY 1;
