SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id smallint PRIMARY KEY, i smallint, b integer, u bigint, d numeric(6,2), p numeric(6,2), s varchar(5),
                    x varchar(5), at timestamp(0), ts timestamptz(0), f real, day date, other integer NOT NULL);
CREATE VIEW raw.others AS SELECT sum(other) FROM raw.t;
CREATE INDEX own_index ON raw.t (i, s);
GRANT SELECT ON raw.t TO PUBLIC;
