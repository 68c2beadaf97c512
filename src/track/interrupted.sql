-- The sync that a run now would go on with: it did not come to its end, is young enough, and read the same source.
SELECT run_id, sync_id
FROM etl_sync.job
WHERE job = $1 AND (outcome IS NULL OR outcome = 'interrupted')
  AND sync_started_at > clock_timestamp() - make_interval(secs => $2) AND source_identity = $3
