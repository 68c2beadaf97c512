SELECT coalesce(entity, endpoint), count(*), coalesce(sum(item_count), 0)::bigint, coalesce(sum(duration_ms), 0)::bigint,
       count(*) FILTER (WHERE error IS NOT NULL OR http_status >= 400), count(*) FILTER (WHERE throttled)
FROM etl_meta.etl_request_log
WHERE run_id = $1
GROUP BY 1
ORDER BY 4 DESC, 1
