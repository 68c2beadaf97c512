SELECT name, v FROM t WHERE v > 1 ORDER BY name COLLATE "C"; SELECT count(*) FROM t; SELECT count(*), sum(v) FROM bytes; SELECT sum(v) FROM unmoved;
