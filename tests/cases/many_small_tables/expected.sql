SELECT count(*), sum(rows_loaded) FROM etl_load_status WHERE load_status = 'success';
SELECT * FROM t77 ORDER BY id;
