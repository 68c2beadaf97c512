INSERT INTO etl_job (id, epoch, run_id, source_identity) VALUES (1, 1, ?, ?)
ON DUPLICATE KEY UPDATE
    epoch = epoch + 1,
    run_id = VALUES(run_id),
    source_identity = VALUES(source_identity),
    started_at = CURRENT_TIMESTAMP(6),
    ended_at = NULL,
    outcome = NULL
