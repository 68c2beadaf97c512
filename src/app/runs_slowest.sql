SELECT endpoint, page_limit, http_status, item_count, coalesce(duration_ms, 0), throttled, error,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM etl_meta.etl_request_log
WHERE run_id = $1
ORDER BY duration_ms DESC NULLS LAST, id
LIMIT $2
