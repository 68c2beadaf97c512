-- The loads that decide whether an incremental column is trusted stay, however many others there were since.
DELETE FROM etl_sync.table_attempt
WHERE job = $1 AND id IN (
    SELECT id FROM (
        SELECT id, ended_at, missed IS NOT NULL AS is_weighed,
               row_number() OVER (PARTITION BY table_name ORDER BY id DESC) AS place,
               row_number() OVER (PARTITION BY table_name, columns, missed IS NOT NULL ORDER BY id DESC) AS audited
        FROM etl_sync.table_attempt WHERE job = $1
    ) AS numbered
    WHERE (place > $2 OR ended_at < clock_timestamp() - make_interval(days => $3)) AND NOT (is_weighed AND audited <= $4))
