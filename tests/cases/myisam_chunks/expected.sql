SELECT count(*), sum(id), sum(length(v)), count(*) FILTER (WHERE v = 'changed') AS changed FROM t;
