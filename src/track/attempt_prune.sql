DELETE FROM etl_sync.table_attempt
WHERE job = $1 AND (ended_at < clock_timestamp() - make_interval(days => $3) OR id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY table_name ORDER BY id DESC) AS place
        FROM etl_sync.table_attempt WHERE job = $1
    ) AS numbered
    WHERE place > $2))
