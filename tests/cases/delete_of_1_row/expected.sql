SELECT count(*), sum(v) FROM t; SELECT count(*), sum(v) FROM isam; SELECT count(*), sum(v) FROM by_name; SELECT count(*), sum(v) FROM whole;
