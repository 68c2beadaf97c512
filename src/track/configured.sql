WITH gone AS (
    DELETE FROM etl_sync.configured_table WHERE job = $1 AND table_name <> ALL ($2::text[])
)
INSERT INTO etl_sync.configured_table (job, table_name)
SELECT $1, name FROM unnest($2::text[]) AS t(name)
ON CONFLICT (job, table_name) DO NOTHING
