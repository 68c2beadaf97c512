-- Rejects, but those of a load that has not come to its finish: the target is still as it was before.
NOT EXISTS (
    SELECT FROM etl_sync.job j
    WHERE j.job = r.job AND j.run_id = r.run_id AND NOT EXISTS (
        SELECT FROM etl_sync.etl_table_state s
        WHERE s.job = r.job AND s.table_name = r.table_name AND s.run_id = r.run_id))
