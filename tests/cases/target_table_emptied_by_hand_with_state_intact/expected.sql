SELECT count(*), sum(v) FROM t; SELECT count(*), sum(v) FROM truncated; SELECT count(*), sum(v) FROM by_name;
