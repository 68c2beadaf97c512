SELECT count(*) FROM fine;
SELECT id, v, _deleted_at FROM theirs;
SELECT count(*) AS others FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relname IN ('keyless', 'own');
