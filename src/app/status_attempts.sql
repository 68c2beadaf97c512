-- By jsonb, because a warehouse that an older version wrote last lacks the columns that came later.
SELECT to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       run_id, outcome, error_kind, strategy, rows, rows_read, inserted, updated, deleted, seconds,
       healed_via, watermark_before, watermark_after, voided,
       to_jsonb(a) ->> 'checked', (to_jsonb(a) ->> 'missed')::bigint, (to_jsonb(a) ->> 'drift')::bigint
FROM etl_sync.table_attempt a
WHERE job = $1 AND table_name = $2
ORDER BY id DESC
