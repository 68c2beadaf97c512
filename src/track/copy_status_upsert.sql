-- A failure keeps last_copied, rows and watermark of the last success. A success without a watermark has none any more.
INSERT INTO etl_copy_status (table_name, copy_status, rows_copied, primary_column_name, last_primary_value, last_copied)
VALUES (?, ?, ?, ?, LEFT(?, 255), IF(? = 'success', CURRENT_TIMESTAMP, '1970-01-02 00:00:00'))
ON DUPLICATE KEY UPDATE
    copy_status = VALUES(copy_status),
    rows_copied = IF(VALUES(copy_status) = 'success', VALUES(rows_copied), rows_copied),
    primary_column_name = IF(VALUES(copy_status) = 'success', VALUES(primary_column_name), primary_column_name),
    last_primary_value = IF(VALUES(copy_status) = 'success', VALUES(last_primary_value), last_primary_value),
    last_copied = IF(VALUES(copy_status) = 'success', CURRENT_TIMESTAMP, last_copied)
