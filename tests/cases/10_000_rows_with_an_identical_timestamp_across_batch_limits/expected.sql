SELECT v, count(*) FROM t GROUP BY v ORDER BY v; SELECT v, count(*) FROM isam GROUP BY v ORDER BY v;
