SELECT clinic, code, v FROM t WHERE v > 1 ORDER BY 1, 2; SELECT count(*) FROM t; SELECT a, b, v FROM isam WHERE v > 1 ORDER BY 1, 2; SELECT count(*) FROM isam;
