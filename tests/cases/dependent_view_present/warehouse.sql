SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer PRIMARY KEY, v integer NOT NULL, updated timestamptz(0) NOT NULL);
CREATE TABLE raw.widened (id integer PRIMARY KEY, v integer NOT NULL, updated timestamp(0) NOT NULL);
CREATE VIEW raw.sums AS SELECT (SELECT sum(v) FROM raw.t) AS t, (SELECT sum(v) FROM raw.widened) AS widened;
CREATE MATERIALIZED VIEW raw.kept AS SELECT count(*) FROM raw.t;
GRANT SELECT ON raw.sums TO PUBLIC;
