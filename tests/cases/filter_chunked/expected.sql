SELECT count(*), sum(id), min(v), max(v) FROM t;
