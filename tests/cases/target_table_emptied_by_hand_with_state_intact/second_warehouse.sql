DELETE FROM raw.t;
TRUNCATE raw.truncated;
DELETE FROM raw.by_name;
