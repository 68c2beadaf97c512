SELECT to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       run_id, outcome, error_kind, strategy, rows, rows_read, inserted, updated, deleted, seconds,
       healed_via, watermark_before, watermark_after, voided
FROM etl_sync.table_attempt
WHERE job = $1 AND table_name = $2
ORDER BY id DESC
