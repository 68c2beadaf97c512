DELETE FROM etl_meta.etl_run_log
WHERE status <> 'running' AND started_at < clock_timestamp() - make_interval(days => $1)
