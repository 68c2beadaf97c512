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
COMMENT ON TABLE {schema}.etl_load_status IS 'etl-sync: status per table, times in UTC; for people, decides nothing';
CREATE INDEX IF NOT EXISTS etl_load_status_table_name_idx ON {schema}.etl_load_status (table_name);
CREATE INDEX IF NOT EXISTS etl_load_status_last_loaded_idx ON {schema}.etl_load_status (last_loaded);
CREATE INDEX IF NOT EXISTS etl_load_status_last_primary_value_idx ON {schema}.etl_load_status (last_primary_value);
