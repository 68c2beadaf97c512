-- One at a time: two jobs with different targets may make these at once, and IF NOT EXISTS does not stand that.
SELECT pg_advisory_xact_lock(hashtextextended('etl-sync/schema', 0));

-- CREATE SCHEMA IF NOT EXISTS asks for the privilege even when there is nothing to do; a role may own its schemas only.
DO $$
BEGIN
    IF to_regnamespace('etl_sync') IS NULL THEN
        CREATE SCHEMA etl_sync;
    END IF;
    IF to_regnamespace('etl_quarantine') IS NULL THEN
        CREATE SCHEMA etl_quarantine;
    END IF;
END
$$;
REVOKE ALL ON SCHEMA etl_sync, etl_quarantine FROM PUBLIC;

CREATE TABLE IF NOT EXISTS etl_sync.job (
    job             text PRIMARY KEY,
    epoch           bigint NOT NULL,
    run_id          text NOT NULL,
    sync_id         text NOT NULL,
    sync_started_at timestamptz NOT NULL,
    started_at      timestamptz NOT NULL,
    heartbeat_at    timestamptz NOT NULL,
    ended_at        timestamptz,
    outcome         text,
    host            text NOT NULL,
    pid             integer NOT NULL,
    source_identity text NOT NULL,
    UNIQUE (job, epoch)
);
COMMENT ON TABLE etl_sync.job IS 'etl-sync: who may write; one row per target schema';

CREATE TABLE IF NOT EXISTS etl_sync.etl_table_state (
    job               text NOT NULL,
    table_name        text NOT NULL,
    run_id            text NOT NULL,
    sync_id           text NOT NULL,
    finished_at       timestamptz NOT NULL,
    rows              bigint NOT NULL,
    strategy          text NOT NULL,
    snapshot          text NOT NULL,
    fingerprint       text NOT NULL,
    source_identity   text NOT NULL,
    rejected          bigint NOT NULL DEFAULT 0,
    target_oid        bigint NOT NULL,
    target_relfilenode bigint NOT NULL,
    watermark_column  text,
    watermark         jsonb,
    digest            bytea,
    traces            jsonb,
    proof             text NOT NULL DEFAULT 'counts',
    rows_compared     bigint NOT NULL DEFAULT 0,
    ledger            jsonb,
    loads             bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job, table_name)
);
COMMENT ON TABLE etl_sync.etl_table_state IS 'etl-sync: what is done; written in the transaction of the data';

-- Unlogged on purpose: after a crash it is empty, as is unlogged staging, and the missing rows are noticed.
CREATE UNLOGGED TABLE IF NOT EXISTS etl_sync.chunk_ledger (
    run_id     text NOT NULL,
    round      integer NOT NULL,
    table_name text NOT NULL,
    chunk      integer NOT NULL,
    rows       bigint NOT NULL DEFAULT 0,
    rejected   bigint NOT NULL DEFAULT 0,
    job        text,
    staging    bigint,
    storage    bigint,
    low        numeric,
    high       numeric,
    digest     text,
    form       text,
    PRIMARY KEY (run_id, round, table_name, chunk)
);
COMMENT ON TABLE etl_sync.chunk_ledger IS 'etl-sync: chunks that are in staging';

-- Of installations that are older than these columns.
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS rejected bigint NOT NULL DEFAULT 0;
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS traces jsonb;
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS proof text NOT NULL DEFAULT 'counts';
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS rows_compared bigint NOT NULL DEFAULT 0;
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS ledger jsonb;
ALTER TABLE etl_sync.etl_table_state ADD COLUMN IF NOT EXISTS loads bigint NOT NULL DEFAULT 0;
ALTER TABLE etl_sync.chunk_ledger ADD COLUMN IF NOT EXISTS rejected bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS job text, ADD COLUMN IF NOT EXISTS staging bigint, ADD COLUMN IF NOT EXISTS storage bigint,
    ADD COLUMN IF NOT EXISTS low numeric, ADD COLUMN IF NOT EXISTS high numeric, ADD COLUMN IF NOT EXISTS digest text,
    ADD COLUMN IF NOT EXISTS form text;

CREATE TABLE IF NOT EXISTS etl_sync.name_map (
    job         text NOT NULL,
    table_name  text NOT NULL,
    column_name text NOT NULL,
    target_name text NOT NULL,
    PRIMARY KEY (job, table_name, column_name)
);
COMMENT ON TABLE etl_sync.name_map IS 'etl-sync: names that PostgreSQL cannot keep; an empty column_name is the table itself';

CREATE TABLE IF NOT EXISTS etl_sync.configured_table (
    job        text NOT NULL,
    table_name text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, table_name)
);
COMMENT ON TABLE etl_sync.configured_table IS 'etl-sync: tables that the configuration selects, as of the last run';

CREATE TABLE IF NOT EXISTS etl_sync.table_attempt (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job              text NOT NULL,
    table_name       text NOT NULL,
    run_id           text NOT NULL,
    ended_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome          text NOT NULL,
    error_kind       text,
    strategy         text,
    rows             bigint,
    rows_read        bigint NOT NULL,
    inserted         bigint NOT NULL,
    updated          bigint NOT NULL,
    deleted          bigint NOT NULL,
    seconds          float8 NOT NULL,
    healed_via       text,
    watermark_before text,
    watermark_after  text,
    voided           text,
    snapshot         text,
    position         text,
    checked          text,
    rows_compared    bigint,
    digest           text,
    missed           bigint,
    columns          text,
    drift            bigint
);
ALTER TABLE etl_sync.table_attempt
    ADD COLUMN IF NOT EXISTS snapshot text, ADD COLUMN IF NOT EXISTS position text, ADD COLUMN IF NOT EXISTS checked text,
    ADD COLUMN IF NOT EXISTS rows_compared bigint, ADD COLUMN IF NOT EXISTS digest text, ADD COLUMN IF NOT EXISTS missed bigint,
    ADD COLUMN IF NOT EXISTS columns text, ADD COLUMN IF NOT EXISTS drift bigint;
CREATE INDEX IF NOT EXISTS table_attempt_table ON etl_sync.table_attempt (job, table_name, id);
COMMENT ON TABLE etl_sync.table_attempt IS 'etl-sync: history of attempts, the last ones of each table; misses of an incremental column make it distrusted';

CREATE TABLE IF NOT EXISTS etl_quarantine.rejected_row (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    table_name  text NOT NULL,
    key         jsonb,
    column_name text,
    reason      text NOT NULL,
    run_id      text NOT NULL,
    round       integer NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    raw         bytea
);
CREATE INDEX IF NOT EXISTS rejected_row_table ON etl_quarantine.rejected_row (job, table_name);
REVOKE ALL ON etl_quarantine.rejected_row FROM PUBLIC;
COMMENT ON TABLE etl_quarantine.rejected_row IS 'etl-sync: source rows that are not in the target, as of each table''s last load';
