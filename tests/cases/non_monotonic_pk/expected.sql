SELECT "PatNum", v FROM patientnote WHERE v > 1 ORDER BY 1; SELECT id, v FROM t WHERE v > 1 ORDER BY 1; SELECT id, v FROM shuffled WHERE v > 1 ORDER BY 1;
