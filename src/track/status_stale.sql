-- A killed run left these in work; nothing of them is done, or the state row would have said so.
UPDATE {status} s SET load_status = 'pending', _updated_at = now() AT TIME ZONE 'UTC'
WHERE s.load_status = 'running'
  AND NOT EXISTS (SELECT 1 FROM etl_sync.etl_table_state t WHERE t.job = $1 AND t.table_name = s.table_name)
