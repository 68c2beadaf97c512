-- Records that a killed run left behind: those of tables that it finished tell so, all others have failed.
UPDATE etl_copy_status c
LEFT JOIN etl_table_state s ON s.table_name = c.table_name AND s.replicated_at >= c._updated_at
SET c.copy_status = IF(s.table_name IS NULL, 'failed', 'success'),
    c.rows_copied = IF(s.table_name IS NULL, c.rows_copied, s.rows_held),
    c.last_copied = IF(s.table_name IS NULL, c.last_copied, s.replicated_at)
WHERE c.copy_status = 'running'
