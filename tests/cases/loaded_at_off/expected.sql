SELECT row_to_json(t) AS whole FROM new t;
SELECT id, v, _loaded_at < now() - interval '1 year' AS old FROM old ORDER BY id;
