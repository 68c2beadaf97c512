SELECT count(*), sum(v), min(id), max(id) FROM t;
