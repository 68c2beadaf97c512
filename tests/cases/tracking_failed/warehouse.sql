SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE SCHEMA mart;
CREATE TABLE raw.changed (id integer PRIMARY KEY, v integer);
CREATE VIEW mart.reads AS SELECT v FROM raw.changed;
