SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.theirs (id integer PRIMARY KEY, v integer, _deleted_at timestamptz);
INSERT INTO raw.theirs VALUES (1, 1, '2020-01-01');
