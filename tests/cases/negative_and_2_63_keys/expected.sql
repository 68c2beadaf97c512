SELECT id, v FROM t WHERE v > 1 ORDER BY id; SELECT count(*), sum(id) FROM t; SELECT id, v FROM plus WHERE v > 1 ORDER BY id; SELECT count(*), sum(id) FROM plus;
