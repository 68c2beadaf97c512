SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer PRIMARY KEY, gone integer NOT NULL, defaulted integer NOT NULL DEFAULT 7, v integer);
