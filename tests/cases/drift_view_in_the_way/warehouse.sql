SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE SCHEMA mart;
CREATE TABLE raw.widened (id integer PRIMARY KEY, v integer);
CREATE TABLE raw.made_anew (id integer PRIMARY KEY, v varchar(20), w integer);
CREATE VIEW mart.sums AS SELECT sum(v) FROM raw.widened;
CREATE MATERIALIZED VIEW mart.others AS SELECT sum(w) FROM raw.made_anew;
