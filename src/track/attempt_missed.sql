-- A load that is not by increments says nothing about their columns, so a table stays as it is once they are not used.
-- By jsonb, because a plan may read what an older version made: then there is no such column.
SELECT table_name, count(*) FILTER (WHERE missed > 0)
FROM (
    SELECT table_name, missed, row_number() OVER (PARTITION BY table_name ORDER BY id DESC) AS place
    FROM (
        SELECT id, table_name, (to_jsonb(a) ->> 'missed')::bigint AS missed
        FROM etl_sync.table_attempt a
        WHERE job = $1 AND outcome = 'loaded'
    ) AS loaded
    WHERE missed IS NOT NULL
) AS numbered
WHERE place <= $2
GROUP BY table_name
HAVING count(*) FILTER (WHERE missed > 0) >= $3
