SELECT count(*), sum(v), min(at), max(at) FROM t;
