SELECT id, a, b, c FROM t ORDER BY id;
SELECT count(*), sum(v) FROM big;
