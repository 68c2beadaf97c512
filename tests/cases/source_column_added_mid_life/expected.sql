SELECT id, a, b, c FROM t ORDER BY id;
SELECT count(*), sum(v) FROM big;
SELECT "IsHidden", count(*) FROM medication GROUP BY 1 ORDER BY 1;
