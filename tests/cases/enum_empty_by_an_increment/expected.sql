SELECT id, v, v IS NULL AS missing FROM t ORDER BY id;
