DROP TABLE raw.t, raw.by_key;
