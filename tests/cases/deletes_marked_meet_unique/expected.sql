SELECT id, code, _deleted_at IS NULL AS there FROM t ORDER BY id;
