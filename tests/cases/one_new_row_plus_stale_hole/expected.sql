SELECT count(*), sum(v), max(id) FROM t; SELECT count(*), sum(v), max(id) FROM by_key;
