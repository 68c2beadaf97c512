SELECT count(*), sum(v) FROM t;
SELECT id, v FROM t WHERE v < 0 ORDER BY v;
