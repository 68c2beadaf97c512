SELECT count(*), sum(v), min(id), max(id), count(*) FILTER (WHERE id < 0) AS negative FROM t;
