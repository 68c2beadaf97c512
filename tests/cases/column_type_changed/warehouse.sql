SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer PRIMARY KEY, v integer, w varchar(20));
CREATE INDEX own_index ON raw.t (w, v);
GRANT SELECT ON raw.t TO PUBLIC;
COMMENT ON TABLE raw.t IS 'said by people';
