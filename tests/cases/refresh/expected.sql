SELECT count(*), sum(id), sum(code), sum(v) FROM t;
SELECT * FROM t WHERE id IN (-5, 1, 10, 11, 500, 600, 700, 701, 702, 777, 1000, 5001) ORDER BY id;
