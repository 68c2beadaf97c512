CREATE TABLE IF NOT EXISTS {schema}.etl_load_status (
    id                  serial PRIMARY KEY,
    table_name          varchar(255) NOT NULL UNIQUE,
    last_loaded         timestamp NOT NULL DEFAULT '1969-01-01',
    last_primary_value  varchar(255),
    primary_column_name varchar(255),
    rows_loaded         bigint NOT NULL DEFAULT 0,
    load_status         varchar(50) NOT NULL DEFAULT 'pending',
    _loaded_at          timestamp,
    _created_at         timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    _updated_at         timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE TABLE IF NOT EXISTS {schema}.etl_transform_status (
    id                    serial PRIMARY KEY,
    table_name            varchar(255) NOT NULL UNIQUE,
    last_transformed      timestamp NOT NULL DEFAULT '1969-01-01',
    last_primary_value    varchar(255),
    primary_column_name   varchar(255),
    rows_transformed      bigint NOT NULL DEFAULT 0,
    transformation_status varchar(50) NOT NULL DEFAULT 'pending',
    _loaded_at            timestamp,
    _created_at           timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    _updated_at           timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
-- Tables that another program made under these names keep their rows and get what they lack.
ALTER TABLE {schema}.etl_load_status
    ADD COLUMN IF NOT EXISTS last_loaded         timestamp NOT NULL DEFAULT '1969-01-01',
    ADD COLUMN IF NOT EXISTS last_primary_value  varchar(255),
    ADD COLUMN IF NOT EXISTS primary_column_name varchar(255),
    ADD COLUMN IF NOT EXISTS rows_loaded         bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS load_status         varchar(50) NOT NULL DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS _loaded_at          timestamp,
    ADD COLUMN IF NOT EXISTS _created_at         timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    ADD COLUMN IF NOT EXISTS _updated_at         timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC');
ALTER TABLE {schema}.etl_transform_status
    ADD COLUMN IF NOT EXISTS last_transformed      timestamp NOT NULL DEFAULT '1969-01-01',
    ADD COLUMN IF NOT EXISTS last_primary_value    varchar(255),
    ADD COLUMN IF NOT EXISTS primary_column_name   varchar(255),
    ADD COLUMN IF NOT EXISTS rows_transformed      bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS transformation_status varchar(50) NOT NULL DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS _loaded_at            timestamp,
    ADD COLUMN IF NOT EXISTS _created_at           timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    ADD COLUMN IF NOT EXISTS _updated_at           timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC');
COMMENT ON TABLE {schema}.etl_load_status IS 'etl-sync: status per table, times in UTC; for people, decides nothing';
COMMENT ON TABLE {schema}.etl_transform_status IS 'etl-sync: transformation per table, times in UTC; for people, decides nothing';
CREATE INDEX IF NOT EXISTS etl_load_status_table_name_idx ON {schema}.etl_load_status (table_name);
CREATE INDEX IF NOT EXISTS etl_load_status_last_loaded_idx ON {schema}.etl_load_status (last_loaded);
CREATE INDEX IF NOT EXISTS etl_load_status_last_primary_value_idx ON {schema}.etl_load_status (last_primary_value);
CREATE INDEX IF NOT EXISTS etl_transform_status_table_name_idx ON {schema}.etl_transform_status (table_name);
CREATE INDEX IF NOT EXISTS etl_transform_status_last_transformed_idx ON {schema}.etl_transform_status (last_transformed);
CREATE INDEX IF NOT EXISTS etl_transform_status_last_primary_value_idx ON {schema}.etl_transform_status (last_primary_value);
