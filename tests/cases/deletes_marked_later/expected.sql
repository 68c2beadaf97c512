SELECT count(*) AS rows, count(_deleted_at) AS gone, min(id) FILTER (WHERE _deleted_at IS NOT NULL) FROM t;
-- Applied again, what was marked goes.
SELECT id, v FROM back ORDER BY id;
