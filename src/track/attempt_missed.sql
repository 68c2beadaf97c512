-- A load that is not by increments says nothing about their columns, so a table stays as it is until other ones are configured.
-- By jsonb, because a plan may read what an older version made: then there is no such column.
SELECT table_name, columns, count(*) FILTER (WHERE missed > 0)
FROM (
    SELECT table_name, columns, missed, row_number() OVER (PARTITION BY table_name, columns ORDER BY id DESC) AS place
    FROM (
        SELECT id, table_name, coalesce(to_jsonb(a) ->> 'columns', '') AS columns, (to_jsonb(a) ->> 'missed')::bigint AS missed
        FROM etl_sync.table_attempt a
        WHERE job = $1 AND outcome = 'loaded'
    ) AS loaded
    WHERE missed IS NOT NULL
) AS numbered
WHERE place <= $2
GROUP BY table_name, columns
HAVING count(*) FILTER (WHERE missed > 0) >= $3
