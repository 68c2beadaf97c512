SELECT * FROM small ORDER BY id;
SELECT count(*), count(d) FROM big;
