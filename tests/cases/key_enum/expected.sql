SELECT * FROM e ORDER BY v;
SELECT flags, count(*), sum(n) FROM s GROUP BY flags ORDER BY flags COLLATE "C";
