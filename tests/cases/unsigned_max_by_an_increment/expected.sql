SELECT id, v, ti, si, mi, i FROM t ORDER BY id;
