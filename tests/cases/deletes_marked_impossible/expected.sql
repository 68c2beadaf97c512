SELECT count(*) FROM fine;
SELECT count(*) AS others FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relname IN ('keyless', 'own');
