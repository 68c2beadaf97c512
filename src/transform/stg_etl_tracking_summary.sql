-- Written by etl-sync (`etl-sync dbt models`), which writes it anew as a whole.
-- One row per table and per model: how it was loaded, how it was transformed, and what is late. Times are UTC.
with load_state as (

    select
        table_name,
        load_status,
        rows_loaded,
        nullif(last_loaded, timestamp '1969-01-01') as last_loaded,
        primary_column_name,
        last_primary_value
    from {{ source('{source_name}', 'etl_load_status') }}

),

transform_state as (

    select
        table_name,
        transformation_status,
        rows_transformed,
        nullif(last_transformed, timestamp '1969-01-01') as last_transformed
    from {{ source('{source_name}', 'etl_transform_status') }}

),

joined as (

    select
        coalesce(l.table_name, t.table_name) as table_name,
        l.load_status,
        l.rows_loaded,
        l.last_loaded,
        l.primary_column_name,
        l.last_primary_value,
        t.transformation_status,
        t.rows_transformed,
        t.last_transformed,
        round((extract(epoch from (now() at time zone 'UTC') - l.last_loaded) / 3600)::numeric, 1) as hours_since_load
    from load_state as l
    full join transform_state as t on t.table_name = l.table_name

)

select
    *,
    last_transformed is not null and last_loaded > last_transformed as is_loaded_since_transformed,
    -- Of what is no loaded table, and of what was never loaded, nothing is said.
    case when load_status is null or load_status <> 'failed' then true end as load_did_not_fail,
    case when load_status is null or load_status in ('pending', 'missing')
        or hours_since_load <= {{ var('etl_sync_lag_hours', 36) }} then true end as load_is_recent,
    case when transformation_status is null or transformation_status <> 'failed' then true end as transformation_did_not_fail
from joined
