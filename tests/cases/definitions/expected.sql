SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum) AS comment
FROM pg_attribute WHERE attrelid = 'raw.t'::regclass AND attnum > 0 ORDER BY attnum;
SELECT obj_description('raw.t'::regclass, 'pg_class') AS comment;
SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.t'::regclass AND contype <> 'n';
SELECT relpersistence FROM pg_class WHERE oid = 'raw.t'::regclass;
SELECT table_name, rows_loaded, load_status FROM etl_load_status ORDER BY 1;
