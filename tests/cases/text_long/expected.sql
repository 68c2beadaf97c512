SELECT id, length(v), octet_length(v), octet_length(b), md5(v) AS v, md5(b) AS b FROM t ORDER BY id;
