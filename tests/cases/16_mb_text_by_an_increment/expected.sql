SELECT id, length(v), md5(v) FROM t ORDER BY id;
