SELECT count(*), sum(id), sum(year) FROM by_range;
SELECT count(*), sum(id), sum(v) FROM by_hash;
