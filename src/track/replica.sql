-- Our own tables in a replica. Nothing here is read by a load of the warehouse but the last columns of etl_table_state.
CREATE TABLE IF NOT EXISTS etl_job (
    id              TINYINT NOT NULL PRIMARY KEY,
    -- Raised by every run; a transaction of an older one is refused.
    epoch           BIGINT NOT NULL,
    run_id          VARCHAR(64) NOT NULL,
    -- The run that the sync began with: an interrupted one is gone on with.
    sync_id         VARCHAR(64) NOT NULL,
    source_identity VARCHAR(512) NOT NULL,
    -- Of the sync.
    started_at      TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ended_at        TIMESTAMP(6) NULL DEFAULT NULL,
    outcome         VARCHAR(32) NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COMMENT = 'etl-sync: who writes to this replica';

CREATE TABLE IF NOT EXISTS etl_table_state (
    table_name      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    run_id          VARCHAR(64) NOT NULL,
    sync_id         VARCHAR(64) NOT NULL,
    -- The state is that of the table whose comment names the same incarnation, and of no other.
    incarnation     VARCHAR(64) NOT NULL,
    -- Epoch of the run that wrote last; rows carry it in _replicated_in.
    number          BIGINT NOT NULL,
    rows_held       BIGINT NOT NULL,
    fingerprint     LONGTEXT NOT NULL,
    source_identity VARCHAR(512) NOT NULL,
    watermark       LONGTEXT NULL,
    replicated_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COMMENT = 'etl-sync: last success of each table';

CREATE TABLE IF NOT EXISTS etl_chunk_ledger (
    run_id     VARCHAR(64) NOT NULL,
    round      INT NOT NULL,
    table_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    chunk      INT NOT NULL,
    rows_held  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, round, table_name, chunk)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COMMENT = 'etl-sync: chunks of tables in work';
