SELECT added, count(*), min(id), max(id) FROM inc GROUP BY 1 ORDER BY 1;
SELECT added, count(*), min(id), max(id) FROM whole GROUP BY 1 ORDER BY 1;
SELECT count(*) AS watermarks FROM etl_sync.etl_table_state WHERE watermark IS NOT NULL;
