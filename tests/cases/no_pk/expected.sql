SELECT a, v, count(*) FROM t GROUP BY a, v ORDER BY a, v; SELECT a, v, count(*) FROM isam GROUP BY a, v ORDER BY a, v;
