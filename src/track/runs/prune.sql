-- Some of the runs that are too old: requests go with their run, and a statement has its deadline.
DELETE FROM etl_meta.etl_run_log
WHERE id IN (
    SELECT id FROM etl_meta.etl_run_log
    WHERE status <> 'running' AND started_at < clock_timestamp() - make_interval(days => $1)
    ORDER BY started_at LIMIT $2)
