-- One at a time, as the other tables of ours: IF NOT EXISTS does not stand two at once.
SELECT pg_advisory_xact_lock(hashtextextended('etl-sync/schema', 0));

-- CREATE SCHEMA IF NOT EXISTS asks for the privilege even when there is nothing to do; a role may own its schemas only.
DO $$
BEGIN
    IF to_regnamespace('etl_meta') IS NULL THEN
        CREATE SCHEMA etl_meta;
        REVOKE ALL ON SCHEMA etl_meta FROM PUBLIC;
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS etl_meta.etl_run_log (
    id           bigserial PRIMARY KEY,
    run_uuid     uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    status       text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'success', 'error', 'abandoned')),
    notes        text,
    job          text,
    tables       bigint,
    rows         bigint,
    host         text,
    pid          integer,
    session      text,
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS etl_run_log_started ON etl_meta.etl_run_log (started_at);
COMMENT ON TABLE etl_meta.etl_run_log IS 'etl-sync: runs, those of the program and those of the library';
COMMENT ON COLUMN etl_meta.etl_run_log.job IS 'target schema of a run of etl-sync; NULL for a run of the library';
COMMENT ON COLUMN etl_meta.etl_run_log.session IS 'application_name of the session that writes; without one and without a heartbeat the run is dead';

CREATE TABLE IF NOT EXISTS etl_meta.etl_request_log (
    id          bigserial PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES etl_meta.etl_run_log ON DELETE CASCADE,
    endpoint    text NOT NULL,
    page_offset bigint,
    page_limit  bigint,
    http_status integer,
    item_count  bigint,
    duration_ms bigint,
    throttled   boolean NOT NULL DEFAULT false,
    error       text,
    entity      text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS etl_request_log_run ON etl_meta.etl_request_log (run_id);
COMMENT ON TABLE etl_meta.etl_request_log IS 'etl-sync: reads of a source, one row per try';
COMMENT ON COLUMN etl_meta.etl_request_log.entity IS 'source table of the read; NULL for requests of the library';
COMMENT ON COLUMN etl_meta.etl_request_log.created_at IS 'when the read ended';

CREATE TABLE IF NOT EXISTS etl_meta.source_counts (
    run_id          bigint NOT NULL REFERENCES etl_meta.etl_run_log ON DELETE CASCADE,
    entity          text NOT NULL,
    items_retrieved bigint NOT NULL,
    PRIMARY KEY (run_id, entity)
);
COMMENT ON TABLE etl_meta.source_counts IS 'etl-sync: rows of each source table in the snapshot of the run';

CREATE TABLE IF NOT EXISTS etl_meta.table_snapshot (
    id           bigserial PRIMARY KEY,
    run_id       bigint NOT NULL REFERENCES etl_meta.etl_run_log ON DELETE CASCADE,
    schema_name  text NOT NULL,
    table_name   text NOT NULL,
    row_count    bigint,
    id_min       numeric,
    id_max       numeric,
    checksum_md5 text,
    taken_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, schema_name, table_name)
);
COMMENT ON TABLE etl_meta.table_snapshot IS 'etl-sync: target tables as the run left them';
COMMENT ON COLUMN etl_meta.table_snapshot.id_min IS 'smallest integer key at planning, where the run asked for it';
COMMENT ON COLUMN etl_meta.table_snapshot.id_max IS 'largest integer key at planning, where the run asked for it';
COMMENT ON COLUMN etl_meta.table_snapshot.checksum_md5 IS 'digest of all rows as 32 hexadecimal digits (not MD5: XXH3 of the rows'' binary images, added up); NULL where the run took none'
