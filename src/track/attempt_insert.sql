INSERT INTO etl_sync.table_attempt
    (job, run_id, table_name, outcome, error_kind, strategy, rows, rows_read, inserted, updated, deleted, seconds,
     healed_via, watermark_before, watermark_after, voided, snapshot, position, checked, rows_compared, digest, missed, columns,
     drift)
SELECT $1, $2, a."table", a.outcome, a.error_kind, a.strategy, a.rows, a.rows_read, a.inserted, a.updated, a.deleted,
       a.seconds, a.healed_via, a.watermark_before, a.watermark_after, a.voided, a.snapshot, a.position, a.checked,
       a.rows_compared, a.digest, a.missed, a.columns, a.drift
FROM jsonb_to_recordset($3::text::jsonb) AS a
    ("table" text, outcome text, error_kind text, strategy text, rows bigint, rows_read bigint, inserted bigint,
     updated bigint, deleted bigint, seconds float8, healed_via text, watermark_before text, watermark_after text, voided text,
     snapshot text, position text, checked text, rows_compared bigint, digest text, missed bigint, columns text,
     drift bigint)
