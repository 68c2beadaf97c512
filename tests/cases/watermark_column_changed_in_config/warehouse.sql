SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer PRIMARY KEY, v integer NOT NULL, entered timestamp(0) NOT NULL, updated timestamptz(0) NOT NULL);
CREATE VIEW raw.kept AS SELECT count(*) FROM raw.t;
