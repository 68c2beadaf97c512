SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.old (id integer PRIMARY KEY, v integer, _loaded_at timestamptz NOT NULL DEFAULT now());
INSERT INTO raw.old VALUES (1, 1, '2001-02-03'), (2, 2, '2001-02-03');
