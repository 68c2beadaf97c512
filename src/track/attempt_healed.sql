-- Failures between two successes neither end a row of mended loads nor make it longer.
SELECT a.table_name, count(*)
FROM etl_sync.table_attempt a
WHERE a.job = $1 AND a.outcome = 'loaded' AND a.healed_via IS NOT NULL
  AND a.id > coalesce((SELECT max(b.id) FROM etl_sync.table_attempt b
                       WHERE b.job = $1 AND b.table_name = a.table_name AND b.outcome = 'loaded' AND b.healed_via IS NULL), 0)
GROUP BY a.table_name
