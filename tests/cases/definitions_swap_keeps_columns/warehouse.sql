CREATE SCHEMA raw AUTHORIZATION etl_sync;
CREATE TABLE raw.t (id integer PRIMARY KEY, code varchar(20) UNIQUE, note text DEFAULT 'new');
INSERT INTO raw.t VALUES (1, 'b', 'first'), (2, 'a', 'second'), (4, 'c', 'gone');
ALTER TABLE raw.t OWNER TO etl_sync;
