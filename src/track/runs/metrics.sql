SELECT count(q.id), coalesce(sum(q.item_count), 0)::bigint, coalesce(sum(q.duration_ms), 0)::bigint,
       count(q.id) FILTER (WHERE q.error IS NOT NULL OR q.http_status >= 400), count(q.id) FILTER (WHERE q.throttled)
FROM etl_meta.etl_run_log r LEFT JOIN etl_meta.etl_request_log q ON q.run_id = r.id
WHERE r.id = $1
GROUP BY r.id
