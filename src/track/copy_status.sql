CREATE TABLE IF NOT EXISTS etl_copy_status (
    id                  INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- By bytes: tables whose names differ in case are two tables on most servers.
    table_name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- The first day that a TIMESTAMP holds in every time zone; 1969-01-01 is refused (error 1067).
    last_copied         TIMESTAMP NOT NULL DEFAULT '1970-01-02 00:00:00',
    last_primary_value  VARCHAR(255),
    primary_column_name VARCHAR(255),
    rows_copied         BIGINT NOT NULL DEFAULT 0,
    copy_status         VARCHAR(50) NOT NULL DEFAULT 'pending',
    _created_at         TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    _updated_at         TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    UNIQUE KEY etl_copy_status_table_name (table_name),
    KEY etl_copy_status_table_name_idx (table_name),
    KEY etl_copy_status_last_copied_idx (last_copied),
    KEY etl_copy_status_last_primary_value_idx (last_primary_value)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4
  COMMENT = 'etl-sync: status per table of the replica, times in UTC; for people, decides nothing'
