SELECT count(*), sum(v) FROM t;
SELECT name, v FROM t WHERE v < 6 AND name NOT LIKE '% _' ORDER BY v, name COLLATE "C";
