SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer PRIMARY KEY, v integer NOT NULL);
CREATE INDEX own_index ON raw.t (v);
CREATE VIEW raw.sums AS SELECT sum(v) FROM raw.t;
GRANT SELECT ON raw.t TO PUBLIC;
