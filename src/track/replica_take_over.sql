INSERT INTO etl_job (id, epoch, run_id, sync_id, source_identity) VALUES (1, 1, ?, ?, ?)
ON DUPLICATE KEY UPDATE
    epoch = epoch + 1,
    run_id = VALUES(run_id),
    -- Its new value is seen by what stands behind it.
    started_at = IF(sync_id = VALUES(sync_id), started_at, CURRENT_TIMESTAMP(6)),
    sync_id = VALUES(sync_id),
    source_identity = VALUES(source_identity),
    ended_at = NULL,
    outcome = NULL
