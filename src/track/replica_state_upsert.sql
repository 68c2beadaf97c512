INSERT INTO etl_table_state (table_name, run_id, sync_id, incarnation, number, rows_held, fingerprint, source_identity, watermark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE
    run_id = VALUES(run_id),
    sync_id = VALUES(sync_id),
    incarnation = VALUES(incarnation),
    number = VALUES(number),
    rows_held = VALUES(rows_held),
    fingerprint = VALUES(fingerprint),
    source_identity = VALUES(source_identity),
    watermark = VALUES(watermark),
    replicated_at = CURRENT_TIMESTAMP(6)
